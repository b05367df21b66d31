#!/usr/bin/env python3
"""What lies beyond the paper, measured on retrieval before it is built: centring, hubness correction, mixtures, and a bridge learned from pairs.

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install numpy==2.4.6
    python3 benches/results/run.py target/release/echoic --data DATA --work WORK --parts audio     # makes store and ESC-50's table
    target/release/echoic --store WORK/store export WORK/memory.npy --format npy
    target/release/echoic --store WORK/store embed --audio DATA/audio/esc50_16k --out WORK/esc50.npy
    /tmp/venv/bin/python benches/results/beyond.py --data DATA --work WORK

Sounds: ESC-50's fold 4; a text is right where it names the class (esc50_names.csv). What a correction learns of sounds, it learns from the other half of
them. Pairs: 246 clips of AudioCaps with a caption each, as LAION's CLAP embeds them (DATA/clap-embeddings), by five parts. Intervals are of a
paired bootstrap over sounds, of the difference to doing nothing.
"""
import argparse
import csv
import json
import pathlib
import re

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
DRAWS = 2000


def unit(rows):
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def softmax_sum(similarities, memory, temperature):
    weights = np.exp((similarities - similarities.max(1, keepdims=True)) / temperature)
    return unit(weights @ memory)


def show(name, right, base):
    draw = np.random.default_rng(0)
    differences = right - base
    means = [differences[draw.integers(0, len(base), len(base))].mean() for _ in range(DRAWS)]
    low, high = np.percentile(means, [2.5, 97.5])
    print(f"| {name} | {right.mean():.3f} | {low:+.3f} to {high:+.3f} |")


def by_halves(count, of_half):
    """Rows of what `of_half(asked, others)` gives for each half, when the other half is known."""
    odd = np.arange(count) % 2 == 1
    out = [None] * count
    for asked in (odd, ~odd):
        for place, row in zip(np.flatnonzero(asked), of_half(asked, ~asked)):
            out[place] = row
    return np.array(out)


def corrections(audio, text):
    """Similarities of every sound to every text, under each correction."""
    plain = audio @ text.T
    yield "nothing", plain
    for share in (0.5, 1.0):
        centred = lambda asked, others: unit(audio[asked] - share * audio[others].mean(0)) @ unit(text - share * text.mean(0)).T
        yield f"both sides less {share} of their mean", by_halves(len(audio), centred)
    for k in (5, 10, 50):
        csls = lambda asked, others: 2 * plain[asked] - np.sort(plain[others], axis=0)[-k:].mean(0)
        yield f"CSLS, k = {k}", by_halves(len(audio), csls)
    for beta in (20, 50):
        bank = lambda asked, others: beta * plain[asked] - np.log(np.exp(beta * plain[others]).sum(0))
        yield f"QB-norm, beta = {beta}", by_halves(len(audio), bank)
    projected = softmax_sum(plain, text, 0.01)
    for share in (0.25, 0.5, 0.75):
        yield f"{share} sound + {1 - share} projection", unit(share * audio + (1 - share) * projected) @ text.T
    for temperature in (0.02, 0.05):
        yield f"projection at {temperature}", softmax_sum(plain, text, temperature) @ text.T


def sounds(data, work):
    text, audio = np.load(work / "memory.npy").astype("f4"), np.load(work / "esc50.npy")
    said = [set(re.findall("[a-z]+", json.loads(line)["caption"].lower())) for line in open(work / "memory.jsonl")]
    words = {row["class"]: set(row["words"].split()) for row in csv.DictReader(open(HERE / "esc50_names.csv"))}
    label = {row["file_name"]: row["caption"] for row in csv.DictReader(open(work / "esc50.csv"))}
    names = [pathlib.Path(json.loads(line)["path"]).name for line in open(work / "esc50.jsonl")]
    unseen = [place for place, name in enumerate(names) if name.startswith("4-")]
    audio, names = audio[unseen], [names[place] for place in unseen]
    print(f"\n{len(names)} sounds, {len(text)} texts; the nearest text names the class\n\n| | share | difference |\n|---|---|---|")
    base = None
    for name, similarities in corrections(audio, text):
        right = np.array([bool(said[best] & words[label[clip]]) for best, clip in zip(similarities.argmax(1), names)], float)
        base = right if base is None else base
        show(name, right, base)


def pairs(data):
    folder = data / "clap-embeddings"
    audio, text = unit(np.load(folder / "audiocaps-audio.npy")), unit(np.load(folder / "audiocaps-text.npy"))
    own = np.arange(len(audio))
    found = lambda similarities: ((similarities > similarities[own, own][:, None]).sum(1) < 10).astype(float)
    print(f"\n{len(audio)} pairs; the own text is among the ten nearest\n\n| | R@10 | difference |\n|---|---|---|")
    base = None
    for name, similarities in corrections(audio, text):
        base = found(similarities) if base is None else base
        show(name, found(similarities), base)
    # PLS-SVD: the axes that both sides share most, from the pairs of the other parts (COMET keeps some of them).
    for axes in (16, 32, 64, 128):
        similarities = np.zeros((len(audio), len(text)))
        for part in range(5):
            held_out = own % 5 == part
            a, t = audio[~held_out], text[~held_out]
            left, _, right = np.linalg.svd((a - a.mean(0)).T @ (t - t.mean(0)))
            shared = lambda rows, mean, basis: unit((rows - mean) @ basis[:, :axes])
            similarities[held_out] = shared(audio[held_out], a.mean(0), left) @ shared(text, t.mean(0), right.T).T
        show(f"PLS-SVD, {axes} axes", found(similarities), base)


def main():
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--data", type=pathlib.Path, required=True)
    asked.add_argument("--work", type=pathlib.Path, required=True)
    options = asked.parse_args()
    sounds(options.data, options.work)
    pairs(options.data)


if __name__ == "__main__":
    main()
