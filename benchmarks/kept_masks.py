"""What a video costs if its masks stay on the device until it ends, as in the released evaluation.

    python benchmarks/kept_masks.py --model mavos_nano --frames 69 574 2470

The released code keeps a float32 map of every frame and writes them all after the last one. Prints
the memory held after so many synthetic 480p frames: as it is here, where a mask is handed out and
forgotten, and with the masks kept. Small frames go to the network, so that it is quick; the masks
are of the frame's own size all the same.
"""

import argparse
import gc

import torch

from mavos import configs
from mavos.configs.schema import Config
from mavos.run.build import build
from mavos.run.devices import prepare_to_segment
from mavos.speed_curves.frames import frames_of
from mavos.speed_curves.recorder import held_bytes
from mavos.speed_curves.runs import Run
from mavos.tracking.frame_loop import segment_video

MB = 2**20
SIZE = (480, 854)  # (H, W) of frames


def held_after(cfg: Config, frames: list[int], keep: bool) -> list[int]:
    """Bytes held after each number of ``frames`` of one video."""
    device = prepare_to_segment(cfg.eval)
    torch.manual_seed(0)
    network, input_rule = build(cfg, None, device)
    run = Run(
        model=cfg.name, policy="", overrides=(), frames=frames[-1], marks=(), size=SIZE, objects=1
    )
    held, kept = [], []
    source = frames_of(run, input_rule, device, cfg.data)
    for number, (_, labels) in enumerate(segment_video(network, source, device), start=1):
        if keep:
            kept.append(labels.to(device, torch.float32))
        if number in frames:
            gc.collect()
            held.append(held_bytes(device))
    return held


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--model", default="mavos_nano")
    parser.add_argument("--frames", type=int, nargs="+", default=[69, 574, 2470])
    parser.add_argument("--max_resolution", type=float, default=60)
    parser.add_argument("overrides", nargs="*", metavar="section.field=value")
    args = parser.parse_intermixed_args()
    frames = sorted(args.frames)
    overrides = [f"eval.max_resolution={args.max_resolution}", *args.overrides]
    cfg = configs.load(args.model, overrides=overrides)
    forgotten, kept = (held_after(cfg, frames, keep) for keep in (False, True))
    print("frames  held MB  with the masks kept  a frame")
    for number, plain, more in zip(frames, forgotten, kept, strict=True):
        each = (more - kept[0]) / (number - frames[0]) / MB if number > frames[0] else 0
        print(f"{number:6}  {plain / MB:7.0f}  {more / MB:19.0f}  {each:7.2f}")


if __name__ == "__main__":
    main()
