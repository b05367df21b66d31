// Reads the data and draws the page.

const PAGES = { caption: captionPage, memory: memoryPage };

function start() {
  const data = JSON.parse(document.getElementById("data").textContent);
  const kind = document.documentElement.dataset.kind;
  const names = { caption: "Audit of a caption", memory: "Audit of a memory" };
  const origin = [data.heading.store, data.heading.made, `Echoic ${data.echoic}`].filter(Boolean).join(" \u00b7 ");
  document.body.append(
    el("header", { class: "masthead" }, el("p", {}, el("strong", {}, "Echoic"), " ", el("span", {}, names[kind])), themeButton()),
    el("main", {}, PAGES[kind](data)),
    el("footer", { class: "about" }, origin));
  redraw();
}

start();
