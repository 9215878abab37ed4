#!/usr/bin/env bash
# Segments a dataset and packs the results; arguments are those of tools/eval.py.
set -euo pipefail
root="$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)"
PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" exec "${PYTHON:-python}" "$root/tools/eval.py" "$@"
