// The live page: asks the server, and shows what it says. Texts become text nodes, never markup.
(() => {
"use strict";

const at = (id) => document.getElementById(id);
const KEPT = "echoic-token";
let token = takeToken();
/** The sound that was chosen last, `{ name, bytes }`; choices of strategy, domain and decoder are applied to it again. */
let chosen = null;
/** What is asked now; what is asked next breaks it off. */
let asking = null;
let clips = false;

/** The token stands behind the # of the address, which is sent to nobody, and is taken out of sight. */
function takeToken() {
  const hash = location.hash.slice(1);
  let given = hash;
  try {
    given = decodeURIComponent(hash);
  } catch {
    // A token may have a % of its own.
  }
  if (given) {
    sessionStorage.setItem(KEPT, given);
    history.replaceState(null, "", location.pathname);
  }
  return given || sessionStorage.getItem(KEPT) || "";
}

async function ask(path, options = {}) {
  const headers = { ...options.headers };
  if (token) headers.Authorization = `Bearer ${token}`;
  const response = await fetch(path, { ...options, headers });
  if (response.ok) return response;
  if (response.status === 401) at("token-form").hidden = false;
  const said = await response.json().catch(() => ({ error: `The server answered ${response.status}.` }));
  throw new Error([said.error, said.hint].filter(Boolean).join(" \u2014 "));
}

async function json(path, options) {
  return (await ask(path, options)).json();
}

function post(path, document) {
  return json(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(document) });
}

function say(text) {
  at("said").textContent = text;
}

function complain(error) {
  if (error && error.name === "AbortError") return;
  at("problem").hidden = !error;
  at("problem").textContent = error ? error.message : "";
}

/** Does something, and shows what went wrong with it. */
async function attempt(work) {
  complain(null);
  try {
    await work();
  } catch (error) {
    complain(error);
  }
}

function choices(select, first, names) {
  const before = select.value;
  select.replaceChildren(el("option", { value: "" }, first), ...names.map((name) => el("option", { value: name }, name)));
  select.value = names.includes(before) ? before : "";
}

async function refresh() {
  const [stats, domains, decoders] = await Promise.all(["stats", "domains", "decoders"].map((name) => json(`/api/${name}`)));
  clips = Boolean(stats.clips);
  at("about-store").textContent = `${counted(stats.captions, "text")} in ${counted(domains.length, "domain")}, ${stats.space.model}`;
  choices(at("domain"), "All", domains.map(({ name }) => name));
  const used = decoders.find((decoder) => decoder.default);
  choices(at("decoder"), used ? `In use: ${used.name}` : "None", decoders.map(({ name }) => name));
  at("strategy").options[0].textContent = used ? "Usual: projection" : "Usual: the text itself";
  at("domains").replaceChildren(...domains.map(({ name }) => el("option", { value: name })));
  await curves(decoders);
}

function query(names) {
  const asked = new URLSearchParams();
  for (const name of names) if (at(name).value) asked.set(name, at(name).value);
  if (chosen) asked.set("name", chosen.name);
  return asked;
}

/** The column of a table that plays the clip of a text, where clips can be played. */
function playing() {
  if (!clips) return [];
  return [{ key: "play", name: "Clip", cell: (row) => (row.clip
    ? el("button", { type: "button", class: "quiet", "aria-label": `Play the clip of: ${row.caption}`, onclick: () => attempt(() => play(row)) }, "Play") : "\u2013") }];
}

async function play({ id, caption }) {
  const clip = await (await ask(`/api/clips/${id}`)).blob();
  const player = at("player");
  if (player.src) URL.revokeObjectURL(player.src);
  player.src = URL.createObjectURL(clip);
  at("playing").hidden = false;
  at("played").textContent = caption;
  say(`Playing the clip of: ${caption}`);
  await player.play().catch(() => { throw new Error(`The browser cannot play the clip of \u201c${caption}\u201d.`); });
}

/** Takes a sound as it is now: a file that is written again later is closed to the page. */
function choose(file) {
  if (!file) return undefined;
  return attempt(async () => {
    const bytes = await file.arrayBuffer().catch(() => { throw new Error(`The browser cannot read ${file.name}.`); });
    chosen = { name: file.name, bytes };
    at("near-sound").disabled = false;
    await listen();
  });
}

function sending(signal) {
  return { method: "POST", body: chosen.bytes, headers: { "Content-Type": "application/octet-stream" }, signal };
}

/** Captions the chosen sound: first the caption, which is there at once, then all that an audit says. */
async function listen() {
  if (!chosen) return;
  if (asking) asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  const asked = query(["strategy", "domain", "decoder"]);
  const result = at("result");
  result.setAttribute("aria-busy", "true");
  say(`Listening to ${chosen.name}`);
  try {
    const caption = await json(`/api/caption?${asked}`, sending(signal));
    show(heading(caption));
    say(caption.caption);
    const { audit, sound, map } = await json(`/api/page?${asked}`, sending(signal));
    show(captionArticle({ audit, sound, columns: playing() }, "caption-1"), mapSection(map));
  } catch (error) {
    // What was said of another sound shall not stand below the name of this one.
    if (!signal.aborted) result.replaceChildren();
    throw error;
  } finally {
    if (!signal.aborted) result.setAttribute("aria-busy", "false");
  }
}

function heading(caption) {
  return el("header", { class: "title" }, el("p", { class: "kicker" }, caption.path), el("h1", {}, caption.caption),
    caption.confidence === undefined ? "" : el("p", { class: "about" }, sureness(caption)));
}

/** How far the caption can be trusted, in words and in the number that `caption` prints. */
function sureness({ heard, confidence }) {
  if (heard === "silence" || heard === "too_short") return "There is nothing to hear.";
  const faint = heard === "faint" ? "The sound is faint. " : "";
  return `${faint}It fits with a probability of ${fixed(confidence, 2)}, by what similar captions were worth.`;
}

function show(...nodes) {
  at("result").replaceChildren(...nodes);
  redraw();
}

function found(answer, what) {
  const rows = answer.neighbours.map((text, index) => ({ ...text, rank: index + 1 }));
  const columns = [
    { key: "rank", name: "Rank", kind: "figure", up: true, value: (row) => row.rank, cell: (row) => whole(row.rank) },
    { key: "text", name: "Text", kind: "wide", value: (row) => row.caption, cell: (row) => [row.caption, row.clip ? el("small", {}, row.clip) : ""] },
    { key: "domain", name: "Domain", kind: "domain", value: (row) => row.domain, cell: (row) => row.domain },
    { key: "similarity", name: "Similarity", kind: "figure", value: (row) => row.similarity, cell: (row) => bar(row.similarity, fixed(row.similarity)) },
    ...playing(),
  ];
  at("found").replaceChildren(table({ id: "found-table", name: `Texts near ${what}`, columns, rows, thing: "text",
    search: (row) => `${row.caption} ${row.clip || ""}`, domain: (row) => row.domain, sorted: { key: "rank", down: false } }));
  say(`${counted(rows.length, "text")} near ${what}`);
}

/** Calls `take` with each event of a job. */
async function watch(path, take) {
  const reader = (await ask(path)).body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (text + value).split("\n\n");
    text = parts.pop();
    for (const part of parts) {
      const data = part.split("\n").filter((line) => line.startsWith("data:")).map((line) => line.slice(5)).join("\n");
      if (data) take(JSON.parse(data));
    }
  }
}

async function ingest() {
  const progress = at("progress");
  at("ingested").textContent = "";
  const job = await post("/api/ingest", { domain: at("into").value.trim(), text: at("pasted").value });
  progress.hidden = false;
  at("ingest").disabled = true;
  let last = null;
  try {
    await watch(job.events, (standing) => {
      last = standing;
      if (standing.total) {
        progress.max = standing.total;
        progress.value = standing.done;
      } else {
        progress.removeAttribute("value");
      }
      at("ingested").textContent = standing.state === "working" ? `${standing.phase}\u2026` : "";
    });
  } finally {
    progress.hidden = true;
    at("ingest").disabled = false;
  }
  if (last && last.state === "failed") throw new Error([last.error, last.hint].filter(Boolean).join(" \u2014 "));
  const report = last && last.report;
  at("ingested").textContent = report
    ? `${counted(report.new, "new caption")} in ${report.domain}, ${whole(report.repeats)} repeated, ${whole(report.duplicate)} known, ${whole(report.rejected)} rejected.`
    : "The server ended before all was stored; what was committed stays.";
  if (report) at("pasted").value = "";
  await refresh();
}

async function curves(decoders) {
  const all = await Promise.all(decoders.map(({ name }) => json(`/api/decoders/${encodeURIComponent(name)}`)));
  const shown = all.map((decoder) => el("div", { class: "decoder" },
    el("h3", {}, decoder.name, decoder.default ? " \u00b7 in use" : ""),
    el("p", { class: "about" }, [decoder.preset, decoder.captions ? counted(decoder.captions, "caption") : "", decoder.validation_loss === null ? "" : `validation loss ${fixed(decoder.validation_loss)}`].filter(Boolean).join(", ")),
    decoder.log.length > 1 ? curve(decoder) : el("p", { class: "about" }, "No curve is kept of its training.")));
  at("curves").replaceChildren(...(shown.length ? shown : [el("p", {}, "There is no decoder yet: each caption is the nearest stored text itself.")]));
}

function svg(tag, properties, ...children) {
  const node = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(properties)) node.setAttribute(name, String(value));
  node.append(...children);
  return node;
}

function curve({ name, log }) {
  const [width, height, left, low] = [620, 220, 64, 34];
  const losses = log.flatMap((entry) => [entry.train_loss, entry.validation_loss]).filter(Number.isFinite);
  const [least, most] = [Math.min(...losses), Math.max(...losses)];
  const x = (epoch) => left + ((epoch - log[0].epoch) / (log[log.length - 1].epoch - log[0].epoch || 1)) * (width - left - 8);
  const y = (loss) => 8 + ((most - loss) / (most - least || 1)) * (height - low - 16);
  const line = (key, kind) => {
    const points = log.filter((entry) => Number.isFinite(entry[key])).map((entry) => `${x(entry.epoch).toFixed(1)} ${y(entry[key]).toFixed(1)}`);
    return points.length ? [svg("path", { class: kind, d: `M${points.join("L")}` })] : [];
  };
  const label = `Losses of ${name} over ${counted(log.length, "epoch")}: training from ${fixed(log[0].train_loss)} to ${fixed(log[log.length - 1].train_loss)}`;
  return svg("svg", { class: "curve", viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": label },
    svg("line", { x1: left, x2: width - 8, y1: y(least), y2: y(least) }),
    svg("text", { x: 0, y: y(most) + 10 }, fixed(most, 2)), svg("text", { x: 0, y: y(least) + 4 }, fixed(least, 2)),
    ...line("train_loss", "train"), ...line("validation_loss", "validation"),
    svg("text", { x: left, y: height - 4 }, `Epoch ${log[0].epoch} to ${log[log.length - 1].epoch}; solid: training, dashed: held out`));
}

function begin() {
  at("masthead").append(themeButton());
  at("token-form").addEventListener("submit", (event) => {
    event.preventDefault();
    token = at("token").value.trim();
    if (/[^!-~]/.test(token)) {
      complain(new Error("A token has visible ASCII characters only."));
      return;
    }
    complain(null);
    sessionStorage.setItem(KEPT, token);
    at("token-form").hidden = true;
    attempt(refresh);
  });
  at("file").addEventListener("change", () => choose(at("file").files[0]));
  const drop = at("drop");
  for (const kind of ["dragenter", "dragover"]) {
    drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
  }
  // A sound that misses the box shall not take the page's place.
  for (const kind of ["dragover", "drop"]) window.addEventListener(kind, (event) => event.preventDefault());
  for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => { event.preventDefault(); choose(event.dataTransfer.files[0]); });
  for (const name of ["strategy", "domain", "decoder"]) at(name).addEventListener("change", () => attempt(listen));
  at("stop-playing").addEventListener("click", () => {
    at("player").pause();
    at("playing").hidden = true;
  });
  at("near-sound").addEventListener("click", () => attempt(async () => {
    const asked = query(["domain"]);
    const answer = await json(`/api/search?${asked}`, sending());
    found(answer, chosen.name);
    at("found").scrollIntoView({ block: "nearest" });
  }));
  at("search-form").addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(async () => {
      const text = at("words").value;
      const domain = at("domain").value;
      found(await post("/api/search", { text, ...(domain ? { domain } : {}) }), `\u201c${text}\u201d`);
    });
  });
  at("ingest-form").addEventListener("submit", (event) => {
    event.preventDefault();
    attempt(ingest);
  });
  attempt(refresh);
}

begin();
})();
