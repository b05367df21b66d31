#!/usr/bin/env python3
"""Draws the charts of the benchmark pages, and those of the README, as SVG.

    python3 docs/benchmarks/charts.py            # writes docs/benchmarks/charts/*.svg and docs/images/*.svg
    python3 docs/benchmarks/charts.py --check    # writes nothing; fails where a chart is not what its page says

The numbers are read from the first table under the heading of a page, so that a chart cannot say anything else than its page. Python's
standard library is all that is needed. The background is transparent, and greys follow the reader's light or dark theme.
"""
import html
import math
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
IMAGES = HERE.parent / "images"

BLUE, ORANGE, GREEN, GREY = "#2f81d7", "#c9731f", "#2f9e6e", "#8f959d"
# Text and lines have classes: their greys lie in the middle where a program does not know the theme.
STYLE = """<style>
text { fill: #7a8088 } .faint { fill: #868c94 } .accent { fill: #2f81d7 } .line { stroke: #868c94; fill: none }
@media (prefers-color-scheme: light) { text { fill: #4f5862 } .faint { fill: #67707a } .accent { fill: #1f6fc4 } .line { stroke: #7a838d } }
@media (prefers-color-scheme: dark) { text { fill: #b0b8c1 } .faint { fill: #939ca6 } .accent { fill: #58a6ff } .line { stroke: #7d8590 } }
</style>"""
FONT = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"
WIDTH = 760


# ---- tables of the pages


def table(page, heading="The figures"):
    """The rows of the first table under a heading of a page, as dictionaries of cells."""
    lines = iter((HERE / page).read_text().splitlines())
    next(line for line in lines if line == f"## {heading}")
    cells = lambda line: [cell.strip().strip("*") for cell in line.strip().strip("|").split("|")]
    names = cells(next(line for line in lines if line.startswith("|")))
    next(lines)
    rows = []
    for line in lines:
        if not line.startswith("|"):
            break
        rows.append(dict(zip(names, cells(line))))
    return rows


def number(cell):
    """The first number of a cell."""
    return float(re.search(r"\d[\d,]*(?:\.\d+)?(?:e-?\d+)?", cell).group().replace(",", ""))


# ---- drawing


def width_of(text, size):
    """About how wide a text is, on the safe side for the fonts that a reader may have."""
    return len(text) * size * 0.6


class Svg:
    """A picture that grows downwards."""

    def __init__(self, title, description, width=WIDTH):
        self.title, self.description, self.width = title, description, width
        self.parts, self.height = [], 0

    def text(self, x, y, text, size=13, anchor="start", weight="normal", kind=None):
        attributes = f'x="{x:.1f}" y="{y:.1f}" font-size="{size}"'
        if kind:
            attributes += f' class="{kind}"'
        if anchor != "start":
            attributes += f' text-anchor="{anchor}"'
        if weight != "normal":
            attributes += f' font-weight="{weight}"'
        self.parts.append(f"<text {attributes}>{html.escape(text, quote=False)}</text>")

    def rect(self, x, y, width, height, fill, radius=2, **more):
        self.shape("rect", x=x, y=y, width=width, height=height, rx=radius, fill=fill, **more)

    def line(self, x1, y1, x2, y2, width=1, **more):
        self.shape("line", x1=x1, y1=y1, x2=x2, y2=y2, class_="line", stroke_width=width, **more)

    def shape(self, kind, **attributes):
        shown = (f"{value:.1f}" if isinstance(value, float) else value for value in attributes.values())
        pairs = " ".join(f'{name.strip("_").replace("_", "-")}="{value}"' for name, value in zip(attributes, shown))
        self.parts.append(f"<{kind} {pairs}/>")

    def heading(self, *remarks):
        """The title, and what is measured."""
        self.text(0, 17, self.title, 16, weight="600")
        self.height = 32
        for remark in remarks:
            self.text(0, self.height + 6, remark)
            self.height += 18

    def legend(self, names, colours):
        x = 0
        for name, colour in zip(names, colours):
            self.rect(x, self.height, 12, 12, colour)
            self.text(x + 18, self.height + 11, name)
            x += 18 + width_of(name, 13) + 22
        self.height += 26

    def finish(self):
        body = "\n".join(self.parts)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height + 6:.0f}" width="{self.width}" '
            f'height="{self.height + 6:.0f}" role="img" aria-labelledby="title desc" font-family="{FONT}">\n'
            f'<title id="title">{html.escape(self.title, quote=False)}</title>\n'
            f'<desc id="desc">{html.escape(self.description, quote=False)}</desc>\n{STYLE}\n{body}\n</svg>\n'
        )


def bars(svg, groups, colours, unit="", panel=None, reference=None, most=None, bar=15):
    """Horizontal bars. A group is a label and its bars, each a value and, if it is not the value with the unit, what stands behind it."""
    left = 12 + max(width_of(label, 13) for label, _ in groups)
    shown = [(label, [v if isinstance(v, tuple) else (v, f"{v:,g}{unit}") for v in values]) for label, values in groups]
    right = 10 + max(width_of(text, 13) for _, values in shown for _, text in values)
    most = most or max(value for _, values in shown for value, _ in values)
    scale = (svg.width - left - right) / most
    if panel:
        svg.text(0, svg.height + 14, panel, weight="600")
        svg.height += 26
    if reference:
        svg.text(left + reference[0] * scale, svg.height + 11, reference[1], 12, "middle")
        svg.height += 18
    top = svg.height
    for index, (label, values) in enumerate(shown):
        height = len(values) * (bar + 2) - 2
        svg.text(left - 10, svg.height + height / 2 + 4.5, label, anchor="end")
        for (value, text), colour in zip(values, colours(index) if callable(colours) else colours):
            end = left + (max(value * scale, 1.5) if value else 0)
            if value:
                svg.rect(left, svg.height, end - left, bar, colour)
            # A text that the reference would cross stands behind it.
            line = left + reference[0] * scale if reference else 0
            behind = line if end < line < end + 6 + width_of(text, 13) else end
            svg.text(behind + 6, svg.height + bar - 3, text)
            svg.height += bar + 2
        svg.height += 8
    svg.line(left, top - 3, left, svg.height - 5)
    if reference:
        x = left + reference[0] * scale
        svg.shape("line", x1=x, y1=top - 3, x2=x, y2=svg.height - 5, stroke="#fff", stroke_width=1.5, opacity=0.6)
        svg.line(x, top - 3, x, svg.height - 5, 1.5, stroke_dasharray="4 3")
    svg.height += 4


def compared(svg, rows, label, columns, names, colours, bar):
    """Two bars for each row of a table, one a column, with a legend."""
    svg.legend(names, colours)
    bars(svg, [(label(row), [(number(row[c]), row[c]) for c in columns]) for row in rows], colours, bar=bar)


def ours(libraries):
    """Blue for Echoic, grey for all others."""
    return lambda index: [BLUE if libraries[index] == "Echoic" else GREY]


# ---- the charts, one a page


def search():
    rows = table("search.md")
    svg = Svg("Median time of a query", "Bars of the median time of a query in microseconds for Echoic, faiss HNSW and hnswlib, on audio "
              "and text queries, at a recall of 0.95 and 0.99, in 102,760 and 1,000,000 rows. Echoic's are the shortest everywhere.")
    svg.heading("µs on one thread, at the same recall@10; shorter is better")
    names = ("Echoic", "faiss HNSW", "hnswlib")
    svg.legend(names, (BLUE, ORANGE, GREY))
    most = max(number(row[f"p50, {name}"]) for row in rows for name in names)
    for count in dict.fromkeys(row["rows"] for row in rows):
        groups = [(f"{row['queries']}, recall {row['recall@10']}", [number(row[f"p50, {name}"]) for name in names])
                  for row in rows if row["rows"] == count]
        bars(svg, groups, (BLUE, ORANGE, GREY), " µs", f"{count} rows", most=most, bar=13)
    return svg


def peers():
    rows = table("search.md")
    svg = Svg("Queries a second, relative to the best peer", "Bars of how many times as many queries a second Echoic answers as the best of "
              "hnswlib, faiss HNSW, usearch and LanceDB at the same recall, on one thread: 1.63 to 2.77 times with 102,760 rows and 2.37 "
              "to 3.45 times with a million rows.")
    svg.heading("at the same recall@10, on one thread; longer is better",
                "peers: hnswlib and faiss HNSW, with 102,760 rows also usearch and LanceDB")
    svg.legend(("102,760 rows", "1,000,000 rows"), (BLUE, GREEN))
    groups = {}
    for row in rows:
        ratio = row["ratio, 1 thread"]
        groups.setdefault(f"{row['queries']} queries, recall {row['recall@10']}", []).append((number(ratio), f"{ratio} ×"))
    bars(svg, list(groups.items()), (BLUE, GREEN), reference=(1, "best peer"), bar=17)
    return svg


def exact():
    rows = table("exact.md")
    svg = Svg("Exact scan and projection, relative to peers", "Bars of how many times as fast Echoic is as faiss Flat, on single queries and "
              "batches, and as numpy, on the projection onto all rows. All are between 2.75 and 7.13.")
    svg.heading("how many times as fast, on one thread; longer is better")
    groups = [(f"{row['task']}, {row['rows']} rows", [(number(row["ratio"]), f"{row['ratio']} × {row['peer']}")]) for row in rows]
    bars(svg, groups, (BLUE,), reference=(1, "the peer"), bar=17)
    return svg


def panels_by_rows(svg, page, columns, colours):
    """One panel for each number of rows; a group is a library."""
    rows = table(page)
    for count in dict.fromkeys(row["rows"] for row in rows):
        some = [row for row in rows if row["rows"] == count]
        groups = [(row["library"], [(number(row[column]), row[column]) for column in columns]) for row in some]
        bars(svg, groups, colours([row["library"] for row in some]), panel=f"{count} rows", bar=14)


def graphs():
    svg = Svg("Building the graphs", "Bars of the processor time that each library takes to build its graph of 102,760 and of 1,000,000 rows. "
              "Echoic takes the least: 38 and 727 seconds.")
    svg.heading("processor time in seconds, two threads, 384 components; shorter is better")
    panels_by_rows(svg, "graphs.md", ["processor time of it"], ours)
    return svg


def opening():
    svg = Svg("From opening to the first answer", "Bars of the time from opening an index to its first answer, for 102,760 and 1,000,000 rows. "
              "Echoic takes 2 and 9 milliseconds; hnswlib takes 177 and 1,757.")
    svg.heading("milliseconds, files in the page cache; shorter is better")
    panels_by_rows(svg, "opening.md", ["open to first answer"], ours)
    return svg


def ingest():
    rows = table("ingest.md")
    svg = Svg("Ingest of given embeddings, state by state", "Bars of rows a second, by the clock and of processor time, for four states of the "
              "code: from 20,600 to 197,000 by the clock, from 21,400 to 293,000 of processor time.")
    svg.heading("rows a second, 384 components; longer is better. Each state adds to the one above")
    columns = ("rows/s", "rows per second of processor time")
    svg.legend(("by the clock", "of processor time"), (BLUE, GREEN))
    short = {"embeddings read, normalised and written without copies": "embeddings without copies",
             "hashes of planning kept for the catalogue, its pages in memory": "hashes kept, pages in memory"}
    groups = [(short.get(row["state"], row["state"]), [(number(row[c]), row[c]) for c in columns]) for row in rows]
    bars(svg, groups, (BLUE, GREEN))
    return svg


def growth():
    rows = table("growth.md")
    svg = Svg("Processor time a row, as a store grows", "Bars of the processor time a row in microseconds while a store grows from nothing to "
              "2,000,000 rows, on disk and in memory. On disk it grows from 1.29 to 1.87, in memory from 0.65 to 1.19.")
    svg.heading("µs of processor time of all threads, merges and catalogue included; shorter is better")
    columns = ("processor µs a row, on disk", "processor µs a row, in memory")
    svg.legend(("on disk", "in memory (tmpfs)"), (BLUE, GREEN))
    groups = [(f"{row['rows from']} to {row['to']}", [(number(row[c]), f"{row[c]} µs") for c in columns]) for row in rows]
    bars(svg, groups, (BLUE, GREEN), bar=13)
    return svg


def towers():
    rows = table("towers.md")
    svg = Svg("Towers, relative to PyTorch", "Bars of how many times as fast Echoic's towers are as PyTorch 2.15, by the clock and in processor "
              "time, on one and two threads: CNN14 3.16 to 3.68, HTSAT 1.33 to 1.51, BERT-base 0.90 to 1.02, MiniLM 1.16 to 1.20.")
    svg.heading("how many times as fast; longer is better")
    columns = ("ratio by the clock", "ratio in processor time")
    svg.legend(("by the clock", "in processor time"), (BLUE, GREEN))
    groups = [(f"{row['tower']}, {row['threads']} thread{'s' * (row['threads'] != '1')}",
               [(number(row[c]), f"{row[c]} ×") for c in columns]) for row in rows]
    bars(svg, groups, (BLUE, GREEN), reference=(1, "PyTorch"), bar=13)
    return svg


def parity():
    rows = table("parity.md")
    svg = Svg("Largest differences from the references", "Points of the largest difference of each test from its reference, on a logarithmic "
              "axis from 1e-14 to 1e-3, and what the test demands. Every difference is below what is demanded, by a factor of 40 or more.")
    svg.heading("logarithmic; further left is better")
    svg.legend(("measured", "the most that the test allows"), (BLUE, ORANGE))
    label = lambda row: f"{row['what']} ({row['model']})"
    left = 12 + max(width_of(label(row), 13) for row in rows)
    low, high = -15, -3
    place = lambda value: left + (math.log10(value) - low) / (high - low) * (svg.width - left - 30)
    top = svg.height
    for row in rows:
        y = svg.height + 12
        svg.text(left - 12, y + 4.5, label(row), anchor="end")
        svg.line(left, y, svg.width - 30, y, 0.5)
        value = number(row["largest difference"])
        svg.shape("circle", cx=place(value), cy=y, r=5, fill=BLUE)
        svg.text(place(value), y - 8, row["largest difference"], 11, "middle")
        if row["demanded"]:
            svg.rect(place(number(row["demanded"])) - 2, y - 8, 4, 16, ORANGE, 1)
        svg.height += 30
    for power in range(low, high + 1):
        svg.line(place(10.0**power), top, place(10.0**power), svg.height, 0.4)
        if power % 2:
            svg.text(place(10.0**power), svg.height + 14, f"1e{power}", 11, "middle")
    svg.height += 20
    return svg


def retrieval():
    rows = table("retrieval.md")
    svg = Svg("The starter finds the right text", "Bars of the share of clips for which the starter finds the right text: 0.86 of ESC-50's fold 4, "
              "0.770 of fold 3, and of the held-out pairs 0.563 at the first place and 0.713 among ten.")
    svg.heading("share of clips; longer is better, 1 would be all")
    groups = [(f"{row['what']}: {row['measure']}", [(number(row["figure"]), row["figure"])]) for row in rows]
    bars(svg, groups, (BLUE,), most=1, bar=17)
    return svg


def real_corpora():
    rows = table("real-corpora.md")
    svg = Svg("Two real corpora, step by step", "Bars of the processor time of each step: 81 seconds to ingest Clotho, about 220 seconds to ingest "
              "AudioCaps with its graph, 60 seconds to train two epochs on Clotho.")
    svg.heading("processor time of all threads, first run; shorter is better")
    bars(svg, [(row["step"], [(number(row["processor time"]), row["processor time"])]) for row in rows], (BLUE,), bar=17)
    return svg


def training():
    rows = table("training.md", "Memory of a training")
    svg = Svg("Peak memory of a training", "Bars of the peak memory of a training up to its first step, before and now: 154 and 131 MB for 12,660 "
              "captions, 375 and 262 MB for 64,894 captions.")
    svg.heading("MB up to the first step; shorter is better")
    compared(svg, rows, lambda row: f"{row['captions']} captions", ("before", "now"), ("before", "now"), (GREY, BLUE), 17)
    return svg


def recordings():
    rows = table("recordings.md")
    svg = Svg("Peak memory by the length of the recording", "Bars of the peak memory of a process that embeds a recording: 158.4 MB for 2 minutes, "
              "158.4 MB for 6 minutes and 158.1 MB for 20 minutes.")
    svg.heading("MB, the model included; shorter is better")
    bars(svg, [(row["length"], [(number(row["peak"]), row["peak"])]) for row in rows], (BLUE,), bar=17)
    return svg


def captioning():
    rows = table("captioning.md")
    svg = Svg("Searching for a caption: before and now", "Bars of the median time of the search for a caption in milliseconds, before the seam between "
              "captioner and store and with it: " + "; ".join(f"{row['way']} {row['before, ms']} and {row['after, ms']}" for row in rows) + ".")
    svg.heading("median milliseconds a clip; shorter is better")
    compared(svg, rows, lambda row: row["way"], ("before, ms", "after, ms"), ("before", "now"), (GREY, BLUE), 13)
    return svg


def candle():
    rows = table("candle.md")
    svg = Svg("Text towers beside candle-transformers", "Bars of milliseconds a text on one thread, ours and candle's: "
              + "; ".join(f"{row['tower']} with {row['texts in one go']} texts {row['ours']} and {row['candle']}" for row in rows) + ".")
    svg.heading("milliseconds a text on one thread; shorter is better")
    label = lambda row: f"{row['tower']}, {row['texts in one go']} text{'s' * (row['texts in one go'] != '1')}"
    compared(svg, rows, label, ("ours", "candle"), ("Echoic", "candle-transformers"), (BLUE, GREY), 13)
    return svg


def building():
    rows = table("building.md")
    svg = Svg("How long a build takes: before and now", "Bars of the processor time of builds in seconds, before and now: "
              + "; ".join(f"{row['build']} {row['processor s, before']} and {row['processor s, now']}" for row in rows) + ".")
    svg.heading("processor time in seconds; shorter is better")
    columns = ("processor s, before", "processor s, now")
    compared(svg, rows, lambda row: row["build"], columns, ("before", "now"), (GREY, BLUE), 15)
    return svg


def kernels():
    rows = table("kernels.md")
    svg = Svg("What was tested of each set of kernels", "A table of three sets of search kernels. AVX2 was compared with plain Rust on real machines and its "
              "speed was measured. AVX-512 was compared on Bochs and NEON on qemu; their speed was not measured.")
    svg.heading("green: on real processors; orange: on an emulator; hollow: not at all")
    columns = list(rows[0])
    places = (0, 160, 345, 630)
    for x, column in zip(places, ("", "compared with plain Rust", "tests that passed there", "speed measured")):
        svg.text(x + 18 * bool(x), svg.height + 12, column, 12)
    svg.height += 24
    for row in rows:
        real = "emulator" not in row[columns[1]]
        svg.line(0, svg.height, svg.width, svg.height, 0.5)
        svg.text(0, svg.height + 22, row[columns[0]], weight="600")
        for x, column in zip(places[1:], columns[1:]):
            there = row[column] != "no"
            mark = {"fill": GREEN if real else ORANGE} if there else {"class_": "line", "stroke_width": 1.5}
            svg.shape("circle", cx=x + 6, cy=svg.height + 17.5, r=5, **mark)
            svg.text(x + 18, svg.height + 22, row[column])
        svg.height += 34
    return svg


def surviving():
    rows = table("surviving.md")
    svg = Svg("Ten thousand kills of a writer", "Bars of counts: 10,000 kills, 24,170 steps done, 1,489 steps that were whole although the kill came "
              "before they were acknowledged, no acknowledged step lost, and no store that failed its check.")
    svg.heading("counts in one run of 27 minutes")
    short = {"steps that were whole although the kill came before they were acknowledged": "steps whole before they were acknowledged"}
    bars(svg, [(short.get(row["what"], row["what"]), [(number(row["count"]), row["count"])]) for row in rows],
         lambda index: [GREY if index < 3 else BLUE], bar=17)
    return svg


# ---- the picture of how a caption comes about


def wrapped(svg, x, y, lines, size=13, gap=17, **style):
    for index, line in enumerate(lines):
        svg.text(x, y + index * gap, line, size, **style)


def how():
    """The demo's second recording: train.ogg, two of its neighbours, its caption."""
    svg = Svg("How Echoic captions a sound", "A recording, train.ogg, becomes an embedding. Its nearest stored texts are 'A subway train thunders into "
              "the station with a blast of air.' (similarity 0.520, weight 0.86) and 'Thunder rumbles for a long time in the distance.' (similarity "
              "0.490, weight 0.04). The weighted sum is decoded to the caption 'A subway train rumbles in the distance.'", 842)
    peaks = [float(line) for line in (IMAGES / "train-peaks.csv").read_text().split()[1:]]
    heads = ((0, "1  embed the sound"), (235, "2  retrieve stored texts"), (640, "3  bridge and decode"))
    for x, head in heads:
        svg.text(x, 16, head, 14, weight="600")
    middle = 105
    # The waveform.
    step = 180 / len(peaks)
    for index, peak in enumerate(peaks):
        svg.rect(index * step, middle - 46 * peak, step * 0.62, 92 * peak, BLUE, 0.8)
    svg.text(0, 186, "train.ogg", weight="600")
    svg.text(0, 204, "a field recording of the demo", 12, kind="faint")
    # Neighbours. The lines behind them are as thick as their texts weigh.
    neighbours = (
        (("A subway train thunders into", "the station with a blast of air."), "0.520", "0.86", 36),
        (("Thunder rumbles for a long", "time in the distance."), "0.490", "0.04", 118),
    )
    for lines, similarity, weight, y in neighbours:
        svg.shape("rect", x=235, y=y, width=330, height=68, rx=6, class_="line", stroke_width=1)
        wrapped(svg, 249, y + 27, lines)
        svg.text(555, y + 21, f"similarity {similarity}", 12, "end", kind="faint")
        svg.text(555, y + 41, f"weight {weight}", 13, "end", "600", "accent")
        svg.rect(249, y + 55, 306, 4, GREY, opacity=0.3)
        svg.rect(249, y + 55, 306 * float(weight), 4, BLUE)
        svg.shape("path", d=f"M190 {middle} C212 {middle} 212 {y + 34} 229 {y + 34}", class_="line", stroke_width=1.5)
        thick = max(8 * float(weight), 1)
        svg.shape("path", d=f"M571 {y + 34} C604 {y + 34} 604 {middle} 634 {middle}", fill="none", stroke=BLUE, stroke_width=thick)
    svg.text(235, 204, "and further texts, which share the rest of the weight", 12, kind="faint")
    # The caption.
    svg.rect(640, middle - 48, 200, 96, BLUE, 8, opacity=0.13)
    svg.rect(640, middle - 48, 200, 96, "none", 8, stroke=BLUE, stroke_width=1.5)
    wrapped(svg, 660, middle - 18, ("A subway train", "rumbles in the", "distance."), 17, 24, weight="600")
    svg.text(640, 186, "The decoder learned from", 12, kind="faint")
    svg.text(640, 204, "the stored texts alone.", 12, kind="faint")
    svg.height = 208
    return svg


CHARTS = {
    HERE / "charts": (search, exact, graphs, opening, ingest, growth, towers, candle, parity, retrieval, real_corpora, training, captioning,
                      recordings, building, kernels, surviving),
    IMAGES: (peers, how),
}


def main():
    check, stale = "--check" in sys.argv[1:], []
    for folder, charts in CHARTS.items():
        folder.mkdir(exist_ok=True)
        for chart in charts:
            path = folder / f"{chart.__name__.replace('_', '-')}.svg"
            drawn = chart().finish()
            if check and (not path.exists() or path.read_text() != drawn):
                stale.append(path.name)
            elif not check:
                path.write_text(drawn)
    if stale:
        sys.exit(f"not as their pages say: {', '.join(stale)}; run docs/benchmarks/charts.py")


if __name__ == "__main__":
    main()
