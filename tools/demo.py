"""Segment a video, a camera or a stream from a mask, and show it: masks, an overlay video, a sheet.

    python tools/demo.py --input clip.mp4 --mask first.png --output out
    python tools/demo.py --input frames/ --mask 0:dog.png --mask 120:cat.png --every 2 --preview

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
    run("demo")
