#!/usr/bin/env python3
"""PyTorch's side of run.py: `pytorch.py cnn14|htsat CHECKPOINT THREADS [channels-last]`, with the protocol of ours.rs.

The towers are those of tests/fixtures/make_audio_fixtures.py. `pytorch.py make FOLDER` writes checkpoints of full size and random weights.
"""
import pathlib
import resource
import sys
import time

import torch
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "tests/fixtures"))
from make_audio_fixtures import Cnn14, Htsat, randomise  # noqa: E402

TOWERS = {"cnn14": Cnn14, "htsat": Htsat}


def make(folder):
    for name, tower in TOWERS.items():
        state = randomise(tower(), 7).state_dict()
        save_file({k: v.contiguous() for k, v in state.items() if v.is_floating_point()}, pathlib.Path(folder) / f"{name}.safetensors")


def serve(name, file, threads, layout=None):
    torch.set_num_threads(int(threads))
    start = time.perf_counter()
    tower = TOWERS[name]()
    tower.load_state_dict(load_file(file), strict=False)
    tower.eval()
    if layout:
        tower.to(memory_format=torch.channels_last)
    mel = ((torch.arange(1001 * 64) * 7919) % 600 / 10.0 - 60.0).view(1, 1001, 64)
    memory = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3  # noqa: E731
    print(f"ready {memory():.0f} {time.perf_counter() - start:.2f}", flush=True)
    with torch.inference_mode():
        for _ in sys.stdin:
            wall, processor = time.perf_counter(), time.process_time()
            tower(mel)
            print(f"{time.perf_counter() - wall:.6f} {time.process_time() - processor:.6f}", flush=True)
    print(f"peak {memory():.0f} MB", file=sys.stderr)


if sys.argv[1] == "make":
    make(sys.argv[2])
else:
    serve(*sys.argv[1:])
