#!/usr/bin/env python3
"""What captions of this program are worth, on real corpora: the tables of docs/results.md.

    cargo build --release && target/release/echoic models pull starter && target/release/echoic models pull meteor
    python3 benches/results/run.py target/release/echoic --data DATA --work WORK

DATA has `captions/` (clotho-train.csv, clotho-val.csv, audiocaps-train.csv, audiocaps-val.csv, musiccaps.jsonl, song_describer.jsonl) and `audio/` with
an index.csv that names the clips of ESC-50. WORK keeps the store, the decoders and all captions: a run that was stopped goes on where it was. Nothing is
chosen by these figures; the validation splits are measured, and no test split is touched.
"""
import argparse
import collections
import csv
import json
import pathlib
import re
import subprocess

HERE = pathlib.Path(__file__).resolve().parent
COLUMNS = ["bleu_4", "meteor", "rouge_l", "cider_d", "repetition"]


class Program:
    def __init__(self, path, store):
        self.path, self.store = str(pathlib.Path(path).resolve()), str(store)

    def __call__(self, *words):
        """The lines of JSON that a command prints."""
        done = subprocess.run([self.path, "--json", "--quiet", "--store", self.store, *map(str, words)], stdout=subprocess.PIPE, text=True)
        if done.returncode:
            raise SystemExit(f"{' '.join(map(str, words))}: exit code {done.returncode}")
        return [json.loads(line) for line in done.stdout.splitlines()]

    def ensure_domain(self, name, *source):
        if name not in [domain["name"] for domain in self("domains")[0]]:
            self("ingest", *source, "--domain", name)

    def ensure_decoder(self, name, *options):
        known = [decoder["name"] for decoder in self("decoders")[0] if decoder["finished"]]
        if name not in known:
            stopped = (pathlib.Path(self.store) / "decoders" / name).exists()
            self("train", "--name", name, *options, *(["--resume"] if stopped else []))


def number(row, metric):
    score = row["scores"][metric]
    return "" if score is None else f"{score['score']:.3f}"


def lines_of(label, rows):
    """Rows of Markdown."""
    for row in rows:
        cider = row["scores"]["cider_d"]
        interval = f"{cider['low']:.3f}-{cider['high']:.3f}"
        shuffled = f"{row['shuffled']['scores']['cider_d']:.3f}" if row["shuffled"] else ""
        cells = [label, row["row"], *(number(row, metric) for metric in COLUMNS), interval, shuffled]
        print("| " + " | ".join(cells) + " |", flush=True)


def heading(first):
    cells = [first, "strategy", "BLEU-4", "METEOR", "ROUGE-L", "CIDEr-D", "repeats", "CIDEr-D, 95 %", "CIDEr-D, shuffled"]
    print("\n| " + " | ".join(cells) + " |\n|" + "---|" * len(cells))


def text_side(echoic, data, work, clips, fine_tuning):
    """Each caption of a validation split decoded from its own embedding and measured by the others of its clip."""
    corpora = ["clotho", "audiocaps"]
    for corpus in corpora:
        echoic.ensure_domain(f"{corpus}-train", data / f"captions/{corpus}-train.csv")
        echoic.ensure_decoder(corpus, "--domain", f"{corpus}-train")
    tuned = {}
    for corpus, other in zip(corpora, corpora[::-1]):
        if fine_tuning:
            tuned[corpus] = f"{other}-then-{corpus}"
            echoic.ensure_decoder(tuned[corpus], "--from", other, "--domain", f"{corpus}-train")
    for corpus, other in zip(corpora, corpora[::-1]):
        print(f"\n### Texts of {corpus}, memory {corpus}-train")
        heading("decoder learned from")
        for decoder in [corpus, other, *([tuned[corpus]] if fine_tuning else [])]:
            # The nearest text is the same whoever writes.
            strategies = "direct,nearest,projection" + (",text" if decoder == corpus else "")
            lines_of(decoder, echoic(
                "eval", data / f"captions/{corpus}-val.csv", "--text-side", "--limit", clips, "--domain", f"{corpus}-train",
                "--decoder", decoder, "--strategy", strategies, "--resume", work / "experiment"))


def names(words, caption):
    return bool(set(re.findall(r"[a-z]+", caption.lower())) & words)


def audio_side(echoic, data, work):
    """Clips of ESC-50 whose caption names what is heard."""
    for corpus in ["clotho", "audiocaps"]:
        echoic.ensure_domain(f"{corpus}-train", data / f"captions/{corpus}-train.csv")
    echoic.ensure_decoder("base", "--domain", "clotho-train", "--domain", "audiocaps-train")
    words = {row["class"]: set(row["words"].split()) for row in csv.DictReader(open(HERE / "esc50_names.csv"))}
    with open(data / "audio/index.csv", newline="") as index:
        clips = [row for row in csv.DictReader(index) if row["path"].startswith("esc50")]
    label = {pathlib.Path(row["path"]).name: row["label"] for row in clips}
    manifest = work / "esc50.csv"
    with open(manifest, "w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file_name", "caption"])
        table.writerows(label.items())
    folder = data / "audio" / pathlib.Path(clips[0]["path"]).parent
    rows = echoic(
        "eval", manifest, "--audio", folder, "--domain", "clotho-train", "--domain", "audiocaps-train", "--decoder", "base",
        "--only", "repetition,clap_similarity", "--resume", work / "experiment", "--save-predictions", work / "esc50")
    print("\n### Sounds of ESC-50, memory and decoder Clotho and AudioCaps")
    print("\n| strategy | fold 4 names the class | folds 1-3 | silence | another sound | repeats | CLAP |\n|---|---|---|---|---|---|---|")
    for row in rows:
        with open(work / "esc50" / f"{row['row'].replace(' ', '_')}.csv", newline="") as file:
            said = {line["file_name"]: line["caption_predicted"] for line in csv.DictReader(file)}
        rate = lambda files, of=lambda file: said[file]: sum(names(words[label[file]], of(file)) for file in files) / len(files)
        unseen = [file for file in label if file.startswith("4-")]
        seen = [file for file in label if not file.startswith("4-")]
        # The captions of others, by a step that leads to another class: clips are sorted by their origin.
        step = dict(zip(unseen, unseen[len(unseen) // 3:] + unseen[:len(unseen) // 3]))
        silence = rate(unseen, lambda _: row["silence"]["caption"])
        cells = [rate(unseen), rate(seen), silence, rate(unseen, lambda file: said[step[file]])]
        figures = [f"{cell:.3f}" for cell in cells] + [number(row, "repetition"), number(row, "clap_similarity")]
        print(f"| {row['row']} | " + " | ".join(figures) + " |", flush=True)


def music(echoic, data, work):
    """Long captions of a far domain, from their own embeddings."""
    read = lambda name: [json.loads(line) for line in open(data / f"captions/{name}.jsonl")]
    train, held_out = work / "musiccaps-train.jsonl", work / "musiccaps-eval.jsonl"
    for path, split in [(train, "train"), (held_out, "eval")]:
        rows = [row for row in read("musiccaps") if row["split"] == split]
        rows = rows if split == "train" else rows[:500]
        path.write_text("".join(json.dumps({"audio_id": row["audio_id"], "caption": row["caption"]}) + "\n" for row in rows))
    echoic.ensure_domain("music", train)
    echoic.ensure_decoder("music", "--domain", "music")
    texts = work / "musiccaps-eval-vectors.npy"
    if not texts.exists():
        echoic("embed", "--text", held_out, "--out", texts)
    print("\n### Music: memory and decoder the training split of MusicCaps")
    heading("asked with")
    common = ["--domain", "music", "--decoder", "music", "--resume", work / "experiment"]
    own = echoic("eval", held_out, "--embeddings", texts, *common)
    lines_of("captions of MusicCaps, measured by themselves", own)
    # A caption is measured by the others of its song.
    songs, several = read("song_describer"), work / "song-describer.jsonl"
    captions = collections.Counter(row["audio_id"] for row in songs)
    several.write_text("".join(json.dumps({"audio_id": row["audio_id"], "caption": row["caption"]}) + "\n"
                               for row in songs if captions[row["audio_id"]] > 1))
    lines_of("captions of Song Describer, measured by others of the song", echoic("eval", several, "--text-side", *common))
    lengths = [len(json.loads(line)["caption"].split()) for line in open(held_out)]
    written = {row["row"]: f"{row['scores']['mean_length']['score']:.1f}" for row in own}
    print(f"\nWords a caption: {sum(lengths) / len(lengths):.1f} in MusicCaps; written: {written}")


def main():
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("program")
    asked.add_argument("--data", type=pathlib.Path, required=True)
    asked.add_argument("--work", type=pathlib.Path, required=True)
    asked.add_argument("--clips", type=int, default=400, help="clips of each validation split")
    asked.add_argument("--no-fine-tuning", action="store_true", help="leave out the decoders that are trained further")
    asked.add_argument("--parts", default="text,audio,music")
    options = asked.parse_args()
    data, work = options.data.resolve(), options.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    echoic = Program(options.program, work / "store")
    if not (work / "store").exists():
        echoic("init")
    parts = options.parts.split(",")
    if "text" in parts:
        text_side(echoic, data, work, options.clips, not options.no_fine_tuning)
    if "audio" in parts:
        audio_side(echoic, data, work)
    if "music" in parts:
        music(echoic, data, work)


if __name__ == "__main__":
    main()
