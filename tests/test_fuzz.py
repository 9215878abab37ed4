"""Damaged files of every kind are read right or refused by name; benchmarks/fuzz.py tries more."""

import benchmark_tool


def test_no_damaged_file_ends_in_a_traceback_or_another_content(monkeypatch):
    fuzz = benchmark_tool.load(monkeypatch, "fuzz")
    otherwise: list[str] = []
    counts = fuzz.campaign(900, seed=16, report=otherwise.append)
    assert otherwise == []
    assert counts[fuzz.CLEAR] > 500 and counts[fuzz.RIGHT] > 50
