"""The tables of the MAVOS paper, and its speed-memory figure, evaluated with one command.

    python tools/tables.py --list
    python tools/tables.py --run table2
    python tools/tables.py --run all --gpu_num 4 --amp

Tables go to results/tables as Markdown, CSV and PNG. Their paths are what --run prints on standard
output; everything else goes to standard error.
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
    run("tables")
