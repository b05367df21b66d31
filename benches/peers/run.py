#!/usr/bin/env python3
"""Compares Echoic with hnswlib, faiss, usearch, LanceDB and qdrant-client on the same vectors and queries.

    python3 benches/peers/run.py                    # real captions; needs ECHOIC_DATA, the folder of captions/ and audio/
    python3 benches/peers/run.py --rows 1000000 --rounds 3 --build-limit 600 --only hnswlib,faiss-hnsw,faiss-flat
                                                    # grown to a million rows by `peers grow`

Makes its own virtual environment and keeps vectors in target/peers; prints a table and writes target/peers/result-ROWS.{md,json}.
Each contestant runs in a process of its own. Questions go round in turns, one contestant after the other, and what is reported is the
median over rounds, because other programs may load the machine.
"""
import argparse
import os
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "target" / "peers"


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rows", type=int, default=0, help="grow the captions to so many rows")
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--build-limit", type=float, default=240, help="seconds after which a build is given up")
    arguments.add_argument("--only", default="", help="contestants to run beside echoic, separated by commas")
    arguments = arguments.parse_args()

    python = WORK / "venv" / "bin" / "python"
    if not python.exists():
        venv.create(WORK / "venv", with_pip=True)
    requirements = ROOT / "benches/peers/requirements.txt"
    subprocess.run([python, "-m", "pip", "install", "-q", "-r", requirements], check=True)
    subprocess.run(["cargo", "build", "--release", "--example", "peers"], cwd=ROOT, check=True)
    binary = ROOT / "target/release/examples/peers"
    if not (WORK / "audio-queries.npy").exists():
        data = os.environ.get("ECHOIC_DATA") or sys.exit("set ECHOIC_DATA to the folder of captions/ and audio/")
        subprocess.run([binary, "embed", data, WORK], check=True)
    vectors = WORK / "captions.npy"
    if arguments.rows:
        grown = WORK / f"grown-{arguments.rows}.npy"
        if not grown.exists():
            subprocess.run([binary, "grow", vectors, grown, str(arguments.rows)], check=True)
        vectors = grown
    compare = [python, ROOT / "benches/peers/compare.py", vectors, binary, str(arguments.rounds),
               str(arguments.build_limit), arguments.only]
    sys.exit(subprocess.run(compare, cwd=WORK).returncode)


if __name__ == "__main__":
    main()
