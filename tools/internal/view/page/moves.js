// moves.js: what the page can be asked to do, by mouse, key, list or test.

Object.assign(App.prototype, {
  // select shows the fields of {step}, {message} or {mark}, and brings it into
  // sight unless it is there already.
  select(what, { stay = false } = {}) {
    const { model, scale } = this;
    this.selected = what;
    if (what) {
      const step = what.step ?? (what.mark != null ? markStep(model, model.marks[what.mark]) :
        model.M.sent[what.message] >= 0 ? model.M.sent[what.message] : model.M.got[what.message]);
      this.cursor = step;
      if (!stay) scale.show(scale.ofStep(step));
    }
    this.changed();
    this.canvas.focus({ preventScroll: true });
  },

  moveCursor(step, { fromSlider = false } = {}) {
    this.cursor = Math.max(0, Math.min(this.model.S.count - 1, step));
    this.scale.show(this.scale.ofStep(this.cursor));
    if (!fromSlider && this.selected) {
      this.selected = null;
      showDetails(this);
    }
    if (this.tab === "events") showTab(this, "events");
    this.draw();
  },

  // nextShown is the next step after one, or before it, of a node that is shown.
  nextShown(step, by) {
    let i = step + by;
    while (i >= 0 && i < this.model.S.count && this.scale.hidden.has(this.model.S.lane[i])) i += by;
    return i;
  },

  stepSameNode(by) {
    const own = this.model.laneSteps[this.model.S.lane[this.cursor]];
    const next = own[lastAtMost(own, this.cursor) + by];
    if (next !== undefined) this.moveCursor(next);
  },

  stepOtherNode(by) {
    const { shown } = this.scale;
    const place = shown.indexOf(this.model.S.lane[this.cursor]) + by;
    if (place < 0 || place >= shown.length) return;
    const step = this.model.stateAt(shown[place], this.cursor);
    this.moveCursor(step >= 0 ? step : this.model.laneSteps[shown[place]][0]);
  },

  zoomAtCursor(factor) {
    const x = this.scale.x(this.scale.ofStep(this.cursor));
    this.scale.zoom(factor, x >= 0 && x <= this.scale.width ? x : undefined);
    this.draw();
  },

  // follow goes along a message: to its arrival, or back to where it came from.
  follow(direction) {
    const { model, selected } = this;
    const { M } = model;
    if (selected?.message != null) {
      const step = direction > 0 ? M.got[selected.message] : M.sent[selected.message];
      if (step >= 0) this.select({ step });
      return;
    }
    const step = selected?.step ?? this.cursor;
    const message = direction > 0 ? model.firstSent[step] : model.received[step];
    if (direction > 0 ? message < model.firstSent[step + 1] : message >= 0) this.select({ message });
  },

  goMark(by) {
    const { marks } = this.model;
    if (!marks.length) return;
    let i = this.selected?.mark;
    if (i == null) {
      const at = this.model.S.at[this.cursor];
      i = by > 0 ? marks.findIndex((m) => m.at > at) : marks.findLastIndex((m) => m.at < at);
    } else {
      i += by;
    }
    if (i >= 0 && i < marks.length) this.select({ mark: i });
  },

  search(text) {
    this.found = search(this.model, text);
    this.hit = -1;
    const n = this.found.hits.length;
    document.getElementById("hits").textContent = text.trim() === "" ? "" : `${count(n)}${this.found.more ? "+" : ""} ${n === 1 ? "hit" : "hits"}`;
    showTab(this, text.trim() === "" ? "incidents" : "hits");
    this.draw();
  },

  // goHit goes to a hit; the first after the cursor if there was none before.
  goHit(i) {
    const { hits } = this.found;
    if (!hits.length) return;
    if (this.hit < 0) i = Math.max(0, hits.findIndex((h) => h.at >= this.cursor));
    this.hit = (i + hits.length) % hits.length;
    const { step, message, mark } = hits[this.hit];
    const typing = document.activeElement?.id === "query";
    this.select(mark != null ? { mark } : message != null ? { message } : { step });
    document.getElementById("hits").textContent = `${count(this.hit + 1)} of ${count(hits.length)}${this.found.more ? "+" : ""}`;
    if (typing) document.getElementById("query").focus();
  },

  switchAxis() {
    this.scale.setMode(this.scale.mode === "time" ? "order" : "time", this.cursor);
    document.getElementById("axis").textContent = "Axis: " + this.scale.mode;
    this.draw();
  },

  switchTheme() {
    const root = document.documentElement;
    const next = { auto: "light", light: "dark", dark: "auto" }[root.dataset.theme ?? "auto"];
    root.dataset.theme = next;
    document.getElementById("theme").textContent = "Theme: " + next;
    this.themed();
  },

  hover(x, y) {
    const tip = document.getElementById("tip");
    const what = x < 0 ? null : this.at(x, y);
    this.canvas.style.cursor = what ? "pointer" : "grab";
    tip.hidden = !what;
    if (!what) return;
    tip.textContent = this.tipText(what);
    const left = Math.min(x + 14, this.scale.width - tip.offsetWidth - 6);
    tip.style.left = `${Math.max(4, left)}px`;
    tip.style.top = `${y + 34 > this.scale.height ? y - 30 : y + 16}px`;
  },

  tipText({ step, message, mark }) {
    const { model } = this;
    if (mark != null) return `${clock(model.marks[mark].at)}: ${model.marks[mark].text}`;
    if (message != null) return messageTitle(model, message) + (model.M.got[message] < 0 ? ` (${fate(model, message)})` : "");
    const lane = model.lanes[model.S.lane[step]];
    const now = model.failover ? serverNow(lane, model.S.at[step]) : null;
    const server = now ? ` (server ${model.servers[now.server]}, epoch ${now.epoch})` : "";
    return `${clock(model.S.at[step])} ${lane.name}: ${stepTitle(model, step)}${server}`;
  },
});

function markStep(model, m) {
  return m.step >= 0 ? m.step : stepAtTime(model, m.at);
}
