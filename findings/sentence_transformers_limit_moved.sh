#!/usr/bin/env bash
# sentence-transformers 6.2.0 (text embeddings; FENSE and many retrieval models).
#
# One would guess: a saved model says in sentence_bert_config.json how many tokens of
# a text count (max_seq_length) and in 1_Pooling/config.json how they are pooled
# (pooling_mode_mean_tokens), as the models on the hub have it.
# What happens: a model that was loaded and saved again has neither key. The limit
# stands as model_max_length in tokenizer_config.json alone, and the pooling as
# "pooling_mode": "mean". A program that reads the files as the hub's models are
# documented takes no limit, or its own, in silence: with the limit of 8 tokens that
# is set below, a text of 30 words gets another vector.
# Hit: whoever reads such folders without the package: converters, ports to other
# languages, vector databases that bring their own encoder.
set -euo pipefail
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
python3 -m venv "$tmp/venv"
"$tmp/venv/bin/pip" install --quiet --disable-pip-version-check \
    sentence-transformers==6.2.0 torch==2.15.0 transformers==5.23.0
cd "$tmp"
"$tmp/venv/bin/python" - <<'PY' 2>/dev/null
import json
import os
from importlib.metadata import version

import torch
from sentence_transformers import SentenceTransformer
from transformers import BertConfig, BertModel, BertTokenizer

print("sentence-transformers", version("sentence-transformers"))
words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "rain", "falls", "on", "tin"]
torch.manual_seed(0)
BertModel(BertConfig(vocab_size=len(words), hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
                     intermediate_size=16)).save_pretrained("bert")
BertTokenizer(vocab={word: place for place, word in enumerate(words)}).save_pretrained("bert")
# A folder as the hub's models have it: a BERT, and the three files that the older versions write.
os.makedirs("bert/1_Pooling")
kinds = ["sentence_transformers.models.Transformer", "sentence_transformers.models.Pooling"]
json.dump([{"idx": i, "name": str(i), "path": path, "type": kind} for i, (path, kind) in enumerate(zip(["", "1_Pooling"], kinds))],
          open("bert/modules.json", "w"))
json.dump({"max_seq_length": 8, "do_lower_case": False}, open("bert/sentence_bert_config.json", "w"))
json.dump({"word_embedding_dimension": 16, "pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False},
          open("bert/1_Pooling/config.json", "w"))
model = SentenceTransformer("bert", device="cpu")
assert model.max_seq_length == 8
model.save("saved")
limits = json.load(open("saved/sentence_bert_config.json"))
pooling = json.load(open("saved/1_Pooling/config.json"))
tokenizer = json.load(open("saved/tokenizer_config.json"))
print("max_seq_length in sentence_bert_config.json:", limits.get("max_seq_length"))
print("model_max_length in tokenizer_config.json:", tokenizer["model_max_length"])
print("1_Pooling/config.json:", pooling)
assert "max_seq_length" not in limits and tokenizer["model_max_length"] == 8
assert "pooling_mode_mean_tokens" not in pooling and pooling["pooling_mode"] == "mean"
text = "rain falls on tin " * 8
cut = SentenceTransformer("saved", device="cpu")
whole = SentenceTransformer("saved", device="cpu")
whole.max_seq_length = 512
away = float(torch.nn.functional.cosine_similarity(cut.encode([text], convert_to_tensor=True), whole.encode([text], convert_to_tensor=True)))
print(f"cosine of the vectors with and without the limit: {away:.3f}")
assert away < 0.999
PY
