// The page of audited captions.

const STRATEGIES = { projection: "Projection", nearest: "Nearest text", direct: "Direct", text: "Nearest text as it stands" };

function captionPage(data) {
  const several = data.captions.length > 1;
  const list = several ? el("nav", { class: "contents", "aria-label": "Audited sounds" }, el("ol", {}, data.captions.map(({ audit }, index) =>
    el("li", {}, el("a", { href: `#caption-${index + 1}` }, audit.caption), " ", el("span", { class: "about" }, fileName(audit)))))) : "";
  return [list, ...data.captions.map((shown, index) => captionArticle(shown, `caption-${index + 1}`)), data.map ? mapSection(data.map) : ""];
}

function mapSection(map) {
  return broad("map", "Map", "Each point is a stored text; the diamond is the sound. The rings are the sums of texts that the captions were written from.", mapFigure("map-figure", map));
}

function fileName(audit) {
  const name = audit.path.split(/[\\/]/).pop();
  return audit.row === undefined ? name : `${name}, row ${audit.row}`;
}

/** One caption taken apart; `columns` are added to those of its stored texts. */
function captionArticle({ audit, sound, columns }, id) {
  const head = el("header", { class: "title" },
    el("p", { class: "kicker" }, fileName(audit), audit.seconds ? ` \u00b7 ${fixed(audit.seconds, 1)} s` : "",
      audit.start === undefined ? "" : ` \u00b7 from ${fixed(audit.start, 1)} to ${fixed(audit.end, 1)} s`),
    el("h1", { id: `${id}-name` }, audit.caption),
    audit.heard && audit.heard !== "sound" ? el("p", { class: "warning" }, audit.heard === "silence"
      ? "The sound holds only silence: nothing was heard, and the caption is made up."
      : "The sound is too short to tell what is heard.") : "");
  const parts = [
    head, summary(audit),
    sound ? section(`${id}-sound`, "Sound", windowsAbout(audit.windows), soundFigure(`${id}-figure`, sound, audit.windows)) : "",
    audit.tokens.length ? section(`${id}-words`, "Words", "How likely each word was, and whether this sound called for it or the language alone would have written it.", words(`${id}-words`, audit.tokens)) : "",
    audit.strategies.length ? section(`${id}-strategies`, "Strategies", "The same sound, bridged in other ways.", strategies(audit.strategies)) : "",
    broad(`${id}-neighbours`, "Stored texts", neighboursAbout(audit), neighbours(`${id}-table`, audit, columns)),
    audit.windows.length > 1 ? broad(`${id}-windows`, "Windows", "The stretches that were heard one by one. The one with the highest support spoke.", windowsTable(`${id}-windows-table`, audit.windows)) : "",
    section(`${id}-parameters`, "How it was made", "What it takes to write the same caption again.", parameters(audit)),
  ];
  return el("article", { id, "aria-labelledby": `${id}-name` }, parts);
}

function summary(audit) {
  const agreeing = audit.strategies.filter(({ agrees }) => agrees).length;
  const { search } = audit;
  const found = Math.round(search.recall * search.k);
  return facts([
    ["Texts that spoke", fixed(audit.effective_texts, 1), `of ${whole(audit.texts.rows)} in the memory`],
    ["Weight left out", audit.lost_mass < 0.0001 ? (audit.lost_mass ? "< 0.0001" : "0") : `\u2264 ${fixed(audit.lost_mass, 4)}`, "by texts that were not summed"],
    ["Near the sound", fixed(audit.prefix_similarity, 3), "cosine of what was decoded"],
    ["Search found", search.k ? `${found} of ${search.k}` : null, search.missed_ranks.length ? `missed rank ${search.missed_ranks.join(", ")}` : "of the truly nearest texts"],
    ["Strategies agree", audit.strategies.length ? `${agreeing} of ${audit.strategies.length}` : null, agreeing === audit.strategies.length ? "on this caption" : "the others say otherwise"],
    ["Level", audit.level_dbfs === null || audit.level_dbfs === undefined ? null : `${fixed(audit.level_dbfs, 1)} dB`, "of full scale"],
  ]);
}

function strategies(all) {
  return el("ol", { class: "strategies" }, all.map((one) => el("li", { class: one.agrees ? "agrees" : "differs" },
    el("span", { class: "name" }, STRATEGIES[one.strategy] || one.strategy),
    el("span", { class: "said" }, one.caption),
    el("span", { class: "about" }, one.agrees ? "agrees" : "differs", ` \u00b7 ${fixed(one.prefix_similarity, 3)} to the sound`))));
}

function neighboursAbout(audit) {
  const missed = audit.search.missed_ranks.length;
  return `The truly nearest texts, and what each weighs in the projection.${missed ? ` The approximate search missed ${counted(missed, "of them").replace("thems", "them")}.` : ""}`;
}

function neighbours(id, audit, more = []) {
  const rows = audit.audited.length ? audit.audited : audit.neighbours.map((text, index) => ({ ...text, rank: index + 1, found: true, influence: null }));
  if (!rows.length) return el("p", {}, "No stored text answered.");
  const most = Math.max(...rows.map(({ weight }) => weight), 1e-9);
  const influences = rows.some(({ influence }) => influence);
  const missing = rows.some(({ found }) => !found);
  const columns = [
    { key: "rank", name: "Rank", kind: "figure", up: true, value: (row) => row.rank, cell: (row) => whole(row.rank) },
    { key: "text", name: "Text", kind: "wide", value: (row) => row.caption, cell: (row) => [row.caption, row.clip ? el("small", {}, row.clip) : ""] },
    { key: "domain", name: "Domain", kind: "domain", value: (row) => row.domain, cell: (row) => row.domain },
    { key: "similarity", name: "Similarity", kind: "figure", about: "Cosine to the sound", value: (row) => row.similarity, cell: (row) => fixed(row.similarity) },
    { key: "weight", name: "Weight", kind: "figure", about: "Share of the projection", value: (row) => row.weight, cell: (row) => bar(row.weight / most, fixed(row.weight)) },
    { key: "multiplicity", name: "Times", kind: "figure", about: "How often the corpora hold this text", value: (row) => row.multiplicity, cell: (row) => whole(row.multiplicity) },
  ];
  if (missing) columns.push({ key: "found", name: "Search", value: (row) => (row.found ? 1 : 0), cell: (row) => (row.found ? "found" : el("strong", {}, "missed")) });
  if (influences) columns.push({ key: "influence", name: "Without it", kind: "influence", about: "What becomes of the caption when this text is left out", value: (row) => (row.influence ? row.influence.shift + (row.influence.changes ? 1 : 0) : -1), cell: influenceCell });
  columns.push(...more);
  return table({ id, name: "The nearest stored texts", columns, rows, thing: "text",
    search: (row) => `${row.caption} ${row.clip || ""}`, domain: (row) => row.domain, sorted: { key: "rank", down: false } });
}

function influenceCell({ influence }) {
  if (!influence) return "\u2013";
  if (!influence.changes) return el("span", { class: "about" }, "the same", el("small", {}, `moves ${fixed(influence.shift, 4)}`));
  return el("span", { class: "changes" }, influence.caption, el("small", {}, `moves ${fixed(influence.shift, 4)}`));
}

function windowsAbout(windows) {
  return windows.length > 1 ? "The strip above shows the windows that were heard, the darker the more they said what the caption says." : "What was heard.";
}

function windowsTable(id, windows) {
  const best = loudest(windows);
  const columns = [
    { key: "start", name: "From", kind: "figure", up: true, value: (row) => row.start, cell: (row) => time(row.start) },
    { key: "end", name: "To", kind: "figure", up: true, value: (row) => row.end, cell: (row) => time(row.end) },
    { key: "caption", name: "By itself", kind: "wide", value: (row) => row.caption, cell: (row) => [row.caption, row === best ? el("small", { class: "spoke" }, "spoke") : ""] },
    { key: "share", name: "Share", kind: "figure", about: "Of the sound\u2019s embedding", value: (row) => row.share, cell: (row) => bar(row.share, fixed(row.share)) },
    { key: "support", name: "Support", kind: "figure", about: "Cosine to what was decoded", value: (row) => row.support, cell: (row) => fixed(row.support) },
    { key: "level", name: "Level", kind: "figure", value: (row) => row.level_dbfs, cell: (row) => (row.level_dbfs === null ? "silent" : `${fixed(row.level_dbfs, 1)} dB`) },
    { key: "nearest", name: "Nearest text", kind: "wide", value: (row) => row.nearest.caption, cell: (row) => row.nearest.caption },
    { key: "influence", name: "Without it", kind: "influence", value: (row) => (row.influence ? row.influence.shift : -1), cell: influenceCell },
  ];
  return table({ id, name: "Windows of the sound", columns, rows: windows, thing: "window", row: (row) => (row === best ? "chosen" : "") });
}

function parameters(audit) {
  const { parameters: made, search, timings } = audit;
  return facts([
    ["Strategy", STRATEGIES[audit.strategy] || audit.strategy],
    ["Decoder", made.decoder], ["Commit", made.commit === null ? null : whole(made.commit)],
    ["Temperature", fixed(made.temperature, 3)],
    ["Neighbours", made.k === null ? null : whole(made.k)], ["Weight to cover", made.mass === null ? null : fixed(made.mass, 3)],
    ["Domains", made.domains ? made.domains.join(", ") : "all"], ["Beam", whole(made.beam)],
    ["Search", `${fixed(search.approximate_ms, 1)} ms; exact ${fixed(search.exact_ms, 1)} ms`],
    ["Embedding and decoding", `${fixed(timings.embed_ms, 0)} ms and ${fixed(timings.decode_ms, 0)} ms`],
    ["File", el("span", { class: "path" }, audit.path)],
  ]);
}
