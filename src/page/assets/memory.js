// The page of an audited memory.

const SEVERITIES = { high: "Answers are wrong by it", medium: "Answers are worse by it", low: "Takes up space, or may be meant" };
const CLUSTERS = { identical: "same text", trivial: "differs in case or punctuation", near: "nearly the same" };

function memoryPage({ audit, commands, map }) {
  const { examined } = audit;
  return [
    el("header", { class: "title" },
      el("p", { class: "kicker" }, `Commit ${whole(examined.commit)} \u00b7 ${examined.space.model}`),
      el("h1", {}, audit.findings.length ? `${counted(audit.findings.length, "finding")} in ${counted(examined.captions, "text")}.` : `Nothing to mend in ${counted(examined.captions, "text")}.`)),
    memorySummary(audit),
    section("findings", "Findings", "The worst first, each with what mends it.", findings(audit.findings, commands)),
    audit.duplicates ? broad("duplicates", "Duplicates", "Texts that are stored more than once, or nearly.", figure("similarity"), clusters(audit.duplicates)) : "",
    audit.hubs ? broad("hubs", "Hubs", "Texts that far too many queries find, and those that none does.", hubs(audit.hubs)) : "",
    audit.overlap ? section("overlap", "Domains", "The share of the texts of one domain that have a near-duplicate in another.", figure("overlap"), overlaps(audit.overlap)) : "",
    audit.outliers ? broad("outliers", "Outliers", "Texts far from all others.", figure("outliers"), outliers(audit.outliers)) : "",
    audit.texts ? broad("texts", "As written", "What is odd about the texts themselves.", figure("words"), oddities(audit.texts)) : "",
    audit.recall ? broad("recall", "Search", `What searches through indexes find of the true ${whole(audit.recall.k)} nearest.`, recalls(audit.recall)) : "",
    audit.gap ? broad("gap", "Gap", "How texts and sounds lie to each other.", gap(audit.gap)) : "",
    map ? broad("map", "Map", "Each point is a stored text or a sound.", mapFigure("map-figure", map)) : "",
  ];
}

/** A drawing that the file carries, taken to its place. */
function figure(name) {
  return document.querySelector(`[data-figure="${name}"]`) || "";
}

function memorySummary({ examined, hubs: found, duplicates, gap: between }) {
  return facts([
    ["Texts", whole(examined.captions), `in ${counted(examined.domains.length, "domain")}`],
    ["Rows", whole(examined.occurrences), "that were ingested"],
    ["Looked at", whole(examined.sampled), "texts that asked for their neighbours"],
    ["Superfluous", duplicates ? whole(duplicates.kinds.reduce((sum, kind) => sum + kind.superfluous, 0)) : null, "texts that others say, too"],
    ["Skewness", found ? fixed(found.by_texts.skewness, 2) : null, "of how often texts are found"],
    ["Gap", between && between.distance !== null ? fixed(between.distance, 3) : null, "between sounds and texts"],
  ]);
}

function findings(all, commands) {
  if (!all.length) return el("p", {}, "Nothing was found that needs mending.");
  return el("ol", { class: "findings" }, all.map((finding, index) => el("li", { class: finding.severity },
    el("p", { class: "severity" }, SEVERITIES[finding.severity] || finding.severity),
    el("p", { class: "said" }, finding.summary),
    (commands[index] || []).map(commandLine))));
}

const textColumns = [
  { key: "text", name: "Text", kind: "wide", value: (row) => row.caption, cell: (row) => [row.caption, row.clip ? el("small", {}, row.clip) : ""] },
  { key: "domain", name: "Domain", kind: "domain", value: (row) => row.domain, cell: (row) => row.domain },
];
const idColumn = { key: "id", name: "Id", kind: "figure", up: true, value: (row) => row.id, cell: (row) => whole(row.id) };
const lookup = { search: (row) => row.caption, domain: (row) => row.domain };

function clusters({ clusters: all }) {
  const rows = all.flatMap((cluster, index) => cluster.members.map((member) => ({ ...member, kind: cluster.kind, size: cluster.size, cluster: index + 1 })));
  const columns = [
    { key: "cluster", name: "Cluster", kind: "figure", up: true, value: (row) => row.cluster, cell: (row) => whole(row.cluster) },
    ...textColumns,
    { key: "kind", name: "Kind", value: (row) => row.kind, cell: (row) => CLUSTERS[row.kind] || row.kind },
    { key: "similarity", name: "To the first", kind: "figure", value: (row) => row.similarity, cell: (row) => fixed(row.similarity) },
    { key: "multiplicity", name: "Times", kind: "figure", value: (row) => row.multiplicity, cell: (row) => whole(row.multiplicity) }, idColumn,
  ];
  return table({ id: "clusters-table", name: "Clusters of duplicates", columns, rows, thing: "text", ...lookup });
}

function hubs({ by_texts: texts, by_sounds: sounds }) {
  const parts = [figure("hubs")];
  for (const [name, id, counts] of [["texts", "texts", texts], ["sounds", "sounds", sounds]]) {
    if (!counts) continue;
    const columns = [...textColumns,
      { key: "found", name: "Found", kind: "figure", value: (row) => row.found, cell: (row) => whole(row.found) },
      { key: "share", name: "Of queries", kind: "figure", value: (row) => row.share, cell: (row) => bar(row.share, `${fixed(row.share * 100, 1)} %`) }, idColumn];
    parts.push(el("h3", {}, `Asked with ${name}`), facts([
      ["Queries", whole(counts.queries)], ["Hubs", whole(counts.hubs)], ["Their share of all answers", `${fixed(counts.hub_share * 100, 1)} %`],
      ["Never found", whole(counts.orphans.count), counts.orphans.meaningful ? `by chance ${whole(Math.round(counts.orphans.by_chance))}` : "too few queries to say so"],
    ]), table({ id: `hubs-${id}-table`, name: `Texts found most often by ${name}`, columns, rows: counts.most_found, thing: "text", ...lookup }));
  }
  return parts;
}

function overlaps({ domains, near, nearest, same }) {
  const rows = domains.flatMap((from, i) => domains.map((to, j) => ({ from, to, near: near[i][j], nearest: nearest[i][j], same: same[i][j] }))).filter(({ from, to }) => from !== to);
  const columns = [
    { key: "from", name: "Texts of", value: (row) => row.from, cell: (row) => row.from },
    { key: "to", name: "In", value: (row) => row.to, cell: (row) => row.to },
    { key: "near", name: "Near-duplicates", kind: "figure", value: (row) => row.near, cell: (row) => (row.near === null ? "\u2013" : bar(row.near, `${fixed(row.near * 100, 1)} %`)) },
    { key: "nearest", name: "Mean nearest", kind: "figure", value: (row) => row.nearest, cell: (row) => fixed(row.nearest) },
    { key: "same", name: "Same texts", kind: "figure", value: (row) => row.same, cell: (row) => whole(row.same) },
  ];
  return rows.length ? table({ id: "overlap-table", name: "What domains have in common", columns, rows, thing: "pair", search: (row) => `${row.from} ${row.to}`, sorted: { key: "near", down: true } }) : "";
}

function outliers({ by_neighbour: neighbour, by_centroid: centroid }) {
  const rows = [...neighbour.farthest.map((row) => ({ ...row, by: "k-th nearest text" })), ...centroid.farthest.map((row) => ({ ...row, by: "middle of its domain" }))];
  const columns = [...textColumns,
    { key: "by", name: "Far from", value: (row) => row.by, cell: (row) => row.by },
    { key: "similarity", name: "Cosine", kind: "figure", value: (row) => -row.similarity, cell: (row) => fixed(row.similarity) },
    { key: "beyond", name: "Outlier", value: (row) => (row.beyond ? 1 : 0), cell: (row) => (row.beyond ? el("strong", {}, "yes") : "no") }, idColumn];
  return table({ id: "outliers-table", name: "The texts farthest from others", columns, rows, thing: "text", ...lookup });
}

function oddities({ anomalies, languages }) {
  const rows = anomalies.flatMap((anomaly) => anomaly.texts.map((text) => ({ ...text, kind: anomaly.kind.replaceAll("_", " ") })));
  const columns = [...textColumns,
    { key: "kind", name: "Odd by", value: (row) => row.kind, cell: (row) => row.kind },
    { key: "evidence", name: "What", value: (row) => row.evidence, cell: (row) => row.evidence }, idColumn];
  const spoken = facts(languages.slice(0, 12).map(({ domain, language, captions }) => [`${domain}, ${language}`, whole(captions)]));
  return [spoken, rows.length ? table({ id: "texts-table", name: "Odd texts", columns, rows, thing: "text", ...lookup }) : el("p", {}, "Nothing odd.")];
}

function recalls({ segments }) {
  const share = (point) => (point ? bar(point.recall, fixed(point.recall)) : "\u2013");
  const columns = [
    { key: "segment", name: "Segment", kind: "figure", up: true, value: (row) => row.segment, cell: (row) => whole(row.segment) },
    { key: "domain", name: "Domain", kind: "domain", value: (row) => row.domain, cell: (row) => row.domain },
    { key: "captions", name: "Texts", kind: "figure", value: (row) => row.captions, cell: (row) => whole(row.captions) },
    { key: "indexed", name: "Searched by", value: (row) => (row.indexed ? 1 : 0), cell: (row) => (row.indexed ? "index" : "scan") },
    { key: "texts", name: "Asked with texts", kind: "figure", value: (row) => row.by_texts && row.by_texts.recall, cell: (row) => share(row.by_texts) },
    { key: "sounds", name: "Asked with sounds", kind: "figure", value: (row) => row.by_sounds && row.by_sounds.recall, cell: (row) => share(row.by_sounds) },
  ];
  return table({ id: "recall-table", name: "Recall by segment", columns, rows: segments, thing: "segment" });
}

function gap({ texts, sounds, distance, across, farthest }) {
  const columns = [
    { key: "sound", name: "Sound", value: (row) => row.sound, cell: (row) => row.sound },
    { key: "similarity", name: "Cosine", kind: "figure", value: (row) => -row.similarity, cell: (row) => fixed(row.similarity) },
    { key: "nearest", name: "Nearest text", kind: "wide", value: (row) => row.nearest.caption, cell: (row) => row.nearest.caption },
    { key: "beyond", name: "Unmatched", value: (row) => (row.beyond ? 1 : 0), cell: (row) => (row.beyond ? el("strong", {}, "yes") : "no") },
  ];
  return [figure("gap"), facts([
    ["Two texts", fixed(texts.within), "mean cosine"], ["Two sounds", sounds ? fixed(sounds.within) : null, "mean cosine"],
    ["Sound and text", across === null ? null : fixed(across), "mean cosine"], ["Distance", distance === null ? null : fixed(distance), "of the two means"],
  ]), farthest.length ? table({ id: "gap-table", name: "Sounds farthest from all texts", columns, rows: farthest, thing: "sound", search: (row) => `${row.sound} ${row.nearest.caption}` }) : ""];
}
