// arrows.js: draws messages and marks, and remembers where, for clicks.

const MAX_ARROWS = 1200; // in sight; beyond it only the rare ones are drawn one by one
const MAX_HEADS = 500;
const MAX_LABELS = 60;

// wanted says whether the filters let message i be seen.
function wanted(scale, { M, group }, filter, i) {
  return !filter.groups.has(group[M.kind[i]]) && scale.y[M.from[i]] !== -1 && scale.y[M.to[i]] !== -1;
}

// messagesInSight lists messages that may be seen, by number.
function messagesInSight(scale, model, filter) {
  const { M, S } = model;
  const [a, b] = scale.visible();
  const early = lastAtMost(S.at, (S.at[Math.min(a, S.count - 1)] ?? 0) - 20 * model.latency) + 1;
  const list = [];
  const want = (i) => wanted(scale, model, filter, i);
  for (const i of model.slow) if (M.sent[i] < early && M.got[i] >= a && want(i)) list.push(i);
  for (let i = model.firstSent[early]; i < model.firstSent[b]; i++) {
    if ((M.sent[i] >= a || M.got[i] >= a || M.got[i] < 0) && want(i)) list.push(i);
  }
  // Those whose sender is not known, and repeats, come by who received them.
  const strays = model.firstSent[S.count];
  if (strays < M.count) {
    for (let s = a; s < b; s++) if (model.received[s] >= strays && want(model.received[s])) list.push(model.received[s]);
  }
  return list;
}

// arrow is where message i is drawn. Those that did not arrive, and those whose
// sending is not in the record, are drawn over part of the way.
function arrow(scale, model, i) {
  const { M } = model;
  const rim = BAND / 2 + 1;
  const [y0, y1] = [scale.y[M.from[i]], scale.y[M.to[i]]];
  const down = y1 > y0 ? 1 : -1;
  const ghost = scale.mode === "time" ? model.latency : 4;
  const a = { stops: M.got[i] < 0, lost: isLost(model, i), stray: M.sent[i] < 0 };
  const u0 = a.stray ? scale.ofStep(M.got[i]) - ghost : scale.ofStep(M.sent[i]);
  const u1 = a.stops ? u0 + ghost : scale.ofStep(M.got[i]);
  [a.x0, a.y0, a.x1, a.y1] = [scale.x(u0), y0 + down * rim, scale.x(u1), y1 - down * rim];
  const part = Math.min(0.5, 40 / Math.max(1, Math.abs(a.y1 - a.y0)));
  if (a.stops) [a.x1, a.y1] = [a.x0 + (a.x1 - a.x0) * part, a.y0 + (a.y1 - a.y0) * part];
  if (a.stray) [a.x0, a.y0] = [a.x1 + (a.x0 - a.x1) * part, a.y1 + (a.y0 - a.y1) * part];
  return a;
}

function drawMessages(g, scale, model, filter, colours) {
  const [a, b] = scale.visible();
  // A range of numbers tells quickly that there are far too many.
  const range = [model.firstSent[a], model.firstSent[b]];
  const crowd = range[1] - range[0] > 10 * MAX_ARROWS;
  const all = crowd ? [] : messagesInSight(scale, model, filter);
  const dense = crowd || all.length > MAX_ARROWS;
  const inRange = (list) => list.slice(lastAtMost(list, range[0] - 1) + 1, lastAtMost(list, range[1] - 1) + 1).filter((i) => wanted(scale, model, filter, i));
  const place = (i) => ({ i, ...arrow(scale, model, i) });
  const drawn = (dense ? inRange(model.rare).slice(0, MAX_ARROWS) : all).map(place);
  const lost = dense ? inRange(model.lost).map(place) : [];
  if (dense) drawTraffic(g, scale, model, filter, range, colours);
  for (const [n, group] of GROUPS.entries()) {
    const own = drawn.filter((d) => model.group[model.M.kind[d.i]] === n);
    if (own.length) strokeArrows(g, own, group, colours.groups[n], model, drawn.length);
  }
  drawCrosses(g, [...drawn, ...lost], dense ? 12 : 2, colours);
  return { drawn, inSight: dense ? range[1] - range[0] : all.length, dense };
}

function strokeArrows(g, list, group, colour, model, total) {
  g.strokeStyle = g.fillStyle = colour;
  const few = total <= MAX_HEADS;
  for (const answers of [false, true]) {
    g.lineWidth = group.width * (answers ? 0.75 : 1) * (few ? 1 : 0.7);
    g.setLineDash(few ? group.dash : []);
    g.globalAlpha = few ? 1 : 0.65;
    g.beginPath();
    for (const d of list) {
      if (model.answer[model.M.kind[d.i]] !== answers) continue;
      g.moveTo(d.x0, d.y0);
      g.lineTo(d.x1, d.y1);
    }
    g.stroke();
  }
  g.setLineDash([]);
  g.globalAlpha = 1;
  if (!few) return;
  g.lineWidth = 1.4;
  for (const d of list) if (!d.stops) head(g, d, model.answer[model.M.kind[d.i]]);
}

// head is filled for a question and open for an answer.
function head(g, { x0, y0, x1, y1 }, open) {
  const length = Math.hypot(x1 - x0, y1 - y0);
  if (length < 6) return;
  const [dx, dy] = [(x1 - x0) / length, (y1 - y0) / length];
  const [bx, by] = [x1 - dx * 8, y1 - dy * 8];
  g.beginPath();
  g.moveTo(bx - dy * 3.5, by + dx * 3.5);
  g.lineTo(x1, y1);
  g.lineTo(bx + dy * 3.5, by - dx * 3.5);
  if (open) g.stroke();
  else g.fill();
}

// drawCrosses marks what did not arrive, once in every so many pixels.
function drawCrosses(g, drawn, pixels, colours) {
  g.strokeStyle = colours.bad;
  g.lineWidth = pixels > 2 ? 1.4 : 2;
  g.beginPath();
  const seen = new Set();
  for (const d of drawn) {
    if (!d.lost) continue;
    const key = Math.round(d.x1 / pixels) * 10000 + Math.round(d.y1);
    if (seen.has(key)) continue;
    seen.add(key);
    g.moveTo(d.x1 - 4, d.y1 - 4);
    g.lineTo(d.x1 + 4, d.y1 + 4);
    g.moveTo(d.x1 + 4, d.y1 - 4);
    g.lineTo(d.x1 - 4, d.y1 + 4);
  }
  g.stroke();
}

// shortLabel is what an arrow says in a few letters.
function shortLabel(model, i) {
  const { M, kinds } = model;
  const kind = kinds[M.kind[i]].replace(/^Msg/, "").replace(/Resp$/, " answer");
  const entries = M.entries[i] > 0 ? ` +${M.entries[i]}` : "";
  const index = M.index[i] > 0 && /App|Snap|Vote|Reply/.test(kind) ? ` ${M.index[i]}` : "";
  return kind + index + entries + (M.reject[i] ? " refused" : "");
}

// labelArrows writes on each arrow where no other text is: taken are the boxes
// of those, [left, top, right, bottom].
function labelArrows(g, width, drawn, model, taken, colours) {
  if (drawn.length > MAX_LABELS) return;
  g.font = "11px system-ui, sans-serif";
  g.textBaseline = "middle";
  for (const d of drawn) {
    const text = shortLabel(model, d.i);
    const long = g.measureText(text).width;
    const flat = Math.abs(d.x1 - d.x0) > Math.abs(d.y1 - d.y0);
    const rises = (d.y1 - d.y0) * (d.x1 - d.x0) < 0;
    for (const part of [0.4, 0.6, 0.25, 0.75]) {
      const x = d.x0 + (d.x1 - d.x0) * part + (flat && rises ? -long - 4 : 6);
      const y = d.y0 + (d.y1 - d.y0) * part - (flat ? 7 : 0);
      const box = [x - 2, y - 7, x + long + 2, y + 7];
      if (box[0] < 0 || box[2] > width) continue;
      if (taken.some((t) => t[0] < box[2] && box[0] < t[2] && t[1] < box[3] && box[1] < t[3])) continue;
      taken.push(box);
      label(g, text, x, y, Infinity, colours);
      break;
    }
  }
}

// drawTraffic stands in for arrows that would cover each other: under each lane
// hang bars as long as many messages it sent.
function drawTraffic(g, scale, model, filter, [first, end], colours) {
  const { M } = model;
  const bin = 3;
  const bins = Math.ceil(scale.width / bin) + 1;
  const lanes = model.lanes.map(() => GROUPS.map(() => new Uint16Array(bins)));
  const total = model.lanes.map(() => new Uint16Array(bins));
  let most = 1;
  for (let i = first; i < end; i++) {
    if (!wanted(scale, model, filter, i)) continue;
    const b = Math.floor(scale.x(scale.ofStep(M.sent[i])) / bin);
    if (b < 0 || b >= bins) continue;
    lanes[M.from[i]][model.group[M.kind[i]]][b]++;
    most = Math.max(most, ++total[M.from[i]][b]);
  }
  const room = Math.min(40, (scale.laneHeight - scale.under) / 2 - BAND / 2 - 22);
  for (const l of scale.shown) {
    const under = new Float32Array(bins);
    const top = scale.y[l] + BAND / 2 + 9 + scale.under;
    for (let n = 0; n < GROUPS.length; n++) {
      g.fillStyle = colours.groups[n];
      for (let b = 0; b < bins; b++) {
        const h = (lanes[l][n][b] / most) * room;
        if (!h) continue;
        g.fillRect(b * bin, top + under[b], bin - 1, Math.max(0.5, h));
        under[b] += h;
      }
    }
  }
}

const MARK_ABOVE = 26; // pixels over the band
const WEIGHT = ["note", "election", "heal", "up", "resume", "leader", "epoch", "pause", "down", "cut", "fault", "alarm"];

// drawMarks places the weightiest first; what finds no room is not drawn.
function drawMarks(g, scale, model, colours) {
  const placed = new Map();
  const near = [];
  model.marks.forEach((m, i) => {
    const x = scale.x(m.step >= 0 ? scale.ofStep(m.step) : scale.ofTime(m.at));
    if (x >= -10 && x <= scale.width + 10 && (m.lane < 0 || scale.y[m.lane] >= 0)) near.push({ i, x, m });
  });
  const opens = (m) => m.kind === "epoch" && m.text.includes(" open ");
  near.sort((a, b) => WEIGHT.indexOf(b.m.kind) - WEIGHT.indexOf(a.m.kind) || opens(b.m) - opens(a.m));
  for (const n of near) {
    n.y = n.m.lane < 0 ? 31 : scale.y[n.m.lane] - BAND / 2 - MARK_ABOVE;
    const row = placed.get(n.m.lane) ?? [];
    if (row.some((o) => Math.abs(o.x - n.x) < 16)) continue;
    row.push(n);
    placed.set(n.m.lane, row);
  }
  const all = [...placed.values()];
  for (const row of all) {
    row.sort((a, b) => a.x - b.x);
    let taken = 0; // up to here, from the left
    row.forEach((n, k) => {
      n.room = Math.min((row[k + 1]?.x ?? Infinity) - 26, scale.width - 16) - n.x;
      n.roomLeft = n.x - taken - 20;
      n.box = drawMark(g, n, colours);
      taken = n.box[2];
    });
  }
  return all.flat();
}

function drawMark(g, { x, y, m, room, roomLeft }, colours) {
  const grave = ["down", "cut", "fault", "alarm", "pause"].includes(m.kind);
  g.beginPath();
  g.arc(x, y, 7.5, 0, 7);
  g.fillStyle = grave ? colours.bad : colours.paper;
  g.fill();
  g.strokeStyle = grave ? colours.bad : colours.ink;
  g.lineWidth = 1.2;
  g.stroke();
  g.font = "600 10px system-ui, sans-serif";
  g.textBaseline = "middle";
  g.textAlign = "center";
  g.fillStyle = grave ? "#fff" : colours.ink;
  g.fillText(MARKS[m.kind].icon, x, y + 0.5);
  g.font = "11px system-ui, sans-serif";
  const width = (text) => g.measureText(text).width;
  let box = [x - 9, y - 9, x + 12, y + 9];
  for (const text of [m.text, MARKS[m.kind].word]) {
    if (label(g, text, x + 12, y, room, colours)) box[2] += width(text);
    else if (label(g, text, x - 12, y, roomLeft, colours, { align: "right" })) box[0] -= width(text);
    else continue;
    break;
  }
  return box;
}
