"""`tickets sample`: writes a made-up ticket file."""

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from tickets.cli.console import console
from tickets.cli.output_file import Force, is_standard_output, output_file
from tickets.cli.text import size
from tickets.sample import write_sample_to

SAMPLE_ROWS = 20_000
SAMPLE_SEED = 1


def sample(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="The CSV file to write; - is standard output."),
    ],
    rows: Annotated[int, typer.Option("--rows", min=0, help="Number of rows.")] = SAMPLE_ROWS,
    seed: Annotated[
        int, typer.Option("--seed", help="The same seed gives the same file, byte for byte.")
    ] = SAMPLE_SEED,
    force: Force = False,
) -> None:
    """Write a realistic ticket file that contains a few bad rows."""
    with output_file(file, force) as output:
        made = write_sample_to(output, file, rows, seed)
    # Standard output is the file itself.
    console(stderr=is_standard_output(file)).print(
        Text(
            f"{file}: {made.rows:,} rows ({size(made.size)}); {made.bad_rows:,} of them are bad "
            f"and {made.repeated_rows:,} repeat a key."
        ),
        soft_wrap=True,
    )
