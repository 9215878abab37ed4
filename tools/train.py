"""Train one stage of a network; see ``--help``.

    python tools/train.py --model r50_mavos --stage pre_ytb_dav --gpu_num 4 --amp
    torchrun --nnodes 2 --nproc_per_node 4 --rdzv_backend c10d --rdzv_endpoint HOST:29500 \\
        -m tools.train --model r50_mavos --amp

The last line on standard output is the newest checkpoint of averaged weights.
"""

import sys

try:
    from tools.cli import run
    from tools.training import main
except ModuleNotFoundError as error:
    root = __file__.rsplit("tools", 1)[0]
    print(f"no module {error.name!r}: run `pip install -e {root}` once", file=sys.stderr)
    raise SystemExit(2) from None
except KeyboardInterrupt:  # while PyTorch was loading
    raise SystemExit(130) from None

if __name__ == "__main__":
    run(main)
