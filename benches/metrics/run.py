#!/usr/bin/env python3
"""How long `echoic score` and pycocoevalcap take for the same 5,000 captions with five references each: everything but SPICE.

    cargo build --release && target/release/echoic models pull meteor
    python3 -m venv /tmp/venv                       # Java must be installed, too: apt install default-jre-headless
    /tmp/venv/bin/pip install pycocoevalcap==1.2 numpy==2.4.6
    /tmp/venv/bin/python benches/metrics/run.py target/release/echoic

The captions are this project's own, disturbed by a seeded generator. Each tool runs as a process of its own, from reading the files to printing
the scores, and the two take turns, so that both meet the same noise. That they print the same scores is checked in each round.
"""
import argparse
import csv
import json
import pathlib
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).parent.parent.parent
METRICS = ["bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_l", "meteor", "cider_d"]

REFERENCE = """
import csv, json, sys
from pycocoevalcap.bleu.bleu import Bleu
from pycocoevalcap.cider.cider import Cider
from pycocoevalcap.meteor.meteor import Meteor
from pycocoevalcap.rouge.rouge import Rouge
from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

def read(path):
    with open(path, newline="") as file:
        return {row.pop("file_name"): [{"caption": text} for text in row.values()] for row in csv.DictReader(file)}

tokenizer = PTBTokenizer()
tests, truths = tokenizer.tokenize(read(sys.argv[1])), tokenizer.tokenize(read(sys.argv[2]))
scores = {f"bleu_{n + 1}": score for n, score in enumerate(Bleu(4).compute_score(truths, tests, verbose=0)[0])}
for name, metric in [("rouge_l", Rouge()), ("meteor", Meteor()), ("cider_d", Cider())]:
    scores[name] = float(metric.compute_score(truths, tests)[0])
print(json.dumps(scores))
"""


def disturbed(draw, text, near):
    words = text.rstrip(".").split()
    for _ in range(draw.randint(0, 3)):
        at = draw.randrange(len(words))
        if draw.random() < 0.5:
            words[at] = draw.choice(draw.choice(near).rstrip(".").split())
        elif len(words) > 2:
            del words[at]
    return " ".join(words) + "."


def make(folder, clips, references):
    draw = random.Random(1)
    topics = [path.read_text().splitlines() for path in sorted((ROOT / "corpora").glob("*.txt"))]
    paths = folder / "predictions.csv", folder / "references.csv"
    with open(paths[0], "w", newline="") as one, open(paths[1], "w", newline="") as other:
        predicted, written = csv.writer(one), csv.writer(other)
        predicted.writerow(["file_name", "caption_predicted"])
        written.writerow(["file_name"] + [f"caption_{n + 1}" for n in range(references)])
        for clip in range(clips):
            topic = draw.choice(topics)
            at = draw.randrange(len(topic) - 8)
            near = topic[at:at + 8]
            base = draw.choice(near)
            predicted.writerow([f"{clip}.wav", disturbed(draw, base, near)])
            written.writerow([f"{clip}.wav"] + [disturbed(draw, draw.choice([base, *near]), near) for _ in range(references)])
    return [str(path) for path in paths]


def processor():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def timed(command):
    """Seconds by the clock and of processors, and what was printed last."""
    begun, used = time.perf_counter(), processor()
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{command[0]} failed:\n{done.stderr.strip()}")
    return time.perf_counter() - begun, processor() - used, json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("--clips", type=int, default=5000)
    parser.add_argument("--references", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        files = make(pathlib.Path(folder), arguments.clips, arguments.references)
        tools = {
            "pycocoevalcap": [sys.executable, "-c", REFERENCE, *files],
            "echoic": [arguments.program, "--quiet", "--json", "--offline", "score", *files],
        }
        took = {tool: [] for tool in tools}
        # The first scoring of all prepares METEOR's table, once.
        timed(tools["echoic"])
        print("| round | pycocoevalcap, s | echoic, s | ratio | pycocoevalcap, processor s | echoic, processor s | ratio |")
        print("|---|---|---|---|---|---|---|", flush=True)
        for number in range(1, arguments.rounds + 1):
            scores = {}
            for tool, command in tools.items():
                *seconds, scores[tool] = timed(command)
                took[tool].append(seconds)
            for name in METRICS:
                one, other = scores["pycocoevalcap"][name], scores["echoic"][name]
                assert other is not None and abs(one - other) < 1e-6, f"{name}: {one} and {other}"
            row(number, *(took[tool][-1] for tool in tools))
        row("median", *([statistics.median(kind) for kind in zip(*took[tool])] for tool in tools))


def row(name, reference, ours):
    cells = [f"{one:.2f} | {other:.2f} | {one / other:.1f}" for one, other in zip(reference, ours)]
    print(f"| {name} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
