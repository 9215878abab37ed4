"""Segment a video, a camera or a stream from a mask, and show it: masks, an overlay video, a sheet.

    python tools/demo.py --input clip.mp4 --mask first.png --output out
    python tools/demo.py --input frames/ --mask 0:dog.png --mask 120:cat.png --every 2 --preview

The last line on standard output is the path of the zip; everything else goes to standard error.
"""

import sys

try:
    from tools.cli import run
    from tools.demo_run.command import main
except ModuleNotFoundError as error:
    root = __file__.rsplit("tools", 1)[0]
    print(f"no module {error.name!r}: run `pip install -e {root}` once", file=sys.stderr)
    raise SystemExit(2) from None
except KeyboardInterrupt:  # while PyTorch was loading
    raise SystemExit(130) from None

if __name__ == "__main__":
    run(main)
