"""What rows are evaluated on, under the names that the columns of the tables have."""

from dataclasses import dataclass

# The long edge of a frame is at most 5/3 of --max_resolution: 853 pixels, 480p of 16:9.
_AT_480P = ("--max_resolution", "512")


@dataclass(frozen=True)
class TestSet:
    """One split of a dataset, and how it is evaluated for the paper."""

    title: str
    dataset: str  # a name in dataloaders.listings.eval_datasets.EVAL_DATASETS
    split: str
    videos: int  # in the full split; fewer is no result of the benchmark
    mean_frames: int  # of a video, as the paper's Table 1 has it for the whole dataset
    # Defaults of tools/eval.py's options, which others on the command line win over. LVOS and
    # Long-Time Video have larger frames than 480p, which the paper evaluates everything at; that it
    # did shows in its FPS, which are those of DAVIS.
    options: tuple[str, ...] = ()


TEST_SETS = {
    "DAVIS": TestSet("DAVIS 2017, validation set", "davis2017", "val", 30, 69),
    "LTV": TestSet("Long-Time Video", "longvideo", "x1", 3, 2470, _AT_480P),
    "LVOS": TestSet("LVOS, validation set", "lvos", "val", 50, 574, _AT_480P),
}
