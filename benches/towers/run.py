#!/usr/bin/env python3
"""Ours and PyTorch's towers side by side, on ten seconds of sound or 32 texts of 20 tokens, full size, random weights; and the starter's
MiniLM on 512 captions, of AudioCaps where ECHOIC_DATA names the folder of `captions/`.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install torch==2.15.0 transformers==5.23.0 torchlibrosa==0.1.0 librosa==0.11.0 \
        numpy==2.4.6 soxr==1.1.0 safetensors==0.8.0
    cargo build --release --example towers && /tmp/venv/bin/python benches/towers/run.py [--rounds 15] [--threads 1,2] [--towers cnn14,htsat,bert,minilm]

Each contestant has a process of its own; they take turns, one clip or batch a turn, so that what else the machine does meets all alike. Printed are
medians, by the clock and in processor time, and the ratio of the work a second: ours to PyTorch's better layout in memory.
"""
import argparse
import csv
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
OURS = HERE.parents[1] / "target/release/examples/towers"


def write_captions(path):
    data = os.environ.get("ECHOIC_DATA")
    if data:
        with open(pathlib.Path(data) / "captions/audiocaps-val.csv", newline="") as file:
            captions = [row["caption"].strip() for row in csv.DictReader(file)][:512]
    else:
        things = ["A dog barks", "Rain falls on a roof", "An engine idles and someone speaks", "Birds sing", "A door opens and closes"]
        captions = [" while ".join(things[(i * 7 + n * 3) % 5].lower() for n in range(1 + i % 4)) for i in range(512)]
    path.write_text("".join(caption + "\n" for caption in captions))


class Contestant:
    def __init__(self, name, command):
        self.name, self.wall, self.processor = name, [], []
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        _, self.loaded, self.loading = self.process.stdout.readline().split()

    def turn(self, count):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        wall, processor = map(float, self.process.stdout.readline().split())
        if count:
            self.wall.append(wall)
            self.processor.append(processor)

    def close(self):
        self.process.stdin.close()
        self.peak = self.process.stderr.read().split()[-2]
        self.process.wait()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--towers", default="cnn14,htsat,bert,minilm")
    parser.add_argument("--starter", default="~/.cache/echoic/starter", help="where `echoic models pull starter` put it")
    options = parser.parse_args()
    torch = [sys.executable, str(HERE / "pytorch.py")]
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(torch + ["make", folder], check=True)
        write_captions(pathlib.Path(folder) / "captions.txt")
        for tower in options.towers.split(","):
            for threads in options.threads.split(","):
                file = {"bert": "bert", "minilm": "captions.txt"}.get(tower, f"{tower}.safetensors")
                arguments = [tower, f"{folder}/{file}", threads]
                starter = [str(pathlib.Path(options.starter).expanduser() / "minilm")] if tower == "minilm" else []
                contestants = [Contestant("ours", [str(OURS)] + arguments), Contestant("PyTorch", torch + arguments + starter)]
                if tower == "cnn14":
                    contestants.append(Contestant("PyTorch, channels last", torch + arguments + ["channels-last"]))
                for index in range(-2, options.rounds):
                    for contestant in contestants:
                        contestant.turn(count=index >= 0)
                for contestant in contestants:
                    contestant.close()
                print(f"{tower}, {threads} threads")
                for c in contestants:
                    print(f"  {c.name:24} {statistics.median(c.wall) * 1e3:7.0f} ms, processor {statistics.median(c.processor) * 1e3:7.0f} ms; "
                          f"best {min(c.wall) * 1e3:.0f} and {min(c.processor) * 1e3:.0f} ms; loaded in {c.loading} s, peak {c.peak} MB")
                for measure in ("wall", "processor"):
                    ours, *theirs = [statistics.median(getattr(c, measure)) for c in contestants]
                    print(f"  ratio by {measure}: {min(theirs) / ours:.2f}", flush=True)


main()
