"""The checkpoint of a run: the one named, else where training leaves it, else a downloaded one."""

import re
from pathlib import Path

from configs.schema import Config
from utils.errors import UserError
from utils.paths import PRETRAINED, TRAINED

DOWNLOAD_HINT = (
    "name a file with --ckpt_path, or download one: the model zoo in the README of "
    "github.com/Amshaker/MAVOS has those of mavos, r50_mavos and swinb_mavos"
)


def find_checkpoint(cfg: Config, trained: Path = TRAINED, pretrained: Path = PRETRAINED) -> Path:
    """Path of the weights that ``cfg`` asks for.

    Training leaves ``<trained>/<exp>_<MODEL>/<STAGE>/{ema_ckpt,ckpt}/save_step_<N>.pth``; downloads
    are ``<pretrained>/<MODEL>_<STAGE>.pth`` or ``<pretrained>/<model>_<dataset>.pth``, in any case.
    Raises UserError that lists where it looked.
    """
    wanted = cfg.eval
    if wanted.checkpoint:
        path = Path(wanted.checkpoint)
        if wanted.checkpoint_step >= 0:
            raise UserError("--ckpt_path names a file already; leave --ckpt_step out")
        if not path.is_file():
            raise UserError(f"no checkpoint {path} (--ckpt_path); {DOWNLOAD_HINT}")
        return path.resolve()
    run = trained / f"{cfg.exp_name}_{cfg.model.title}" / cfg.stage.upper()
    kinds = {None: ("ema_ckpt", "ckpt"), True: ("ema_ckpt",), False: ("ckpt",)}[wanted.ema]
    for kind in kinds:
        found = _saved_steps(run / kind)
        if wanted.checkpoint_step >= 0:
            found = {s: p for s, p in found.items() if s == wanted.checkpoint_step}
        if found:
            return found[max(found)]
    names = [f"{cfg.model.title}_{cfg.stage}.pth", f"{cfg.name}_{wanted.dataset}.pth"]
    if wanted.checkpoint_step < 0 and pretrained.is_dir():
        by_name = {path.name.lower(): path for path in sorted(pretrained.iterdir())}
        for name in names:
            if name.lower() in by_name:
                return by_name[name.lower()]
    step = "<N>" if wanted.checkpoint_step < 0 else wanted.checkpoint_step
    looked = [run / kind / f"save_step_{step}.pth" for kind in kinds]
    looked += [pretrained / name for name in names]
    raise UserError(
        f"no checkpoint for --model {cfg.name} --stage {cfg.stage}. Looked for\n"
        + "\n".join(f"  {path}" for path in looked)
        + f"\n{DOWNLOAD_HINT}"
    )


def _saved_steps(folder: Path) -> dict[int, Path]:
    """Training step -> checkpoint file."""
    if not folder.is_dir():
        return {}
    matches = ((re.fullmatch(r"save_step_(\d+)\.pth", p.name), p) for p in folder.iterdir())
    return {int(match[1]): path for match, path in matches if match}
