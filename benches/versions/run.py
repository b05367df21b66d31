#!/usr/bin/env python3
"""Two builds of Echoic side by side: how long they look for neighbours before a caption, and whether they answer the same.

    git worktree add /tmp/before f46f0f6 && cargo build --release --manifest-path /tmp/before/Cargo.toml
    cargo build --release
    python3 benches/versions/run.py /tmp/before/target/release/echoic target/release/echoic --store STORE CLIP_OR_FOLDER...

The store has a finished decoder and must be one that both builds read. The builds take turns, a way of captioning at a time. Printed are
the median `search_ms` of all clips and rounds for each build, the ratio of the medians (above 1: the second is faster), and for how many
clips the answers are equal: caption, neighbours, weights and lost mass, digit by digit.
"""
import argparse
import json
import statistics
import subprocess

WAYS = {
    "nearest": ["--strategy", "nearest"],
    "nearest, temperature 0.05": ["--strategy", "nearest", "--temperature", "0.05"],
    "direct": ["--strategy", "direct"],
    "projection": [],
    "projection, temperature 0.05": ["--temperature", "0.05"],
    "projection, mass 0.9999": ["--mass", "0.9999"],
    "projection, 20 neighbours": ["-k", "20"],
    "projection, exact": ["--exact"],
}


def captions(build, options, arguments):
    """What a build answers, one document for each clip."""
    command = [build, "--quiet", "--json", "--offline", "--store", arguments.store, "caption", *options, *arguments.clips]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{build} failed:\n{done.stderr.strip()}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def answer(document):
    return {name: value for name, value in document.items() if name != "timings"}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before")
    parser.add_argument("after")
    parser.add_argument("clips", nargs="+")
    parser.add_argument("--store", default="echoic-store")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()

    print("| way | before, ms | after, ms | ratio | equal answers |\n|---|---|---|---|---|", flush=True)
    for way, options in WAYS.items():
        times = {arguments.before: [], arguments.after: []}
        answers = {}
        for _ in range(arguments.rounds):
            for build in times:
                found = captions(build, options, arguments)
                times[build] += [document["timings"]["search_ms"] for document in found]
                answers[build] = [answer(document) for document in found]
        before, after = (statistics.median(times[build]) for build in (arguments.before, arguments.after))
        pairs = list(zip(answers[arguments.before], answers[arguments.after], strict=True))
        equal = sum(one == other for one, other in pairs)
        print(f"| {way} | {before:.2f} | {after:.2f} | {before / after:.2f} | {equal} of {len(pairs)} |", flush=True)


if __name__ == "__main__":
    main()
