#!/usr/bin/env python3
"""Training and writing captions, beside PyTorch and Hugging Face's `generate`: speed, memory and loss, the same data, in one run of some ten minutes.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install torch==2.15.0 transformers==5.23.0 numpy==2.4.6 safetensors==0.8.0
    cargo build --release --example training && target/release/echoic models pull starter
    /tmp/venv/bin/python benches/training/run.py [--threads 2] [--widths 256,768] [--turns 24]

Learned are the shipped corpora, with the starter's embeddings. Both sides begin with the same weights and see the same batches in the same order.
Each contestant has a process of its own; they take turns, a step or a batch of captions a turn, so that what else the machine does meets both alike.
Printed are medians over the turns; a ratio is the median of the ratios of turns that did the same. The captions of both are compared, too.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
PEER = [sys.executable, str(HERE / "pytorch.py")]
# Captions a step, and steps: of 256 nearly an epoch, so that its decoder writes sentences.
SHAPES = {256: (32, 380), 768: (64, 40)}
WARM = 3
PREFIXES = 64


class Contestant:
    def __init__(self, command, threads):
        environment = {**os.environ, "RAYON_NUM_THREADS": str(threads)}
        self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        self.turns = []
        # What it held before it loaded anything: PyTorch's libraries.
        self.at_first = float(self.process.stdout.readline().split()[1])

    def turn(self, line=""):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        wall, processor, self.held, *said = self.process.stdout.readline().split(" ", 3)
        self.turns.append((float(wall), float(processor)))
        return said[0] if said else None

    def close(self):
        """The most memory that the process has held in its turns and until its end, in MB."""
        self.process.stdin.close()
        last = self.process.stdout.readlines()
        assert self.process.wait() == 0
        return float(self.held), json.loads(last[-1])["peak"] if last else float(self.held)


def ratio(ours, theirs, measure, first=0):
    """How many times as fast ours is, by the clock (0) or in processor time (1)."""
    return statistics.median(t[measure] / o[measure] for o, t in list(zip(ours.turns, theirs.turns))[first:])


def rate(contestant, units, first=0):
    return statistics.median(unit / turn[0] for unit, turn in list(zip(units, contestant.turns))[first:])


def ask(*command):
    run = subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(run.stdout.splitlines()[-1]) if run.stdout else None


def begin(ours, folder, width, batch):
    (folder / str(width)).mkdir()
    ask(ours, "begin", folder, width, batch)


def train(ours, folder, width, dropout, steps, threads):
    batch = SHAPES[width][0]
    contestants = [Contestant([ours, "train", folder, width, batch, dropout], threads),
                   Contestant([*PEER, "train", folder, width, dropout, threads], threads)]
    for _ in range(steps):
        for contestant in contestants:
            contestant.turn()
    return contestants, [contestant.close() for contestant in contestants]


def training(ours, folder, width, dropout, steps, threads):
    """A row of the first table, and one of the second."""
    contestants, peaks = train(ours, folder, width, dropout, steps, threads)
    files = [f"ours-{dropout}/best.safetensors", f"theirs-{dropout}/best.pt"]
    judged = ask(*PEER, "judge", folder, width, steps, *files)
    speeds = [rate(contestant, judged["learned"], WARM) for contestant in contestants]
    before, *losses = judged["losses"]
    shape = f"| {width} | {SHAPES[width][0]} | {dropout} "
    row = shape + (f"| {steps} | {speeds[0]:,.0f} | {speeds[1]:,.0f} | **{ratio(*contestants, 0, WARM):.2f}** | {ratio(*contestants, 1, WARM):.2f} "
                   f"| {before:.3f} | {losses[0]:.4f} | {losses[1]:.4f} |")
    memory = shape + "".join(memories(contestants, *both) for both in zip(*peaks)) + "|"
    note = f"width {width}: a vocabulary of {judged['vocabulary']:,}, {judged['padding']:.0%} of PyTorch's places are padding"
    return row, memory, note


def memories(contestants, ours, theirs):
    """Cells of two peaks, with the ratio as it is and without what the programs held at first."""
    grown = (ours - contestants[0].at_first) / (theirs - contestants[1].at_first)
    return f"| {ours:,.0f} MB | {theirs:,.0f} MB | **{ours / theirs:.2f}** | {grown:.2f} "


def writing(ours, folder, width, turns, threads):
    """Rows of the third table, and one of the fourth."""
    contestants = [Contestant([ours, "write", folder, width], threads), Contestant([*PEER, "write", folder, width, threads], threads)]
    written, rows = [], []
    for beam in (1, 4):
        for count in (1, 16):
            same = []
            for contestant in contestants:
                contestant.turns = []
            for turn in range(turns + 1):
                line = f"{beam} {turn * count % PREFIXES} {count}"
                same.append(tuple(contestant.turn(line) for contestant in contestants))
            written.append(same)
            tokens = [statistics.mean(len(tokens) for _, theirs in same for tokens in json.loads(theirs))]
            speeds = [rate(contestant, [count] * (turns + 1), 1) for contestant in contestants]
            rows.append([width, beam, count, tokens[0], *speeds, *(ratio(*contestants, measure, 1) for measure in (0, 1))])
    (peak, _), (peer, _) = (contestant.close() for contestant in contestants)
    texts = subprocess.run([ours, "text", folder], check=True, stdout=subprocess.PIPE, text=True,
                           input="".join(theirs for same in written for _, theirs in same)).stdout.splitlines()
    done = []
    for (width, beam, count, tokens, *figures), same in zip(rows, written):
        pairs = [pair for ours, _ in same for pair in zip(json.loads(ours), json.loads(texts.pop(0)))]
        equal = sum(one == other for one, other in pairs) / len(pairs)
        done.append(f"| {width} | {beam} | {count} | {tokens:.1f} | {equal:.0%} | {figures[0]:,.1f} | {figures[1]:,.1f} | **{figures[2]:.2f}** | {figures[3]:.2f} |")
    return done, f"| {width} {memories(contestants, peak, peer)}|"


def prefixes(folder):
    """The embeddings of some texts, spread over the corpora."""
    dim = json.loads((folder / "space.json").read_text())["dim"]
    all = (folder / "embeddings.f32").read_bytes()
    texts = len(all) // (4 * dim)
    rows = [n * texts // PREFIXES for n in range(PREFIXES)]
    (folder / "prefixes.f32").write_bytes(b"".join(all[row * 4 * dim:(row + 1) * 4 * dim] for row in rows))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ours", default=HERE.parents[1] / "target/release/examples/training")
    parser.add_argument("--widths", default="256,768")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turns", type=int, default=24, help="of writing, for each width, beam and batch")
    parser.add_argument("--share", type=float, default=1.0, help="of the steps, to look whether all works")
    options = parser.parse_args()
    widths = [int(width) for width in options.widths.split(",")]
    learned, memory, notes, written, held = [], [], [], [], []
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        ask(options.ours, "make", folder)
        prefixes(folder)
        for width in widths:
            batch, steps = SHAPES[width]
            steps = round(steps * options.share)
            begin(options.ours, folder, width, batch)
            for dropout, steps in ((0, steps), (0.1, min(steps, 20))):
                row, peaks, note = training(options.ours, folder, width, dropout, steps, options.threads)
                learned.append(row)
                memory.append(peaks)
            notes.append(note)
            rows, peak = writing(options.ours, folder, width, options.turns, options.threads)
            written += rows
            held.append(peak)
    show("Training", "width | batch | dropout | steps | Echoic, tokens/s | PyTorch, tokens/s | ratio by the clock | ratio in processor time | "
         "loss before | loss, Echoic | loss, PyTorch", learned)
    print(*notes, sep="\n")
    show("Memory of training", "width | batch | dropout | Echoic, steps | PyTorch, steps | ratio | without imports | Echoic, with its checkpoint | "
         "PyTorch, with its checkpoint | ratio | without imports", memory)
    show("Writing captions", "width | beams | captions in one go | tokens a caption | the same captions | Echoic, captions/s | Hugging Face, captions/s | "
         "ratio by the clock | ratio in processor time", written)
    show("Memory of writing", "width | Echoic | Hugging Face | ratio | without imports", held)


def show(title, names, rows):
    print(f"\n{title}\n\n| {names} |\n|{'---|' * (names.count('|') + 1)}")
    print(*rows, sep="\n", flush=True)


main()
