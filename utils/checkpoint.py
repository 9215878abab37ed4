"""Weights on disk: official key names there, ours in code, strict both ways."""

import pickle
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from mavos.utils.errors import UserError
from mavos.utils.files import atomic_path

# (on disk, in code), prefixes; the first match wins; {} is a block index.
PREFIXES = (
    ("encoder_projector.", "projector."),
    ("patch_wise_id_bank.", "id_bank.conv."),
    ("id_norm.", "id_bank.norm."),
    ("LSTT.decoder_norms.0.gn.", "elstt.norm."),
    ("LSTT.decoder_norms.{}.", "elstt.norms.{}."),
    ("long_term_memory_attention.{}.0.joint_modulation.", "elstt.blocks.{}.mca.key."),
    ("long_term_memory_attention.{}.1.joint_modulation.", "elstt.blocks.{}.mca.value."),
    ("long_term_memory_attention.{}.3.joint_modulation.", "elstt.blocks.{}.mca.id_value."),
    ("LSTT.layers.{}.linear_QV.", "elstt.blocks.{}.to_key_value."),
    ("LSTT.layers.{}.linear_Q.", "elstt.blocks.{}.to_key."),
    ("LSTT.layers.{}.linear_V.", "elstt.blocks.{}.to_value."),
    ("LSTT.layers.{}.linear1.", "elstt.blocks.{}.feed_forward.linear1."),
    ("LSTT.layers.{}.activation.", "elstt.blocks.{}.feed_forward.activation."),
    ("LSTT.layers.{}.linear2.", "elstt.blocks.{}.feed_forward.linear2."),
    ("LSTT.layers.{}.linear_U.", "elstt.blocks.{}.to_gate."),
    ("LSTT.layers.{}.linear_ID_V.", "elstt.blocks.{}.to_id_value."),
    ("LSTT.layers.{}.linear_ID_U.", "elstt.blocks.{}.to_id_gate."),
    ("LSTT.layers.{}.long_term_attn.", "elstt.blocks.{}.long_term."),
    ("LSTT.layers.{}.short_term_attn.", "elstt.blocks.{}.short_term."),
    ("LSTT.layers.{}.self_attn.", "elstt.blocks.{}.self_propagation."),
    ("LSTT.layers.{}.", "elstt.blocks.{}."),
    # Swin: the original names on disk, torchvision's in code
    ("encoder.patch_embed.proj.", "encoder.parts.0.0."),
    ("encoder.patch_embed.norm.", "encoder.parts.0.2."),
    *(
        row
        for i in range(3)
        for row in (
            (f"encoder.norm{i}.", f"encoder.norms.{i}."),
            (f"encoder.layers.{i}.downsample.", f"encoder.parts.{2 * i + 2}."),
            (f"encoder.layers.{i}.blocks.{{}}.mlp.fc1.", f"encoder.parts.{2 * i + 1}.{{}}.mlp.0."),
            (f"encoder.layers.{i}.blocks.{{}}.mlp.fc2.", f"encoder.parts.{2 * i + 1}.{{}}.mlp.3."),
            (f"encoder.layers.{i}.blocks.{{}}.norm", f"encoder.parts.{2 * i + 1}.{{}}.norm"),
            (f"encoder.layers.{i}.blocks.{{}}.attn.", f"encoder.parts.{2 * i + 1}.{{}}.attn."),
        )
    ),
)

# Keys by which a user's file is recognised when it does not fit, and how its model's name begins.
ENCODER_MARKS = {
    "encoder.layer3.": "r50_",
    "encoder.patch_embed.": "swinb_",
    "encoder.features.": "",
}

# What torch.load raises on a file that is cut short or of another kind.
DAMAGED = (RuntimeError, EOFError, OSError, pickle.UnpicklingError, KeyError, ValueError)

# What whole-image classifiers hold beyond the encoders: heads, and stages we do not use.
CLASSIFIER_ONLY = (
    "classifier.",  # MobileNetV2
    "fc.",
    "layer4.",  # ResNet-50
    "head.",
    "norm.",
    "layers.2.downsample.",
    "layers.3.",  # Swin
)
SWIN_OUTPUT_NORMS = ("encoder.norm0.", "encoder.norm1.", "encoder.norm2.")
# Swin's shift masks are made from the image size; batch norm's counters are not used.
DERIVED = (".attn_mask", ".num_batches_tracked")


def _renamer(rows: Iterable[tuple[str, str]]):
    table = [
        (re.compile(re.escape(old).replace(r"\{\}", r"(\d+)")), new.replace("{}", r"\1"))
        for old, new in rows
    ]

    def rename(key: str) -> str:
        for pattern, new in table:
            match = pattern.match(key)
            if match:
                return match.expand(new) + key[match.end() :]
        return key

    return rename


to_code_name = _renamer(PREFIXES)
to_disk_name = _renamer((code, disk) for disk, code in PREFIXES)


def official_state_dict(
    model: nn.Module, state: Mapping[str, Tensor] | None = None
) -> dict[str, Tensor]:
    """Weights under the released code's names and shapes: those of ``model``, or others for it."""
    state = model.state_dict() if state is None else state
    state = {to_disk_name(key): value for key, value in state.items()}
    for key, value in state.items():
        if key.endswith("relative_position_index"):  # torchvision keeps the square table flat
            side = round(value.numel() ** 0.5)
            state[key] = value.view(side, side)
    return state


def save_weights(model: nn.Module, path: Path) -> None:
    """Write the weights as the released code does; it loads them, and so does ``load_weights``."""
    with atomic_path(path) as partial, open(partial, "wb") as file:
        torch.save({"state_dict": official_state_dict(model)}, file)


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """The weights in a file, under the names they have on disk.

    Understands ``{'state_dict': …}``, ``{'model': …}``, a bare dictionary and ``module.`` prefixes.
    Raises UserError for a file that is absent, damaged or something else.
    """
    if not Path(path).is_file():
        raise UserError(f"no checkpoint {path}; check the path")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except DAMAGED as error:
        raise UserError(
            f"cannot read {path} as a PyTorch checkpoint: it is cut short, of another kind, or "
            "holds more than tensors and plain values; download it again, or save its state_dict"
        ) from error
    for wrapper in ("state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(wrapper), dict):
            content = content[wrapper]
    if not isinstance(content, dict) or not any(isinstance(v, Tensor) for v in content.values()):
        raise UserError(
            f"{path} holds no weights: expected tensors by name, a 'state_dict' or a 'model'"
        )
    return {
        key.removeprefix("module."): value
        for key, value in content.items()
        if isinstance(value, Tensor)
    }


def load_weights(
    model: nn.Module,
    path: Path,
    may_miss: tuple[str, ...] = (),
    may_ignore: tuple[str, ...] = (),
) -> list[str]:
    """Load a checkpoint of the whole network; every key must match.

    Both lists hold prefixes of keys, as on disk. may_miss: the file may lack them, the model keeps
    its own values there (a DeAOT file has no ``long_term_memory_attention.``). may_ignore: the file
    may hold them for nothing. Returns the keys that it lacked.
    Raises UserError with what is missing, unexpected or of another shape.
    """
    return _load(model, read_checkpoint(path), path, may_miss, may_ignore)


def load_encoder(model: nn.Module, path: Path) -> None:
    """Load ImageNet weights into ``model.encoder``.

    Understands torchvision's files for MobileNetV2 and ResNet-50 and the original 22k file for
    Swin-Base. Classifier heads and unused stages are left out.
    """
    state = {
        f"encoder.{key}": value
        for key, value in read_checkpoint(path).items()
        if not key.startswith(CLASSIFIER_ONLY)
    }
    others = tuple(k for k in official_state_dict(model) if not k.startswith("encoder."))
    _load(model, state, path, may_miss=(*others, *SWIN_OUTPUT_NORMS))


def _looks_like(state: Mapping[str, Tensor]) -> str:
    """Name of the model that weights with such keys, as on disk, belong to; "" if none shows."""

    def has(prefix: str) -> bool:
        return any(key.startswith(prefix) for key in state)

    if has("encoder.stem."):
        return "mavos_nano"
    encoder = next((name for mark, name in ENCODER_MARKS.items() if has(mark)), None)
    if encoder is None:
        return ""
    if has("long_term_memory_attention.") or not has("LSTT."):
        return f"{encoder}mavos"
    method = "aot" if has("LSTT.layers.0.linear_Q.") else "deaot"
    size = "l" if has("LSTT.layers.2.") else "s" if has("LSTT.layers.1.") else "t"
    return f"{encoder}{method}{size}"


def _load(
    model: nn.Module,
    state: dict[str, Tensor],
    path: Path,
    may_miss: tuple[str, ...] = (),
    may_ignore: tuple[str, ...] = (),
) -> list[str]:
    wanted = official_state_dict(model)
    state = {
        k: v
        for k, v in state.items()
        if k in wanted or not (k.endswith(DERIVED) or k.startswith(may_ignore))
    }
    absent = [k for k in wanted if k not in state and not k.endswith(DERIVED)]
    missing = [k for k in absent if not k.startswith(may_miss)]
    problems = {
        "missing": missing,
        "unexpected": [k for k in state if k not in wanted],
        "of another shape": [
            f"{k} {tuple(v.shape)}, expected {tuple(wanted[k].shape)}"
            for k, v in state.items()
            if k in wanted and v.shape != wanted[k].shape
        ],
    }
    if any(problems.values()):
        listed = "; ".join(
            f"{len(keys)} {what}: {', '.join(keys[:5])}{', …' if len(keys) > 5 else ''}"
            for what, keys in problems.items()
            if keys
        )
        fits = _looks_like(state)
        raise UserError(
            f"checkpoint {path} does not fit the model{fits and f', it looks like one of {fits}'}; "
            f"check that --model and the checkpoint belong together ({listed})"
        )
    ours = model.state_dict()
    renamed = {to_code_name(k): v for k, v in state.items()}
    model.load_state_dict(
        {k: v.view(ours[k].shape) for k, v in renamed.items() if k in ours}, strict=False
    )
    return absent
