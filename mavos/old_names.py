"""What happens to an import that was right before everything got one name, ``mavos``."""


def moved(name: str) -> ImportError:
    """The error for a folder of the checkout that is imported by its own name, such as tools."""
    return ImportError(
        f"`{name}` is `mavos.{name}` now, as in `import mavos.{name}` or `python -m "
        "mavos.tools.eval`; public names come from mavos itself, as in `from mavos import "
        "VideoTracker`. docs/CHANGELOG.md lists what moved where",
        name=name,
    )
