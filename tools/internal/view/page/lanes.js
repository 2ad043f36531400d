// lanes.js: draws the ruler, what holds for all nodes, and each node's lane:
// its band, its lease, when it was down, its commits.

function drawRuler(g, scale, colours) {
  const { unit, list } = ticksFor(scale);
  g.fillStyle = colours.quiet;
  g.strokeStyle = colours.line;
  g.font = "11px system-ui, sans-serif";
  g.textBaseline = "middle";
  g.textAlign = "center";
  g.lineWidth = 1;
  for (const u of list) {
    const x = Math.round(scale.x(u)) + 0.5;
    g.beginPath();
    g.moveTo(x, 20);
    g.lineTo(x, scale.height);
    g.stroke();
    const text = scale.mode === "time" ? clock(u, unit) : "#" + count(u);
    if (x > 24 && x < scale.width - 24 && u >= 0) g.fillText(text, x, 10);
  }
}

// shadeTimes fills the times between from and to over a height.
function shadeTimes(g, scale, span, y, height, style) {
  const x0 = Math.max(-2, scale.x(scale.ofTime(span.from)));
  const x1 = Math.min(scale.width + 2, scale.x(scale.ofTime(span.to)));
  if (x1 < 0 || x0 > scale.width) return null;
  g.fillStyle = style;
  g.fillRect(x0, y, Math.max(1.5, x1 - x0), height);
  return [x0, Math.max(1.5, x1 - x0)];
}

// stripes is a pattern that tells a state without its colour.
const stripeCache = new Map();
function stripes(g, colour, gap) {
  const key = colour + gap;
  if (!stripeCache.has(key)) {
    const c = document.createElement("canvas");
    c.width = c.height = gap;
    const p = c.getContext("2d");
    p.strokeStyle = colour;
    p.lineWidth = 1.6;
    p.beginPath();
    p.moveTo(-1, gap + 1);
    p.lineTo(gap + 1, -1);
    p.moveTo(-gap / 2, gap / 2);
    p.lineTo(gap / 2, -gap / 2);
    p.moveTo(gap / 2, gap * 1.5);
    p.lineTo(gap * 1.5, gap / 2);
    p.stroke();
    stripeCache.set(key, g.createPattern(c, "repeat"));
  }
  return stripeCache.get(key);
}

// label writes a text with a rim of the paper's colour, if it fits.
function label(g, text, x, y, room, colours, { align = "left", ink = colours.ink, rim = true } = {}) {
  if (g.measureText(text).width > room) return false;
  g.textAlign = align;
  if (rim) {
    g.lineWidth = 3;
    g.strokeStyle = colours.paper;
    g.lineJoin = "round";
    g.setLineDash([]);
    g.strokeText(text, x, y);
  }
  g.fillStyle = ink;
  g.fillText(text, x, y);
  return true;
}

function drawCuts(g, scale, model, colours) {
  for (const cut of model.cuts) {
    const at = shadeTimes(g, scale, cut, 22, scale.height - 22, colours.shade);
    if (!at) continue;
    g.fillStyle = stripes(g, colours.line, 10);
    g.fillRect(at[0], 22, at[1], scale.height - 22);
  }
}

// drawLane returns what drawServers does.
function drawLane(g, scale, model, l, colours, dense) {
  const y = scale.y[l];
  const lane = model.lanes[l];
  g.strokeStyle = colours.line;
  g.lineWidth = 1;
  g.setLineDash([2, 4]);
  g.beginPath();
  g.moveTo(0, y);
  g.lineTo(scale.width, y);
  g.stroke();
  g.setLineDash([]);
  if (!lane.recorded) {
    g.font = "11px system-ui, sans-serif";
    label(g, "no record of this node", 8, y - 9, 300, colours, { ink: colours.quiet });
  }
  for (const d of lane.down) drawDown(g, scale, d, y, "down", colours);
  for (const d of lane.gaps) drawDown(g, scale, d, y, "not recorded", colours);
  let drawnTo = -1;
  for (const s of lane.spans) drawnTo = drawSpan(g, scale, model, s, y, colours, drawnTo);
  for (const p of lane.paused) drawDown(g, scale, p, y, "stood still", colours);
  const boxes = drawServers(g, scale, model, l, colours);
  let named = -Infinity; // where the last lease has its name
  for (const s of lane.leases) {
    const at = shadeTimes(g, scale, s, y + BAND / 2 + 3 + scale.under, 4, colours.ink);
    const x = at && Math.max(4, at[0] + 4);
    if (at && !dense && at[1] > 40 && x > named + 200) {
      named = x;
      g.font = "10px system-ui, sans-serif";
      label(g, "lease", x, y + BAND / 2 + 14 + scale.under, at[1] - 8, colours, { ink: colours.quiet });
    }
  }
  drawCommits(g, scale, model, l, y, colours);
  return boxes;
}

function drawDown(g, scale, span, y, word, colours) {
  const at = shadeTimes(g, scale, span, y - BAND / 2, BAND, colours.shade);
  if (!at) return;
  g.fillStyle = stripes(g, colours.quiet, 7);
  g.fillRect(at[0], y - BAND / 2, at[1], BAND);
  g.font = "11px system-ui, sans-serif";
  g.textBaseline = "middle";
  const left = Math.max(0, at[0]);
  const right = Math.min(scale.width, at[0] + at[1]);
  label(g, word, (left + right) / 2, y, right - left - 8, colours, { align: "center" });
}

function drawSpan(g, scale, model, s, y, colours, drawnTo) {
  const byTime = scale.mode === "time";
  const x0 = Math.max(-4, scale.x(byTime ? s.from : s.fromStep));
  const x1 = Math.min(scale.width + 4, scale.x(byTime ? s.to : s.toStep));
  if (x1 < 0 || x0 > scale.width) return drawnTo;
  const role = model.roles[s.role];
  // Of many spans in one pixel only those of more weight are drawn.
  if (x1 - x0 < 0.7 && x0 < drawnTo && role !== "Leader") return drawnTo;
  const width = Math.max(1, x1 - x0);
  const high = role === "Leader" || role === "Candidate";
  const height = high ? BAND : THIN;
  const fill = colours.terms[s.term % colours.terms.length];
  const top = y - height / 2;
  g.fillStyle = role === "Removed" ? colours.paper : fill;
  g.fillRect(x0, top, width, height);
  if (role === "Candidate" || role === "Learner" || role === "Removed") {
    g.fillStyle = stripes(g, colours.termInk, role === "Candidate" ? 8 : 5);
    g.fillRect(x0, top, width, height);
  }
  if (width > 3) {
    g.strokeStyle = colours.outline;
    g.lineWidth = role === "Leader" ? 1.6 : 0.8;
    g.strokeRect(x0 + 0.5, top + 0.5, width - 1, height - 1);
  }
  labelSpan(g, scale, s, role, Math.max(2, x0), Math.min(scale.width, x1), y, colours);
  return Math.max(drawnTo, x0 + width);
}

function labelSpan(g, scale, s, role, x0, x1, y, colours) {
  const room = x1 - x0 - 8;
  if (room < 10) return;
  g.textBaseline = "middle";
  // Dots stand in the band when there are any: the text goes above it.
  if (role === "Leader" && !stepsFit(scale)) {
    g.font = "600 12px system-ui, sans-serif";
    for (const text of [`\u2605 leader of term ${s.term}`, `\u2605 term ${s.term}`, `\u2605 ${s.term}`, `\u2605`]) {
      if (label(g, text, x0 + 5, y + 0.5, room, colours, { ink: colours.termInk, rim: false })) return;
    }
    return;
  }
  g.font = "11px system-ui, sans-serif";
  const word = role === "Follower" ? "" : (role === "Leader" ? "\u2605 " : "") + role.toLowerCase() + ", ";
  const at = role === "Candidate" || role === "Leader" ? y - BAND / 2 - 8 : y - THIN / 2 - 9;
  for (const text of [`${word}term ${s.term}`, `${s.term}`]) {
    if (label(g, text, x0 + 4, at, room, colours, { ink: colours.quiet })) return;
  }
}

// drawCommits marks where a node's commit index went on, with the index where
// there is room.
function drawCommits(g, scale, model, l, y, colours) {
  const { commits } = model.lanes[l];
  const [a, b] = scale.visible();
  let i = lastAtMost(commits, a - 1) + 1;
  const end = lastAtMost(commits, b) + 1;
  if (end - i > scale.width / 22) return;
  g.font = "10px system-ui, sans-serif";
  g.textBaseline = "middle";
  const low = y + BAND / 2 + 22 + scale.under;
  let free = -1;
  for (; i < end; i++) {
    const x = scale.x(scale.ofStep(commits[i]));
    g.fillStyle = colours.ink;
    g.beginPath();
    g.moveTo(x, low);
    g.lineTo(x - 3.5, low + 6);
    g.lineTo(x + 3.5, low + 6);
    g.fill();
    if (x > free) {
      const text = "c" + model.S.commit[commits[i]];
      const width = g.measureText(text).width;
      const next = i + 1 < end ? scale.x(scale.ofStep(commits[i + 1])) : Infinity;
      if (next - x > width + 10 && x + width + 8 < scale.width && label(g, text, x + 6, low + 4, width + 1, colours, { ink: colours.quiet })) free = x + width + 8;
    }
  }
}

function stepsFit(scale) {
  const [a, b] = scale.visible();
  return b - a <= scale.width / 5;
}

// drawSteps puts a dot for every step, where there is room for them.
function drawSteps(g, scale, model, colours) {
  if (!stepsFit(scale)) return;
  const [a, b] = scale.visible();
  const tick = model.inputs.indexOf("Tick");
  for (let i = a; i < b; i++) {
    const y = scale.y[model.S.lane[i]];
    if (y < 0) continue;
    g.beginPath();
    g.arc(scale.x(scale.ofStep(i)), y, model.S.input[i] === tick ? 2 : 3, 0, 7);
    g.fillStyle = model.S.input[i] === tick ? colours.paper : colours.termInk;
    g.fill();
    g.strokeStyle = colours.termInk;
    g.lineWidth = 1;
    g.stroke();
  }
}
