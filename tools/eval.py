"""Segment every video of a dataset, or one of your own, and pack the masks for a server.

    python tools/eval.py --dataset lvos
    python tools/eval.py --dataset davis2017 --model r50_mavos --ckpt_path weights.pth --gpu_num 4
    python tools/eval.py --input clip.mp4 --mask first.png --output out

The last line on standard output is the path of the zip; everything else goes to standard error.
"""

try:
    from tools.evaluation import main
except ModuleNotFoundError as error:
    from pathlib import Path

    root = Path(__file__).resolve().parents[1]
    raise SystemExit(
        f"no module {error.name!r}: run `pip install -e {root}` once, then again"
    ) from None

from tools.cli import run

if __name__ == "__main__":
    run(main)
