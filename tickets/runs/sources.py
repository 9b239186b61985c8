"""The declared sources, as the functions would read them."""

from pathlib import Path

from ingestion.sources.catalogue import Sources, read_sources
from ingestion.sources.declaration import DeclarationError
from ingestion.tasks.deployed_sources import value_problems
from tickets import ROOT
from tickets.errors import CommandError


def find_sources(folder: Path | None = None) -> Sources:
    """Reads the declarations in a folder, by default in this project's.

    Raises CommandError with a line for each problem.
    """
    if folder is None:
        folder = ROOT / "functions" / "sources"
        if not folder.is_dir():
            raise CommandError(
                "There are no declarations here: run the command in a checkout of the project, or "
                "name their folder with --sources."
            )
    if not folder.is_dir():
        raise CommandError(f"{folder} is not a folder.")
    try:
        return read_sources(folder, value_problems)
    except DeclarationError as error:
        problems = "\n".join(f"  {problem}" for problem in error.problems)
        raise CommandError(f"The declarations can't be used:\n{problems}") from None
