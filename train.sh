#!/usr/bin/env bash
# Trains R50-MAVOS on four GPUs; arguments are those of tools/train.py and win over the ones here.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" exec "${PYTHON:-python}" "$root/tools/train.py" --gpu_num 4 --amp "$@"
