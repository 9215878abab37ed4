"""Download published weights into ``pretrain_models``, by name.

    python tools/download.py --list
    python tools/download.py r50_mavos_lvos swinb_mavos_lvos
    python tools/download.py encoders

A line of sha256sum for each file goes to standard output, everything else to standard error.
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
    run("download")
