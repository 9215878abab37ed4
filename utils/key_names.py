"""The names of a network's weights on disk, where its release has others than our code."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property


@dataclass(frozen=True)
class KeyNames:
    """Each network states its own; ``utils/checkpoint.py`` reads and writes files by it.

    Prefixes and endings are of keys as they are on disk, if nothing else is said.
    """

    # (on disk, in code), prefixes; the first match wins; {} is a number, such as a block's
    renames: tuple[tuple[str, str], ...] = ()
    derived: tuple[str, ...] = ()  # endings of what is made anew: it may be missing in a file
    square: tuple[str, ...] = ()  # endings of tables that are square on disk and flat in code
    unused: tuple[str, ...] = ()  # prefixes of what a file may hold for nothing
    anew: tuple[str, ...] = ()  # prefixes of what may be missing in weights to start training from
    wrapper: str = "state_dict"  # the key of a file under which the weights are; "": they are it

    def to_code(self, key: str) -> str:
        return self._to_code(key)

    def to_disk(self, key: str) -> str:
        return self._to_disk(key)

    def within(self, prefix: str) -> "KeyNames":
        """Those of a part in the file of a whole network, where its keys begin with ``prefix``.

        What may be missing in the part's own file may not be missing there.
        """
        renames = tuple((prefix + disk, prefix + code) for disk, code in self.renames)
        return KeyNames(renames, self.derived, self.square)

    def joined(self, other: "KeyNames") -> "KeyNames":
        """With the names of a part besides."""
        return replace(
            self,
            renames=self.renames + other.renames,
            derived=self.derived + other.derived,
            square=self.square + other.square,
        )

    @cached_property
    def _to_code(self) -> Callable[[str], str]:
        return _renamer(self.renames)

    @cached_property
    def _to_disk(self) -> Callable[[str], str]:
        return _renamer((code, disk) for disk, code in self.renames)


def _renamer(rows: Iterable[tuple[str, str]]) -> Callable[[str], str]:
    table = [
        (re.compile(re.escape(old).replace(r"\{\}", r"(\d+)")), new.replace("{}", r"\1"))
        for old, new in rows
    ]

    def rename(key: str) -> str:
        for pattern, new in table:
            match = pattern.match(key)
            if match:
                return match.expand(new) + key[match.end() :]
        return key

    return rename
