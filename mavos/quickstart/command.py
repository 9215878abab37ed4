"""See the whole thing work in minutes, without data, weights or a GPU: ``make quickstart``.

    python mavos/quickstart/command.py

Generates videos, trains ``mavos_nano`` on them with tools/train.py, segments held-out ones with
tools/eval.py, scores the masks, and leaves pictures. What is there already is used again.
The last line on standard output is the summary, results/quickstart/summary.json.
"""

import argparse
import json
import logging
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import matplotlib  # noqa: F401  missing, it would be missed only after training

from mavos.dataloaders.listings.listing import read_list
from mavos.dataloaders.media.images import list_images, read_image
from mavos.dataloaders.media.mask_files import read_mask
from mavos.dataloaders.synthetic.dataset import write_dataset
from mavos.pictures.drawing import contact_sheet, overlay, write_png
from mavos.pictures.plots import loss_curve
from mavos.pictures.video_output import VideoWriter
from mavos.run.numbers import whole
from mavos.run.progress import ticking
from mavos.scoring.baselines import score_baseline
from mavos.scoring.folders import score_folders
from mavos.utils.errors import UserError
from mavos.utils.files import write_json
from mavos.utils.logging import setup_logging
from mavos.utils.paths import PROJECT, RESULTS

log = logging.getLogger(__name__)

SIZE = (128, 128)  # of the videos, pixels
# Policies of long-term memory shown beside MCA, on the videos that need one.
POLICIES = ("reference", "previous", "reference_previous", "all")


def main(argv: list[str]) -> int:
    args = _parser().parse_args(argv)
    setup_logging()
    folder = args.output.resolve()
    started = time.perf_counter()
    log.info("1 of 4: videos")
    with ticking("synthetic videos") as tick:
        data = write_dataset(folder / "data", seed=0, size=SIZE, tick=tick)
    log.info("2 of 4: training, on %s", data)
    name = run_name(args)
    run_folder, masks = folder / f"training_{name}", folder / f"masks_{name}"
    checkpoint, seconds_train = train(data, run_folder, args)
    log.info("3 of 4: segmenting held-out videos")
    seconds_eval, archive = evaluate(data, checkpoint, masks, "val", "mca")
    log.info("4 of 4: scores and pictures")
    summary = score(data, masks / "Annotations", "val")
    summary["memory_policies"] = compare_policies(data, checkpoint, masks)
    metrics = read_metrics(run_folder / "metrics.jsonl")
    pictures = draw(data, masks / "Annotations", metrics, folder)
    summary |= {
        "seed": args.seed,
        "steps": metrics[-1]["step"],
        "seconds_train": round(seconds_train, 1),
        "seconds_eval": round(seconds_eval, 1),
        "seconds_total": round(time.perf_counter() - started, 1),
        "checkpoint": str(checkpoint),
        "zip": str(archive),
    } | {name: str(path) for name, path in pictures.items()}
    write_json(folder / "summary.json", summary)
    print(report(summary), file=sys.stderr)
    print(folder / "summary.json")
    return 0


def run_name(args: argparse.Namespace) -> str:
    """A name that differs for runs with other seeds, steps and settings."""
    parts = [f"seed{args.seed}", *([f"{args.steps}_steps"] if args.steps else []), *args.overrides]
    return re.sub(r"[^\w.=-]+", "_", "_".join(parts))


def train(data: Path, run_folder: Path, args: argparse.Namespace) -> tuple[Path, float]:
    """Train with the real tool; returns the averaged weights, and the seconds over all starts."""
    options = ["--datasets", data, "--output", run_folder, "--seed", args.seed]
    if args.steps:
        options += ["--total_step", args.steps]
    note, metrics = run_folder / "seconds.json", run_folder / "metrics.jsonl"
    seconds = json.loads(note.read_text()) if note.is_file() else 0.0
    steps_before, started = steps_done(metrics), time.perf_counter()
    try:
        checkpoint = tool("train", "--model", "mavos_nano", "--stage", "quickstart", *options,
                          *args.overrides)  # fmt: skip
    finally:
        if steps_done(metrics) > steps_before:
            seconds += time.perf_counter() - started
            write_json(note, seconds)
    return Path(checkpoint), seconds


def steps_done(metrics: Path) -> int:
    """Steps of a run whose figures are there."""
    return max((line["step"] for line in read_metrics(metrics)), default=0)


def evaluate(
    data: Path, checkpoint: Path, output: Path, split: str, memory: str
) -> tuple[float, Path]:
    """Segment a split with the real tool; returns seconds of all its videos, and the archive."""
    options = ["--data_root", data, "--split", split, "--ckpt_path", checkpoint]
    archive = tool(
        "eval", "--model", "mavos_nano", "--stage", "quickstart", "--dataset", "synthetic",
        *options, "--output", output, "--overwrite" if _is_stale(output, checkpoint) else None,
        "--no-score", f"model.memory={memory}",
    )  # fmt: skip
    speed = json.loads((output / "speed.json").read_text())["total"]
    return speed["frames"] / max(speed["end_to_end_fps"], 1e-9), Path(archive)


def tool(name: str, *options: object) -> str:
    """Run ``tools/<name>.py``; its progress is seen, the last line of its output is returned."""
    command = [sys.executable, str(PROJECT / "tools" / f"{name}.py")]
    command += [str(option) for option in options if option is not None]
    env = {"OMP_WAIT_POLICY": "passive"} | os.environ  # idle threads must not spin
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=env)
    if done.returncode in (130, 143):
        raise KeyboardInterrupt
    if done.returncode:
        raise UserError(
            f"tools/{name}.py ended with status {done.returncode}; its message is above"
        )
    return done.stdout.splitlines()[-1]


def score(data: Path, masks: Path, split: str) -> dict:
    """J&F of the masks, of repeating each first mask, and of predicting nothing."""
    truths, videos = data / "Annotations" / "480p", _videos(data, split)
    scored = {
        "": score_folders(masks, truths, videos),
        "_copy_first_mask": score_baseline("copy_first_mask", truths, videos),
        "_nothing": score_baseline("nothing", truths, videos),
    }
    summary = {f"j_and_f{name}": s.total()["J&F-Mean"] for name, s in scored.items()}
    total = scored[""].total()
    videos = {name: scored[""].of_video(name)["J&F-Mean"] for name in scored[""].videos}
    return summary | {"j": total["J-Mean"], "f": total["F-Mean"], "videos": videos}


def compare_policies(data: Path, checkpoint: Path, masks: Path) -> dict[str, float]:
    """J&F of each policy of long-term memory on the videos that are long, or where an object is
    long away. The weights are the same, trained with MCA: a policy might do better trained for."""
    truths, videos = data / "Annotations" / "480p", _videos(data, "memory")
    scores = {"mca": _j_and_f(masks, truths, videos)}
    for policy in POLICIES:
        output = masks.with_name(f"{masks.name}_{policy}")
        evaluate(data, checkpoint, output, "memory", policy)
        scores[policy] = _j_and_f(output, truths, videos)
    return scores


def draw(data: Path, masks: Path, metrics: list[dict], folder: Path) -> dict[str, Path]:
    """Overlay video, contact sheet and loss curve; returns their paths."""
    paths = {
        "overlay_video": folder / "overlay.mp4",
        "contact_sheet": folder / "contact_sheet.png",
        "loss_curve": folder / "loss_curve.png",
    }
    videos = _videos(data, "val")
    usual = [name for name in videos if name.startswith("val_")]
    shown = [*usual[:4], *_videos(data, "memory")]
    with VideoWriter(paths["overlay_video"], frames_per_second=12) as video:
        for name in shown:
            for frame, mask, truth in _frames(data, masks, name):
                video.write(
                    contact_sheet(
                        [[overlay(frame, mask), overlay(frame, truth)]],
                        [["prediction", "truth"]],
                        thumbnail_width=320,
                    )
                )
    rows, captions = [], []
    for name in shown:
        frames = _frames(data, masks, name)
        picked = [frames[round(k * (len(frames) - 1) / 6)] for k in range(7)]
        rows.append([overlay(frame, mask) for frame, mask, _ in picked])
        captions.append([f"{name}, {round(k * (len(frames) - 1) / 6)}" for k in range(7)])
    write_png(paths["contact_sheet"], contact_sheet(rows, captions, thumbnail_width=192))
    lines = [line for line in metrics if "loss" in line]
    ious = [[v for k, v in line.items() if k.startswith("iou_")] for line in lines]
    steps = [line["step"] for line in lines]
    series = {
        "loss": (steps, [line["loss"] for line in lines]),
        "mean IoU of the clips": (steps, [sum(values) / len(values) for values in ious]),
    }
    loss_curve(paths["loss_curve"], series, "mavos_nano on synthetic videos", y_label="")
    return paths


def report(summary: dict) -> str:
    """The summary as lines of text."""
    lines = [
        "",
        "held-out videos, J&F (a frame where object and mask are both absent counts as 1)",
        f"  mavos_nano, {summary['steps']} steps      {summary['j_and_f']:.3f}",
        f"  copying the first mask     {summary['j_and_f_copy_first_mask']:.3f}",
        f"  predicting nothing         {summary['j_and_f_nothing']:.3f}",
        "the long ones and those with a long absence, by policy of memory (same weights)",
    ]
    lines += [
        f"  {name:20}       {value:.3f}" for name, value in summary["memory_policies"].items()
    ]
    lines += [
        f"training took {summary['seconds_train']:.0f} s, "
        f"segmenting {summary['seconds_eval']:.0f} s"
    ]
    lines += [
        f"{name.replace('_', ' '):14} {summary[name]}"
        for name in ("zip", "overlay_video", "contact_sheet", "loss_curve", "checkpoint")
    ]
    return "\n".join(lines)


def read_metrics(path: Path) -> list[dict]:
    """The lines of a ``metrics.jsonl``; none if it is not there."""
    text = path.read_text(encoding="utf-8") if path.is_file() else ""
    return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]


def _frames(data: Path, masks: Path, video: str) -> list[tuple]:
    """Frames, masks and true masks of a video, as arrays."""
    frames = list_images(data / "JPEGImages" / "480p" / video)
    truths = data / "Annotations" / "480p" / video
    return [
        (
            read_image(f),
            read_mask(masks / video / f"{f.stem}.png"),
            read_mask(truths / f"{f.stem}.png"),
        )
        for f in frames
    ]


def _videos(data: Path, split: str) -> list[str]:
    return list(read_list([data / "ImageSets" / "2017" / f"{split}.txt"]))


def _j_and_f(output: Path, truths: Path, videos: list[str]) -> float:
    return score_folders(output / "Annotations", truths, videos).total()["J&F-Mean"]


def _is_stale(output: Path, checkpoint: Path) -> bool:
    """Whether masks are older than the weights."""
    settings = output / "config.json"
    return settings.is_file() and settings.stat().st_mtime < checkpoint.stat().st_mtime


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mavos quickstart",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add(
        "--output",
        type=Path,
        default=RESULTS / "quickstart",
        help="folder (default: results/quickstart)",
    )
    add("--seed", type=whole, default=0, help="of training (default: 0)")
    add("--steps", type=whole, help="training steps (default: those of stage quickstart)")
    add("overrides", nargs="*", metavar="section.field=value", help="for tools/train.py")
    return parser
