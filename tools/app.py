"""A page on this machine: draw masks in a video, track them, correct, download.

    python tools/app.py --model mavos_nano --ckpt_path weights.pth
    python tools/app.py --model r50_mavos --amp --port 8000 --open

The page's address is printed on standard output; everything else goes to standard error.
"""

import sys

_EXTRA = ("fastapi", "uvicorn", "starlette", "pydantic", "pycocotools")  # what [app] installs

try:
    from tools.cli import run
    from tools.webapp.command import main
except ModuleNotFoundError as error:
    root = __file__.rsplit("tools", 1)[0]
    extra = "[app]" if error.name.partition(".")[0] in _EXTRA else ""
    print(f"no module {error.name!r}: run `pip install -e '{root}{extra}'` once", file=sys.stderr)
    raise SystemExit(2) from None
except KeyboardInterrupt:  # while PyTorch was loading
    raise SystemExit(130) from None

if __name__ == "__main__":
    run(main)
