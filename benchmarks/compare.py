"""Our network against a slow one with the same weights, frame about: speed and agreement.

    python benchmarks/compare.py --models mavos --modes fp32 fp32_no_routing bf16 --json
    python benchmarks/compare.py --models mavos r50_mavos --release ../MAVOS

The slow one is ``reference.py``, a plain reading of the network, or, with --release, a checkout of
https://github.com/Amshaker/MAVOS. Each side is a process of its own; they take turns, and one is
idle while the other runs. Both remember the same synthetic labels, so that a difference does not
feed on itself. With the defaults every tenth measured frame is fused into the long-term memory. The
slow side runs in plain fp32 unless --baseline same gives it the mode of ours.
"""

import argparse
import statistics
import tempfile
from pathlib import Path

import harness
import torch
from torch import Tensor
from turns import Player

from mavos.networks import build_model
from mavos.utils.checkpoint import save_weights
from mavos.utils.device import machine, pick_device
from mavos.utils.errors import UserError, unknown_name

# names of the mode: dtype, and whether products go to oneDNN (on a CPU, where exact)
MODES = {
    "fp32": ("fp32", True),
    "fp32_no_routing": ("fp32", False),
    "tf32": ("tf32", False),
    "bf16": ("bf16", True),
    "fp16": ("fp16", True),
}
PLAIN = "fp32_no_routing"
NEAR_TIE = 1e-3  # logits nearer than that may go either way


def main(argv: list[str]) -> int:
    args = _parser().parse_args(argv)
    cfgs, device = _check(args)
    rows, notes = [], []
    for model, cfg in cfgs.items():
        with tempfile.TemporaryDirectory() as name:
            folder, size = Path(name), harness.frame_size(args.resolution, args.size)
            torch.manual_seed(0)
            network = build_model(cfg.model)
            save_weights(network, folder / "weights.pth")
            video = harness.synthetic_video(
                size, harness.network_size(cfg, network, size), args.objects, torch.device("cpu")
            )
            torch.save({"images": video.images, "labels": video.labels}, folder / "video.pt")
            for mode in args.modes:
                harness.note(f"{model} {mode}")
                row, noted = _compare(args, model, mode, cfg.model.test_memory_gap, folder, device)
                rows.append(row)
                notes += [text for text in noted if text not in notes]
    against = str(args.release) if args.release else "reference"
    shared = {**machine(device), "threads": args.threads or torch.get_num_threads()}
    shared |= {"against": against, "baseline": args.baseline, "notes": notes}
    harness.show({**shared, "rows": rows}, args.json)
    return 0


def _compare(
    args: argparse.Namespace, model: str, mode: str, gap: int, folder: Path, device: torch.device
) -> tuple[dict, list[str]]:
    """The row of one model in one mode, and what to know about it."""
    slow_mode = mode if args.baseline == "same" else PLAIN
    slow = "release" if args.release else "reference"
    players = []
    try:
        for side, its_mode in (("fast", mode), (slow, slow_mode)):
            settings = _settings(args, side, model, its_mode, gap, folder, device)
            players.append(Player(settings, folder / f"{mode}_{side}"))
        noted = [note for player in players for note in player.ready()]
        times, agreement = _play(args, players)
        ends = [player.end() for player in players]
    except RuntimeError as error:
        raise UserError(f"{model} {mode}: {error}") from error
    finally:
        for player in players:
            player.kill()
    row = {"model": model, "mode": mode, "objects": args.objects, "frames": args.frames}
    for (clock, of_ours), of_theirs in zip(times[0].items(), times[1].values(), strict=True):
        for name, average in (("mean", statistics.mean), ("median", statistics.median)):
            ours, theirs = average(of_ours), average(of_theirs)
            row[f"fast_{clock}_{name}"], row[f"slow_{clock}_{name}"] = ours, theirs
            row[f"{clock.removesuffix('_ms')}_ratio_{name}"] = theirs / ours
    row |= agreement
    for prefix, end in zip(("fast", "slow"), ends, strict=True):
        row[f"{prefix}_peak_rss_mb"] = end["peak_rss_mb"]
        row[f"{prefix}_peak_device_mb"] = end["peak_device_mb"]
    return row, noted


def _settings(
    args: argparse.Namespace,
    side: str,
    model: str,
    mode: str,
    gap: int,
    folder: Path,
    device: torch.device,
) -> dict:
    dtype, routing = MODES[mode]
    options = {"model": model, "gap": gap, "checkpoint": str(folder / "weights.pth")}
    options |= {"device": str(device), "dtype": dtype, "routing": routing}
    if side == "release":
        options["checkout"] = str(args.release.resolve())
    video = str(folder / "video.pt")
    return {"side": side, "threads": args.threads, "video": video, "options": options}


def _play(args: argparse.Namespace, players: list[Player]) -> tuple[list[dict], dict]:
    """Times of the measured frames of each side, and how far all frames agree."""
    times = [{"cpu_ms": [], "wall_ms": []} for _ in players]
    worst, equal, apart, frame, total = 0.0, [], 0, 0, args.warmup + args.frames
    while frame < total:
        # a turn ends where measuring begins
        stop = min(frame + args.turn, total if frame >= args.warmup else args.warmup)
        for player, kept in zip(players, times, strict=True):
            answer = player.play(stop - frame)
            for clock, values in kept.items():
                values += answer[clock] if frame >= args.warmup else []
        for number in range(frame + 1, stop + 1):
            ours, theirs = (player.output(number) for player in players)
            worst = max(worst, float((ours["logits"] - theirs["logits"]).abs().max()))
            same = ours["labels"] == theirs["labels"]
            equal.append(float(same.float().mean()))
            apart += int((~same & ~_near_ties(theirs["logits"])).sum())
        frame = stop
    return times, {
        "max_logit_difference": worst,
        "equal_pixels": statistics.mean(equal),
        "unequal_beyond_ties": apart,
    }


def _near_ties(logits: Tensor) -> Tensor:
    """(1, H, W): whether the two largest of the logits (1, C, H, W), C > 1, nearly agree."""
    best, second = logits.topk(2, dim=1).values.unbind(1)
    return best - second < NEAR_TIE


def _check(args: argparse.Namespace) -> tuple[dict, torch.device]:
    """Raises UserError for a bad value of any option, before anything is measured."""
    harness.check_counts(args, "objects", "frames", "threads", "turn", "gap")
    harness.check_counts(args, "warmup", least=0)
    harness.frame_size(args.resolution, args.size)
    device = pick_device(args.device)
    for mode in args.modes:
        if mode not in MODES:
            raise unknown_name("mode", mode, MODES)
        harness.use_dtype(MODES[mode][0], device)
    release = args.release
    if release is not None and not all((release / x).is_dir() for x in ("networks", "configs")):
        raise UserError(
            f"--release {release}: no folders networks and configs in it; expected a checkout of "
            "https://github.com/Amshaker/MAVOS"
        )
    overrides = [f"model.test_memory_gap={args.gap}"] if args.gap else []
    return harness.load_all(args.models, overrides), device


def _parser() -> argparse.ArgumentParser:
    parser = harness.parser(__doc__)
    add = parser.add_argument
    add("--models", nargs="+", default=["mavos"], help="names of configs/models.py")
    add("--modes", nargs="+", default=["fp32", PLAIN, "bf16"], help=", ".join(MODES))
    add("--release", type=Path, metavar="PATH", help="a checkout of the authors' code")
    add("--baseline", choices=["plain", "same"], default="plain", help="mode of the slow side")
    add("--objects", type=int, default=1)
    harness.add_size(parser)
    add("--gap", type=int, help="frames between long-term updates (default: the model's)")
    add("--frames", type=int, default=20, help="frames that are measured (default: 20)")
    add("--warmup", type=int, default=10, help="frames before them (default: 10)")
    add("--turn", type=int, default=2, help="frames that a side runs before the other (default: 2)")
    return parser


if __name__ == "__main__":
    harness.run(main)
