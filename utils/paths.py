"""Where things lie: in the checkout from any working folder, or in the working folder of an
installed package."""

from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]  # of a wheel: the package itself
IS_CHECKOUT = (CHECKOUT / "setup.py").is_file()
IMPORTED_FROM = CHECKOUT if IS_CHECKOUT else CHECKOUT.parent  # the folder that ``mavos`` is in

PROJECT = CHECKOUT if IS_CHECKOUT else Path()
DATASETS = PROJECT / "datasets"
PRETRAINED = PROJECT / "pretrain_models"
TRAINED = PROJECT / "result"  # what training writes
RESULTS = PROJECT / "results"  # what evaluation writes


def data_root(given: str) -> Path:
    """The folder of the datasets: the one given, else the project's."""
    return Path(given) if given else DATASETS
