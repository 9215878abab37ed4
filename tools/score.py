"""Score predicted masks as the benchmarks do.

    python tools/score.py --protocol davis2017 --gt datasets/DAVIS --pred results/masks
    python tools/score.py --protocol lvos --gt datasets/LVOS/valid --pred masks.zip --output scores

The table goes to standard output, everything else to standard error.
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
    run("score")
