"""One log line per event, beside progress bars, quiet on other ranks."""

import logging
import re

import pytest
from tqdm import tqdm

from mavos.utils.errors import UserError
from mavos.utils.logging import run_header, setup_logging

log = logging.getLogger("mavos.test")


@pytest.fixture(autouse=True)
def root_as_before():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in set(root.handlers) - set(handlers):
        root.removeHandler(handler)
        handler.close()
    root.setLevel(level)


def test_rank_0_says_everything_once_though_set_up_twice(capsys):
    setup_logging()
    setup_logging()
    log.info("step %d", 3)
    log.debug("never")
    out, err = capsys.readouterr()
    assert out == ""
    assert re.fullmatch(r"\d\d:\d\d:\d\d INFO step 3\n", err)


def test_other_ranks_only_warn_and_say_who_they_are(capsys):
    setup_logging(rank=2)
    log.info("never")
    log.warning("odd")
    assert re.fullmatch(r"\d\d:\d\d:\d\d WARNING \[rank 2\] odd\n", capsys.readouterr().err)


def test_a_line_does_not_land_in_a_progress_bar(capsys):
    setup_logging()
    with tqdm(total=2, desc="frames", ascii=True) as bar:
        bar.update()
        log.info("between")
    lines = re.split(r"[\r\n]", capsys.readouterr().err)
    assert any(re.fullmatch(r"\d\d:\d\d:\d\d INFO between", line) for line in lines)


def test_the_file_is_continued_and_its_folder_made(tmp_path):
    path = tmp_path / "run" / "log.txt"
    for text in ("first", "second"):
        setup_logging(log_file=path)
        log.info(text)
    assert [line.split()[-1] for line in path.read_text().splitlines()] == ["first", "second"]


def test_a_log_that_cannot_be_written_names_the_file(tmp_path):
    (tmp_path / "run").write_text("in the way")
    with pytest.raises(UserError, match=r"run/log\.txt"):
        setup_logging(log_file=tmp_path / "run" / "log.txt")


def test_header_is_one_line_with_versions_and_device():
    header = run_header("NVIDIA H200")
    pattern = r"MAVOS \S+( git)?, python \d\S+, torch \d\S+, torchvision \d\S+, NVIDIA H200"
    assert re.fullmatch(pattern, header)
    assert run_header() + ", NVIDIA H200" == header


def test_header_without_git(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert run_header().startswith("MAVOS no git, ")
