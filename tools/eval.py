"""Segment every video of a dataset, or one of your own, and pack the masks for a server.

    python tools/eval.py --dataset lvos
    python tools/eval.py --dataset davis2017 --model r50_mavos --ckpt_path weights.pth --gpu_num 4

The last line on standard output is the path of the zip; everything else goes to standard error.
"""

import sys

try:
    from mavos.run.entry import run
except ModuleNotFoundError as error:
    if error.name != "mavos":
        raise
    root = __file__.rsplit("tools", 1)[0]
    print(f"MAVOS is not installed: run `pip install -e {root}` once", file=sys.stderr)
    raise SystemExit(2) from None

if __name__ == "__main__":
    run("eval")
