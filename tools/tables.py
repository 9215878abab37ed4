"""The tables of the MAVOS paper, and its speed-memory figure, evaluated with one command.

    python tools/tables.py --list
    python tools/tables.py --run table2
    python tools/tables.py --run all --gpu_num 4 --amp

Tables go to results/tables as Markdown, CSV and PNG. Their paths are what --run prints on standard
output; everything else goes to standard error.
"""

import signal
import sys

try:
    from tools.cli import run
    from tools.paper.command import main
except ModuleNotFoundError as error:
    root = __file__.rsplit("tools", 1)[0]
    print(f"no module {error.name!r}: run `pip install -e {root}` once", file=sys.stderr)
    raise SystemExit(2) from None
except KeyboardInterrupt:  # while PyTorch was loading
    raise SystemExit(130) from None

if __name__ == "__main__":
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # --list may be cut short by a pager
    run(main)
