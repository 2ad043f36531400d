// main.js: starts the page.

async function main() {
  const begin = performance.now();
  const element = document.getElementById("data");
  const data = await unpack(element.textContent);
  element.remove();
  const model = makeModel(data);
  const app = new App(model);
  fillMenus(app);
  fillLegend(app);
  fillHelp(app);
  listenMouse(app);
  listenControls(app);
  app.resized(); // the first picture has its size already
  // For tests, and for a look from the browser's console.
  window.pgraftView = { app, arrow: (i) => arrow(app.scale, model, i), loadMillis: performance.now() - begin };
  document.body.dataset.ready = "true";
}

main().catch((err) => {
  document.body.dataset.ready = "failed";
  document.body.prepend(Object.assign(document.createElement("p"), {
    className: "failed",
    textContent: `This page cannot show its data: ${err.message}. Make it again with pgraft view, or take a browser of 2023 or later.`,
  }));
  throw err;
});
