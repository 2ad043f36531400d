// details.js: the fields of what is selected, in words.

// el makes an element: el("button", { class: "link", onclick: f }, "text", ...).
function el(tag, attributes, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attributes ?? {})) {
    if (k.startsWith("on")) e.addEventListener(k.slice(2), v);
    else if (v !== false && v != null) e.setAttribute(k, v === true ? "" : v);
  }
  e.append(...children.filter((c) => c != null && c !== ""));
  return e;
}

const nodeName = (model, lane) => model.lanes[lane].name;

// fate says what became of a message that no step received.
function fate(model, i) {
  return isLost(model, i) ? "did not arrive" : model.lanes[model.M.to[i]].recorded ? "not in that node's record, which has a gap or ends there" : "not known: no record of that node";
}

// stepTitle says in a few words what a step is.
function stepTitle(model, i) {
  const { S, M, inputs, texts, received, kinds } = model;
  const kind = inputs[S.input[i]];
  const m = received[i];
  if (m >= 0) return `${kinds[M.kind[m]]} from ${nodeName(model, M.from[m])}`;
  return kind + (S.text[i] ? ": " + texts[S.text[i]] : "");
}

function messageTitle(model, i) {
  const { M, kinds } = model;
  return `${kinds[M.kind[i]]} ${nodeName(model, M.from[i])} \u2192 ${nodeName(model, M.to[i])}`;
}

function fieldTable(rows) {
  const table = el("dl", {});
  for (const [name, value] of rows) {
    if (value == null || value === "") continue;
    table.append(el("dt", {}, name), el("dd", {}, ...(Array.isArray(value) ? value : [String(value)])));
  }
  return table;
}

function stepLink(app, i, text) {
  return el("button", { type: "button", class: "link", onclick: () => app.select({ step: i }) }, text ?? `step ${count(i)}`);
}

function messageLink(app, i, text) {
  return el("button", { type: "button", class: "link", onclick: () => app.select({ message: i }) }, text);
}

function showDetails(app) {
  const box = document.getElementById("details");
  const { model, selected } = app;
  box.replaceChildren();
  if (!selected) {
    box.append(el("h2", {}, "Nothing selected"), el("p", { class: "quiet" },
      "Click an arrow, a state or a mark to see its fields. Scroll to zoom, drag to move, press ? for all keys."));
  } else if (selected.message != null) {
    messageDetails(app, box, selected.message);
  } else if (selected.mark != null) {
    markDetails(app, box, model.marks[selected.mark]);
  } else {
    stepDetails(app, box, selected.step);
  }
}

function messageDetails(app, box, i) {
  const { model } = app;
  const { M, S, kinds, texts } = model;
  const flight = M.sent[i] >= 0 && M.got[i] >= 0 ? S.at[M.got[i]] - S.at[M.sent[i]] : null;
  const zero = (v) => (v > 0 ? count(v) : null);
  box.append(el("h2", {}, kinds[M.kind[i]], " ", el("span", { class: "quiet" }, "message")), fieldTable([
    ["from", nodeName(model, M.from[i])],
    ["to", nodeName(model, M.to[i])],
    ["sent", M.sent[i] >= 0 ? [stepLink(app, M.sent[i]), ` at ${clock(S.at[M.sent[i]])}`] : "not in the record"],
    ["received", M.got[i] >= 0 ? [stepLink(app, M.got[i]), ` at ${clock(S.at[M.got[i]])}`] : [el("strong", {}, fate(model, i))]],
    ["on its way", flight == null ? null : `${(flight / 1000).toFixed(3)} ms`],
    ["term", M.mterm[i]],
    ["index", zero(M.index[i])],
    ["log term", zero(M.logterm[i])],
    ["commit", zero(M.mcommit[i])],
    ["entries", zero(M.entries[i])],
    ["rejected", M.reject[i] ? "yes" : null],
    ["lease round", zero(M.round[i])],
    ["promise", M.promise[i] > 0 ? `${M.promise[i]} ms` : null],
    ["repeated", M.again[i] ? "a further arrival of the same message" : null],
    ["size", `${M.bytes[i]} bytes`],
    ["more", texts[M.more[i]]],
  ]));
}

function stateRows(model, i) {
  const { S, roles } = model;
  const lease = S.lease[i] > 0 ? (S.lease[i] - S.at[i]) / 1000 : 0;
  return [
    ["role", roles[S.role[i]]],
    ["term", S.term[i]],
    ["leader", S.lead[i] < 0 ? "none known" : nodeName(model, S.lead[i])],
    ["vote", S.vote[i] < 0 ? "nobody" : S.vote[i] < model.lanes.length ? nodeName(model, S.vote[i]) : "not in the record"],
    ["commit", S.commit[i]],
    ["applied", S.applied[i]],
    ["last index", S.last[i]],
    ["lease", lease > 0 ? `${lease.toFixed(1)} ms left` : "none"],
    ["tick", S.tick[i]],
    ...(model.failover ? [["server", model.servers[S.server[i]]], ["epoch", epochText(model, i)]] : []),
  ];
}

function stepDetails(app, box, i) {
  const { model } = app;
  const { S, M, inputs, texts, received, firstSent, laneSteps } = model;
  const own = laneSteps[S.lane[i]];
  const place = lastAtMost(own, i);
  box.append(el("h2", {}, inputs[S.input[i]], " ", el("span", { class: "quiet" }, `input of ${nodeName(model, S.lane[i])}`)), fieldTable([
    ["step", `${count(i)} at ${clock(S.at[i])}`],
    ["same node", [place > 0 ? stepLink(app, own[place - 1], "\u2190 before") : "", " ", place + 1 < own.length ? stepLink(app, own[place + 1], "after \u2192") : ""]],
    ["input", texts[S.text[i]]],
    ["message", received[i] >= 0 ? [messageLink(app, received[i], messageTitle(model, received[i]))] : null],
    ["output", texts[S.out[i]] ? texts[S.out[i]].split("; ").map((t) => el("div", {}, t)) : null],
    ["sent", sentLinks(app, firstSent[i], firstSent[i + 1])],
  ]), el("h3", {}, "State after it"), changedTable(model, i, place > 0 ? own[place - 1] : -1),
  ...failoverTables(model, i, place > 0 ? own[place - 1] : -1));
}

function sentLinks(app, from, to) {
  const { model } = app;
  if (from === to) return null;
  const list = [];
  for (let m = from; m < to; m++) {
    const lost = isLost(model, m) ? " \u2716" : "";
    list.push(el("div", {}, messageLink(app, m, `${shortLabel(model, m)} \u2192 ${nodeName(model, model.M.to[m])}${lost}`)));
  }
  return list;
}

// changedTable shows the state after a step, and what was before it where that
// differs.
function changedTable(model, i, before) {
  const old = before >= 0 ? new Map(stateRows(model, before)) : null;
  return fieldTable(stateRows(model, i).map(([name, value]) => {
    const was = old?.get(name);
    const quiet = name === "lease" || name === "tick" || was === undefined || was === value;
    return [name, quiet ? value : [el("strong", {}, String(value)), el("span", { class: "quiet" }, ` was ${was}`)]];
  }));
}

function markDetails(app, box, m) {
  const { model } = app;
  box.append(el("h2", {}, `${MARKS[m.kind].icon} ${MARKS[m.kind].word}`), fieldTable([
    ["what", m.text],
    ["where", m.lane < 0 ? "the whole cluster" : nodeName(model, m.lane)],
    ["when", clock(m.at)],
    ["step", m.step >= 0 ? [stepLink(app, m.step)] : null],
  ]));
  if (m.step >= 0) {
    const own = model.laneSteps[m.lane];
    const place = lastAtMost(own, m.step);
    box.append(el("h3", {}, "State after it"), changedTable(model, m.step, place > 0 ? own[place - 1] : -1),
      ...failoverTables(model, m.step, place > 0 ? own[place - 1] : -1));
  }
}
