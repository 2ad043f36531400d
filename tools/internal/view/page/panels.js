// panels.js: the nodes' states at the cursor, the lists, the menus.

// showGutter puts each node's state at the cursor beside its lane.
function showGutter(app) {
  const { model, scale, cursor } = app;
  const box = document.getElementById("gutter");
  const high = model.failover ? 17 : 0; // of the line about the server
  box.dataset.room = scale.laneHeight < 84 + high ? "least" : scale.laneHeight < 106 + high ? "less" : "all";
  if (box.children.length !== model.lanes.length) {
    box.replaceChildren(...model.lanes.map((lane) => el("div", { class: "card" },
      el("b", {}, lane.name), el("span", { class: "role" }), el("div", { class: "state address" }, lane.address), el("div", { class: "state" }), el("div", { class: "state" }), model.failover ? el("div", { class: "state server" }) : "", el("div", { class: "state" }))));
  }
  for (const [l, lane] of model.lanes.entries()) {
    const card = box.children[l];
    card.hidden = scale.y[l] < 0;
    if (card.hidden) continue;
    card.style.top = `${scale.y[l] + scale.under / 2 - Math.min(scale.laneHeight, 106 + high) / 2}px`;
    const step = model.stateAt(l, cursor);
    const [role, ...lines] = cardText(app, l, lane, step);
    if (model.failover) lines.splice(2, 0, serverText(app, lane, step));
    const [, roleBox, , ...rest] = card.children;
    setText(roleBox, role);
    card.dataset.role = role.replace(/[^a-z]/gi, "").toLowerCase();
    rest.forEach((e, i) => setText(e, lines[i] ?? ""));
  }
}

// setText spares the browser and screen readers what did not change.
function setText(e, text) {
  if (e.textContent !== text) e.textContent = text;
}

function cardText(app, l, lane, step) {
  const { model, cursor } = app;
  const { S, roles } = model;
  const now = S.at[cursor];
  if (step < 0) return [lane.recorded ? "not started" : "no record"];
  if (lane.down.some((d) => d.from <= now && (d.to > now || d.open) && S.at[step] <= d.from)) return ["down", `term ${S.term[step]} when it stopped`, `commit ${S.commit[step]}, last index ${S.last[step]}`];
  if (lane.gaps.some((d) => d.from <= now && d.to > now && S.at[step] <= d.from)) return ["not recorded", "as it was before that:", `term ${S.term[step]}, ${roles[S.role[step]].toLowerCase()}`, `commit ${S.commit[step]}, last index ${S.last[step]}`];
  const paused = lane.paused.some((p) => p.from <= now && p.to > now);
  const lead = S.lead[step] < 0 ? "no leader" : S.lead[step] === l ? "leads" : "follows " + model.lanes[S.lead[step]].id;
  const vote = S.vote[step] < 0 || S.vote[step] >= model.lanes.length ? "" : `, voted ${model.lanes[S.vote[step]].id}`;
  const lease = S.lease[step] > now ? `, lease ${((S.lease[step] - now) / 1000).toFixed(0)} ms` : "";
  const role = roles[S.role[step]];
  return [
    (role === "Leader" ? "\u2605 " : "") + role + (paused ? ", stood still" : ""),
    `term ${S.term[step]}, ${lead}${vote}`,
    `commit ${S.commit[step]}, applied ${S.applied[step]}`,
    `last index ${S.last[step]}${lease}`,
  ];
}

// serverText is a card's line about the server: none while the node is down.
function serverText({ model, cursor }, lane, step) {
  const { S, servers, stages } = model;
  const now = serverNow(lane, S.at[cursor]);
  if (step < 0 || !now) return "";
  return `${servers[now.server]}, epoch ${S.epoch[step]} ${stages[S.stage[step]]}`;
}

// rows fills a list with buttons.
function rows(box, list, empty) {
  if (!list.length) {
    box.replaceChildren(el("p", { class: "quiet" }, empty));
    return;
  }
  box.replaceChildren(el("ul", {}, ...list.map(({ at, icon, text, current, go }) => el("li", {},
    el("button", { type: "button", class: "row", "aria-current": current ? "true" : false, onclick: go },
      el("span", { class: "when" }, at), el("span", { class: "icon", "aria-hidden": "true" }, icon ?? ""), el("span", {}, text))))));
}

function showIncidents(app) {
  const { model } = app;
  rows(document.getElementById("incidents"), model.marks.slice(0, 500).map((m, i) => ({
    at: clock(m.at, 1000),
    icon: MARKS[m.kind].icon,
    text: (m.lane < 0 ? "" : model.lanes[m.lane].name + ": ") + m.text,
    current: app.selected?.mark === i,
    go: () => app.select({ mark: i }),
  })), "No faults, elections or notes in this run.");
}

// showEvents lists the steps around the cursor.
function showEvents(app) {
  const { model, cursor } = app;
  const list = [];
  const from = Math.max(0, cursor - 12);
  for (let i = from; i < Math.min(model.S.count, from + 40); i++) {
    if (app.scale.hidden.has(model.S.lane[i])) continue;
    list.push({
      at: clock(model.S.at[i], 100),
      text: `${model.lanes[model.S.lane[i]].id}: ${stepTitle(model, i)}`,
      current: i === cursor,
      go: () => app.select({ step: i }),
    });
  }
  rows(document.getElementById("events"), list, "No events here.");
}

const SHOWN_HITS = 200;

function showHits(app) {
  const { model, found } = app;
  const from = Math.max(0, Math.min(app.hit - 20, found.hits.length - SHOWN_HITS));
  rows(document.getElementById("found"), found.hits.slice(from, from + SHOWN_HITS).map((h, k) => ({
    at: clock(model.S.at[h.at], 1000),
    icon: h.mark != null ? MARKS[model.marks[h.mark].kind].icon : h.message != null ? "\u2192" : "\u2022",
    text: hitText(model, h),
    current: from + k === app.hit,
    go: () => app.goHit(from + k),
  })), "Nothing found. Try a kind (MsgVote), a word (lost, leader), or term:3, node:2, index:57, from:1, entries:>1.");
}

function hitText(model, h) {
  if (h.mark != null) {
    const m = model.marks[h.mark];
    return (m.lane < 0 ? "" : model.lanes[m.lane].name + ": ") + m.text;
  }
  if (h.message != null) return messageTitle(model, h.message);
  return `${model.lanes[model.S.lane[h.step]].name}: ${stepTitle(model, h.step)}`;
}

const PANELS = { incidents: showIncidents, events: showEvents, hits: showHits };

function showTab(app, name) {
  app.tab = name;
  for (const tab of document.querySelectorAll("[role=tab]")) {
    const on = tab.id === "tab-" + name;
    tab.setAttribute("aria-selected", on);
    tab.tabIndex = on ? 0 : -1;
    document.getElementById(tab.getAttribute("aria-controls")).hidden = !on;
  }
  PANELS[name](app);
}

// sample is a drawing of a message's line.
function sample(group) {
  const ns = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(ns, "svg");
  const line = document.createElementNS(ns, "line");
  svg.setAttribute("width", 46);
  svg.setAttribute("height", 12);
  svg.setAttribute("aria-hidden", "true");
  for (const [k, v] of Object.entries({ x1: 2, x2: 44, y1: 6, y2: 6, "stroke-width": group.width * 1.2, "stroke-dasharray": group.dash.join(" ") })) line.setAttribute(k, v);
  line.style.stroke = `var(${group.colour})`;
  svg.append(line);
  return svg;
}

function fillMenus(app) {
  const { model, filter, scale } = app;
  const numbers = new Array(GROUPS.length).fill(0);
  for (let i = 0; i < model.M.count; i++) numbers[model.group[model.M.kind[i]]]++;
  const box = (checked, toggle, ...content) => el("label", { class: "choice" },
    el("input", { type: "checkbox", checked, onchange: (e) => { toggle(e.target.checked); app.changed(); } }), ...content);
  document.getElementById("kinds").replaceChildren(...GROUPS.map((group, n) => numbers[n] === 0 ? "" : box(!filter.groups.has(n),
    (on) => (on ? filter.groups.delete(n) : filter.groups.add(n)), sample(group), el("span", {}, group.name), el("span", { class: "quiet" }, count(numbers[n])))).filter(Boolean));
  document.getElementById("nodes").replaceChildren(...model.lanes.map((lane, l) => box(!scale.hidden.has(l), (on) => {
    if (on) scale.hidden.delete(l);
    else scale.hidden.add(l);
    scale.layout();
  }, el("span", {}, lane.name), el("span", { class: "quiet" }, `${lane.address} ${count(model.laneSteps[l].length)} events`))));
}

const LEGEND = [
  ["band leader", "thick band with a star: leader, the colour is the term"],
  ["band", "thin band: follower"],
  ["band candidate", "thick band with wide stripes: candidate"],
  ["band learner", "thin band with narrow stripes: learner"],
  ["band down", "grey stripes: down, not recorded, or stood still"],
  ["lease", "black line under a band: the leader's lease"],
];

function fillLegend(app) {
  const line = (sign, text) => el("div", { class: "entry" }, sign, el("span", {}, text));
  const glyph = (text) => el("span", { class: "glyph" }, text);
  document.getElementById("legend").replaceChildren(
    ...LEGEND.map(([name, text]) => line(el("i", { class: name }), text)),
    ...(app.model.failover ? Object.keys(SERVERS).map((name) => line(serverSample(name), `server ${name}: ${SERVERS[name].text}`)) : []),
    line(glyph("\u25b4 c57"), "the commit index went on, to 57"),
    line(glyph("\u25b6"), "filled arrow head: a question; open: an answer"),
    line(glyph("\u2716"), "on an arrow: the message did not arrive"),
    line(glyph("\u2588"), "bars under a lane: messages it sent, where arrows would be too many"),
    ...Object.entries(MARKS).filter(([kind]) => kind !== "epoch" || app.model.failover).map(([, m]) => line(glyph(m.icon), m.word)));
}
