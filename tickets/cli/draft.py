"""`tickets sources draft`: writes the declaration of a source by looking at a file."""

from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from tickets.cli.console import console, new_table
from tickets.cli.output_file import STANDARD_OUTPUT, Force, output_file, refuse_existing
from tickets.draft.draft import declaration_text, draft_source, match_pattern, source_name
from tickets.draft.guesses import Guess
from tickets.draft.sample import read_sample


def draft(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The file to look at; - is standard input.")
    ],
    name: Annotated[
        str | None,
        typer.Option(
            "--name",
            metavar="NAME",
            help="Name of the source. Default: the file's name, without digits at its end.",
        ),
    ] = None,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            metavar="FILE",
            help="Write the declaration here; - is standard output.",
        ),
    ] = STANDARD_OUTPUT,
    force: Force = False,
) -> None:
    """Write the declaration of a source by looking at the beginning of a file.

    Every guess says how many rows or values fit it. What the file doesn't decide is printed as a
    QUESTION. Correct the declaration, put it into functions/sources, and try it with `tickets
    check`.
    """
    path = Path("source.csv") if str(file) == "-" else file
    refuse_existing(output, force)  # before the work
    made = draft_source(read_sample(file), name or source_name(path), match_pattern(path))
    text = declaration_text(made.declaration) + "\n"
    with output_file(output, force) as written:
        written.write(text.encode())
    _print_guesses(made.guesses)


def _print_guesses(guesses: list[Guess]) -> None:
    """Print the guesses as a table, and the questions below it."""
    table = new_table("Property", "Guess", "Fits", "Note", wrapped=("Guess", "Note"))
    for guess in guesses:
        table.add_row(
            Text(guess.about),
            Text(guess.value),
            Text(f"{guess.share} of {guess.of:,}" if guess.of else "", no_wrap=True),
            Text("" if guess.is_question else guess.note),
        )
    out = console(stderr=True)
    out.print(table)
    for guess in guesses:
        if guess.is_question:
            question = Text.assemble(("QUESTION", "yellow"), f": {guess.about}: {guess.note}")
            out.print(question, soft_wrap=True)
