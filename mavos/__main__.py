"""The command ``mavos``: ``mavos eval --dataset lvos``, ``mavos demo --help``, ...; also
``python -m mavos``."""

import sys

from mavos.run.commands import COMMANDS
from mavos.run.entry import USER_ERROR, run
from mavos.utils.errors import unknown_name


def main() -> None:
    name, argv = (sys.argv[1:2] or [""])[0], sys.argv[2:]
    if name in COMMANDS:
        run(name, argv)
    if name in ("-h", "--help"):
        print(_usage())
        return
    problem = unknown_name("command", name, COMMANDS) if name else "no command given"
    print(f"{_usage()}\n\nerror: {problem}", file=sys.stderr)
    sys.exit(USER_ERROR)


def _usage() -> str:
    listed = "\n".join(f"  {name:15} {command.summary}" for name, command in COMMANDS.items())
    return f"usage: mavos COMMAND [options]; mavos COMMAND --help lists them\n\n{listed}"


if __name__ == "__main__":
    main()
