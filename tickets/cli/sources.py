"""`tickets sources`: lists the declared file formats."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from ingestion.csv_files.transcoding import ENCODING_NAMES
from ingestion.sources.catalogue import Sources
from ingestion.sources.model import Source
from tickets.cli.command import Command
from tickets.cli.console import console, new_table, print_json
from tickets.cli.draft import draft
from tickets.cli.options import AsJson
from tickets.runs.sources import find_sources

SourcesFolder = Annotated[
    Path | None,
    typer.Option(
        "--sources",
        metavar="FOLDER",
        help="Folder with the declarations. Default: functions/sources of this project.",
    ),
]

sources_app = typer.Typer(help="List and draft sources, the declarations of file formats.")
sources_app.command("draft", cls=Command)(draft)


@sources_app.callback(invoke_without_command=True)
def sources(
    context: typer.Context,
    key: Annotated[
        str | None,
        typer.Option("--key", metavar="KEY", help="Show only the source of this S3 key."),
    ] = None,
    folder: SourcesFolder = None,
    as_json: AsJson = False,
) -> None:
    """List the sources and the S3 keys that they apply to, and check their declarations.

    A declaration that can't be used is an error, and so are two patterns that tie.
    """
    if context.invoked_subcommand:
        return
    found = find_sources(folder)
    listed = [found.source_for(key)] if key is not None else [*found.declared, found.built_in]
    if as_json:
        for source in listed:
            print_json(_source_json(source))
    else:
        _print_sources(listed, found)


def _print_sources(listed: list[Source], found: Sources) -> None:
    table = new_table(
        "Source", "Applies to", "Encoding", "Attributes", wrapped=("Applies to", "Attributes")
    )
    for source in listed:
        keys = ", ".join(source.match) or ("every other key" if found.declared else "every key")
        attributes = Text(", ".join(source.attribute_types))
        encoding = ENCODING_NAMES[source.encoding]
        table.add_row(Text(source.name), Text(keys), encoding, attributes)
    console().print(table)


def _source_json(source: Source) -> dict[str, Any]:
    return {
        "name": source.name,
        "match": list(source.match),
        "encoding": source.encoding,
        "attributes": dict(source.attribute_types),
        "primary_key": list(source.primary_key),
        "sha256": source.sha256,
    }
