// search.js: finds steps, messages and marks.

// Numbers that `name:number` looks at: in steps, then in messages.
const STEP_KEYS = { term: "term", commit: "commit", applied: "applied", last: "last", epoch: "epoch" };
const MESSAGE_KEYS = { term: "mterm", index: "index", commit: "mcommit", logterm: "logterm", entries: "entries", round: "round", bytes: "bytes" };

// parseQuery splits a query into words and conditions; all must hold.
function parseQuery(text) {
  const words = [];
  const conditions = [];
  for (const part of text.toLowerCase().split(/\s+/).filter(Boolean)) {
    const m = /^(\w+):(<=|>=|<|>)?(\d+)$/.exec(part);
    if (m && (m[1] in STEP_KEYS || m[1] in MESSAGE_KEYS || ["node", "from", "to", "step"].includes(m[1]))) {
      conditions.push({ key: m[1], op: m[2] ?? "=", value: Number(m[3]) });
    } else {
      words.push(part);
    }
  }
  return { words, conditions };
}

function holds({ op, value }, v) {
  switch (op) {
    case "<": return v < value;
    case ">": return v > value;
    case "<=": return v <= value;
    case ">=": return v >= value;
    default: return v === value;
  }
}

// search returns hits {step, message, mark}, in order of the run. At most
// MAX_HITS are found; more says so.
const MAX_HITS = 5000;

function search(model, text) {
  const query = parseQuery(text);
  const hits = [];
  if (!query.words.length && !query.conditions.length) return { hits, more: false };
  // Most texts are shared by many events: each is looked at once.
  const has = query.words.map((w) => {
    const known = new Int8Array(model.texts.length);
    return (n) => (known[n] ||= model.texts[n].toLowerCase().includes(w) ? 1 : -1) > 0;
  });
  model.marks.forEach((m, i) => {
    if (markMatches(model, query, m)) hits.push({ at: m.step >= 0 ? m.step : stepAtTime(model, m.at), mark: i });
  });
  for (let i = 0; i < model.S.count && hits.length < MAX_HITS; i++) {
    if (stepMatches(model, query, has, i)) hits.push({ at: i, step: i });
  }
  for (let i = 0; i < model.M.count && hits.length < 2 * MAX_HITS; i++) {
    if (messageMatches(model, query, has, i)) hits.push({ at: model.M.sent[i] >= 0 ? model.M.sent[i] : model.M.got[i], message: i });
  }
  hits.sort((a, b) => a.at - b.at);
  return { hits: hits.slice(0, MAX_HITS), more: hits.length >= MAX_HITS };
}

// stepAtTime is the last step at or before a time; 0 if there is none.
function stepAtTime(model, at) {
  return Math.max(0, lastAtMost(model.S.at, at));
}

function markMatches(model, { words, conditions }, m) {
  if (conditions.some((c) => c.key !== "node" || m.lane < 0 || !holds(c, model.lanes[m.lane].id))) return false;
  const text = `${m.kind} ${MARKS[m.kind].word} ${m.text}`.toLowerCase();
  return words.length > 0 && words.every((w) => text.includes(w));
}

function stepMatches(model, { words, conditions }, has, i) {
  const { S, lanes, inputs, roles, servers, failover } = model;
  for (const c of conditions) {
    if (c.key === "node") {
      if (!holds(c, lanes[S.lane[i]].id)) return false;
    } else if (c.key === "step") {
      if (!holds(c, i)) return false;
    } else if (!(STEP_KEYS[c.key] in S) || !holds(c, S[STEP_KEYS[c.key]][i])) return false;
  }
  if (!words.length) return changedState(model, i, failover ? [...STATE_KEYS, "epoch", "stage", "server"] : STATE_KEYS) || conditions.some((c) => c.key === "step");
  return words.every((w, k) => inputs[S.input[i]].toLowerCase() === w || has[k](S.text[i]) || has[k](S.out[i]) ||
    (roles[S.role[i]].toLowerCase() === w && changedState(model, i)) ||
    (failover && servers[S.server[i]] === w && changedState(model, i, ["server"])));
}

// changedState says whether a step changed its node's role, term or leader: a
// search for a state finds where it began, not every step in it.
const STATE_KEYS = ["role", "term", "lead", "commit"];

function changedState({ S, laneSteps }, i, keys = STATE_KEYS) {
  const own = laneSteps[S.lane[i]];
  const before = own[lastAtMost(own, i) - 1];
  return before === undefined || keys.some((k) => S[k][i] !== S[k][before]);
}

function messageMatches(model, { words, conditions }, has, i) {
  const { M, lanes, kinds } = model;
  const id = (lane) => (lane < 0 ? -1 : lanes[lane].id);
  for (const c of conditions) {
    if (c.key === "node") {
      if (!holds(c, id(M.from[i])) && !holds(c, id(M.to[i]))) return false;
    } else if (c.key === "from" || c.key === "to") {
      if (!holds(c, id(M[c.key][i]))) return false;
    } else if (!(c.key in MESSAGE_KEYS) || !holds(c, M[MESSAGE_KEYS[c.key]][i])) return false;
  }
  if (!words.length) return conditions.length > 0;
  const kind = kinds[M.kind[i]].toLowerCase();
  return words.every((w, k) => kind === w || kind === "msg" + w || has[k](M.more[i]) || (w === "lost" && isLost(model, i)) || (w === "reject" && M.reject[i] > 0));
}
