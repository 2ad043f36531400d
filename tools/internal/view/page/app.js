// app.js: the page's state and how it is painted.

class App {
  constructor(model) {
    this.model = model;
    this.canvas = document.getElementById("diagram");
    this.scale = new Scale(model);
    this.filter = { groups: new Set() };
    this.found = { hits: [], more: false };
    this.hit = -1;
    this.selected = null;
    this.tab = "incidents";
    this.places = { drawn: [], marks: [] };
    this.frames = []; // milliseconds of the last frames
    const first = model.marks.find((m) => m.kind === "alarm") ?? model.marks.find((m) => ["fault", "down", "cut", "pause", "up"].includes(m.kind));
    this.cursor = first ? stepAtTime(model, first.at) : model.S.count - 1;
    this.slider = document.getElementById("scrub");
    this.slider.max = model.S.count - 1;
    document.getElementById("size").textContent =
      `${model.lanes.length} ${model.lanes.length === 1 ? "node" : "nodes"}, ${count(model.S.count)} events, ${count(model.M.count)} messages, ${clock(model.end - model.start, 1e5)}`;
    this.themed();
  }

  themed() {
    this.colours = readPalette();
    this.colours.outline = this.colours.get("--outline");
    stripeCache.clear();
    this.changed();
  }

  resized() {
    this.scale.resize(this.canvas.clientWidth, this.canvas.clientHeight);
    this.draw();
  }

  // changed redraws all, draw only the diagram and what hangs on the cursor.
  changed() {
    showDetails(this);
    showTab(this, this.tab);
    this.draw();
  }

  draw() {
    if (this.pending) return;
    this.pending = true;
    requestAnimationFrame(() => {
      const begin = performance.now();
      this.pending = false;
      this.paint();
      this.frames.push(performance.now() - begin);
      if (this.frames.length > 200) this.frames.shift();
    });
  }

  paint() {
    const { scale, model, colours, filter } = this;
    const g = fit(this.canvas);
    g.clearRect(0, 0, scale.width, scale.height);
    g.textBaseline = "middle";
    drawCuts(g, scale, model, colours);
    drawRuler(g, scale, colours);
    this.paintHits(g);
    const messages = drawMessages(g, scale, model, filter, colours);
    const boxes = scale.shown.flatMap((l) => drawLane(g, scale, model, l, colours, messages.dense));
    drawSteps(g, scale, model, colours);
    this.places = { drawn: messages.drawn, marks: drawMarks(g, scale, model, colours) };
    labelArrows(g, scale.width, messages.drawn, model, [...boxes, ...this.places.marks.map((m) => m.box)], colours);
    this.paintSelected(g);
    this.paintCursor(g);
    const density = document.getElementById("density");
    density.hidden = !messages.dense;
    if (messages.dense) setText(density, `${count(messages.inSight)} messages in sight: bars show how many, zoom in for arrows`);
    setText(document.getElementById("clock"), `${clock(model.S.at[this.cursor])}, event ${count(this.cursor)}`);
    this.slider.value = this.cursor;
    this.slider.setAttribute("aria-valuetext", `${clock(model.S.at[this.cursor])}, event ${this.cursor}`);
    showGutter(this);
    drawOverview(document.getElementById("overview"), this);
  }

  paintCursor(g) {
    const x = this.scale.x(this.scale.ofStep(this.cursor));
    g.strokeStyle = this.colours.accent;
    g.lineWidth = 1.5;
    g.setLineDash([]);
    g.beginPath();
    g.moveTo(x, 18);
    g.lineTo(x, this.scale.height);
    g.stroke();
    g.fillStyle = this.colours.accent;
    triangle(g, x, 14, 10);
    const y = this.scale.y[this.model.S.lane[this.cursor]];
    if (y < 0) return;
    g.beginPath();
    g.arc(x, y, 5, 0, 7);
    g.stroke();
  }

  paintHits(g) {
    const { scale, model, colours } = this;
    g.strokeStyle = colours.hit;
    g.lineWidth = 6;
    for (const h of this.found.hits) {
      const x = scale.x(scale.ofStep(h.at));
      if (x < -50 || x > scale.width + 50) continue;
      g.beginPath();
      if (h.message != null) {
        const a = arrow(scale, model, h.message);
        g.moveTo(a.x0, a.y0);
        g.lineTo(a.x1, a.y1);
      } else {
        const y = scale.y[h.mark != null ? model.marks[h.mark].lane : model.S.lane[h.step]] ?? 31;
        g.arc(x, h.mark != null && y !== 31 ? y - BAND / 2 - MARK_ABOVE : y, 11, 0, 7);
      }
      g.stroke();
    }
  }

  paintSelected(g) {
    const { scale, model, selected, colours } = this;
    if (!selected) return;
    const list = [];
    if (selected.message != null) list.push(selected.message);
    else if (selected.step != null) {
      for (let m = model.firstSent[selected.step]; m < model.firstSent[selected.step + 1]; m++) list.push(m);
      if (model.received[selected.step] >= 0) list.push(model.received[selected.step]);
      const y = scale.y[model.S.lane[selected.step]];
      g.strokeStyle = colours.accent;
      g.lineWidth = 3;
      g.strokeRect(scale.x(scale.ofStep(selected.step)) - 7, y - 7, 14, 14);
    }
    g.strokeStyle = g.fillStyle = colours.accent;
    g.lineWidth = 3;
    for (const m of list) {
      const a = arrow(scale, model, m);
      g.beginPath();
      g.moveTo(a.x0, a.y0);
      g.lineTo(a.x1, a.y1);
      g.stroke();
      if (!a.stops) head(g, a, false);
    }
  }

  // at finds what is drawn near a point.
  at(x, y) {
    const mark = this.places.marks.find((m) => Math.hypot(m.x - x, m.y - y) < 10);
    if (mark) return { mark: mark.i };
    const under = this.model.failover ? STRIPE + 3 : 0;
    const lane = this.scale.shown.find((l) => y >= this.scale.y[l] - BAND / 2 && y <= this.scale.y[l] + BAND / 2 + under);
    if (lane !== undefined) return this.stepNearPoint(lane, x);
    let [best, distance] = [null, 6];
    for (const d of this.places.drawn) {
      const now = toSegment(x, y, d);
      if (now < distance) [best, distance] = [d.i, now];
    }
    return best == null ? null : { message: best };
  }

  // stepNearPoint is the step of a lane that is nearest to x.
  stepNearPoint(lane, x) {
    const own = this.model.laneSteps[lane];
    const u = this.scale.u(x);
    let i = lastAtMost(own, this.scale.stepBefore(u));
    if (i + 1 < own.length && (i < 0 || this.scale.ofStep(own[i + 1]) - u < u - this.scale.ofStep(own[i]))) i++;
    return { step: own[i] };
  }

  click(x, y) {
    const what = this.at(x, y);
    if (what) this.select(what, { stay: true });
    else this.moveCursor(this.scale.stepNear(this.scale.u(x)));
  }
}

function toSegment(x, y, { x0, y0, x1, y1 }) {
  const [dx, dy] = [x1 - x0, y1 - y0];
  const square = dx * dx + dy * dy;
  const t = square ? Math.max(0, Math.min(1, ((x - x0) * dx + (y - y0) * dy) / square)) : 0;
  return Math.hypot(x - x0 - t * dx, y - y0 - t * dy);
}
