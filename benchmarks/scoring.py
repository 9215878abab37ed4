"""How fast masks are scored: J and F by the protocol of DAVIS 2017, on one core.

    python benchmarks/scoring.py                                      synthetic masks
    python benchmarks/scoring.py --toolkit ../davis2017-evaluation    beside a checkout of it
    python benchmarks/scoring.py --gt DAVIS/Annotations/480p --pred results/Annotations --videos dog

The sides take turns on the same files, from reading PNGs to the means of every object. Times are
milliseconds per scored frame and object, medians over the rounds.
"""

import argparse
import importlib
import statistics
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import harness
import numpy as np
import torch

from mavos.dataloaders.media.mask_writing import MaskWriter
from mavos.scoring.folders import score_all
from mavos.scoring.predictions import FolderOfMasks
from mavos.scoring.protocols import DAVIS2017
from mavos.scoring.truth import Truth
from mavos.utils.errors import UserError

CPU = torch.device("cpu")
Means = dict[str, tuple[float, float]]  # "<video>_<object>" -> means of J and F


def main(argv: list[str]) -> int:
    args = _parser().parse_args(argv)
    harness.check_counts(args, "frames", "objects", "rounds")
    if args.frames < 3:
        raise UserError(f"--frames must be at least 3, got {args.frames}: two are not scored")
    if len({args.gt is None, args.pred is None, not args.videos}) > 1:
        raise UserError("--gt, --pred and --videos go together: truth, predictions and their names")
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        if args.gt is None:
            write_masks(folder, args.frames, args.objects, tuple(args.size))
            gt, pred, videos = folder / "gt", folder / "pred", ["synthetic"]
        else:
            gt, pred, videos = args.gt.resolve(), args.pred.resolve(), args.videos
        sides: dict[str, Callable[[], Means]] = {"ours": lambda: ours(gt, pred, videos)}
        if args.toolkit is not None:
            sides["toolkit"] = toolkit(args.toolkit, gt, pred, videos, folder / "root")
        harness.show(measure(sides, args.rounds, gt, pred, videos), args.json)
    return 0


def ours(gt: Path, pred: Path, videos: list[str]) -> Means:
    scores = score_all(DAVIS2017, Truth(gt, tuple(videos)), FolderOfMasks(pred), processes=1)
    means = {}
    for video, objects in scores.videos.items():
        for object_id in objects:
            of_object = scores.of_object(video, object_id)
            means[f"{video}_{object_id}"] = of_object["J-Mean"], of_object["F-Mean"]
    return means


def toolkit(
    checkout: Path, gt: Path, pred: Path, videos: list[str], root: Path
) -> Callable[[], Means]:
    """The evaluation class of a checkout of davis2017-evaluation, on the same masks.

    root: where a dataset in the layout that it wants is made of links. Raises UserError if the
    checkout is none, or a package that it needs is not installed.
    """
    if not (checkout / "davis2017" / "evaluation.py").is_file():
        raise UserError(
            f"--toolkit {checkout}: no davis2017/evaluation.py in it; expected a checkout of "
            "github.com/davisvideochallenge/davis2017-evaluation"
        )
    (root / "Annotations").mkdir(parents=True)
    (root / "Annotations" / "480p").symlink_to(gt, target_is_directory=True)
    (root / "ImageSets" / "2017").mkdir(parents=True)
    (root / "ImageSets" / "2017" / "val.txt").write_text("\n".join(videos) + "\n")
    sys.path.insert(0, str(checkout.resolve()))
    try:
        evaluation = importlib.import_module("davis2017.evaluation")
    except ModuleNotFoundError as error:
        raise _not_installed(checkout, error) from error
    finally:
        sys.path.pop(0)

    def run() -> Means:
        # codalab: does not ask for the frames
        davis = evaluation.DAVISEvaluation(
            davis_root=str(root), task="semi-supervised", gt_set="val", codalab=True
        )
        try:
            found = davis.evaluate(str(pred))
        except SystemExit as stopped:
            raise UserError(
                f"--toolkit {checkout}: it stopped; see what it said above"
            ) from stopped
        except ModuleNotFoundError as error:  # some are imported only when they are used
            raise _not_installed(checkout, error) from error
        j, f = found["J"]["M_per_object"], found["F"]["M_per_object"]
        return {name: (float(j[name]), float(f[name])) for name in j}

    return run


def _not_installed(checkout: Path, error: ModuleNotFoundError) -> UserError:
    return UserError(
        f"--toolkit {checkout}: it needs {error.name}, which is not installed; pip install it"
    )


def measure(
    sides: dict[str, Callable[[], Means]], rounds: int, gt: Path, pred: Path, videos: list[str]
) -> dict:
    """Times of each side and, of two, their ratio and how far their scores are apart."""
    means = {name: side() for name, side in sides.items()}  # warm up, and compare
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, side in sides.items():
            times[name].append(harness.timed(CPU, side))
    scores = score_all(DAVIS2017, Truth(gt, tuple(videos)), FolderOfMasks(pred), processes=1)
    counted = sum(len(s.j) for objects in scores.videos.values() for s in objects.values())
    rows = [
        {
            "side": name,
            "wall_ms": statistics.median(wall for wall, _ in timed) / counted,
            "cpu_ms": statistics.median(cpu for _, cpu in timed) / counted,
        }
        for name, timed in times.items()
    ]
    result = {
        "videos": videos,
        "objects": len(means["ours"]),
        "frames_times_objects": counted,
        "rounds": rounds,
    }
    if "toolkit" in sides:
        mine, theirs = rows
        result["times_faster_wall"] = theirs["wall_ms"] / mine["wall_ms"]
        result["times_faster_cpu"] = theirs["cpu_ms"] / mine["cpu_ms"]
        if means["ours"].keys() != means["toolkit"].keys():
            raise UserError(f"other objects: {sorted(means['ours'])}, {sorted(means['toolkit'])}")
        both = (np.array([side[name] for name in means["ours"]]) for side in means.values())
        result["worst_difference"] = float(np.abs(np.subtract(*both)).max())
    return result | {"rows": rows}


def write_masks(folder: Path, frames: int, objects: int, size: tuple[int, int]) -> None:
    """``gt`` and ``pred``, each with the video "synthetic": blobs that wander, the predicted ones a
    little off; each object is missing in a fifth of the frames."""
    height, width = size
    radius = max(2, min(size) // (objects + 3))
    with MaskWriter() as writer:
        for frame in range(frames):
            truth, predicted = np.zeros(size, np.uint8), np.zeros(size, np.uint8)
            for i in range(1, objects + 1):
                angle = frame / 15 + 2 * np.pi * i / objects
                centre = (
                    int(width * (0.5 + 0.35 * np.cos(angle))),
                    int(height * (0.5 + 0.35 * np.sin(angle))),
                )
                if frame and (frame + 7 * i) % 35 < 7:
                    continue
                axes = radius, 2 + int(radius * (0.7 + 0.2 * np.sin(frame / 5)))
                cv2.ellipse(truth, centre, axes, 3 * frame, 0, 360, i, -1)
                off = centre[0] + 3, centre[1] - 2
                cv2.ellipse(predicted, off, axes, 3 * frame + 4, 0, 360, i, -1)
            name = f"{frame:05d}.png"
            writer.write(folder / "gt" / "synthetic" / name, truth)
            writer.write(folder / "pred" / "synthetic" / name, predicted)


def _parser() -> argparse.ArgumentParser:
    parser = harness.parser(__doc__, of_network=False)
    add = parser.add_argument
    add("--toolkit", type=Path, metavar="PATH", help="a checkout of davis2017-evaluation")
    add("--gt", type=Path, help="folder with a folder of true masks for each video")
    add("--pred", type=Path, help="folder with a folder of predicted masks for each video")
    add("--videos", nargs="+", default=[], help="names of the videos in --gt and --pred")
    add("--frames", type=int, default=121, help="of the synthetic video (default: 121)")
    add("--objects", type=int, default=5, help="of the synthetic video (default: 5)")
    add("--size", type=int, nargs=2, default=(848, 480), metavar=("H", "W"), help="of its masks")
    add("--rounds", type=int, default=3, help="that are measured (default: 3)")
    return parser


if __name__ == "__main__":
    harness.run(main)
