"""`tickets sources draft`: writes the declaration of a source by looking at a file."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from tickets.cli.console import new_table
from tickets.draft.draft import declaration_text, draft_source, match_pattern, source_name
from tickets.draft.guesses import Guess
from tickets.draft.sample import read_sample
from tickets.errors import CommandError


def draft(
    file: Annotated[Path, typer.Argument(help="The file to look at; - is standard input.")],
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the source. Default: that of the file.")
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", help="Write the declaration here. Default: standard output."),
    ] = None,
) -> None:
    """Write the declaration of a source by looking at the beginning of a file.

    Every guess says how many rows fit it. Questions are what the file doesn't decide. Correct the
    declaration, put it into functions/sources, and try it with `tickets check`.
    """
    path = Path("source.csv") if str(file) == "-" else file
    if output and output.exists():
        raise CommandError(f"{output} exists already: delete it first, or name another file.")
    made = draft_source(read_sample(file), name or source_name(path), match_pattern(path))
    text = declaration_text(made.declaration) + "\n"
    if output:
        output.write_text(text, encoding="utf-8")
    else:
        print(text, end="")
    _print_guesses(made.guesses)


def _print_guesses(guesses: list[Guess]) -> None:
    table = new_table("", "Guess", "Fits", "")
    for guess in guesses:
        note = f"QUESTION: {guess.note}" if guess.is_question else guess.note
        table.add_row(
            Text(guess.about),
            Text(guess.value),
            f"{guess.share} of {guess.of:,}" if guess.of else "",
            Text(note, style="yellow" if guess.is_question else ""),
        )
    Console(stderr=True, highlight=False).print(table)
