"""How the original Swin names its weights on disk; in code names are torchvision's."""

from mavos.utils.key_names import KeyNames

_STAGES = range(3)

NAMES = KeyNames(
    renames=(
        ("patch_embed.proj.", "parts.0.0."),
        ("patch_embed.norm.", "parts.0.2."),
        *(
            row
            for i in _STAGES
            for row in (
                (f"norm{i}.", f"norms.{i}."),
                (f"layers.{i}.downsample.", f"parts.{2 * i + 2}."),
                (f"layers.{i}.blocks.{{}}.mlp.fc1.", f"parts.{2 * i + 1}.{{}}.mlp.0."),
                (f"layers.{i}.blocks.{{}}.mlp.fc2.", f"parts.{2 * i + 1}.{{}}.mlp.3."),
                (f"layers.{i}.blocks.{{}}.norm", f"parts.{2 * i + 1}.{{}}.norm"),
                (f"layers.{i}.blocks.{{}}.attn.", f"parts.{2 * i + 1}.{{}}.attn."),
            )
        ),
    ),
    derived=(".attn_mask",),  # of the shift, made from the size of the image
    square=("relative_position_index",),
    # of the classifier: its head, and what follows the last stage that we use
    unused=("head.", "norm.", "layers.2.downsample.", "layers.3."),
    anew=tuple(f"norm{i}." for i in _STAGES),  # of the maps we take, which a classifier does not
)
