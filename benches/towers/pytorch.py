#!/usr/bin/env python3
"""PyTorch's side of run.py: `pytorch.py cnn14|htsat|bert CHECKPOINT THREADS [channels-last]`, with the protocol of ours.rs.

`pytorch.py minilm TEXTS THREADS FOLDER` takes the lines of a file through the MiniLM in the folder: tokens, batches of 32 by length as
sentence-transformers forms them, padded to the longest, the mean of a text's states. The other towers are those of tests/fixtures/make_audio_fixtures.py. `pytorch.py make FOLDER` writes checkpoints of full size and random weights.
"""
import pathlib
import resource
import sys
import time

import torch
from safetensors.torch import load_file, save_file

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "tests/fixtures"))
from make_audio_fixtures import Cnn14, Htsat, randomise  # noqa: E402
from make_clap_fixtures import WavCaps  # noqa: E402
from transformers import BertConfig  # noqa: E402

TOWERS = {"cnn14": Cnn14, "htsat": Htsat}


def make(folder):
    for name, tower in TOWERS.items():
        state = randomise(tower(), 7).state_dict()
        save_file({k: v.contiguous() for k, v in state.items() if v.is_floating_point()}, pathlib.Path(folder) / f"{name}.safetensors")
    # A WavCaps model with a text tower of full size; its words are made up, so that the number of tokens is known.
    model = pathlib.Path(folder) / "bert"
    model.mkdir()
    save_file({k: v.contiguous() for k, v in bert().state_dict().items()}, model / "model.safetensors")
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    (model / "vocab.txt").write_text("".join(word + "\n" for word in special + [f"w{n}" for n in range(30000)]))


def bert():
    return randomise(WavCaps(Cnn14((16, 8, 16, 24, 32, 40)), 40, BertConfig(), 1024), 8)


def texts():
    rows = [[2] + [5 + (text * 311 + n * 97) % 30000 for n in range(18)] + [3] for text in range(32)]
    ids = torch.tensor(rows)

    def run(model):
        state = model.text_encoder["text_encoder"](input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
        return torch.nn.functional.normalize(model.text_proj(state[:, 0]), dim=-1)

    return run


def minilm(file, folder):
    from tokenizers import Tokenizer
    from transformers import BertModel

    config = BertConfig(hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536)
    model = BertModel(config, add_pooling_layer=False)
    state = load_file(pathlib.Path(folder) / "model.safetensors")
    missing = model.load_state_dict(state, strict=False).missing_keys
    assert not missing, missing
    tokenizer = Tokenizer.from_file(str(pathlib.Path(folder) / "tokenizer.json"))
    tokenizer.no_padding()
    captions = pathlib.Path(file).read_text().splitlines()

    def run(model):
        encoded = [e.ids for e in tokenizer.encode_batch_fast(captions)]
        order = sorted(range(len(encoded)), key=lambda i: -len(encoded[i]))
        out = torch.empty(len(captions), 384)
        for start in range(0, len(order), 32):
            some = order[start:start + 32]
            ids = torch.nn.utils.rnn.pad_sequence([torch.tensor(encoded[i]) for i in some], batch_first=True)
            mask = torch.nn.utils.rnn.pad_sequence([torch.ones(len(encoded[i]), dtype=torch.long) for i in some], batch_first=True)
            state = model(input_ids=ids, attention_mask=mask).last_hidden_state
            mean = (state * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True)
            out[some] = torch.nn.functional.normalize(mean, dim=-1)
        return out

    return model, run


def serve(name, file, threads, layout=None):
    torch.set_num_threads(int(threads))
    start = time.perf_counter()
    if name == "minilm":
        tower, run = minilm(file, layout)
        layout = None
    elif name == "bert":
        tower, run = bert(), texts()
        tower.load_state_dict(load_file(pathlib.Path(file) / "model.safetensors"))
    else:
        tower, run = TOWERS[name](), None
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
            run(tower) if run else tower(mel)
            print(f"{time.perf_counter() - wall:.6f} {time.process_time() - processor:.6f}", flush=True)
    print(f"peak {memory():.0f} MB", file=sys.stderr)


if sys.argv[1] == "make":
    make(sys.argv[2])
else:
    serve(*sys.argv[1:])
