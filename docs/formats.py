#!/usr/bin/env python3
"""Compares what Echoic reads of every audio format with what ffmpeg and libsndfile read, and writes the table in docs/formats.md.

Sounds are synthesised and encoded by ffmpeg and lame, then decoded by all. Needs ffmpeg, lame, and numpy and soundfile from PyPI:

    cargo build --release --example formats
    python3 docs/formats.py [--formats target/release/examples/formats]
"""

import argparse
import json
import re
import subprocess
import tempfile
from importlib.metadata import version
from pathlib import Path

import numpy as np
import soundfile

RATE = 44_100
SECONDS = 3
BEGIN, END = "<!-- parity: begin, by docs/formats.py -->", "<!-- parity: end -->"

# File, kind, what ffmpeg is told. Kinds: mono, stereo, surround.
ENCODED = [
    ("u8.wav", "stereo", "-c:a pcm_u8"),
    ("s16.wav", "stereo", "-c:a pcm_s16le"),
    ("s24.wav", "stereo", "-c:a pcm_s24le"),
    ("s32.wav", "stereo", "-c:a pcm_s32le"),
    ("f32.wav", "stereo", "-c:a pcm_f32le"),
    ("f64.wav", "stereo", "-c:a pcm_f64le"),
    ("alaw.wav", "stereo", "-c:a pcm_alaw"),
    ("mulaw.wav", "stereo", "-c:a pcm_mulaw"),
    ("ms.adpcm.wav", "stereo", "-c:a adpcm_ms"),
    ("ima.adpcm.wav", "stereo", "-c:a adpcm_ima_wav"),
    ("surround.wav", "surround", "-c:a pcm_s24le"),
    ("rf64.wav", "stereo", "-c:a pcm_s16le -rf64 always"),
    ("s16.w64", "stereo", "-c:a pcm_s16le"),
    ("s16.au", "stereo", "-c:a pcm_s16be"),
    ("s16.aiff", "stereo", "-c:a pcm_s16be"),
    ("s24.aiff", "stereo", "-c:a pcm_s24be"),
    ("s16.caf", "stereo", "-c:a pcm_s16be"),
    ("alac.caf", "stereo", "-c:a alac"),
    ("s16.wv", "stereo", "-c:a wavpack -sample_fmt s16p"),
    ("s24.wv", "stereo", "-c:a wavpack -sample_fmt s32p"),
    ("f32.wv", "stereo", "-c:a wavpack -sample_fmt fltp"),
    ("surround.wv", "surround", "-c:a wavpack"),
    ("s16.flac", "stereo", "-c:a flac"),
    ("s24.flac", "stereo", "-c:a flac -sample_fmt s32 -bits_per_raw_sample 24"),
    ("surround.flac", "surround", "-c:a flac"),
    ("vorbis.ogg", "stereo", "-c:a libvorbis -q:a 5"),
    ("surround.vorbis.ogg", "surround", "-c:a libvorbis -q:a 5"),
    ("flac.ogg", "stereo", "-c:a flac"),
    ("opus.ogg", "stereo", "-c:a libopus -ar 48000"),
    ("surround.opus", "surround", "-c:a libopus -ar 48000"),
    ("opus.webm", "stereo", "-c:a libopus -ar 48000"),
    ("opus.mp4", "stereo", "-c:a libopus -ar 48000"),
    ("tagged.mp3", "stereo", "-c:a libmp3lame -b:a 128k"),
    ("tagged.vbr.mp3", "stereo", "-c:a libmp3lame -q:a 2"),
    ("untagged.vbr.mp3", "stereo", "-c:a libmp3lame -q:a 2 -write_xing 0"),
    ("s16.mp2", "stereo", "-c:a mp2"),
    ("aac.m4a", "stereo", "-c:a aac"),
    ("aac.without-edits.m4a", "stereo", "-c:a aac -use_editlist 0"),
    ("aac.fragments.mp4", "stereo", "-c:a aac -movflags frag_keyframe+empty_moov"),
    ("aac.mov", "stereo", "-c:a aac"),
    ("s24be.mov", "stereo", "-c:a pcm_s24be"),
    ("s24le.mov", "stereo", "-c:a pcm_s24le"),
    ("f64be.mov", "stereo", "-c:a pcm_f64be"),
    ("aac.3gp", "stereo", "-c:a aac"),
    ("alac.m4a", "stereo", "-c:a alac"),
    ("flac.mp4", "stereo", "-c:a flac -strict -2"),
    ("adts.aac", "stereo", "-c:a aac"),
    ("aac.mka", "stereo", "-c:a aac"),
    ("vorbis.webm", "stereo", "-c:a libvorbis"),
    ("flac.mka", "stereo", "-c:a flac"),
    ("s16.mka", "stereo", "-c:a pcm_s16le"),
]


def run(*command):
    return subprocess.run([str(word) for word in command], check=True, capture_output=True).stdout


def sound(channels):
    """Noise that fades in, and a tone of its own in each channel."""
    time = np.arange(RATE * SECONDS) / RATE
    noise = np.random.default_rng(7).normal(0, 0.05, len(time)) * (0.2 + time / SECONDS)
    return np.stack([noise + 0.3 * np.sin(2 * np.pi * (300 + 170 * i) * time) for i in range(channels)], axis=1)


def by_ffmpeg(path):
    probe = run("ffprobe", "-v", "error", "-select_streams", "a:0", "-show_entries", "stream=channels", "-of", "json", path)
    channels = json.loads(probe)["streams"][0]["channels"]
    raw = run("ffmpeg", "-v", "error", "-i", path, "-map", "0:a:0", "-f", "f32le", "-c:a", "pcm_f32le", "-")
    return np.frombuffer(raw, "<f4").reshape(-1, channels).mean(axis=1)


def by_libsndfile(path):
    try:
        return soundfile.read(path, dtype="float32", always_2d=True)[0].mean(axis=1)
    except soundfile.LibsndfileError:
        return None


def compared(ours, theirs):
    if theirs is None:
        return "does not read it"
    count = min(len(ours), len(theirs))
    worst = float(np.abs(ours[:count] - theirs[:count]).max()) if count else 0.0
    length = "same" if len(ours) == len(theirs) else f"{len(theirs):,} samples"
    return f"{length}, within {worst:.0e}" if worst else f"{length}, equal"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--formats", default="target/release/examples/formats", type=Path)
    arguments = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        for name, channels in (("mono", 1), ("stereo", 2), ("surround", 6)):
            soundfile.write(folder / f"{name}.source.wav", sound(channels), RATE, subtype="PCM_24")
        paths = []
        for name, kind, options in ENCODED:
            layout = ["-channel_layout", "5.1"] if kind == "surround" else []
            source = folder / f"{kind}.source.wav"
            run("ffmpeg", "-v", "error", "-y", *layout, "-i", source, *options.split(), folder / name)
            paths.append(folder / name)
        run("lame", "--quiet", "-V2", folder / "stereo.source.wav", folder / "lame.mp3")
        run("lame", "--quiet", "-t", "-V2", folder / "stereo.source.wav", folder / "lame.untagged.mp3")
        paths += [folder / "lame.mp3", folder / "lame.untagged.mp3"]
        for line in run(arguments.formats.resolve(), "--to", folder, *paths).decode().splitlines():
            read = json.loads(line)
            path = Path(read["path"])
            if "error" in read:
                print(f"{path.name}: {read['error']}")
                continue
            ours = np.fromfile(f"{path}.f32", "<f4")
            rows.append((path.name, f"{len(ours):,}", compared(ours, by_ffmpeg(path)), compared(ours, by_libsndfile(path))))
    ffmpeg = run("ffmpeg", "-version").decode().split()[2].split("-")[0]
    table = [
        BEGIN,
        f"| file | samples | ffmpeg {ffmpeg} | libsndfile {soundfile.__libsndfile_version__} (soundfile {version('soundfile')}) |",
        "|---|---:|---|---|",
        *(f"| `{name}` | {count} | {ffmpeg} | {sndfile} |" for name, count, ffmpeg, sndfile in rows),
        END,
    ]
    page = Path(__file__).with_name("formats.md")
    text = page.read_text()
    page.write_text(re.sub(re.escape(BEGIN) + ".*" + re.escape(END), lambda _: "\n".join(table), text, flags=re.S))
    print("\n".join(table))


if __name__ == "__main__":
    main()
