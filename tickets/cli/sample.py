"""`tickets sample`: writes a made-up ticket file."""

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from tickets.cli.console import console
from tickets.cli.text import size
from tickets.sample import write_sample

SAMPLE_ROWS = 20_000
SAMPLE_SEED = 1


def sample(
    file: Annotated[Path, typer.Argument(help="The CSV file to write.")],
    rows: Annotated[int, typer.Option("--rows", min=0, help="Number of rows.")] = SAMPLE_ROWS,
    seed: Annotated[
        int, typer.Option("--seed", help="The same seed gives the same file, byte for byte.")
    ] = SAMPLE_SEED,
) -> None:
    """Write a realistic ticket file that contains a few bad rows."""
    made = write_sample(file, rows, seed)
    console().print(
        Text(
            f"{file}: {made.rows:,} rows ({size(made.size)}); {made.bad_rows:,} of them are bad "
            f"and {made.repeated_rows:,} repeat a key."
        ),
        soft_wrap=True,
    )
