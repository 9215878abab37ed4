"""Speed and memory of a model against the length of the video and the number of objects.

    python tools/benchmark.py --model mavos_nano --policy mca all --frames 2000 --size 120 214
    python tools/benchmark.py --model mavos deaotl --objects 1 5 10 20 30 --amp --output figures
    python tools/benchmark.py --model r50_mavos --input clip.mp4 --mask first.png

The table goes to standard output, everything else to standard error; benchmark.json and the
pictures go to --output.
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
    run("benchmark")
