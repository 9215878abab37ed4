"""What can be run: as ``mavos <name>``, and as the script of that name in ``tools/``."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Command:
    """One command; its module is imported only when it is run."""

    module: str  # has ``main(argv) -> exit status``
    summary: str
    extra: str = ""  # of setup.py, with the packages that only this command needs
    options: str = ""  # has ``parse(argv)``; for a ``module`` that takes long to load


COMMANDS = {
    "quickstart": Command(
        "mavos.quickstart.command",
        "train a small network on synthetic videos and show what it can do; no data needed",
        "plots",
    ),
    "demo": Command(
        "mavos.demo.command",
        "segment a video, a camera or a stream of your own",
        options="mavos.demo.options",
    ),
    "app": Command(
        "mavos.webapp.command",
        "the same in the browser, on a page of its own",
        "app",
        "mavos.webapp.options",
    ),
    "eval": Command(
        "mavos.evaluation.command",
        "segment a dataset and pack the masks",
        options="mavos.evaluation.options",
    ),
    "score": Command("mavos.scoring.command", "score masks by the protocol of a benchmark"),
    "train": Command(
        "mavos.training.command", "train one stage of a network", options="mavos.training.options"
    ),
    "tables": Command("mavos.paper.command", "reproduce the paper's tables and figure", "plots"),
    "benchmark": Command(
        "mavos.speed_curves.command",
        "speed and memory against length and objects",
        "plots",
        "mavos.speed_curves.options",
    ),
    "download": Command("mavos.zoo.command", "download published weights by name", "download"),
    "make_synthetic": Command(
        "mavos.quickstart.make_synthetic", "write a small dataset of synthetic videos"
    ),
    "make_composed": Command(
        "mavos.quickstart.make_composed",
        "compose training clips from your own cut-outs and photographs",
    ),
}
