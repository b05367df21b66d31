#!/usr/bin/env python3
"""Training and writing captions, beside PyTorch and Hugging Face's `generate`: speed, memory and loss, the same data, in one run of some ten minutes.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install torch==2.15.0 transformers==5.23.0 numpy==2.4.6 safetensors==0.8.0
    cargo build --release --example training && target/release/echoic models pull starter
    /tmp/venv/bin/python benches/training/run.py [--threads 2] [--widths 256,768] [--turns 12]

Learned are the shipped corpora, with the starter's embeddings. Both sides begin with the same weights and see the same batches in the same order.
Each contestant has a process of its own; they take turns, a step or a batch of captions a turn, so that what else the machine does meets both alike.
Printed are medians over the quieter third of the turns, those in which other programs did the least; a ratio is the median of the ratios of turns that
did the same. The captions of both are compared, too. For figures that say something the machine must be quiet: see the others' share.
"""
import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
PEER = [sys.executable, str(HERE / "pytorch.py")]
# Captions a step, and steps.
SHAPES = {256: (32, 120), 768: (64, 24)}
# The first turns, which do not count.
WARM = 3
# Sounds to write captions of, and captions a turn.
PREFIXES = 64
WRITTEN = 16


class Contestant:
    # How PyTorch's threads wait for each other.
    waiting = {}

    def __init__(self, command, threads):
        environment = {**os.environ, **Contestant.waiting, "RAYON_NUM_THREADS": str(threads)}
        self.process = subprocess.Popen(list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        self.turns = []
        # What it held before it loaded anything: PyTorch's libraries.
        self.at_first = float(self.process.stdout.readline().split()[1])

    def turn(self, line=""):
        busy = busy_seconds()
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        wall, processor, self.held, *said = self.process.stdout.readline().split(" ", 3)
        wall, processor = float(wall), float(processor)
        others = max(busy_seconds() - busy - processor, 0) / (wall * os.cpu_count())
        self.turns.append((wall, processor, others))
        return said[0] if said else None

    def close(self):
        """The most memory that the process has held in its turns and until its end, in MB."""
        self.process.stdin.close()
        last = self.process.stdout.readlines()
        assert self.process.wait() == 0
        return float(self.held), json.loads(last[-1])["peak"] if last else float(self.held)


def busy_seconds():
    """What the processors have done since they were started, for whomever."""
    user, nice, system, _, _, *interrupts = map(int, pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:9])
    return (user + nice + system + sum(interrupts)) / os.sysconf("SC_CLK_TCK")


def compare(ours, theirs, units, first):
    """Units a second of both, ratios by the clock and in processor time, and the others' share of the machine, in the quiet turns."""
    pairs = list(zip(ours.turns, theirs.turns, units))[first:]
    pairs.sort(key=lambda pair: max(pair[0][2], pair[1][2]))
    quiet = pairs[:max(len(pairs) // 3, min(len(pairs), 5))]
    median = lambda figure: statistics.median(figure(*pair) for pair in quiet)
    return (median(lambda o, t, n: n / o[0]), median(lambda o, t, n: n / t[0]), median(lambda o, t, n: t[0] / o[0]),
            median(lambda o, t, n: t[1] / o[1]), median(lambda o, t, n: max(o[2], t[2])))


def ask(*command):
    run = subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(run.stdout.splitlines()[-1]) if run.stdout else None


def begin(ours, folder, width, batch):
    (folder / str(width)).mkdir()
    ask(ours, "begin", folder, width, batch)


class Patience:
    """Waits until other programs are quiet, for so many seconds in all."""
    left = 120.0

    @classmethod
    def wait(cls):
        quiet = False
        while cls.left > 0 and not quiet:
            busy, begun = busy_seconds(), time.monotonic()
            time.sleep(0.2)
            took = time.monotonic() - begun
            quiet = busy_seconds() - busy < 0.1 * took * os.cpu_count()
            cls.left -= 0 if quiet else took


def patiently(turns, least, most):
    """Counts turns: fewer where they have taken `most` seconds, but `least`."""
    taken = 0.0
    for turn in range(turns):
        if turn >= least and taken > most:
            return
        Patience.wait()
        begun = time.monotonic()
        yield turn
        taken += time.monotonic() - begun


def choose_waiting(folder, width, threads):
    """Threads of PyTorch wait for each other in a loop unless told to sleep. Beside other programs that makes them many times as slow; on a machine
    of its own it may be the faster way. It is given the way in which a few steps take less."""
    took = []
    for waiting in ({}, {"OMP_WAIT_POLICY": "PASSIVE"}):
        Contestant.waiting = waiting
        peer = Contestant([*PEER, "train", folder, width, 0, threads], threads)
        for _ in patiently(WARM + 5, WARM + 3, 20):
            peer.turn()
        peer.close()
        took.append((statistics.median(turn[0] for turn in peer.turns[WARM:]), len(took), waiting))
    Contestant.waiting = min(took)[-1]
    return f"PyTorch's threads wait {'asleep' if Contestant.waiting else 'in a loop'}: {min(took)[0]:.2f} s a step, {max(took)[0]:.2f} s the other way."


def training(ours, folder, width, dropout, steps, threads):
    """A row of the first table, one of the second, and a remark."""
    print(f"trains width {width} with dropout {dropout}", file=sys.stderr, flush=True)
    batch = SHAPES[width][0]
    contestants = [Contestant([ours, "train", folder, width, batch, dropout], threads),
                   Contestant([*PEER, "train", folder, width, dropout, threads], threads)]
    for _ in patiently(steps, WARM + 5, 100):
        for contestant in contestants:
            contestant.turn()
    peaks = [contestant.close() for contestant in contestants]
    steps = len(contestants[0].turns)
    judged = ask(*PEER, "judge", folder, width, steps, f"ours-{dropout}/best.safetensors", f"theirs-{dropout}/best.pt")
    *figures, others = compare(*contestants, judged["learned"], WARM)
    before, *losses = judged["losses"]
    shape = f"| {width} | {batch} | {dropout} "
    row = shape + (f"| {figures[0]:,.0f} | {figures[1]:,.0f} | **{figures[2]:.2f}** | {figures[3]:.2f} | {others:.0%} "
                   f"| {steps} | {before:.3f} | {losses[0]:.4f} | {losses[1]:.4f} |")
    memory = shape + "".join(memories(contestants, *both) for both in zip(*peaks)) + "|"
    note = f"Width {width}: a vocabulary of {judged['vocabulary']:,}, {judged['padding']:.0%} of PyTorch's places are padding."
    return row, memory, note


def memories(contestants, ours, theirs):
    """Cells of two peaks, with the ratio as it is and without what the programs held at first."""
    grown = (ours - contestants[0].at_first) / (theirs - contestants[1].at_first)
    return f"| {ours:,.0f} MB | {theirs:,.0f} MB | **{ours / theirs:.2f}** | {grown:.2f} "


def writing(ours, folder, width, turns, threads):
    """Rows of the third table, and one of the fourth."""
    print(f"writes with width {width}", file=sys.stderr, flush=True)
    contestants = [Contestant([ours, "write", folder, width], threads), Contestant([*PEER, "write", folder, width, threads], threads)]
    written, rows = [], []
    for beam in (1, 4):
        for count in (1, 16):
            same = []
            for contestant in contestants:
                contestant.turns = []
            for turn in patiently(turns + 1, 4, 40):
                line = f"{beam} {turn * WRITTEN % PREFIXES} {WRITTEN} {count}"
                same.append(tuple(contestant.turn(line) for contestant in contestants))
            written.append(same)
            tokens = statistics.mean(len(tokens) for _, theirs in same for tokens in json.loads(theirs))
            rows.append((beam, count, tokens, *compare(*contestants, [WRITTEN] * len(same), 1)))
    (peak, _), (peer, _) = (contestant.close() for contestant in contestants)
    texts = subprocess.run([ours, "text", folder], check=True, stdout=subprocess.PIPE, text=True,
                           input="".join(theirs for same in written for _, theirs in same)).stdout.splitlines()
    done = []
    for (beam, count, tokens, *figures, others), same in zip(rows, written):
        pairs = [pair for ours, _ in same for pair in zip(json.loads(ours), json.loads(texts.pop(0)))]
        equal = sum(one == other for one, other in pairs) / len(pairs)
        done.append(f"| {width} | {beam} | {count} | {tokens:.1f} | {equal:.0%} | {figures[0]:,.1f} | {figures[1]:,.1f} | **{figures[2]:.2f}** | {figures[3]:.2f} | {others:.0%} |")
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
    parser.add_argument("--turns", type=int, default=12, help="of writing, for each width, beam and batch")
    parser.add_argument("--share", type=float, default=1.0, help="of the steps, to see whether all works")
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
            if not notes:
                notes.append(choose_waiting(folder, width, options.threads))
            for dropout, steps in ((0, steps), (0.1, min(steps, 20))):
                row, peaks, note = training(options.ours, folder, width, dropout, steps, options.threads)
                learned.append(row)
                memory.append(peaks)
            notes.append(note)
            rows, peak = writing(options.ours, folder, width, options.turns, options.threads)
            written += rows
            held.append(peak)
    show("Training", "width | batch | dropout | Echoic, tokens/s | PyTorch, tokens/s | ratio by the clock | ratio in processor time | others' share | "
         "steps | loss before | loss, Echoic | loss, PyTorch", learned)
    print("", *notes, sep="\n")
    show("Memory of training", "width | batch | dropout | Echoic, steps | PyTorch, steps | ratio | without imports | Echoic, with its checkpoint | "
         "PyTorch, with its checkpoint | ratio | without imports", memory)
    show("Writing captions", "width | beams | captions in one go | tokens a caption | the same captions | Echoic, captions/s | Hugging Face, captions/s | "
         "ratio by the clock | ratio in processor time | others' share", written)
    show("Memory of writing", "width | Echoic | Hugging Face | ratio | without imports", held)


def show(title, names, rows):
    print(f"\n{title}\n\n| {names} |\n|{'---|' * (names.count('|') + 1)}")
    print(*rows, sep="\n", flush=True)


main()
