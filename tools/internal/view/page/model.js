// model.js: what follows from the data: which steps are a lane's, which state
// a node had when, from when to when it led, held a lease, or was down.

function makeModel(data) {
  const { S, M, nodes } = data;
  const model = { ...data, lanes: nodes.map((n) => ({ ...n, name: "node " + n.id })) };
  const lists = nodes.map(() => []);
  for (let i = 0; i < S.count; i++) lists[S.lane[i]].push(i);
  model.laneSteps = lists.map((l) => Int32Array.from(l));
  model.end = S.at[S.count - 1];
  model.start = S.at[0];

  const starts = data.inputs.map((n) => n === "Start" || n === "Checkpoint");
  model.starts = (step) => starts[S.input[step]];
  model.failover = "server" in S; // else nothing of it is shown

  // firstSent[i] is the first message of step i; messages are ordered by it.
  model.firstSent = new Int32Array(S.count + 1);
  for (let i = 0; i < M.count; i++) if (M.sent[i] >= 0 && !M.again[i]) model.firstSent[M.sent[i] + 1]++;
  for (let i = 0; i < S.count; i++) model.firstSent[i + 1] += model.firstSent[i];
  model.received = new Int32Array(S.count).fill(-1);
  for (let i = 0; i < M.count; i++) if (M.got[i] >= 0) model.received[M.got[i]] = i;

  const resumes = data.inputs.indexOf("Checkpoint");
  model.resumes = (step) => S.input[step] === resumes;
  for (const [l, lane] of model.lanes.entries()) {
    lane.down = downSpans(model, l);
    lane.gaps = gapSpans(model, l);
    lane.spans = stateSpans(model, l);
    lane.leases = leaseSpans(model, l);
    lane.servers = model.failover ? serverSpans(model, l) : [];
    lane.paused = [...pairs(model, l, "pause", "resume"), ...standstills(model, l)];
    lane.commits = model.laneSteps[l].filter((s, i, all) => i > 0 && S.commit[s] > S.commit[all[i - 1]]);
  }
  model.cuts = pairs(model, -1, "cut", "heal");
  markSpans(model);
  model.latency = usualLatency(model);
  model.group = groupsOf(data.kinds);
  model.answer = data.kinds.map((k) => /Resp$|Reply$/.test(k));
  [model.slow, model.rare, model.lost] = [[], [], []];
  for (let i = 0; i < M.count; i++) {
    if (GROUPS[model.group[M.kind[i]]].rare) model.rare.push(i);
    else if (isLost(model, i)) model.lost.push(i);
    if (M.sent[i] >= 0 && M.got[i] >= 0 && !M.again[i] && S.at[M.got[i]] - S.at[M.sent[i]] > 20 * model.latency) model.slow.push(i);
  }
  model.stateAt = (lane, step) => {
    const i = lastAtMost(model.laneSteps[lane], step);
    return i < 0 ? -1 : model.laneSteps[lane][i];
  };
  return model;
}

// lastAtMost is the index of the last element of a sorted list that is at most
// v, -1 if there is none.
function lastAtMost(list, v) {
  let lo = 0;
  let hi = list.length;
  while (lo < hi) {
    const mid = (lo + hi) >> 1;
    if (list[mid] <= v) lo = mid + 1;
    else hi = mid;
  }
  return lo - 1;
}

// isLost says that message i did not arrive although its receiver was recorded
// then, and for longer than it takes.
function isLost({ S, M, lanes, laneSteps, latency }, i) {
  if (M.got[i] >= 0) return false;
  const own = laneSteps[M.to[i]];
  const [at, lane] = [S.at[M.sent[i]], lanes[M.to[i]]];
  if (!own.length || at < S.at[own[0]] || lane.gaps.some((d) => at + latency > d.from && at < d.to)) return false;
  return at + latency < S.at[own[own.length - 1]] || lane.down.some((d) => d.open);
}

// stateSpans are the stretches in which role, term and leader stay the same, or other
// columns of the steps.
function stateSpans(model, l, keys = ["role", "term", "lead"]) {
  const { S } = model;
  const spans = [];
  let open = null;
  for (const s of model.laneSteps[l]) {
    if (model.starts(s) && open) {
      open.to = [...model.lanes[l].down, ...model.lanes[l].gaps].find((d) => d.to === S.at[s])?.from ?? S.at[s];
      open.toStep = lastAtMost(S.at, open.to) + 0.5;
      open = null;
    }
    if (!open || keys.some((k) => open[k] !== S[k][s])) {
      if (open) [open.to, open.toStep] = [S.at[s], s];
      open = { from: S.at[s], fromStep: s, to: 0, toStep: 0 };
      for (const k of keys) open[k] = S[k][s];
      spans.push(open);
    }
  }
  if (open) {
    const last = model.lanes[l].down.at(-1);
    const down = last && last.open;
    open.to = down ? last.from : model.end;
    open.toStep = down ? lastAtMost(S.at, open.to) + 0.5 : S.count;
  }
  return spans;
}

// downSpans are the times in which a node did not run: from its last step, or
// the mark that says it was killed, to its next start.
function downSpans(model, l) {
  const { S, marks } = model;
  const killed = marks.filter((m) => m.kind === "down" && m.lane === l).map((m) => m.at);
  const spans = [];
  let before = -1;
  for (const s of model.laneSteps[l]) {
    if (model.starts(s) && !model.resumes(s) && before >= 0) {
      const mark = killed.findLast((at) => at >= S.at[before] && at <= S.at[s]);
      spans.push({ from: mark ?? S.at[before], to: S.at[s], start: s });
    }
    before = s;
  }
  const last = killed.at(-1);
  // It can start again at the very time that it was killed.
  if (before >= 0 && (last > S.at[before] || last === S.at[before] && !model.starts(before))) spans.push({ from: last, to: model.end, open: true });
  return spans;
}

// gapSpans are the times in which a node may have run, and was not recorded.
function gapSpans(model, l) {
  const own = model.laneSteps[l];
  const { S } = model;
  return [...own.keys()].filter((k) => k > 0 && model.resumes(own[k])).map((k) => ({ from: S.at[own[k - 1]], to: S.at[own[k]], start: own[k] }));
}

// markSpans lists what the record shows and nobody noted: that a node was
// started again, stood still, or was not recorded.
function markSpans(model) {
  const marks = [];
  const seconds = (d) => clock(d.to - d.from, 1000);
  for (const [lane, { down, gaps, paused }] of model.lanes.entries()) {
    const noted = (d) => model.marks.some((m) => m.kind === "up" && m.lane === lane && m.at >= d.from && m.at <= d.to);
    for (const d of down) if (!d.open && !noted(d)) marks.push({ lane, at: d.to, kind: "up", text: `starts again, ${seconds(d)} later`, step: d.start });
    for (const d of gaps) marks.push({ lane, at: d.to, kind: "note", text: `recorded again, ${seconds(d)} are missing`, step: d.start });
    for (const d of paused) if (d.found) marks.push({ lane, at: d.from, kind: "pause", text: `stood still for ${seconds(d)}`, step: d.step });
  }
  model.marks = [...model.marks, ...marks].sort((a, b) => a.at - b.at);
}

function leaseSpans(model, l) {
  const { S } = model;
  const spans = [];
  let open = null;
  for (const s of model.laneSteps[l]) {
    const now = S.at[s];
    if (S.lease[s] > now) {
      if (open && open.to >= now) open.to = S.lease[s];
      else spans.push((open = { from: now, to: S.lease[s] }));
    } else if (open) {
      open.to = Math.min(open.to, now);
      open = null;
    }
  }
  return spans;
}

function pairs(model, l, begin, end) {
  const spans = [];
  let open = null;
  for (const m of model.marks) {
    if (m.lane !== l || (m.kind !== begin && m.kind !== end)) continue;
    if (open) open.to = m.at;
    open = null;
    if (m.kind === begin) spans.push((open = { from: m.at, to: model.end, text: m.text }));
  }
  return spans;
}

// A node that runs has an input at every tick. So many ticks without one mean
// that its process stood still, or its machine.
const STANDSTILL_TICKS = 5;

function standstills(model, l) {
  const { S } = model;
  const least = STANDSTILL_TICKS * model.lanes[l].tick_millis * 1000;
  const spans = [];
  let before = -1;
  for (const s of model.laneSteps[l]) {
    if (before >= 0 && S.at[s] - S.at[before] > least && !model.starts(s)) spans.push({ from: S.at[before], to: S.at[s], step: before, found: true });
    before = s;
  }
  return spans;
}

// usualLatency is the median over some messages, in microseconds: how far a
// lost message is drawn.
function usualLatency({ S, M }) {
  const list = [];
  for (let i = 0; i < M.count && list.length < 2000; i++) {
    if (M.sent[i] >= 0 && M.got[i] >= 0) list.push(S.at[M.got[i]] - S.at[M.sent[i]]);
  }
  list.sort((a, b) => a - b);
  return Math.max(200, list[list.length >> 1] ?? 1000);
}
