"""Files that a command writes: `--output FILE`, and the FILE of `tickets sample`."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, BinaryIO

import typer

from tickets.errors import CommandError

STANDARD_OUTPUT = Path("-")

Force = Annotated[bool, typer.Option("--force", help="Overwrite the file if it exists.")]


def is_standard_output(path: Path | None) -> bool:
    return path == STANDARD_OUTPUT


def refuse_existing(path: Path, force: bool) -> None:
    """Raises CommandError if the file exists, unless it may be overwritten. Devices and pipes such
    as /dev/null may always be written to."""
    if path.is_file() and not force:
        raise CommandError(
            f"{path} exists already: pass --force to overwrite it, or name another file."
        )


@contextmanager
def output_file(path: Path, force: bool) -> Iterator[BinaryIO]:
    """Opens a file to write to; `-` is standard output.

    A file that exists is overwritten only if `force` is set. A new file that could not be completed
    is removed. Raises CommandError or OSError.
    """
    if is_standard_output(path):
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    refuse_existing(path, force)
    is_new = not path.exists()
    with path.open("xb" if is_new else "wb") as file:
        try:
            yield file
        except BaseException:
            if is_new:
                with suppress(OSError):
                    path.unlink()
            raise
