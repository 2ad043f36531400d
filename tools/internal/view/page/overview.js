// overview.js: the whole run in one strip: who led, faults, hits, and which
// part is in sight. The range input on it moves the cursor.

function drawOverview(canvas, app) {
  const { scale, model, colours } = app;
  const g = fit(canvas);
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  g.clearRect(0, 0, width, height);
  const [from, to] = scale.range();
  const x = (u) => ((u - from) / (to - from)) * width;
  const ofTime = (at) => x(scale.ofTime(at));

  const rows = model.lanes.length;
  const top = 12;
  const rowHeight = Math.max(2, (height - top - 2) / rows);
  const leader = model.roles.indexOf("Leader");
  for (const [l, lane] of model.lanes.entries()) {
    const y = top + l * rowHeight;
    g.fillStyle = colours.line;
    g.fillRect(0, y + rowHeight / 2, width, 1);
    for (const s of lane.spans) {
      const lead = s.role === leader;
      g.fillStyle = colours.terms[s.term % colours.terms.length];
      const x0 = scale.mode === "time" ? x(s.from) : x(s.fromStep);
      const x1 = scale.mode === "time" ? x(s.to) : x(s.toStep);
      g.fillRect(x0, y + (lead ? 0 : rowHeight / 2 - 1), Math.max(1, x1 - x0), lead ? rowHeight - 1 : 2);
    }
    for (const s of lane.servers) {
      const { colour, low } = SERVERS[model.servers[s.server]];
      if (low) continue;
      const [x0, x1] = scale.mode === "time" ? [x(s.from), x(s.to)] : [x(s.fromStep), x(s.toStep)];
      g.fillStyle = colours.get(colour);
      g.fillRect(x0, y + rowHeight - 4, Math.max(1, x1 - x0), 3);
    }
    g.fillStyle = stripes(g, colours.quiet, 5);
    for (const d of lane.down) g.fillRect(ofTime(d.from), y, Math.max(1, ofTime(d.to) - ofTime(d.from)), rowHeight - 1);
  }
  g.fillStyle = colours.bad;
  for (const m of model.marks) {
    if (["down", "cut", "fault", "alarm", "pause"].includes(m.kind)) triangle(g, ofTime(m.at), 2, 7);
  }
  g.fillStyle = colours.hit;
  for (const h of app.found.hits) g.fillRect(x(scale.ofStep(h.at)) - 1, height - 6, 2, 6);

  const [a, b] = [Math.max(0, x(scale.u0)), Math.min(width, x(scale.u1))];
  g.fillStyle = colours.shade;
  g.fillRect(0, 0, a, height);
  g.fillRect(b, 0, width - b, height);
  g.strokeStyle = colours.accent;
  g.lineWidth = 1.5;
  g.strokeRect(a + 1, 1, Math.max(3, b - a - 2), height - 2);
  const cx = x(scale.ofStep(app.cursor));
  g.fillStyle = colours.accent;
  g.fillRect(cx - 1, 0, 2, height);
}

function triangle(g, x, y, size) {
  g.beginPath();
  g.moveTo(x - size / 2, y);
  g.lineTo(x + size / 2, y);
  g.lineTo(x, y + size);
  g.fill();
}

// fit gives a canvas as many pixels as the screen has for it, and returns what
// to draw on, in CSS pixels.
function fit(canvas) {
  const ratio = window.devicePixelRatio || 1;
  const [width, height] = [Math.round(canvas.clientWidth * ratio), Math.round(canvas.clientHeight * ratio)];
  if (canvas.width !== width || canvas.height !== height) [canvas.width, canvas.height] = [width, height];
  const g = canvas.getContext("2d");
  g.setTransform(ratio, 0, 0, ratio, 0, 0);
  return g;
}
