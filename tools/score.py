"""Score predicted masks as the benchmarks do.

    python tools/score.py --protocol davis2017 --gt datasets/DAVIS --pred results/masks
    python tools/score.py --protocol lvos --gt datasets/LVOS/valid --pred masks.zip --output scores

The table goes to standard output, everything else to standard error.
"""

import sys

try:
    from tools.cli import run
    from tools.scoring.command import main
except ModuleNotFoundError as error:
    root = __file__.rsplit("tools", 1)[0]
    print(f"no module {error.name!r}: run `pip install -e {root}` once", file=sys.stderr)
    raise SystemExit(2) from None
except KeyboardInterrupt:  # while PyTorch was loading
    raise SystemExit(130) from None

if __name__ == "__main__":
    run(main)
