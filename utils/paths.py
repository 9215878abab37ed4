"""Where the project lies; results, data and checkpoints are found there from any working folder."""

from pathlib import Path

PROJECT = Path(__file__).resolve().parents[1]
DATASETS = PROJECT / "datasets"
PRETRAINED = PROJECT / "pretrain_models"
TRAINED = PROJECT / "result"  # what training writes
RESULTS = PROJECT / "results"  # what evaluation writes
