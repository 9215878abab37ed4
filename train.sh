#!/usr/bin/env bash
# Trains R50-MAVOS on four GPUs; arguments are those of tools/train.py and win over the ones here.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
python="${PYTHON:-python}" # else what is activated, else what `make` has installed
if [ -z "${PYTHON:-}${VIRTUAL_ENV:-}${CONDA_PREFIX:-}" ] && [ -x "$root/.venv/bin/python" ]; then
    python="$root/.venv/bin/python"
fi
PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" exec "$python" "$root/tools/train.py" --gpu_num 4 --amp "$@"
