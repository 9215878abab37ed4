"""Deterministic weights for the parity fixtures (numpy + torch only).

No weight file is stored.  Every tensor of a state_dict is produced from its own
name, shape and dtype and from one integer seed, so that any implementation that
uses (or is mapped to) the reference key names can rebuild exactly the weights a
fixture was recorded with.

For each key ``rng = default_rng(first 8 bytes of sha256("<seed>:<key>"))``, then

    *running_mean                       0.1 * normal
    *running_var                        0.5 + uniform[0, 1)
    1-D ``*.weight`` (norm scales)      1 + 0.1 * normal; times 0.25 for ``bn3`` of
                                        the ResNet encoder (residual branch end)
    every other 1-D tensor (biases)     0.1 * normal
    *relative_position_bias_table       0.2 * normal
    *relative_emb_v, *mask_token        0.1 * normal
    relative_position_index             the true Swin index table (not random)
    any other integer tensor            zeros
    everything else (ndim >= 2)         gain(key) * normal / sqrt(fan_in); for
                                        ``*conv_out.weight`` each output row then has
                                        its mean removed, so no id wins everywhere

with ``fan_in = prod(shape[1:])``.  ``normal`` is ``rng.standard_normal(shape)`` in
float64; the final cast to float32 is the last operation.  ``gain`` is the first
match in GAINS: the values only keep activations in a sane range, they mean nothing.
"""

import hashlib
import json
import os
import re

import numpy as np
import torch

GAINS = (
    (r"^encoder\.", 1.3),
    (r"^encoder_projector\.", 0.5),
    (r"(^|\.)adapter_", 0.2),
    (r"(^|\.)patch_wise_id_bank\.", 6.0),
    (r"(^|\.)linear_QV\.", 1.2),
    (r"(^|\.)linear_Q\.", 1.2),
    (r"(^|\.)relative_emb_k\.", 0.7),
    (r"(^|\.)dw_conv\.", 2.0),
    (r"(^|\.)projection\.", 2.0),
    (r"(^|\.)conv_out\.", 6.0),
    (r"", 1.2),
)


def key_rng(key, seed=0):
    digest = hashlib.sha256(f"{seed}:{key}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:8], "little"))


def gain(key):
    return next(g for pattern, g in GAINS if re.search(pattern, key))


def swin_relative_position_index(n_tokens):
    """Index table of a square attention window with ``n_tokens`` positions."""
    w = round(n_tokens**0.5)
    y, x = np.divmod(np.arange(w * w), w)
    dy = y[:, None] - y[None, :] + w - 1
    dx = x[:, None] - x[None, :] + w - 1
    return dy * (2 * w - 1) + dx


def seeded_array(key, shape, dtype="float32", seed=0):
    shape = tuple(shape)
    if "int" in dtype:
        if key.endswith("relative_position_index"):
            return swin_relative_position_index(shape[0]).astype(dtype)
        return np.zeros(shape, dtype)
    rng = key_rng(key, seed)
    if key.endswith("running_mean"):
        value = 0.1 * rng.standard_normal(shape)
    elif key.endswith("running_var"):
        value = 0.5 + rng.random(shape)
    elif len(shape) <= 1 and key.endswith("weight"):
        value = 1.0 + 0.1 * rng.standard_normal(shape)
        if key.startswith("encoder.") and key.endswith("bn3.weight"):
            value = 0.25 * value
    elif len(shape) <= 1:
        value = 0.1 * rng.standard_normal(shape)
    elif key.endswith("relative_position_bias_table"):
        value = 0.2 * rng.standard_normal(shape)
    elif key.endswith(("relative_emb_v", "mask_token")):
        value = 0.1 * rng.standard_normal(shape)
    else:
        fan_in = float(np.prod(shape[1:]))
        value = gain(key) * rng.standard_normal(shape) / np.sqrt(fan_in)
        if key.endswith("conv_out.weight"):
            value = value - value.mean(axis=1, keepdims=True)
    return value.astype(dtype)


def seeded_state_dict(manifest, seed=None):
    """state_dict for a manifest (or for a plain list of [key, shape, dtype])."""
    entries = manifest["state_dict"] if isinstance(manifest, dict) else manifest
    if seed is None:
        seed = manifest["weights"]["seed"] if isinstance(manifest, dict) else 0
    return {
        key: torch.from_numpy(np.ascontiguousarray(seeded_array(key, shape, dtype, seed)))
        for key, shape, dtype in entries
    }


def state_dict_sha256(state_dict):
    """One digest over all tensors, to tell a rule problem from a model problem."""
    digest = hashlib.sha256()
    for key in sorted(state_dict):
        digest.update(key.encode())
        digest.update(np.ascontiguousarray(state_dict[key].numpy()).tobytes())
    return digest.hexdigest()


def load_manifest(path):
    """Read ``manifest.json`` from a case folder or from a direct path."""
    if os.path.isdir(path):
        path = os.path.join(path, "manifest.json")
    with open(path) as f:
        return json.load(f)
