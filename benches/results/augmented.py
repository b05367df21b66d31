#!/usr/bin/env python3
"""A prefix with the retrieved captions in it, measured before it is built (DRCap, arXiv 2410.09472): does a decoder write better when it sees the nearest texts?

    python3 -m venv /tmp/venv && /tmp/venv/bin/pip install numpy==2.4.6
    /tmp/venv/bin/python benches/results/augmented.py target/release/echoic --data DATA --work WORK     # WORK as prefixes.py needs it

Two stores of embeddings from outside hold the texts of Clotho and AudioCaps (training splits): one their own embeddings, one each text's own beside those of
three others, side by side in one row. The others are drawn from its neighbours with a cosine between 0.75 and 0.85, so that near copies are left out; a
text with fewer has itself in their places. Both decoders learn with the same recipe; the noise is as long, beside the whole row, in both. Then the
askings of prefixes.py: a sound or caption by itself or projected, beside its three nearest texts. No caption is ranked by what it says: stores from
outside have no model.
"""
import json

import numpy as np

import prefixes
from beyond import unit

NEIGHBOURS = 3
BAND = (0.75, 0.85)


class Program(prefixes.Program):
    def prepare(self, corpus, rows):
        if (self.work / self.store).exists():
            return
        vectors = self.work / f"{self.store}.npy"
        np.save(vectors, rows.astype("<f4"))
        self("init", "--model", "external", "--dim", rows.shape[1])
        self("ingest", corpus, "--embeddings", vectors, "--domain", "both")
        self("train", "--name", "base")


def beside(own, others):
    """The own embedding and the others in one row, each part as long as before."""
    return np.concatenate([own, *others], 1)


def others_of(memory):
    """For each text three neighbours that are no near copies, drawn from those in the band."""
    draw = np.random.default_rng(1)
    chosen = np.empty((len(memory), NEIGHBOURS), int)
    for begin in range(0, len(memory), 1024):
        near = memory[begin:begin + 1024] @ memory.T
        for place, row in enumerate(near):
            within = np.flatnonzero((row >= BAND[0]) & (row <= BAND[1]))
            own = np.full(NEIGHBOURS, begin + place)
            picked = draw.choice(within, min(NEIGHBOURS, len(within)), replace=False) if len(within) else own
            chosen[begin + place] = np.concatenate([picked, own])[:NEIGHBOURS]
    return chosen


def main():
    options = prefixes.asked_for(__doc__)
    lines, memory = prefixes.stored(options.work)
    corpus = options.work / "augmented-corpus.jsonl"
    # Captions of one clip are held out together, as they are in a store of the model's own.
    corpus.write_text("".join(json.dumps({"caption": line["caption"], "audio_id": line.get("clip") or f"text {place}"}) + "\n"
                              for place, line in enumerate(lines)))
    chosen = others_of(memory)
    with_band = (chosen[:, 0] != np.arange(len(memory))).mean()
    print(f"{len(memory)} texts, {with_band:.2f} of them with a neighbour in the band")
    plain, augmented = (Program(options.program, options.work, store) for store in ("plain", "augmented"))
    plain.prepare(corpus, memory)
    augmented.prepare(corpus, beside(memory, [memory[chosen[:, place]] for place in range(NEIGHBOURS)]))
    for asking in prefixes.askings(prefixes.Program(options.program, options.work), options):
        similarities = asking.embeddings @ memory.T
        projected = unit(prefixes.weights_at(similarities, prefixes.TEMPERATURE) @ memory)
        nearest = [memory[place] for place in np.argsort(-similarities, axis=1)[:, :NEIGHBOURS].T]
        ways = [("projection", plain, projected), ("the question itself", plain, asking.embeddings),
                ("projection beside the nearest texts", augmented, beside(projected, nearest)),
                ("the question beside the nearest texts", augmented, beside(asking.embeddings, nearest))]
        prefixes.compare(asking, ((name, program.captions(unit(rows))) for name, program, rows in ways))


if __name__ == "__main__":
    main()
