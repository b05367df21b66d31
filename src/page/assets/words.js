// The words of a caption, and what called for each.

const STRONG = 4;

function tokenAbout(token) {
  const forced = token.forced === null ? "beyond measure" : `${token.forced >= 0 ? "+" : ""}${fixed(token.forced, 2)} nats`;
  const instead = token.instead ? `; habit would have written \u201c${token.instead.trim() || "the end"}\u201d` : "";
  const name = token.is_end ? "the end" : token.text.trim();
  return `\u201c${name}\u201d: probability ${fixed(token.probability, 3)}, by habit ${fixed(token.habit, 3)}, called for by ${forced}${instead}.`;
}

/** Each token coloured by what called for it; one at a time is in the order of tabs, arrows go on. */
function words(id, tokens) {
  const said = el("p", { class: "reading", role: "status", "aria-live": "polite" }, "Point at a word, or move to it by Tab and arrow keys.");
  const nodes = tokens.map((token, index) => {
    const node = el("button", { type: "button", class: "token", tabindex: index ? -1 : 0, "aria-label": tokenAbout(token) },
      token.is_end ? "\u25a0" : token.text.trim() || token.text);
    const forced = token.forced === null ? STRONG : Math.max(-STRONG, Math.min(STRONG, token.forced));
    node.style.setProperty("--share", `${Math.round((Math.abs(forced) / STRONG) * 100)}%`);
    node.classList.add(forced >= 0 ? "called" : "against");
    if (!token.text.startsWith(" ") && index && !token.is_end) node.classList.add("joined");
    const tell = () => { said.textContent = tokenAbout(token); };
    node.addEventListener("pointerenter", tell);
    node.addEventListener("focus", tell);
    node.addEventListener("click", tell);
    return node;
  });
  const line = el("div", { class: "tokens", role: "toolbar", "aria-label": "Words of the caption" }, nodes);
  line.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1, Home: -nodes.length, End: nodes.length }[event.key];
    if (!step) return;
    event.preventDefault();
    const at = nodes.indexOf(document.activeElement);
    const next = nodes[Math.max(0, Math.min(nodes.length - 1, at + step))];
    nodes.forEach((node) => { node.tabIndex = node === next ? 0 : -1; });
    next.focus();
  });
  const key = el("p", { class: "key about" },
    el("span", { class: "token called sample" }, "called for by the sound"), el("span", { class: "token sample" }, "habit of the language"),
    el("span", { class: "token against sample" }, "against the sound"));
  const columns = [
    { key: "place", name: "#", kind: "figure", cell: (t) => whole(tokens.indexOf(t) + 1), value: (t) => tokens.indexOf(t) },
    { key: "word", name: "Word", cell: (t) => (t.is_end ? "the end" : t.text.trim()), value: (t) => t.text },
    { key: "probability", name: "Probability", kind: "figure", cell: (t) => bar(t.probability, fixed(t.probability)), value: (t) => t.probability },
    { key: "habit", name: "Habit", kind: "figure", cell: (t) => bar(t.habit, fixed(t.habit)), value: (t) => t.habit },
    { key: "forced", name: "Called for", kind: "figure", cell: (t) => fixed(t.forced, 2), value: (t) => t.forced },
    { key: "instead", name: "Habit\u2019s word", cell: (t) => (t.instead ? t.instead.trim() : ""), value: (t) => t.instead || "" },
  ];
  const list = table({ id: `${id}-table`, name: "Words with their probabilities", columns, rows: tokens, thing: "token" });
  return [line, said, key, el("details", {}, el("summary", {}, "The same in numbers"), list)];
}
