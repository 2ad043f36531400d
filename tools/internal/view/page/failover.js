// failover.js: what a node's PostgreSQL server is to failover: the stripe under its band,
// and its words. Colours and stripes both tell the states apart.

const SERVERS = {
  primary: { colour: "--srv-primary", text: "it serves, and commits are acknowledged" },
  opening: { colour: "--srv-opening", text: "it has promoted, and waits for its sync set" },
  promoting: { colour: "--srv-opening", gap: 8, text: "an epoch was granted to it" },
  fenced: { colour: "--srv-fenced", gap: 6, text: "it is not in recovery, and no commit is acknowledged" },
  sealed: { colour: "--srv-sealed", text: "an epoch begins, and it takes no WAL" },
  following: { colour: "--srv-following", low: true, text: "it streams from the primary" },
  standby: { colour: "--srv-standby", low: true, gap: 5, text: "in recovery, without a source of WAL" },
  rejoining: { colour: "--srv-standby", gap: 5, text: "its data is made anew" },
  quarantined: { colour: "--srv-fenced", gap: 4, text: "its data is not to be used" },
};

const STRIPE = 13; // pixels that a server's stripe is high
const STRIPE_LOW = 4;

// serverSpans are the stretches in which a server's state and epoch stay the same. That of
// a primary ends where its lease does, though no step says so.
function serverSpans(model, l) {
  const { S, servers } = model;
  const own = model.laneSteps[l];
  const [primary, fenced] = [servers.indexOf("primary"), servers.indexOf("fenced")];
  const list = [];
  for (const s of stateSpans(model, l, ["server", "epoch"])) {
    if (s.server === 0) continue;
    list.push(s);
    if (s.server !== primary) continue;
    const last = own[lastAtMost(own, Math.ceil(s.toStep) - 1)];
    const end = S.lease[last];
    if (end > 0 && end < s.to && !model.lanes[l].gaps.some((d) => d.from < s.to && d.to > end)) {
      list.push({ ...s, from: end, fromStep: lastAtMost(S.at, end) + 0.5, server: fenced });
      [s.to, s.toStep] = [end, lastAtMost(S.at, end) + 0.5];
    }
  }
  return list;
}

// drawServers returns the boxes that no other text may cover: [left, top, right, bottom].
function drawServers(g, scale, model, l, colours) {
  const byTime = scale.mode === "time";
  const top = scale.y[l] + BAND / 2 + 3;
  const boxes = []; // for labelArrows
  let drawnTo = -1;
  for (const s of model.lanes[l].servers) {
    const x0 = Math.max(-4, scale.x(byTime ? s.from : s.fromStep));
    const x1 = Math.min(scale.width + 4, scale.x(byTime ? s.to : s.toStep));
    const name = model.servers[s.server];
    const { colour, gap, low } = SERVERS[name];
    // Of many in one pixel only those of more weight are drawn.
    if (x1 < 0 || x0 > scale.width || (x1 - x0 < 0.7 && x0 < drawnTo && low)) continue;
    const width = Math.max(1, x1 - x0);
    drawnTo = Math.max(drawnTo, x0 + width);
    const height = low ? STRIPE_LOW : STRIPE;
    g.fillStyle = colours.get(colour);
    g.fillRect(x0, top, width, height);
    if (gap) {
      g.fillStyle = stripes(g, colours.termInk + "55", gap);
      g.fillRect(x0, top, width, height);
    }
    if (!low && width > 3) {
      g.strokeStyle = colours.outline;
      g.lineWidth = 0.8;
      g.strokeRect(x0 + 0.5, top + 0.5, width - 1, height - 1);
    }
    const box = labelServer(g, s, name, low, Math.max(2, x0), Math.min(scale.width, x1), top, colours);
    if (!low) boxes.push([x0, top, x0 + width, top + STRIPE]);
    else if (box) boxes.push(box);
  }
  return boxes;
}

// labelServer returns the box of its text, null if there is no room for one.
function labelServer(g, s, name, low, x0, x1, top, colours) {
  const room = x1 - x0 - 8;
  if (room < 10) return null;
  const y = top + (low ? STRIPE_LOW + 7 : STRIPE / 2 + 0.5);
  g.font = `${name === "primary" ? "600 " : ""}10px system-ui, sans-serif`;
  g.textBaseline = "middle";
  for (const text of [`${name}, epoch ${s.epoch}`, name]) {
    const drawn = label(g, text, x0 + 4, y, room, colours, low ? { ink: colours.quiet } : { ink: colours.termInk, rim: false });
    if (drawn) return [x0, y - 7, x0 + 8 + g.measureText(text).width, y + 7];
  }
  return null;
}

// serverNow is a lane's span at a time, undefined if nothing is known.
function serverNow(lane, at) {
  return lane.servers.find((s) => s.from <= at && at < s.to) ?? lane.servers.findLast((s) => s.from <= at && at <= s.to);
}

// epochText says how far the newest epoch is that a node knows of.
function epochText(model, i) {
  const { S, stages } = model;
  if (S.epoch[i] === 0) return "none";
  const who = S.primary[i] < 0 ? "" : ` ${S.stage[i] === 2 ? "to" : "by"} ${nodeName(model, S.primary[i])}`;
  return `${S.epoch[i]}, ${stages[S.stage[i]]}${who}`;
}

// failoverTables are the parts of what is known after a step, below a title each, with
// what was before it where that differs.
function failoverTables(model, i, before) {
  if (!model.failover) return [];
  const { S, texts } = model;
  const parts = (column, step) => (step >= 0 && S[column][step] > 0 ? texts[S[column][step]].split("\t") : []);
  return [["of_log", "What the log has decided"], ["of_fence", "What its node decided"], ["of_host", "What its host reported"]].flatMap(([column, title]) => {
    const [now, was] = [parts(column, i), parts(column, before)];
    if (!now.length) return [];
    const known = new Set(was.map((_, k) => (k % 2 ? "" : `${was[k]}\t${was[k + 1]}`)));
    const rows = [];
    for (let k = 0; k < now.length; k += 2) {
      const changed = before >= 0 && !known.has(`${now[k]}\t${now[k + 1]}`);
      rows.push([now[k], changed ? [el("strong", {}, now[k + 1])] : now[k + 1]]);
    }
    return [el("h3", {}, title), fieldTable(rows)];
  });
}

function serverSample(name) {
  const { colour, gap, low } = SERVERS[name];
  const lines = gap ? `repeating-linear-gradient(135deg, transparent 0 ${gap - 2}px, #0006 ${gap - 2}px ${gap}px), ` : "";
  return el("i", { class: "swatch" + (low ? " low" : ""), style: `background: ${lines}var(${colour})` });
}
