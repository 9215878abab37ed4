"""What is measured: runs of one model over one video each."""

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mavos import configs
from mavos.configs.schema import Config
from mavos.utils.errors import UserError

CURVE_POINTS = 40
ROUND_NUMBERS = (100, 200, 500)  # and these times powers of ten
LONGEST_GAP = 20  # frames; an update that comes later is not waited for where objects are counted


@dataclass(frozen=True, kw_only=True)
class Run:
    """One model over one video: all that decides the figures, but for the machine."""

    model: str
    policy: str  # of the long-term memory; "" where the method has one way only
    overrides: tuple[str, ...]  # section.field=value
    frames: int = 0  # length of the video
    marks: tuple[int, ...] = ()  # after how many frames figures are taken; ascending, the last: all
    size: tuple[int, int] | None = None  # (H, W) of synthetic frames
    objects: int | None = None  # in synthetic frames
    input: str = ""  # a real video instead
    mask: str = ""  # its mask
    files: tuple[str, ...] = ()  # the checkpoint, the video and its mask as they are: ``as_it_is``

    @staticmethod
    def from_json(text: str) -> "Run":
        """The run whose fields ``text`` holds; JSON has no tuples."""
        fields = json.loads(text).items()
        return Run(**{name: tuple(v) if isinstance(v, list) else v for name, v in fields})

    def config(self) -> Config:
        return configs.load(self.model, overrides=self.overrides)

    def __str__(self) -> str:
        if self.input:
            return f"{self.label}, {self.frames} frames of {self.input}"
        size = f"{self.size[1]}x{self.size[0]}"
        return f"{self.label}, {self.frames} frames of {size}, objects: {self.objects}"

    @property
    def label(self) -> str:
        return f"{self.model}, memory {self.policy}" if self.policy else self.model


def choose_models(
    models: Iterable[str],
    policies: Iterable[str],
    overrides: Sequence[str],
    options: Mapping[str, object],
) -> list[Run]:
    """A run, without its video, of each model with each policy; "default" is the model's own.

    options: see ``configs.load``. Raises UserError for an unknown name, and for a policy that a
    model cannot have.
    """
    chosen = {}
    for model, policy in itertools.product(models, policies):
        try:
            network = configs.find_model(model)
            asked = (*network.overrides_of(options), *overrides)
            policies = network.overrides_of({"policy": None if policy == "default" else policy})
            memory = configs.load(model, overrides=[*asked, *policies]).model.setting("policy")
        except UserError as error:
            raise UserError(f"--model {model} --policy {policy}: {error}") from error
        resolved = (*asked, *network.overrides_of({"policy": memory}))
        chosen[model, memory] = Run(model=model, policy=memory or "", overrides=resolved)
    return list(chosen.values())


def as_it_is(path: Path) -> str:
    """A file, or the files of a folder, with size and time: another text once it is replaced."""
    files = [file for file in path.iterdir() if file.is_file()] if path.is_dir() else [path]
    stats = [file.stat() for file in files]
    size, newest = sum(s.st_size for s in stats), max((s.st_mtime_ns for s in stats), default=0)
    return f"{path}: {len(files)} of {size} bytes, {newest}"


def curve_marks(frames: int) -> tuple[int, ...]:
    """For a curve up to so many frames: evenly spaced, with the round numbers among them."""
    step = max(2, frames // CURVE_POINTS)
    return tuple(sorted({*range(step, frames, step), *round_numbers(frames), frames}))


def update_marks(run: Run) -> tuple[int, int]:
    """Around two gaps of the memory, each with its update, after the first."""
    gap = min(run.config().model.setting("lt_gap") or LONGEST_GAP, LONGEST_GAP)
    return gap + 1, 3 * gap + 1


def round_numbers(most: int) -> Iterator[int]:
    """100, 200, 500, 1000, ... up to ``most``."""
    scale = 1
    while ROUND_NUMBERS[0] * scale <= most:
        yield from (number * scale for number in ROUND_NUMBERS if number * scale <= most)
        scale *= 10
