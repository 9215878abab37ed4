#!/usr/bin/env bash
# Trains on four GPUs; arguments are those of tools/train.py and win over the ones here.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
[ -f "$root/tools/train.py" ] || { echo "training is not part of this version yet" >&2; exit 2; }
PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" exec "${PYTHON:-python}" "$root/tools/train.py" --gpu_num 4 "$@"
