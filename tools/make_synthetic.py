"""Write a small dataset of synthetic videos, for demos and tests; nothing is downloaded.

    python tools/make_synthetic.py
    python tools/make_synthetic.py --output videos --seed 1 --train_videos 40 --size 128 192

Standard output is the path of the folder, in the layout of DAVIS-2017; everything else goes to
standard error. The same dataset is not made twice.
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
    run("make_synthetic")
