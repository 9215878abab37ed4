"""The command behind ``tools/download.py``."""

import argparse
from pathlib import Path

from mavos.utils.errors import OutputError, UserError
from mavos.utils.logging import setup_logging
from mavos.utils.paths import PRETRAINED
from mavos.zoo.entries import GROUPS, ZOO, Entry, select
from mavos.zoo.fetch import NotFetched
from mavos.zoo.store import leftovers, obtain, size_text


def main(argv: list[str]) -> int:
    args = _parser().parse_args(argv)
    setup_logging()
    entries = select(args.names or (["all"] if args.list else []))
    if args.list:
        print(_table(entries, args.output))
        return 0
    if not entries:
        raise UserError("name what to download; --list shows all names")
    failed = _obtain_all(entries, args.output, args.overwrite)
    if failed:
        raise UserError(_report(failed, args.output, len(entries)))
    return 0


def _obtain_all(entries: list[Entry], folder: Path, overwrite: bool) -> dict[Entry, UserError]:
    """Print a line of sha256sum for each file that is there in the end; return what failed.

    Raises OutputError if the folder cannot be written.
    """
    failed, lost_hosts = {}, {}
    for entry in entries:
        try:
            if entry.host in lost_hosts and (overwrite or not (folder / entry.file).is_file()):
                raise lost_hosts[entry.host]
            digest = obtain(entry, folder, overwrite)
            print(f"{digest}  {folder / entry.file}", flush=True)
        except OutputError:
            raise
        except UserError as error:
            failed[entry] = error
            if isinstance(error, NotFetched) and error.is_host:
                lost_hosts[entry.host] = error
    return failed


def _report(failed: dict[Entry, UserError], folder: Path, asked: int) -> str:
    """What failed and what to do, each problem once."""
    absent: dict[tuple[str, str], list[Entry]] = {}
    for entry, error in failed.items():
        if isinstance(error, NotFetched):
            absent.setdefault((error.problem, error.remedy), []).append(entry)
    lines = [str(error) for error in failed.values() if not isinstance(error, NotFetched)]
    for (problem, remedy), entries in absent.items():
        lines.append(f"{problem}; {remedy}. Or open in a browser and save as")
        lines += [
            f"  {entry.link} -> {folder / entry.file}{_kept(entry, folder)}" for entry in entries
        ]
    if absent:
        lines.append("The same command checks files that you saved yourself.")
    there = asked - len(failed)
    if there or any(leftovers(entry, folder) for entry in failed):
        lines.append(f"{there} of {asked} are whole and checked in {folder}.")
    else:
        lines.append("Nothing was downloaded.")
    return "\n".join(lines)


def _kept(entry: Entry, folder: Path) -> str:
    size = _size(leftovers(entry, folder))
    return f" ({size_text(size)} of it are kept)" if size else ""


def _table(entries: list[Entry], folder: Path) -> str:
    """Name, state on disk, use and link of each entry."""
    rows = [("name", "here", "for", "link")]
    rows += [(entry.name, _state(entry, folder), entry.use, entry.link) for entry in entries]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = ["  ".join([*map(str.ljust, row, widths), row[-1]]) for row in rows]
    return "\n".join([*lines, f"Each is {folder}/<name>.pth."])


def _state(entry: Entry, folder: Path) -> str:
    path = folder / entry.file
    if path.is_file():
        return size_text(path.stat().st_size)
    part = _size(leftovers(entry, folder))
    return f"{size_text(part)} of it" if part else "no"


def _size(paths: list[Path]) -> int:
    return sum(path.stat().st_size for path in paths)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mavos download",
        description="Download published weights, check that they load, and print their SHA-256 as "
        "sha256sum does. Files that are there are checked only; interrupted downloads resume.",
        epilog="docs/model_zoo.md says what each file is for.",
    )
    add = parser.add_argument
    add(
        "names",
        nargs="*",
        metavar="NAME",
        help="of a file, a model (r50_mavos: its networks), "
        f"a group ({', '.join(GROUPS)}, all), or a pattern ('*_lvos'; 'mavos_*' are those of the "
        "model mavos, as mavos is the group)",
    )
    add("--list", action="store_true", help=f"only show them (of {len(ZOO)}) and what is here")
    add("--output", type=Path, default=PRETRAINED, help="folder (default: pretrain_models)")
    add("--overwrite", action="store_true", help="download again what is there, from the beginning")
    return parser
