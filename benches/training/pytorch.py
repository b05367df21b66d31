#!/usr/bin/env python3
"""PyTorch's side of run.py, with the protocol of ours.rs.

`pytorch.py train FOLDER WIDTH DROPOUT THREADS` trains the same decoder in plain PyTorch: padded batches whose padding the loss leaves out, fused attention,
fused AdamW. `pytorch.py write FOLDER WIDTH THREADS` writes captions by Hugging Face's GPT-2 with the weights that ours learned. `pytorch.py judge FOLDER
WIDTH STEPS FILE…` prints the loss of weights on the texts of the epoch's batches that no step has seen.
"""
import json
import pathlib
import sys
import time

import numpy
import torch
import torch.nn.functional as F
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

START, END, UNKNOWN, IGNORED = 0, 1, 2, -100
LIMIT = 20


class Block(nn.Module):
    def __init__(self, width, heads, dropout):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.ModuleDict({"in": nn.Linear(width, 3 * width), "out": nn.Linear(width, width)})
        self.mlp = nn.ModuleDict({"up": nn.Linear(width, 4 * width), "down": nn.Linear(4 * width, width)})

    def drop(self, x):
        return F.dropout(x, self.dropout, self.training)

    def forward(self, x):
        batch, length, width = x.shape
        inner = self.attention["in"](self.norm1(x)).view(batch, length, 3, self.heads, width // self.heads)
        mixed = F.scaled_dot_product_attention(*inner.permute(2, 0, 3, 1, 4), is_causal=True)
        x = x + self.drop(self.attention["out"](mixed.transpose(1, 2).reshape(batch, length, width)))
        return x + self.drop(self.mlp["down"](F.gelu(self.mlp["up"](self.norm2(x)), approximate="tanh")))


class Captioner(nn.Module):
    """The decoder of src/decoder/network.rs."""

    def __init__(self, dim, vocabulary, prefix_tokens, width, layers, heads, max_tokens, dropout=0.0):
        super().__init__()
        self.prefix, self.width, self.dropout = prefix_tokens, width, dropout
        self.mapper = nn.ModuleList([nn.Linear(dim, width), nn.Linear(width, prefix_tokens * width)])
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(prefix_tokens + max_tokens, width)
        self.layers = nn.ModuleList(Block(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)

    def prefixes(self, embeddings):
        return self.mapper[1](torch.tanh(self.mapper[0](embeddings))).view(-1, self.prefix, self.width)

    def forward(self, embeddings, ids):
        x = torch.cat([self.prefixes(embeddings), self.tokens(ids)], 1)
        x = F.dropout(x + self.positions.weight[:x.shape[1]], self.dropout, self.training)
        for layer in self.layers:
            x = layer(x)
        return F.linear(self.norm(x[:, self.prefix:]), self.tokens.weight)

    def loss(self, embeddings, ids, targets, smoothing=0.0):
        logits = self(embeddings, ids)
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=IGNORED, label_smoothing=smoothing)


def renamed(name):
    if name in ("tokens", "positions"):
        return name + ".weight"
    return name.replace(".gain", ".weight")


def header(path):
    with safe_open(path, "pt") as file:
        return json.loads(file.metadata()["echoic"])


def captioner(path, dropout=0.0):
    config = {"dropout": dropout} | header(path)["config"]
    model = Captioner(**config)
    model.load_state_dict({renamed(name): tensor for name, tensor in load_file(path).items()})
    return model


class Texts:
    def __init__(self, folder, place):
        self.tokens = json.loads((folder / "tokens.json").read_text())
        dim = json.loads((folder / "space.json").read_text())["dim"]
        self.embeddings = torch.from_numpy(numpy.fromfile(folder / "embeddings.f32", numpy.float32)).view(-1, dim)
        self.batches = json.loads((place / "order.json").read_text())

    def batch(self, index):
        """Embeddings, padded inputs, padded targets. What is unknown is read, but not learned."""
        rows = self.batches[index]
        length = max(len(self.tokens[row]) for row in rows) + 1
        ids = torch.zeros(len(rows), length, dtype=torch.long)
        targets = torch.full((len(rows), length), IGNORED)
        for at, row in enumerate(rows):
            tokens = torch.tensor(self.tokens[row])
            ids[at, 1:len(tokens) + 1] = tokens
            targets[at, :len(tokens) + 1] = torch.cat([tokens, torch.tensor([END])])
        targets[targets == UNKNOWN] = IGNORED
        return self.embeddings[rows], ids, targets


def peak():
    """The most memory that the process has held, in MB."""
    line = next(line for line in open("/proc/self/status") if line.startswith("VmHWM:"))
    return int(line.split()[1]) / 1e3


# With PyTorch imported, and nothing done.
AT_FIRST = peak()


class Turn:
    """What the block within takes; told when it ends."""

    def __enter__(self):
        self.wall, self.processor = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_):
        self.took = f"{time.perf_counter() - self.wall:.6f} {time.process_time() - self.processor:.6f} {peak():.1f}"


def train(folder, width, dropout):
    place = folder / width
    initial = place / "initial/best.safetensors"
    recipe = header(initial)["training"]["recipe"]
    model, texts = captioner(initial, float(dropout)).train(), Texts(folder, place)
    matrices = [p for name, p in model.named_parameters() if name.split(".")[0] in ("mapper", "layers") and p.dim() == 2]
    others = [p for p in model.parameters() if not any(p is matrix for matrix in matrices)]
    groups = [{"params": matrices, "weight_decay": recipe["weight_decay"]}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW(groups, lr=recipe["learning_rate"], betas=(0.9, recipe["beta2"]), fused=True)
    print(f"ready {AT_FIRST:.1f}", flush=True)
    for step, _ in enumerate(sys.stdin):
        with Turn() as turn:
            loss = model.loss(*texts.batch(step), recipe["smoothing"])
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), recipe["clip"])
            optimizer.step()
            loss.item()
        print(turn.took, flush=True)
    # As ours does when it is stopped: what it takes to go on, and the weights.
    theirs = place / f"theirs-{dropout}"
    theirs.mkdir(exist_ok=True)
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, theirs / "state.pt")
    torch.save(model.state_dict(), theirs / "best.pt")
    print(json.dumps({"peak": peak()}))


@torch.inference_mode()
def judge(folder, width, steps, *files):
    """Loss of each file of weights on what they have not seen; the tokens that each step learns, and the share of its places that is padding."""
    place = folder / width
    texts, steps = Texts(folder, place), int(steps)
    model = captioner(place / "initial/best.safetensors").eval()
    losses = []
    for file in ["initial/best.safetensors", *files]:
        state = torch.load(place / file) if file.endswith(".pt") else {renamed(n): t for n, t in load_file(place / file).items()}
        model.load_state_dict(state)
        total = count = 0
        for index in range(steps, len(texts.batches))[-16:]:
            embeddings, ids, targets = texts.batch(index)
            scored = int((targets != IGNORED).sum())
            total, count = total + model.loss(embeddings, ids, targets).item() * scored, count + scored
        losses.append(total / count)
    targets = [texts.batch(index)[2] for index in range(steps)]
    learned = [int((target != IGNORED).sum()) for target in targets]
    used = sum(len(texts.tokens[row]) + 1 for rows in texts.batches[:steps] for row in rows)
    padding = 1 - used / sum(target.numel() for target in targets)
    print(json.dumps({"losses": losses, "learned": learned, "padding": padding, "vocabulary": len(model.tokens.weight)}))


def gpt2(model, heads):
    """The decoder as Hugging Face's GPT-2."""
    from transformers import GPT2Config, GPT2LMHeadModel

    vocabulary, width = model.tokens.weight.shape
    config = GPT2Config(vocab_size=vocabulary, n_positions=len(model.positions.weight), n_embd=width, n_layer=len(model.layers), n_head=heads,
                        bos_token_id=START, eos_token_id=END, pad_token_id=END)
    state = {"transformer.wte.weight": model.tokens.weight, "transformer.wpe.weight": model.positions.weight, "lm_head.weight": model.tokens.weight}
    parts = {"norm1": "ln_1", "norm2": "ln_2", "attention.in": "attn.c_attn", "attention.out": "attn.c_proj", "mlp.up": "mlp.c_fc", "mlp.down": "mlp.c_proj"}
    for name, tensor in model.state_dict().items():
        if name.startswith("layers."):
            _, layer, part = name.split(".", 2)
            part, kind = part.rsplit(".", 1)
            tensor = tensor.t().contiguous() if tensor.dim() == 2 else tensor
            state[f"transformer.h.{layer}.{parts[part]}.{kind}"] = tensor
        elif name.startswith("norm."):
            state[name.replace("norm", "transformer.ln_f")] = tensor
    peer = GPT2LMHeadModel(config)
    peer.load_state_dict(state)
    return peer.eval()


@torch.inference_mode()
def write(folder, width):
    import transformers.models.gpt2.modeling_gpt2  # noqa: F401

    global AT_FIRST
    AT_FIRST = peak()
    path = folder / width / "ours-0/best.safetensors"
    config = header(path)["config"]
    model = captioner(path).eval()
    peer = gpt2(model, config["heads"])
    prefixes = torch.from_numpy(numpy.fromfile(folder / "prefixes.f32", numpy.float32)).view(-1, config["dim"])
    print(f"ready {AT_FIRST:.1f}", flush=True)
    for line in sys.stdin:
        beam, first, count, batch = map(int, line.split())
        # Ours compares beams by the same.
        penalty = {"length_penalty": 0.7} if beam > 1 else {}
        written = []
        with Turn() as turn:
            for at in range(first, first + count, batch):
                start = model.tokens.weight[START].expand(batch, 1, -1)
                inputs = torch.cat([model.prefixes(prefixes[at:at + batch]), start], 1)
                mask = torch.ones(inputs.shape[:2], dtype=torch.long)
                written += peer.generate(inputs_embeds=inputs, attention_mask=mask, do_sample=False, num_beams=beam, max_new_tokens=LIMIT,
                                         use_cache=True, **penalty).tolist()
        written = [row[:row.index(END)] if END in row else row for row in written]
        print(turn.took, json.dumps(written), flush=True)


def main():
    task, folder, width, *rest = sys.argv[1:]
    folder = pathlib.Path(folder)
    if task == "judge":
        return judge(folder, width, *rest)
    *rest, threads = rest
    torch.set_num_threads(int(threads))
    {"train": train, "write": write}[task](folder, width, *rest)


main()
