// What everything else draws with. Texts become text nodes, never markup.

const SVG_MINUS = "\u2212";

/** Makes an element: properties, `data-`/`aria-` attributes, listeners (`on…`) and children. */
function el(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else if (name === "class") node.className = value;
    else node.setAttribute(name, value === true ? "" : String(value));
  }
  node.append(...children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== ""));
  return node;
}

/** A number with so many decimals; a dash where there is none. */
function fixed(value, decimals = 3) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "\u2013";
  const text = value.toFixed(decimals);
  return text.startsWith("-") ? SVG_MINUS + text.slice(1) : text;
}

/** A whole number with separators. */
function whole(value) {
  return value === null || value === undefined ? "\u2013" : value.toLocaleString("en-US");
}

function counted(count, thing) {
  return `${whole(count)} ${thing}${count === 1 ? "" : "s"}`;
}

/** Seconds as minutes and seconds. */
function time(seconds, decimals = 1) {
  const minutes = Math.floor(seconds / 60);
  const rest = (seconds - minutes * 60).toFixed(decimals);
  return `${minutes}:${rest.padStart(decimals ? decimals + 3 : 2, "0")}`;
}

function bytesOf(base64) {
  const text = atob(base64);
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i += 1) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** A bar of a share in 0..1 with the number beside it. */
function bar(share, label) {
  const fill = el("i");
  fill.style.width = `${Math.max(0, Math.min(1, share || 0)) * 100}%`;
  return el("span", { class: "measure" }, el("span", { class: "number" }, label), el("span", { class: "bar", "aria-hidden": "true" }, fill));
}

/** A part that takes the whole width. */
function broad(...parts) {
  const node = section(...parts);
  node.classList.add("broad");
  return node;
}

/** A part of the page: its name, a word about it, and what it shows. */
function section(id, name, about, ...content) {
  const heading = el("h2", { id: `${id}-name` }, name);
  return el("section", { id, "aria-labelledby": `${id}-name` },
    el("header", {}, heading, about ? el("p", { class: "about" }, about) : ""),
    el("div", { class: "content" }, ...content));
}

/** Names and values. */
function facts(pairs) {
  const shown = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return el("dl", { class: "facts" }, shown.map(([name, value, about]) =>
    el("div", {}, el("dt", {}, name), el("dd", {}, value), about ? el("dd", { class: "about" }, about) : "")));
}

let probe;

/** A colour of the style sheet as it is now, `[red, green, blue]`. */
function colour(name) {
  probe = probe || document.body.appendChild(el("span", { hidden: true }));
  probe.style.color = `var(--${name})`;
  const parts = getComputedStyle(probe).color.match(/[\d.]+/g).map(Number);
  return parts.slice(0, 3);
}

function css([red, green, blue], alpha = 1) {
  return `rgb(${red} ${green} ${blue} / ${alpha})`;
}

function mixed(from, to, share) {
  return from.map((value, i) => value + (to[i] - value) * share);
}

let redraws = [];

/** Draws all that is on the page once more; what was taken off it is forgotten. */
function redraw() {
  redraws = redraws.filter(({ canvas }) => canvas.isConnected);
  redraws.forEach(({ again }) => again());
}

/** Draws on a canvas now, and again when its width or the theme changes. `draw(context, width, height)` counts in CSS pixels. */
function drawn(canvas, draw) {
  const again = () => {
    const { clientWidth: width, clientHeight: height } = canvas;
    if (!width || !height) return;
    const scale = Math.min(window.devicePixelRatio || 1, 3);
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    const context = canvas.getContext("2d");
    context.scale(scale, scale);
    draw(context, width, height);
  };
  redraws.push({ canvas, again });
  new ResizeObserver(again).observe(canvas);
  return again;
}

const scheme = window.matchMedia("(prefers-color-scheme: dark)");
const calm = window.matchMedia("(prefers-reduced-motion: reduce)");

function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : scheme.matches;
}

/** The button that turns the paper over. */
function themeButton() {
  const name = () => (isDark() ? "Light paper" : "Dark paper");
  const button = el("button", { type: "button", class: "quiet", id: "theme", onclick: () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    changed();
  } }, name());
  const changed = () => {
    button.textContent = name();
    redraw();
  };
  scheme.addEventListener("change", changed);
  return button;
}

/** A button that copies a command. */
function copyButton(text) {
  const button = el("button", { type: "button", class: "quiet copy", "aria-label": `Copy the command: ${text}` }, "Copy");
  button.addEventListener("click", async () => {
    let copied = true;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      copied = selectText(button.previousElementSibling);
    }
    button.textContent = copied ? "Copied" : "Selected";
    setTimeout(() => { button.textContent = "Copy"; }, 1600);
  });
  return button;
}

/** Where the clipboard is closed to the page: selects the text, and copies it the old way. */
function selectText(node) {
  const range = document.createRange();
  range.selectNodeContents(node);
  const selection = window.getSelection();
  selection.removeAllRanges();
  selection.addRange(range);
  return document.execCommand("copy");
}

function commandLine(text) {
  return el("span", { class: "command" }, el("code", {}, text), copyButton(text));
}
