#!/usr/bin/env python3
"""How much longer an audit of neighbours takes than captioning the same sounds, the comparison with every stored text included.

    cargo build --release
    python3 benches/auditing/run.py target/release/echoic --store STORE CLIP_OR_FOLDER...

The store has a finished decoder. The two take turns, so that both meet the same noise. Printed are the wall-clock seconds of each round,
their medians, and the ratio of the medians, with the program's start in both.
"""
import argparse
import statistics
import subprocess
import time

WAYS = {"caption": ["caption"], "audit": ["audit", "caption", "--only", "neighbours"]}


def seconds(words, arguments):
    command = [arguments.program, "--quiet", "--json", "--offline", "--store", arguments.store, *words, *arguments.clips]
    begun = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(words)} failed:\n{done.stderr.strip()}")
    return time.perf_counter() - begun, len(done.stdout.splitlines())


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("program")
    parser.add_argument("clips", nargs="+")
    parser.add_argument("--store", default="echoic-store")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()

    took = {way: [] for way in WAYS}
    print("| round | clips | caption, s | audit, s | audit / caption |\n|---|---|---|---|---|", flush=True)
    for number in range(1, arguments.rounds + 1):
        for way, words in WAYS.items():
            elapsed, clips = seconds(words, arguments)
            took[way].append(elapsed)
        caption, audit = took["caption"][-1], took["audit"][-1]
        print(f"| {number} | {clips} | {caption:.1f} | {audit:.1f} | {audit / caption:.3f} |", flush=True)
    caption, audit = (statistics.median(took[way]) for way in WAYS)
    print(f"| median | | {caption:.1f} | {audit:.1f} | {audit / caption:.3f} |")


if __name__ == "__main__":
    main()
