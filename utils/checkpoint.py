"""Weights on disk: the release's key names there, ours in code, strict both ways."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor, nn

from mavos.utils.errors import UserError
from mavos.utils.files import atomic_path
from mavos.utils.intact import SAFETENSORS, check_tensors, read_tensors
from mavos.utils.key_names import KeyNames

# Batch norm's, which nothing uses.
COUNTERS = (".num_batches_tracked",)
# What the weights of a file may be wrapped in.
WRAPPERS = ("state_dict", "model", "network", "weights")
# What DataParallel puts before names, and torch.compile before those of what it compiled.
PARALLEL, COMPILED = "module.", "_orig_mod."


def official_state_dict(
    model: nn.Module, state: Mapping[str, Tensor] | None = None
) -> dict[str, Tensor]:
    """Weights under the released code's names and shapes: those of ``model``, or others for it.

    model: with ``key_names``, as every ``mavos.networks.segmenter.Network`` has them.
    """
    return _on_disk(model.state_dict() if state is None else state, model.key_names)


def file_content(model: nn.Module, state: Mapping[str, Tensor] | None = None) -> dict:
    """``official_state_dict``, wrapped as in the files of the model's release."""
    weights = official_state_dict(model, state)
    wrapper = model.key_names.wrapper
    return {wrapper: weights} if wrapper else weights


def save_weights(model: nn.Module, path: Path) -> None:
    """Write the weights as the released code does; it loads them, and so do we.

    A name that ends in .safetensors gets that format, without a wrapper.
    """
    if path.suffix.lower() == SAFETENSORS:
        weights = {k: v.cpu().contiguous().clone() for k, v in official_state_dict(model).items()}
        with atomic_path(path) as partial:
            partial.write_bytes(safetensors.torch.save(weights))
        return
    with atomic_path(path) as partial, open(partial, "wb") as file:
        torch.save(file_content(model), file)


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The weights in a file, under the names they have on disk.

    Understands safetensors, every wrapper of ``WRAPPERS``, a bare dictionary, and the prefixes of
    ``PARALLEL`` and ``COMPILED``. Raises UserError for a file that is absent, damaged or something
    else.
    """
    path = Path(path)
    content = read_tensors(path)
    for wrapper in WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    if not isinstance(content, dict) or not any(isinstance(v, Tensor) for v in content.values()):
        raise UserError(
            f"{path} holds no weights: expected tensors by name, a 'state_dict' or a 'model'"
        )
    state: dict[str, Tensor] = {}
    for key, value in content.items():
        if not isinstance(value, Tensor):
            continue
        if not isinstance(key, str):
            raise UserError(f"{path}: a tensor is named {key!r}; expected names as in state_dict()")
        name = key.replace(COMPILED, "").removeprefix(PARALLEL)
        if name in state:
            raise UserError(f"{path} holds two tensors for {name}; save the state_dict of one")
        state[name] = value
    return state


def load_state(
    module: nn.Module,
    state: Mapping[str, Tensor],
    path: Path,
    names: KeyNames,
    may_miss: tuple[str, ...] = (),
    recognise: Callable[[Collection[str]], str] = lambda keys: "",
) -> list[str]:
    """Load weights, as ``read_checkpoint`` gives them; every key must match.

    may_miss: prefixes of keys, as on disk, that may be missing in the state; the module keeps its
    own values there. recognise: keys -> name of the model that they belong to, for the message.
    Returns the keys that were missing.
    Raises UserError with what is missing, unexpected or of another shape.
    """
    wanted = _on_disk(module.state_dict(), names)
    derived = (*names.derived, *COUNTERS)
    state = {
        k: v
        for k, v in state.items()
        if k in wanted or not (k.endswith(derived) or k.startswith(names.unused))
    }
    check_tensors({k: v for k, v in state.items() if k in wanted}, path)
    absent = [k for k in wanted if k not in state and not k.endswith(derived)]
    problems = {
        "missing": [k for k in absent if not k.startswith(may_miss)],
        "unexpected": [k for k in state if k not in wanted],
        "of another shape": [
            f"{k} {tuple(v.shape)}, expected {tuple(wanted[k].shape)}"
            for k, v in state.items()
            if k in wanted and v.shape != wanted[k].shape
        ],
        "of another kind of number": [
            f"{k} {v.dtype}, expected {wanted[k].dtype}"
            for k, v in state.items()
            if k in wanted and v.is_floating_point() != wanted[k].is_floating_point()
        ],
    }
    if any(problems.values()):
        listed = "; ".join(
            f"{len(keys)} {what}: {', '.join(keys[:5])}{', …' if len(keys) > 5 else ''}"
            for what, keys in problems.items()
            if keys
        )
        fits = recognise(state.keys())
        raise UserError(
            f"checkpoint {path} does not fit the model{fits and f', it looks like one of {fits}'}; "
            f"check that --model and the checkpoint belong together ({listed})"
        )
    ours = module.state_dict()
    renamed = {names.to_code(k): v for k, v in state.items()}
    module.load_state_dict(
        {k: v.view(ours[k].shape) for k, v in renamed.items() if k in ours}, strict=False
    )
    return absent


def _on_disk(state: Mapping[str, Tensor], names: KeyNames) -> dict[str, Tensor]:
    """Weights by their names in code -> by those on disk, in the shapes that they have there."""
    state = {names.to_disk(key): value for key, value in state.items()}
    for key, value in state.items():
        if key.endswith(names.square):
            side = round(value.numel() ** 0.5)
            state[key] = value.view(side, side)
    return state
