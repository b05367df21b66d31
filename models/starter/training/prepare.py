"""Writes the training clips of the starter adapter and the list of (clip, caption) pairs.

    python3 prepare.py --audio DIR --work DIR [--field DIR] [--mixes N] [--copies N] [--val-fold F] [--final]

DIR of --audio holds index.csv (path, source, licence, label, caption, origin_id, split, seconds), that of --field
the repositories of field.txt as OWNER/NAME. Speech and music come from Debian packages, downloaded into the work
folder. Clips are written under WORK/clips, the list to WORK/PAIRS.csv with the columns audio, caption, split, group,
concepts, weight. ESC-50 fold 4 and what the demo captions are never touched. Clips that exist are not built again, so
an interrupted run goes on, and --final makes the list for the shipped adapter, with nothing held out, from the clips
of a validated run. Needs numpy and soundfile.
"""
import argparse
import collections
import csv
import hashlib
import os

import numpy as np

import captions
import concepts as table
import debian
import field
import sounds

Clip = collections.namedtuple("Clip", "path name source concept group split captions")
TEST_FOLD = "fold4"
DEMO = {"blanket/train.ogg"}  # names the same recording as its source as the train that `echoic demo` captions
LIMITS = {"animal_sounds_yashnita": 60, "donateacry": 25, "debian_0ad": 5, "dirt_samples": 5, "debian_wesnoth": 4,
          "fsdkaggle2018_instruments": 15, "nsynth_test_acoustic": 10, "philharmonia": 10}
SOURCE_WEIGHTS = {"esc50_16k": 2.5, "voxelibre": .3, "debian_0ad": .4, "debian_wesnoth": .2, "openclonk": .4,
                  "debian_lmms": .3, "debian_sonic_pi": .4, "dirt_samples": .4, "berklee_samples": .5, "philharmonia": .4,
                  "nsynth_test_acoustic": .4, "debian_widelands": .5, "fsdkaggle2018_instruments": .6, "drone": .4,
                  "fsdd_digits": .4}
SHARES = {"single": .57, "made": .15, "mix": .28}  # of the draws: clips and copies, speech and music, mixes
SPOKEN = ("speech.man", "speech.woman", "speech.phone")


def hashed(text, below):
    """A number below `below` that depends on nothing but the text."""
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) % below


def read_index(folder, val_fold):
    """The usable clips of the data folder, at most LIMITS per source and label."""
    known, written = table.load(), captions.load()
    rows = list(csv.DictReader(open(os.path.join(folder, "index.csv"), encoding="utf-8")))
    rows.sort(key=lambda r: hashed(r["path"], 1 << 30))
    seen, clips = collections.Counter(), []
    for r in rows:
        if r["split"] == TEST_FOLD or r["path"] in DEMO:
            continue
        concept = table.classify(known, r["source"], r["label"])
        own = written.get((r["source"], r["label"]), [])
        key = r["source"], r["label"].split(",")[0]
        if (concept is None and not own) or seen[key] >= LIMITS.get(r["source"], 40):
            continue
        seen[key] += 1
        group = r["source"] + ":" + (r["origin_id"] or r["path"])
        if r["split"].startswith("fold"):
            val = r["split"] == "fold%d" % val_fold
        else:
            val = hashed(group, 12) == 0
        clips.append(Clip(os.path.join(folder, r["path"]), r["path"], r["source"], concept, group, "val" if val else "train", own))
    return clips


def say(clip):
    """All captions of a single-sound clip."""
    if clip.captions:
        return clip.captions
    c = clip.concept
    return [s[0].upper() + s[1:] + "." for s in c.clauses] + ["The sound of %s." % n for n in c.nouns]


def capital(text):
    return text[0].upper() + text[1:] + "."


def combine(first, second, sequence, rng):
    """Three captions for two sounds, at once or one after the other."""
    a, b = (c.clauses[rng.integers(len(c.clauses))] for c in (first, second))
    na, nb = (c.nouns[rng.integers(len(c.nouns))] for c in (first, second))
    if sequence:
        forms = ["%s, then %s" % (a, b), "%s followed by %s" % (a, nb), "first %s and then %s" % (a, b),
                 "%s and then %s" % (a, b), "%s followed by %s" % (na, nb)]
    else:
        forms = ["%s while %s" % (a, b), "%s and %s" % (a, b), "%s as %s" % (a, b), "%s while %s" % (b, a),
                 "%s with %s in the background" % (a, nb), "%s and %s" % (na, nb), "%s as %s" % (b, a)]
    return [capital(forms[i]) for i in rng.permutation(len(forms))[:3]]


def speech_and_music(folder, work, per_file, seed):
    """Longer stretches of speech (several utterances of one voice) and excerpts of music, as clips of their own."""
    known = {c.name: c for c in table.load()}
    voices, out = collections.defaultdict(list), []

    def make(name, source, concept, group, build):
        out.append(keep(work, name, source, concept, group, lambda: build(generator(seed, name))))

    for concept, package, path in debian.files(folder):
        if concept in SPOKEN:
            voices[concept, package].append(path)
            continue
        for k in range(per_file):
            make("music_%05d" % len(out), package, known[concept], package + ":" + os.path.basename(path),
                 lambda rng: excerpt(path, rng))
    lines = []
    for (concept, package), paths in sorted(voices.items()):
        for i, k in enumerate(range(0, min(len(paths), 900), 8)):
            group = "%s:%d" % (package, i // 4)
            lines.append((concept, paths[k: k + 5], group))
            make("speech_%05d" % len(out), package, known[concept], group, lambda rng: speech(paths[k: k + 5], rng))
    men, women = ([p for c, p, _ in lines if c == kind] for kind in ("speech.man", "speech.woman"))
    for i, (one, other) in enumerate(zip(men, women)):
        turns = [p for pair in zip(one, other) for p in pair]
        make("talk_%05d" % i, "talk", known["speech.talk"], "talk:%d" % (i // 4), lambda rng: speech(turns, rng, 6))
    everyone = [p for _, paths, _ in lines for p in paths]
    for i in range(60):
        make("babble_%05d" % i, "babble", known["speech.crowd"], "babble:%d" % i, lambda rng: babble(everyone, rng))
    return out


def field_recordings(folder, work, most=8, window=10):
    """Windows of the recordings of field.txt, at most `most` of each."""
    known, out = {c.name: c for c in table.load()}, []
    for r in field.load():
        path = os.path.join(folder, r.repository, r.path)
        for start in field.starts(sounds.sf.info(path).duration, window, most):
            name = "field_%08x_%03d" % (hashed(r.repository + "/" + r.path, 1 << 32), start)
            clip = keep(work, name, r.repository, known.get(r.concept), r.repository + ":" + r.path,
                        lambda: sounds.read(path, start, window))
            out.append(clip._replace(captions=r.captions))
    return out


def generator(seed, name):
    """Random numbers that depend on the seed and the clip's name alone, so that an interrupted run can go on."""
    return np.random.default_rng([seed, hashed(name, 1 << 31)])


def excerpt(path, rng):
    start = rng.uniform(0, max(0.0, sounds.sf.info(path).duration - 10))
    return sounds.read(path, start, rng.uniform(4, 10))


def speech(paths, rng, most=5):
    """One utterance after another, with short pauses, at most 10 seconds."""
    parts = [sounds.trim(sounds.read(p)) for p in paths[: int(rng.integers(2, most + 1))]]
    return joined([p for p in parts if len(p) > sounds.RATE // 4], rng)[: 10 * sounds.RATE]


def babble(paths, rng):
    """Many voices at once in a room."""
    n = int(rng.uniform(5, 10) * sounds.RATE)
    voices = [sounds.trim(sounds.read(paths[j])) for j in rng.integers(0, len(paths), int(rng.integers(6, 14)))]
    voices = [v for v in voices if len(v) > sounds.RATE // 2]
    levels = 10 ** (-rng.uniform(0, 12, len(voices)) / 20)
    return sounds.reverb(sum(sounds.fill(v, n, rng) / sounds.rms(v) * g for v, g in zip(voices, levels)), rng)


def joined(parts, rng):
    gap = np.zeros(int(rng.uniform(0.1, 0.6) * sounds.RATE), dtype=np.float32)
    return np.concatenate([gap] + [y for p in parts for y in (p / sounds.rms(p) * 0.1, gap)])


def keep(work, name, source, concept, group, build):
    """Writes a clip, unless an earlier run did."""
    path = os.path.join(work, "clips", name + ".wav")
    if not os.path.exists(path):
        sounds.write(path, build())
    return Clip(path, "clips/" + name, source, concept, group, "val" if hashed(group, 12) == 0 else "train", [])


def pick(pools, rng):
    """A random clip: first a family, then a concept, then a clip of it."""
    families = {"animal": 5, "human": 5, "speech": 8, "music": 4, "water": 4, "weather": 3, "vehicle": 5, "home": 6,
                "machine": 3, "noise": 2, "fire": 1, "object": 2, "office": 1}
    names = list(families)
    weights = np.array([families[n] for n in names], dtype=float)
    family = names[rng.choice(len(names), p=weights / weights.sum())]
    of_family = [k for k in pools if k.split(".")[0] == family]
    if not of_family:
        return pick(pools, rng)
    pool = pools[of_family[rng.integers(len(of_family))]]
    return pool[rng.integers(len(pool))]


def mixes(work, clips, split, count, seed):
    """Pairs of clips, over each other or in sequence; yields (path, captions, group, concepts)."""
    pools = collections.defaultdict(list)
    for c in clips:
        if c.split == split and c.concept:
            pools[c.concept.name].append(c)
    for i in range(count):
        name = "mix_%s_%05d" % (split, i)
        rng = generator(seed, name)
        a, b = pick(pools, rng), pick(pools, rng)
        if a.concept.name == b.concept.name:
            continue
        sequence = rng.random() < 0.25
        texts = combine(a.concept, b.concept, sequence, rng)
        path = os.path.join(work, "clips", name + ".wav")
        if not os.path.exists(path):
            sounds.write(path, sounds.disturb(mix(a.path, b.path, sequence, rng), rng))
        yield path, texts, "mix:" + split, [a.concept.name, b.concept.name]


def mix(first, second, sequence, rng):
    x, y = (sounds.trim(sounds.read(p)) for p in (first, second))
    x, y = x / sounds.rms(x), y / sounds.rms(y)
    n = int(rng.uniform(4, 10) * sounds.RATE)
    if sequence:
        cut = int(n * rng.uniform(0.35, 0.65))
        y = sounds.fill(y, n - cut, rng) * 10 ** (rng.uniform(-8, 8) / 20)
        return np.concatenate([sounds.fill(x, cut, rng), y])
    return sounds.place(x, n, rng) + sounds.fill(y, n, rng) * 10 ** (-rng.uniform(-3, 12) / 20)


def copies(work, clips, count, seed):
    """Disturbed copies of single clips of the training split; yields (clip, path)."""
    for c in clips:
        for i in range(int(np.ceil(count))):
            name = "copy%d_%s" % (i, hashlib.sha256(c.name.encode()).hexdigest()[:10])
            rng = generator(seed, name)
            if c.split != "train" or rng.random() > count - i:
                continue
            path = os.path.join(work, "clips", name + ".wav")
            if not os.path.exists(path):
                x = sounds.read(c.path)
                if len(x) < sounds.RATE // 10:
                    continue
                sounds.write(path, sounds.disturb(x, rng))
            yield c, path


def main():
    args = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    args.add_argument("--audio", required=True)
    args.add_argument("--work", required=True)
    args.add_argument("--field", help="folder of the repositories of field.txt (default: none of their recordings)")
    args.add_argument("--debian", help="folder of unpacked packages (default: WORK/debian)")
    args.add_argument("--mixes", type=int, default=4000)
    args.add_argument("--copies", type=float, default=1.0, help="disturbed copies of each clip")
    args.add_argument("--val-fold", type=int, default=3)
    args.add_argument("--hold-out", default="-", help="comma-separated sources that stay out of copies and mixes")
    args.add_argument("--seed", type=int, default=1)
    args.add_argument("--final", action="store_true", help="put every clip into training, for the shipped adapter")
    args = args.parse_args()
    os.makedirs(os.path.join(args.work, "clips"), exist_ok=True)
    packages = debian.fetch(args.debian or os.path.join(args.work, "debian"))
    clips = read_index(os.path.abspath(args.audio), args.val_fold)
    made = speech_and_music(packages, args.work, 4, args.seed)
    if args.field:
        clips += field_recordings(os.path.abspath(args.field), args.work)
    rows = [row(c, c.path, "single") for c in clips] + [row(c, c.path, "made") for c in made]
    mixed = [c for c in clips + made if c.group.split(":")[0] not in args.hold_out.split(",")]
    rows += [row(c, path, "single") for c, path in copies(args.work, mixed, args.copies, args.seed)]
    for split, count in (("train", args.mixes), ("val", args.mixes // 10)):
        for path, texts, group, names in mixes(args.work, mixed, split, count, args.seed):
            rows.append(Row(path, "mix", "mix", texts, split, group, names))
    write_pairs(os.path.join(args.work, "PAIRS.csv"), rows, args.final)


Row = collections.namedtuple("Row", "path kind source captions split group concepts")


def row(clip, path, kind):
    return Row(path, kind, clip.source, say(clip), clip.split, clip.group, [clip.concept.name] if clip.concept else [])


def write_pairs(path, rows, final):
    """The list, with weights: rare sounds and good sources are drawn more often, and each kind has its share."""
    same = collections.Counter((r.source, " ".join(r.concepts) or r.captions[0]) for r in rows)

    def raw(r):
        weight = SOURCE_WEIGHTS.get(r.source, 1.0)
        return weight if r.kind == "mix" else weight * same[r.source, " ".join(r.concepts) or r.captions[0]] ** -0.5

    total = collections.Counter()
    for r in rows:
        if final or r.split == "train":
            total[r.kind] += raw(r)
    scale = {kind: SHARES[kind] * len(rows) / total[kind] for kind in total}
    with open(path, "w", newline="", encoding="utf-8") as f:
        out = csv.writer(f)
        out.writerow(["audio", "caption", "split", "group", "concepts", "weight"])
        for r in rows:
            split, weight = "train" if final else r.split, "%.4g" % (raw(r) * scale[r.kind])
            out.writerows([os.path.abspath(r.path), t, split, r.group, " ".join(r.concepts), weight] for t in r.captions)


if __name__ == "__main__":
    main()
