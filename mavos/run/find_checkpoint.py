"""The checkpoint of a run: the one named, else where training leaves it, else a downloaded one."""

import re
from pathlib import Path

from mavos.configs.schema import Config
from mavos.run.shipped import shipped_checkpoint
from mavos.utils.errors import UserError
from mavos.utils.paths import PRETRAINED, TRAINED

DOWNLOAD_HINT = (
    "name a file with --ckpt_path, or download a published one: `python tools/download.py --list` "
    "shows their names, docs/model_zoo.md what each is for"
)


def find_checkpoint(cfg: Config, trained: Path = TRAINED, pretrained: Path = PRETRAINED) -> Path:
    """Path of the weights that ``cfg`` asks for.

    Training leaves ``<trained>/<exp>_<MODEL>/<STAGE>/{ema_ckpt,ckpt}/save_step_<N>.pth``; downloads
    are ``<pretrained>/<MODEL>_<STAGE>.pth`` or ``<pretrained>/<model>_<dataset>.pth``, in any case;
    that for DAVIS 2017 serves all datasets of its stage.
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
    kinds = {None: ("ema_ckpt", "ckpt"), True: ("ema_ckpt",), False: ("ckpt",)}[wanted.ema]
    return _find(
        cfg,
        cfg.stage,
        wanted.checkpoint_step,
        [trained / _run_folder(cfg, cfg.stage) / kind for kind in kinds],
        pretrained,
        _downloaded_names(cfg),
        DOWNLOAD_HINT,
        shipped=cfg.name,
    )


def find_start(cfg: Config, trained: Path = TRAINED, pretrained: Path = PRETRAINED) -> Path:
    """Path of the weights that training starts from: those of the stage ``cfg.train.start``.

    Raises UserError that lists where it looked.
    """
    stage = cfg.train.start
    return _find(
        cfg,
        stage,
        cfg.train.start_checkpoint_step,
        [trained / _run_folder(cfg, stage) / "ema_ckpt"],
        pretrained,
        [f"{cfg.model.title}_{stage}.pth"],
        f"train stage {stage} first, download its weights (python tools/download.py --list), "
        "or name a file with --pretrained_path",
    )


def run_folder(cfg: Config, trained: Path = TRAINED) -> Path:
    """Where training leaves everything of this run."""
    return Path(cfg.train.output or trained / _run_folder(cfg, cfg.stage))


def saved_steps(folder: Path) -> dict[int, Path]:
    """Training step -> checkpoint file, in order."""
    if not folder.is_dir():
        return {}
    matches = ((re.fullmatch(r"save_step_(\d+)\.pth", p.name), p) for p in folder.iterdir())
    return dict(sorted((int(match[1]), path) for match, path in matches if match))


def _downloaded_names(cfg: Config) -> list[str]:
    names = [f"{cfg.model.title}_{cfg.stage}.pth", f"{cfg.name}_{cfg.eval.dataset}.pth"]
    if cfg.stage == "pre_ytb_dav":  # what MAVOS's zoo calls its file for DAVIS
        names.append(f"{cfg.name}_davis2017.pth")
    return list(dict.fromkeys(names))


def _run_folder(cfg: Config, stage: str) -> Path:
    return Path(f"{cfg.exp_name}_{cfg.model.title}", stage.upper())


def _find(
    cfg: Config,
    stage: str,
    step: int,
    folders: list[Path],
    pretrained: Path,
    names: list[str],
    hint: str,
    shipped: str = "",
) -> Path:
    """The newest of a run's saved steps, or the one asked for, else a file of one of the names,
    else what is shipped for the model ``shipped``."""
    for folder in folders:
        found = saved_steps(folder)
        if step >= 0:
            found = {s: p for s, p in found.items() if s == step}
        if found:
            return found[max(found)]
    if step < 0 and pretrained.is_dir():
        by_name = {path.name.lower(): path for path in sorted(pretrained.iterdir())}
        for name in names:
            if name.lower() in by_name:
                return by_name[name.lower()]
    if step < 0 and (path := shipped_checkpoint(shipped)):
        return path
    looked = [folder / f"save_step_{'<N>' if step < 0 else step}.pth" for folder in folders]
    looked += [pretrained / name for name in names]
    raise UserError(
        f"no checkpoint for --model {cfg.name} --stage {stage}. Looked for\n"
        + "\n".join(f"  {path}" for path in looked)
        + f"\n{hint}"
    )
