// scale.js: what part of the run is seen, and where things are on the canvas.
// A place along the run is called u: microseconds when the axis is time, the
// number of the step when it is order.

const LANE_PAD_TOP = 46; // pixels for the ruler and the marks of all nodes
const LANE_PAD_BOTTOM = 14;
const BAND = 22; // height of a leader's band
const THIN = 8; // of everyone else's

class Scale {
  constructor(model) {
    this.model = model;
    this.mode = "time";
    this.hidden = new Set(); // lanes
    this.resize(100, 100);
    this.all();
  }

  resize(width, height) {
    [this.width, this.height] = [width, height];
    this.layout();
  }

  // layout gives every lane that is shown its place.
  layout() {
    this.shown = this.model.lanes.map((_, i) => i).filter((i) => !this.hidden.has(i));
    const n = Math.max(1, this.shown.length);
    this.under = this.model.failover ? STRIPE + 6 : 0; // what is below a band is so much lower
    this.laneHeight = Math.max(64 + this.under, (this.height - LANE_PAD_TOP - LANE_PAD_BOTTOM) / n);
    this.y = this.model.lanes.map((_, i) => {
      const place = this.shown.indexOf(i);
      return place < 0 ? -1 : LANE_PAD_TOP + this.laneHeight * (place + 0.5) - this.under / 2;
    });
  }

  range() {
    const { S, start, end } = this.model;
    return this.mode === "time" ? [start, Math.max(end, start + 10)] : [0, Math.max(S.count - 1, 10)];
  }

  all() {
    const [from, to] = this.range();
    const pad = (to - from) * 0.02;
    [this.u0, this.u1] = [from - pad, to + pad];
  }

  get perPixel() { return (this.u1 - this.u0) / this.width; }
  x(u) { return ((u - this.u0) / (this.u1 - this.u0)) * this.width; }
  u(x) { return this.u0 + x * this.perPixel; }

  ofStep(step) { return this.mode === "time" ? this.model.S.at[step] : step; }

  // ofTime is where a time is that need not be a step's.
  ofTime(at) {
    if (this.mode === "time") return at;
    const { S } = this.model;
    const i = lastAtMost(S.at, at);
    if (i < 0 || i + 1 >= S.count) return i;
    const gap = S.at[i + 1] - S.at[i];
    return gap > 0 ? i + (at - S.at[i]) / gap : i;
  }

  toTime(u) {
    if (this.mode === "time") return u;
    return this.model.S.at[Math.max(0, this.stepBefore(u))];
  }

  // stepBefore is the last step at or before u, -1 if there is none.
  stepBefore(u) {
    return this.mode === "time" ? lastAtMost(this.model.S.at, u) : Math.min(this.model.S.count - 1, Math.floor(u));
  }

  stepNear(u) {
    return Math.max(0, this.stepBefore(this.mode === "time" ? u : u + 0.5));
  }

  // zoom by a factor around pixel x; the place below x stays.
  zoom(factor, x = this.width / 2) {
    const [from, to] = this.range();
    const least = this.mode === "time" ? 50 : 4;
    const span = Math.min((to - from) * 1.2, Math.max(least, (this.u1 - this.u0) * factor));
    const at = this.u(x);
    this.u0 = at - (x / this.width) * span;
    this.u1 = this.u0 + span;
    this.clamp();
  }

  pan(pixels) {
    const by = pixels * this.perPixel;
    this.u0 += by;
    this.u1 += by;
    this.clamp();
  }

  // clamp keeps a part of the run in sight.
  clamp() {
    const [from, to] = this.range();
    const span = this.u1 - this.u0;
    const lowest = from - span * 0.5;
    const highest = to + span * 0.5;
    if (this.u0 < lowest) [this.u0, this.u1] = [lowest, lowest + span];
    if (this.u1 > highest) [this.u0, this.u1] = [highest - span, highest];
  }

  // show brings u into sight, in the middle third if it was not.
  show(u) {
    const x = this.x(u);
    if (x < this.width * 0.04 || x > this.width * 0.96) this.pan(x - this.width / 2);
  }

  // frame shows from a to b with some room.
  frame(a, b) {
    const room = Math.max((b - a) * 0.25, this.mode === "time" ? 2000 : 6);
    [this.u0, this.u1] = [a - room, b + room];
    this.clamp();
  }

  setMode(mode, keep) {
    const left = this.toTime(this.u0);
    const right = this.toTime(this.u1);
    const step = keep ?? this.stepNear(this.u((this.width / 2)));
    this.mode = mode;
    const [a, b] = [this.ofTime(left), this.ofTime(right)];
    const span = Math.max(b - a, mode === "time" ? 1000 : 20);
    this.u0 = this.ofStep(step) - span / 2;
    this.u1 = this.u0 + span;
    this.clamp();
  }

  // visible is the range of steps in sight: [first, last + 1].
  visible() {
    const { S } = this.model;
    if (this.mode === "time") return [lastAtMost(S.at, this.u0 - 1) + 1, lastAtMost(S.at, this.u1) + 1];
    return [Math.max(0, Math.ceil(this.u0)), Math.min(S.count, Math.floor(this.u1) + 1)];
  }
}

// ticksFor are the ruler's places in sight, about one in 110 pixels.
function ticksFor(scale) {
  const least = scale.perPixel * 110;
  let unit = 10 ** Math.floor(Math.log10(least));
  for (const m of [1, 2, 5, 10]) {
    if (unit * m >= least) {
      unit *= m;
      break;
    }
  }
  if (scale.mode === "order") unit = Math.max(1, Math.round(unit));
  const list = [];
  for (let u = Math.ceil(scale.u0 / unit) * unit; u <= scale.u1; u += unit) list.push(u || 0); // not -0
  return { unit, list };
}
