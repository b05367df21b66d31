// The map of the memory: all points on one canvas, what is pointed at on another above it.

const NEAR = 14;
const CELL = 24;
const SHADES = 7;

/** A map with its legend and the line that reads what is pointed at. */
function mapFigure(id, map) {
  const back = el("canvas", { class: "map-canvas", "aria-hidden": "true" });
  const front = el("canvas", { class: "map-canvas front", tabindex: 0, role: "application",
    "aria-label": `${aboutMap(map)} Arrow keys move from point to point, Home goes to what was asked.`, "aria-describedby": `${id}-reading` });
  const said = el("p", { class: "reading", id: `${id}-reading`, role: "status", "aria-live": "polite" },
    "Point at the map, or move through it with the arrow keys.");
  const stage = el("div", { class: "map-stage" }, back, front);
  const state = { chosen: -1, places: [], cells: new Map(), width: 0, height: 0 };

  const tell = (index) => {
    if (index === state.chosen) return;
    state.chosen = index;
    above();
    if (index >= 0) said.textContent = pointName(map, map.points[index]);
  };
  const above = drawn(front, (context, width, height) => {
    context.clearRect(0, 0, width, height);
    if (state.chosen < 0 || !state.places.length) return;
    const [x, y] = state.places[state.chosen];
    context.lineWidth = 2;
    context.strokeStyle = css(colour("ink"));
    context.beginPath();
    context.arc(x, y, 8, 0, 2 * Math.PI);
    context.stroke();
  });
  drawn(back, (context, width, height) => {
    arrange(state, map.points, width, height);
    drawPoints(context, width, height, map, state.places);
    above();
  });

  front.addEventListener("pointermove", (event) => {
    const found = nearest(state, event.offsetX, event.offsetY);
    if (found >= 0) tell(found);
  });
  front.addEventListener("pointerdown", (event) => {
    const found = nearest(state, event.offsetX, event.offsetY, 3 * NEAR);
    if (found >= 0) tell(found);
  });
  front.addEventListener("keydown", (event) => {
    const ways = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const way = ways[event.key];
    if (!way && event.key !== "Home") return;
    event.preventDefault();
    const last = map.points.length - 1;
    tell(way && state.chosen >= 0 ? onward(state, way) : last);
  });
  return el("figure", { class: "map", id }, legend(map), stage, said, el("figcaption", { class: "about" }, aboutMap(map)));
}

function aboutMap(map) {
  const texts = map.points.filter(({ kind }) => kind === "text").length;
  const sample = texts < map.texts ? `A sample of ${whole(texts)} of ${whole(map.texts)} texts` : counted(texts, "text");
  const way = map.method === "principal"
    ? `the two directions in which texts and sounds differ most; they hold ${fixed(map.kept * 100, 0)} % of the differences`
    : "arranged so that near points stay near (t-SNE); distances between groups mean nothing";
  return `${sample}, ${way}.`;
}

function pointName(map, point) {
  const kinds = { text: map.domains[point.domain], sound: "sound", query: "the audited sound", projection: "projection onto the texts" };
  return `${point.label} (${kinds[point.kind]})`;
}

/** Places in pixels, and which points lie in which cell of a grid. */
function arrange(state, points, width, height) {
  const half = Math.min(width, height) / 2 - 14;
  const [stretchX, stretchY] = [width / 2 - 14, height / 2 - 14];
  // The wider axis may use the paper's width: nothing is measured on the map.
  state.places = points.map(({ x, y }) => [width / 2 + x * Math.min(stretchX, half * 1.6), height / 2 - y * stretchY]);
  state.cells = new Map();
  state.places.forEach(([x, y], index) => {
    const key = `${Math.floor(x / CELL)} ${Math.floor(y / CELL)}`;
    const cell = state.cells.get(key);
    if (cell) cell.push(index); else state.cells.set(key, [index]);
  });
  Object.assign(state, { width, height });
}

/** The point nearest to a place, if one is near; of two as near, the one drawn above. */
function nearest(state, x, y, reach = NEAR) {
  let [found, best] = [-1, reach * reach];
  const cells = Math.ceil(reach / CELL);
  const [column, row] = [Math.floor(x / CELL), Math.floor(y / CELL)];
  for (let i = column - cells; i <= column + cells; i += 1) {
    for (let j = row - cells; j <= row + cells; j += 1) {
      for (const index of state.cells.get(`${i} ${j}`) || []) {
        const distance = (state.places[index][0] - x) ** 2 + (state.places[index][1] - y) ** 2;
        if (distance < best || (distance === best && index > found)) [found, best] = [index, distance];
      }
    }
  }
  return found;
}

/** The next point in a direction: near, and rather ahead than aside. */
function onward(state, [right, down]) {
  const [x, y] = state.places[state.chosen];
  let [found, best] = [state.chosen, Infinity];
  state.places.forEach(([px, py], index) => {
    const ahead = (px - x) * right + (py - y) * down;
    const aside = Math.abs((px - x) * down) + Math.abs((py - y) * right);
    if (ahead <= 0.5 || aside > 2 * ahead + 4) return;
    const cost = ahead + 2 * aside;
    if (cost < best) [found, best] = [index, cost];
  });
  return found;
}

function shade(domain) {
  return colour(`plot-${domain < SHADES ? domain + 1 : SHADES + 1}`);
}

function drawPoints(context, width, height, map, places) {
  context.clearRect(0, 0, width, height);
  const shades = map.domains.map((_, index) => shade(index));
  const many = map.points.length > 3000;
  const [size, alpha] = many ? [1.8, 0.38] : [2.8, 0.6];
  const ink = colour("ink");
  const accent = colour("accent");
  map.points.forEach((point, index) => {
    const [x, y] = places[index];
    if (point.kind === "text" || point.kind === "sound") {
      context.fillStyle = point.kind === "text" ? css(shades[point.domain], alpha) : css(ink, 0.55);
      context.beginPath();
      context.arc(x, y, size, 0, 2 * Math.PI);
      context.fill();
      return;
    }
    mark(context, x, y, point.kind, ink, accent);
  });
}

/** A diamond for what was asked, a ring for what stands for it. */
function mark(context, x, y, kind, ink, accent) {
  context.lineWidth = 2.5;
  context.strokeStyle = css(kind === "query" ? colour("paper") : ink);
  context.fillStyle = css(kind === "query" ? ink : accent, kind === "query" ? 1 : 0.25);
  context.beginPath();
  if (kind === "query") {
    [[0, -9], [9, 0], [0, 9], [-9, 0]].forEach(([dx, dy]) => context.lineTo(x + dx, y + dy));
    context.closePath();
  } else {
    context.arc(x, y, 7, 0, 2 * Math.PI);
  }
  context.fill();
  context.stroke();
}

function legend(map) {
  const has = (kind) => map.points.some((point) => point.kind === kind);
  const swatch = (name) => {
    const dot = el("i", { "aria-hidden": "true" });
    dot.style.background = `var(--${name})`;
    return dot;
  };
  const named = map.domains.slice(0, SHADES).map((name, index) => el("li", {}, swatch(`plot-${index + 1}`), name));
  const rest = map.domains.length - SHADES;
  if (rest > 0) named.push(el("li", {}, swatch(`plot-${SHADES + 1}`), counted(rest, "other domain")));
  if (has("sound")) named.push(el("li", {}, swatch("ink"), "sounds"));
  if (has("projection")) named.push(el("li", {}, el("i", { class: "ring", "aria-hidden": "true" }), "projection"));
  if (has("query")) named.push(el("li", {}, el("i", { class: "diamond", "aria-hidden": "true" }), "the audited sound"));
  return el("ul", { class: "legend", "aria-label": "Legend" }, named);
}
