"""Compose training and validation clips with exact masks from your own pictures.

    python tools/make_composed.py --cutouts cutouts 'bodies*4' --photographs photographs
    python tools/train.py --model mavos_small --stage small

Cut-outs are pictures with alpha, or folders of them for what moves; no picture is in both kinds of
clips. Standard output is the folder; the same clips are not made twice.
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
    run("make_composed")
