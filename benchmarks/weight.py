"""What it takes to begin: seconds and peak memory of commands and imports, each in a new process.

    python benchmarks/weight.py
    python benchmarks/weight.py --checkout ../other --runs 9 --json
    python benchmarks/weight.py "mavos score --help" "a scoring process"

Medians over the runs, after one that is not counted. Needs Linux or macOS. This process stays
small: on Linux a child's peak begins with that of its parent.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

# two videos of nothing, each in a process of its own; the peak is that of the larger one
WORKER = """
from mavos.scoring.processes import in_processes
peak = "__import__('mavos.scoring.videos') and __import__('resource').getrusage(0).ru_maxrss"
print(max(in_processes(eval, [peak, peak], [1, 1], 2)))
"""
CASES = {
    "mavos score --help": ("-m", "mavos", "score", "--help"),
    "mavos eval --help": ("-m", "mavos", "eval", "--help"),
    "mavos download --list": ("-m", "mavos", "download", "--list"),
    "import mavos": ("-c", "import mavos"),
    "import mavos.scoring": ("-c", "import mavos.scoring.command"),
    "from mavos import read_mask": ("-c", "from mavos import read_mask"),
    "from mavos import VideoTracker": ("-c", "from mavos import VideoTracker"),
    "a scoring process": ("-c", WORKER),
}
UNITS_PER_MB = 2**20 if sys.platform == "darwin" else 2**10  # of ru_maxrss


def measure(command: tuple[str, ...], checkout: Path) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and peak MB of ``python`` with a command; with its children."""
    env = os.environ | {"PYTHONPATH": str(checkout), "OMP_NUM_THREADS": "1"}
    began = time.perf_counter()
    with subprocess.Popen([sys.executable, *command], env=env, stdout=subprocess.PIPE) as process:
        said = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)}: ended with status {process.returncode}")
    peak = int(said) if said.strip().isdigit() else usage.ru_maxrss  # what a worker said
    seconds = time.perf_counter() - began
    return seconds, usage.ru_utime + usage.ru_stime, peak / UNITS_PER_MB


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    here = Path(__file__).resolve().parents[1]
    parser.add_argument("names", nargs="*", help=f"which of: {', '.join(CASES)} (default: all)")
    parser.add_argument("--checkout", type=Path, default=here, help="whose code (default: this)")
    parser.add_argument("--runs", type=int, default=5, help="of each (default: 5)")
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    args = parser.parse_args()
    if unknown := {*args.names} - {*CASES}:
        parser.error(f"unknown: {', '.join(unknown)}; choose from {', '.join(CASES)}")
    rows = {}
    for name in args.names or CASES:
        runs = [measure(CASES[name], args.checkout.resolve()) for _ in range(args.runs + 1)][1:]
        rows[name] = [round(statistics.median(column), 3) for column in zip(*runs, strict=True)]
    if args.json:
        keys = ("seconds", "cpu_seconds", "peak_mb")
        print(json.dumps({name: dict(zip(keys, row, strict=True)) for name, row in rows.items()}))
        return
    print(f"{'':32} {'seconds':>8} {'CPU s':>8} {'peak MB':>8}")
    for name, (seconds, cpu, peak) in rows.items():
        print(f"{name:32} {seconds:8.2f} {cpu:8.2f} {peak:8.0f}")


if __name__ == "__main__":
    main()
