// keys.js: mouse and keyboard.

const HELP = [
  ["\u2190 \u2192", "the event before, after (with Alt: of the same node)"],
  ["Shift+\u2190 \u2192", "move the view"],
  ["\u2191 \u2193", "the node above, below: its event nearest to the cursor"],
  ["+ \u2212", "zoom in, out; also the mouse wheel"],
  ["0", "the whole run"],
  ["Home End", "first, last event"],
  ["Enter", "select the event at the cursor, and show its fields"],
  ["f", "follow: from a message to its arrival, from an event to a message it sent"],
  ["b", "back: from an arrival to its message, from a message to its sending"],
  ["[ ]", "incident before, after"],
  ["/", "search; then n and N: next hit, hit before"],
  ["o", "axis: time, or order of the events"],
  ["t", "theme: auto, light, dark"],
  ["Esc", "close, or select nothing"],
  ["?", "this help"],
];

const SEARCH_HELP = "A word finds kinds (MsgVote, Propose), roles (leader), marks (killed), and texts of inputs and outputs; lost and reject find such messages. " +
  "term:3 node:2 from:1 to:2 index:57 commit:40 entries:>1 round:9 step:120 compare numbers. All words must hold.";

function fillHelp(app) {
  const dialog = document.getElementById("help");
  dialog.replaceChildren(
    el("h2", { id: "help-title" }, "Keys"),
    el("dl", {}, ...HELP.flatMap(([k, text]) => [el("dt", {}, ...k.split(" ").map((x) => el("kbd", {}, x))), el("dd", {}, text)])),
    el("h2", {}, "Mouse"),
    el("p", {}, "Wheel zooms, drag moves, a click selects, a click beside everything sets the cursor; on the strip below, a click moves the cursor; Shift and wheel moves sideways."),
    el("h2", {}, "Search"), el("p", {}, SEARCH_HELP),
    el("button", { type: "button", onclick: () => dialog.close() }, "Close"));
  document.getElementById("help-open").addEventListener("click", () => dialog.showModal());
  dialog.addEventListener("close", () => app.canvas.focus());
}

function onKey(app, e) {
  const typing = e.target.matches("input[type=search]");
  if (e.key === "Escape" && !document.getElementById("help").open) {
    for (const m of document.querySelectorAll("details[open]")) m.open = false;
    if (!typing) app.select(null);
    app.canvas.focus();
    return;
  }
  if (typing || e.ctrlKey || e.metaKey || document.getElementById("help").open) return;
  // Arrows belong to the slider, tabs and choices while these have the focus.
  const own = e.target.matches("input, [role=tab], summary");
  const action = keyAction(app, e, own);
  if (!action) return;
  e.preventDefault();
  action();
}

function keyAction(app, e, own) {
  const { scale } = app;
  switch (e.key) {
    case "ArrowLeft": case "ArrowRight": {
      if (own) return null;
      const by = e.key === "ArrowLeft" ? -1 : 1;
      if (e.shiftKey) return () => { scale.pan(by * scale.width * 0.2); app.draw(); };
      return () => (e.altKey ? app.stepSameNode(by) : app.moveCursor(app.nextShown(app.cursor, by)));
    }
    case "ArrowUp": case "ArrowDown": return own ? null : () => app.stepOtherNode(e.key === "ArrowUp" ? -1 : 1);
    case "Home": return own ? null : () => app.moveCursor(0);
    case "End": return own ? null : () => app.moveCursor(app.model.S.count - 1);
    case "Enter": return e.target === app.canvas ? () => app.select({ step: app.cursor }) : null;
    case "+": case "=": return () => app.zoomAtCursor(0.6);
    case "-": case "_": return () => app.zoomAtCursor(1 / 0.6);
    case "0": return () => { scale.all(); app.draw(); };
    case "f": return () => app.follow(1);
    case "b": return () => app.follow(-1);
    case "[": return () => app.goMark(-1);
    case "]": return () => app.goMark(1);
    case "n": return () => app.goHit(app.hit + 1);
    case "N": return () => app.goHit(app.hit - 1);
    case "o": return () => app.switchAxis();
    case "t": return () => app.switchTheme();
    case "/": return () => document.getElementById("query").focus();
    case "?": return () => document.getElementById("help").showModal();
    default: return null;
  }
}

function listenMouse(app) {
  const { canvas, scale } = app;
  let drag = null;
  canvas.addEventListener("wheel", (e) => {
    e.preventDefault();
    if (e.shiftKey || Math.abs(e.deltaX) > Math.abs(e.deltaY)) scale.pan(e.deltaX || e.deltaY);
    else scale.zoom(Math.exp(Math.max(-1, Math.min(1, e.deltaY * 0.002))), e.offsetX);
    app.draw();
  }, { passive: false });
  canvas.addEventListener("pointerdown", (e) => {
    if (e.button !== 0) return;
    canvas.setPointerCapture(e.pointerId);
    drag = { x: e.offsetX, moved: false, ruler: e.offsetY < 22 };
    if (drag.ruler) app.moveCursor(scale.stepNear(scale.u(e.offsetX)));
  });
  canvas.addEventListener("pointermove", (e) => {
    if (!drag) return app.hover(e.offsetX, e.offsetY);
    if (drag.ruler) return app.moveCursor(scale.stepNear(scale.u(e.offsetX)));
    if (Math.abs(e.offsetX - drag.x) > 3) drag.moved = true;
    if (!drag.moved) return;
    scale.pan(drag.x - e.offsetX);
    drag.x = e.offsetX;
    app.draw();
  });
  canvas.addEventListener("pointerup", (e) => {
    if (drag && !drag.moved && !drag.ruler) app.click(e.offsetX, e.offsetY);
    drag = null;
  });
  canvas.addEventListener("pointercancel", () => (drag = null));
  canvas.addEventListener("pointerleave", () => app.hover(-1, -1));
  canvas.addEventListener("dblclick", (e) => { scale.zoom(0.35, e.offsetX); app.draw(); });
}

function listenControls(app) {
  const on = (id, event, f) => document.getElementById(id).addEventListener(event, f);
  on("scrub", "input", (e) => app.moveCursor(Number(e.target.value), { fromSlider: true }));
  on("search", "submit", (e) => e.preventDefault());
  on("query", "input", (e) => app.search(e.target.value));
  on("query", "keydown", (e) => {
    if (e.key !== "Enter") return;
    e.preventDefault();
    app.goHit(app.hit + (e.shiftKey ? -1 : 1));
  });
  on("hit-before", "click", () => app.goHit(app.hit - 1));
  on("hit-after", "click", () => app.goHit(app.hit + 1));
  on("axis", "click", () => app.switchAxis());
  on("theme", "click", () => app.switchTheme());
  on("zoom-in", "click", () => app.zoomAtCursor(0.6));
  on("zoom-out", "click", () => app.zoomAtCursor(1 / 0.6));
  on("zoom-all", "click", () => { app.scale.all(); app.draw(); });
  const tabs = [...document.querySelectorAll("[role=tab]")];
  for (const [i, tab] of tabs.entries()) {
    tab.addEventListener("click", () => showTab(app, tab.id.slice(4)));
    tab.addEventListener("keydown", (e) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[e.key];
      if (!by) return;
      const next = tabs[(i + by + tabs.length) % tabs.length];
      next.click();
      next.focus();
    });
  }
  // One open menu at a time, closed by a click beside it.
  document.addEventListener("pointerdown", (e) => {
    for (const m of document.querySelectorAll("details[open]")) if (!m.contains(e.target)) m.open = false;
  });
  document.addEventListener("keydown", (e) => onKey(app, e));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => app.themed());
  new ResizeObserver(() => app.resized()).observe(app.canvas);
}
