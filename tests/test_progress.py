"""Progress bars: of one form, and made in one place."""

from pathlib import Path

from mavos.run import progress
from mavos.run.progress import progress_bar, ticking

ROOT = Path(__file__).resolve().parents[1]
MAY_NAME_TQDM = ["mavos/run/progress.py", "utils/logging.py"]  # the latter writes beside bars


def test_bars_are_made_in_one_place():
    folders = ("mavos", "configs", "dataloaders", "networks", "tools", "utils")
    paths = (path for folder in folders for path in sorted((ROOT / folder).rglob("*.py")))
    named = [p.relative_to(ROOT).as_posix() for p in paths if "tqdm import" in p.read_text("utf-8")]
    assert named == MAY_NAME_TQDM


def test_a_bar_is_on_standard_error(capsys):
    with progress_bar(3, desc="videos") as bar:
        bar.update(3)
    out, err = capsys.readouterr()
    assert out == "" and "videos" in err and "3/3" in err


def test_work_that_reports_nothing_shows_no_bar(capsys):
    with ticking("synthetic videos"):
        pass
    assert capsys.readouterr().err == ""


def test_what_an_earlier_call_did_says_nothing_about_the_speed(capsys, monkeypatch):
    monkeypatch.setattr(progress, "_SECONDS_BETWEEN_LINES", 0)
    with ticking("weights", unit="B") as tick:
        tick(90, 100)
        tick(100, 100)
    assert "90/100" in (shown := capsys.readouterr().err) and "100/100" in shown
