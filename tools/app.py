"""A page on this machine: draw masks in a video, track them, correct, download.

    python tools/app.py --model mavos_nano --ckpt_path weights.pth
    python tools/app.py --model r50_mavos --amp --port 8000 --open

The page's address is printed on standard output; everything else goes to standard error.
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
    run("app")
