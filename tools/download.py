"""Download published weights into ``pretrain_models``, by name.

    python tools/download.py --list
    python tools/download.py r50_mavos_lvos swinb_mavos_lvos
    python tools/download.py encoders

A line of sha256sum for each file goes to standard output, everything else to standard error.
"""

import sys

try:
    from tools.cli import run
    from tools.zoo.command import main
except ModuleNotFoundError as error:
    root = __file__.rsplit("tools", 1)[0]
    print(f"no module {error.name!r}: run `pip install -e {root}` once", file=sys.stderr)
    raise SystemExit(2) from None
except KeyboardInterrupt:  # while PyTorch was loading
    raise SystemExit(130) from None

if __name__ == "__main__":
    run(main)
