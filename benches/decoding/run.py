#!/usr/bin/env python3
"""Decodes a folder of clips by Echoic and by ffmpeg, on two threads each and in turns, and prints how long each took.

    cargo build --release --example decoding
    python3 benches/decoding/run.py [--clips 1000] [--rounds 3] [--ours target/release/examples/decoding]

ffmpeg is run in two ways: once a file, two at a time, as a user's script would; and as two processes that decode half of the clips
each, in one go, so that starting programs counts for nothing. It decodes to wav, which is thrown away. Needs ffmpeg.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

FORMATS = {"mp3": "-c:a libmp3lame -b:a 128k", "opus": "-c:a libopus -b:a 96k", "flac": "-c:a flac"}
KINDS = 20


def make(folder, ending, options, clips):
    """Clips of 10 s, of which `KINDS` differ."""
    folder.mkdir()
    for kind in range(KINDS):
        source = f"sine=frequency={200 + 90 * kind}:sample_rate=44100:duration=10[a];anoisesrc=amplitude=0.2:seed={kind}:sample_rate=44100:duration=10[b];[a][b]amix"
        command = ["ffmpeg", "-v", "error", "-y", "-filter_complex", source, "-ac", "2", *options.split(), folder / f"{kind:04}.{ending}"]
        subprocess.run([str(word) for word in command], check=True)
    for clip in range(KINDS, clips):
        content = (folder / f"{clip % KINDS:04}.{ending}").read_bytes()
        (folder / f"{clip:04}.{ending}").write_bytes(content)


def ours(program, folder):
    run = subprocess.run([program, folder], check=True, capture_output=True, env={**os.environ, "RAYON_NUM_THREADS": "2"})
    return json.loads(run.stdout)["took"]


def each(folder):
    start = time.monotonic()
    command = "ls | xargs -P 2 -I{} ffmpeg -v error -nostdin -threads 1 -i {} -f wav -y /dev/null"
    subprocess.run(command, shell=True, cwd=folder, check=True)
    return time.monotonic() - start


def together(folder):
    files = sorted(folder.iterdir())
    start = time.monotonic()
    running = []
    for half in (files[::2], files[1::2]):
        with tempfile.NamedTemporaryFile("w", suffix=".txt", delete=False) as names:
            names.write("".join(f"file '{file}'\n" for file in half))
        command = ["ffmpeg", "-v", "error", "-nostdin", "-threads", "1", "-f", "concat", "-safe", "0", "-i", names.name, "-f", "wav", "-y", "/dev/null"]
        running.append((subprocess.Popen(command), names.name))
    for process, names in running:
        assert process.wait() == 0
        os.unlink(names)
    return time.monotonic() - start


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--ours", default="target/release/examples/decoding", type=Path)
    parser.add_argument("--formats", nargs="*", default=list(FORMATS), choices=list(FORMATS))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        for ending in arguments.formats:
            folder = Path(place) / ending
            make(folder, ending, FORMATS[ending], arguments.clips)
            times = {"echoic": [], "ffmpeg, two processes": [], "ffmpeg, a process a file": []}
            for _ in range(arguments.rounds):
                times["echoic"].append(ours(arguments.ours.resolve(), folder))
                times["ffmpeg, two processes"].append(together(folder))
                times["ffmpeg, a process a file"].append(each(folder))
            best = {name: min(all) for name, all in times.items()}
            line = ", ".join(f"{name} {took:.2f} s ({took / best['echoic']:.2f} times ours)" for name, took in best.items())
            print(f"{arguments.clips} clips of 10 s in {ending}: {line}", flush=True)


if __name__ == "__main__":
    main()
