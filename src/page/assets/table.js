// Tables that sort by their headings and filter by words and domain.

/** Rows that a long table begins with; the rest is a button away. */
const FIRST_ROWS = 12;

/**
 * A table. `columns`: `{ key, name, kind, value(row), cell(row), about, up }`; `value` is what is sorted by, figures from the
 * greatest down unless `up`.
 * `search(row)` gives the text that the filter looks into, `domain(row)` what the list of domains chooses by.
 */
function table({ id, name, columns, rows, thing, search, domain, sorted, row: marked }) {
  const body = el("tbody", { role: "rowgroup" });
  const said = el("p", { class: "about", role: "status", "aria-live": "polite" });
  const state = { key: sorted ? sorted.key : null, down: sorted ? sorted.down : false, words: "", domain: "", whole: false };
  const headings = new Map();

  const cells = (row) => columns.map((column) =>
    el("td", { role: "cell", class: column.kind || "", "data-name": column.name }, column.cell(row)));
  const built = rows.map((row) => ({ row, node: el("tr", { role: "row", class: marked ? marked(row) : "" }, cells(row)) }));

  function show() {
    const words = state.words.toLocaleLowerCase().split(/\s+/).filter(Boolean);
    const matches = ({ row }) => {
      const text = search ? search(row).toLocaleLowerCase() : "";
      return words.every((word) => text.includes(word)) && (!state.domain || domain(row) === state.domain);
    };
    const shown = built.filter(matches);
    const column = columns.find(({ key }) => key === state.key);
    if (column) shown.sort((a, b) => compared(column.value(a.row), column.value(b.row)) * (state.down ? -1 : 1));
    const first = state.whole ? shown : shown.slice(0, FIRST_ROWS);
    body.replaceChildren(...first.map(({ node }) => node));
    more.hidden = first.length === shown.length;
    more.textContent = `Show all ${whole(shown.length)}`;
    said.textContent = shown.length === rows.length
      ? counted(rows.length, thing) : `${whole(shown.length)} of ${counted(rows.length, thing)}`;
    for (const [key, heading] of headings) {
      const direction = key === state.key ? (state.down ? "descending" : "ascending") : "none";
      heading.setAttribute("aria-sort", direction);
    }
  }

  const more = el("button", { type: "button", class: "quiet more", onclick: () => {
    state.whole = true;
    show();
    // The focus goes on where the new rows begin.
    const next = body.children[FIRST_ROWS];
    next.tabIndex = -1;
    next.focus();
  } });

  function sortBy(column) {
    state.down = state.key === column.key ? !state.down : column.kind === "figure" && !column.up;
    state.key = column.key;
    show();
  }

  const head = columns.map((column) => {
    const sortable = Boolean(column.value);
    const inner = sortable
      ? el("button", { type: "button", title: column.about, onclick: () => sortBy(column) }, column.name, el("span", { class: "arrow", "aria-hidden": "true" }))
      : column.name;
    const heading = el("th", { scope: "col", role: "columnheader", class: column.kind || "", title: sortable ? undefined : column.about }, inner);
    if (sortable) headings.set(column.key, heading);
    return heading;
  });

  const grid = el("table", { id, role: "table" },
    el("caption", { class: "heard" }, name),
    el("thead", { role: "rowgroup" }, el("tr", { role: "row" }, head)), body);
  const tools = search && rows.length > 1 ? filters(id, rows, thing, domain, state, show, said) : el("div", { class: "tools" }, said);
  show();
  return el("div", { class: "tabular" }, tools, grid, more);
}

function filters(id, rows, thing, domain, state, show, said) {
  const input = el("input", { type: "search", id: `${id}-words`, autocomplete: "off", spellcheck: "false", placeholder: "Filter by words" });
  input.addEventListener("input", () => { state.words = input.value; show(); });
  const parts = [el("label", { class: "heard", for: input.id }, `Filter ${thing}s by words`), input];
  const domains = domain ? [...new Set(rows.map(domain))].sort() : [];
  if (domains.length > 1) {
    const select = el("select", { id: `${id}-domain` },
      el("option", { value: "" }, "All domains"), domains.map((value) => el("option", { value }, value)));
    select.addEventListener("change", () => { state.domain = select.value; show(); });
    parts.push(el("label", { class: "heard", for: select.id }, "Domain"), select);
  }
  return el("div", { class: "tools" }, parts, said);
}

function compared(a, b) {
  if (typeof a === "string" && typeof b === "string") return a.localeCompare(b);
  const [left, right] = [a, b].map((value) => (value === null || value === undefined ? -Infinity : value));
  return left < right ? -1 : left > right ? 1 : 0;
}
