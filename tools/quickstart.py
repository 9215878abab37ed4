"""See the whole thing work in minutes, without data, weights or a GPU; ``make quickstart``.

    python tools/quickstart.py

Generates videos, trains ``mavos_nano`` on them, segments held-out ones, scores the masks, and
leaves pictures. What is there already is used again. The last line on standard output is the
summary, results/quickstart/summary.json.
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
    run("quickstart")
