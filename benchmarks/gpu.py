"""All that there is to measure on a GPU, by the other benchmarks, within a time limit.

    python benchmarks/gpu.py --output gpu_results --json

Writes gpu.json and, ready for docs/benchmarks.md, gpu.md to --output after every step, so that a
run cut short has left what it found. A benchmark that fails is noted with its error, and one that
no time is left for is noted too.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import harness

from mavos.speed_curves.runs import round_numbers
from mavos.utils.device import machine, precisions
from mavos.utils.errors import UserError
from mavos.utils.files import write_json

ROOT = Path(__file__).resolve().parents[1]
TOOL = "tools/benchmark.py"  # the other scripts are beside this one
MODELS = ("mavos", "r50_mavos", "swinb_mavos")
LEAST_SECONDS = 15  # a step is not begun with less

Step = tuple[str, str, list]  # name, script, options

# columns of the Markdown, by script; what is missing in a row is "-"
COLUMNS = {
    "frame.py": (
        "model",
        "objects",
        "frame_size",
        "dtype",
        "compiled",
        "fps",
        "wall_ms_median",
        "wall_ms_p95",
        "plain_wall_ms",
        "update_wall_ms",
        "memory_state_mb",
        "peak_device_mb",
        "error",
    ),
    "local_attention.py": ("backend", "dtype", "grid", "wall_ms", "difference", "error"),
    TOOL: ("policy", "frame", "fps", "ms_per_frame", "state_mb", "held_mb", "peak_mb"),
    "compare.py": (
        "model",
        "mode",
        "fast_wall_ms_median",
        "slow_wall_ms_median",
        "wall_ratio_median",
        "max_logit_difference",
        "equal_pixels",
        "fast_peak_device_mb",
        "slow_peak_device_mb",
    ),
}


def full_steps(dtypes: list[str]) -> Iterator[Step]:
    """The most wanted first; dtypes: what the GPU has."""
    sweep = ["--dtype", *dtypes, "--objects", 1, 10, "--resolution", 480, 720]
    sweep += ["--same_process", "--frames", 40]
    for compiled in (False, True):
        # a graph is made when a call comes again: for the fusion that is at the third update
        more = ["--compile", "--warmup", 32] if compiled else ["--warmup", 12]
        for model in MODELS:
            name = f"{model}, {'with' if compiled else 'without'} graphs"
            yield name, "frame.py", ["--model", model, *sweep, *more]
    options = ["--dtype", *dtypes, "--resolution", 480, 720]
    yield "local attention", "local_attention.py", options
    for dtype, more in (("fp32", []), ("bf16", []), ("bf16", ["--compile"])):
        name = f"end to end, {dtype}{', graphs' if more else ''}"
        options = ["--videos", 2, "--frames", 150, "--dtype", dtype, *more]
        yield name, "end_to_end.py", options
    yield "against the reference", "compare.py", ["--models", "mavos", "--modes", *dtypes]
    yield "parts of a frame", "components.py", ["--dtype", "fp32", "bf16", "--frames", 10]
    options = ["--frames", 500, "--policy", "mca", "all", "--dtype", "bf16"]
    yield "a video of 480p", TOOL, options
    long = ["--frames", 10_000, "--size", 97, 129, "--dtype", "bf16", "--compile"]
    yield "a long video", TOOL, long


def quick_steps() -> Iterator[Step]:
    """The same ways at a size for any machine."""
    nano, small = ["--model", "mavos_nano"], ["--size", 48, 80]
    yield "frames", "frame.py", [*nano, *small, "--same_process", "--frames", 2, "--warmup", 0]
    yield "local attention", "local_attention.py", [*nano, *small, "--calls", 1]
    yield "a long video", TOOL, [*nano, *small, "--frames", 4]


def main(argv: list[str]) -> int:
    args = _parser().parse_args(argv)
    harness.check_counts(args, "seconds", "threads")
    device = harness.set_up(args.device, args.threads)
    result = {**machine(device), "steps": {}}
    shared = ["--device", args.device]
    shared += ["--threads", args.threads] if args.threads else []
    stop = time.monotonic() + args.seconds
    available = precisions(device)
    dtypes = [name for name in harness.DTYPES if name in available]
    for name, script, options in quick_steps() if args.quick else full_steps(dtypes):
        left = _left(stop)
        harness.note(f"{name}: {script} ({left:.0f} s left)")
        result["steps"][name] = _measure(script, [*options, *shared], left)
        text = markdown(result)
        if args.output is not None:
            write_json(args.output / "gpu.json", result)
            (args.output / "gpu.md").write_text(text, encoding="utf-8")
    if args.json:
        harness.show(result, as_json=True)
    else:
        print(text)
    return 0


def _left(stop: float) -> float:
    """Seconds until ``stop`` of the monotonic clock."""
    return stop - time.monotonic()


def _measure(script: str, options: list, seconds: float) -> dict:
    """What the benchmark reports, or its ``error``."""
    asked = {"script": script, "options": list(map(str, options))}
    if seconds < LEAST_SECONDS:
        return {**asked, "error": "no time was left for it"}
    started = time.monotonic()
    try:
        if script == TOOL:
            found = {"rows": _curves(options, seconds)}
        else:
            found = harness.in_own_process(ROOT / "benchmarks" / script, options, timeout=seconds)
    except UserError as error:
        found = {"error": str(error)}
    return {**asked, "seconds": time.monotonic() - started, **found}


def _curves(options: list, seconds: float) -> list[dict]:
    """What the tool measures at the round numbers of frames and at the end of each curve."""
    with tempfile.TemporaryDirectory() as folder:
        harness.output_of(ROOT / TOOL, [*options, "--output", folder], timeout=seconds)
        found = json.loads((Path(folder) / "benchmark.json").read_text(encoding="utf-8"))
    return [
        {"policy": record["run"]["policy"]}
        | {key.replace("_bytes", "_mb"): _in_mb(key, value) for key, value in row.items()}
        for record in found["length"]
        for row in record["rows"]
        if row["frame"] in {*round_numbers(row["frame"]), record["run"]["frames"]}
    ]


def _in_mb(key: str, value: float | None) -> float | None:
    return value / harness.MB if key.endswith("_bytes") else value


def markdown(result: dict) -> str:
    """A heading, the command and a table of each step."""
    where = ", ".join(str(result[key]) for key in ("device", "processor"))
    lines = [f"{where}, PyTorch {result['torch']}, {result['cores']} cores."]
    for name, found in result["steps"].items():
        script = found["script"] if found["script"] == TOOL else f"benchmarks/{found['script']}"
        command = " ".join(["python", script, *found["options"]])
        lines += ["", f"### {name}", "", f"`{command}`", ""]
        lines.append(_section(found))
    return "\n".join(lines) + "\n"


def _section(found: dict) -> str:
    if "error" in found:
        return f"Not measured: {found['error']}."
    script = found["script"]
    if script == "components.py":
        return "\n\n".join(
            f"{one['dtype']}, {one['share_of_peak']:.2f} of {one['peak_gflops']:.0f} GFLOP/s:\n\n"
            + harness.table(one["parts"])
            for one in found["dtypes"]
        )
    if script == "end_to_end.py":
        plain = {k: found[k] for k in ("model", "dtype", "compiled", "model_fps", "end_to_end_fps")}
        return harness.table([plain]) + "\n\n" + harness.table(found["steps"])
    rows = [{k: row[k] for k in COLUMNS[script] if k in row} for row in found["rows"]]
    return harness.table(rows, wide=True)


def _parser() -> argparse.ArgumentParser:
    parser = harness.parser(__doc__)
    parser.set_defaults(device="cuda")
    add = parser.add_argument
    add("--output", type=Path, help="folder for gpu.json and gpu.md")
    add("--seconds", type=int, default=520, help="time limit (default: 520)")
    add("--quick", action="store_true", help="a few frames of the smallest model, on any --device")
    return parser


if __name__ == "__main__":
    harness.run(main)
