"""The section ``data``."""

from dataclasses import dataclass

from mavos.configs.schema.checks import at_most, check_fields, positive


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where data lies and how frames are read."""

    root: str = ""  # folder of the datasets; empty: ``datasets`` of the project
    ahead: int = 8  # frames decoded ahead of the network; at least two for each thread
    threads: int | None = None  # decoding threads; None: what suits the device

    def __post_init__(self):
        check_fields(self)
        positive(self, "ahead")
        at_most(self, ahead=65_536, threads=4096)
        if self.threads is not None:
            positive(self, "threads")
