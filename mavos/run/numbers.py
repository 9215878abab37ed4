"""Numbers on the command line: finite, and of a size that everything behind them can hold."""

import argparse
import math

LARGEST = 2**31 - 1


def whole(text: str) -> int:
    """An integer from -LARGEST to LARGEST; argparse names the option in the error."""
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"invalid int value: {_short(text)}") from None
    if abs(value) > LARGEST:
        raise argparse.ArgumentTypeError(f"{_short(text)} is beyond {LARGEST}")
    return value


def real(text: str) -> float:
    """A finite number; argparse names the option in the error."""
    try:
        value = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"invalid float value: {_short(text)}") from None
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"{_short(text)} is not finite")
    return value


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:40]}...")
