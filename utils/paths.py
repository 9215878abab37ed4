"""Where the project lies; results, data and checkpoints are found there from any working folder."""

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
DATASETS = PROJECT / "datasets"
PRETRAINED = PROJECT / "pretrain_models"
TRAINED = PROJECT / "result"  # what training writes
RESULTS = PROJECT / "results"  # what evaluation writes


def data_root(given: str) -> Path:
    """The folder of the datasets: the one given, else the project's."""
    return Path(given) if given else DATASETS
