"""A real browser for the tests of the page; the one place that decides to skip."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",  # a camera that shows a clock
    "--use-fake-ui-for-media-stream",  # and is allowed without a question
)


@contextmanager
def browser() -> Iterator:
    """Chromium, headless, driven by Playwright.

    It is ``$MAVOS_BROWSER`` or the first of the usual names on the path. Skips the calling test,
    loudly, where there is none; if ``$MAVOS_BROWSER`` names one, it must be there.
    """
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="the page is not tested: pip install playwright"
    )
    wanted = os.environ.get("MAVOS_BROWSER")
    found = shutil.which(wanted) if wanted else next(filter(None, map(shutil.which, _NAMES)), None)
    if wanted and not found:
        pytest.fail(f"MAVOS_BROWSER={wanted}: there is no such program")
    if not found:
        pytest.skip(
            f"the page is not tested: none of {', '.join(_NAMES)} is installed (apt install "
            "chromium, or name one with MAVOS_BROWSER)"
        )
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=found, args=list(_ARGUMENTS))
        try:
            yield opened
        finally:
            opened.close()
