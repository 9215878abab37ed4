"""Train one stage of a network; see ``--help``.

    python tools/train.py --model r50_mavos --stage pre_ytb_dav --gpu_num 4 --amp
    torchrun --nnodes 2 --nproc_per_node 4 --rdzv_backend c10d --rdzv_endpoint HOST:29500 \\
        -m tools.train --model r50_mavos --amp

The last line on standard output is the newest checkpoint of averaged weights.
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
    run("train")
