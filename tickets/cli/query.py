"""`tickets query`: prints rows of the table."""

import json
from typing import Annotated

import typer
from rich.text import Text

from tickets.cli.console import console, print_error, print_json
from tickets.cli.options import AsJson, EndpointUrl, Profile, Region, StackName
from tickets.errors import CommandError
from tickets.runs import connect
from tickets.runs.query import (
    AccessPath,
    Row,
    Search,
    find_access_path,
    parse_moment,
    read_rows,
)


def query(
    ticket: Annotated[str | None, typer.Option(help="Rows of this ticket.")] = None,
    product: Annotated[str | None, typer.Option(help="Rows of this product.")] = None,
    basket: Annotated[str | None, typer.Option(help="Rows of this basket.")] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            help="Only rows from this time on, like 2026-11-01 or 2026-11-01T18:00+01:00. Times "
            "without an offset are UTC, here and in the rows.",
        ),
    ] = None,
    until: Annotated[
        str | None, typer.Option(metavar="TIME", help="Only rows before this time.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Print at most this many rows. Default: all.")
    ] = None,
    scan: Annotated[
        bool,
        typer.Option("--scan", help="Read the whole table if it has no index that finds the rows."),
    ] = False,
    as_json: AsJson = False,
    stack_name: StackName = None,
    endpoint_url: EndpointUrl = None,
    region: Region = None,
    profile: Profile = None,
) -> None:
    """Print the rows of a ticket, a product or a basket, one per line.

    Uses the table's key or one of its indexes.
    """
    wanted = {"ticket_id": ticket, "product": product, "basket_id": basket}
    given = [(column, value) for column, value in wanted.items() if value is not None]
    if len(given) != 1 or not given[0][1]:
        raise CommandError("Name one ticket, product or basket: --ticket, --product or --basket.")
    [(column, value)] = given
    search = Search(
        column,
        value,
        None if since is None else parse_moment("--since", since),
        None if until is None else parse_moment("--until", until),
    )
    stack = connect.find_stack(stack_name, endpoint_url, region, profile)
    path = find_access_path(stack, column, scan)
    count, out = 0, console()
    for row in read_rows(stack, path, search, limit):
        count += 1
        if as_json:
            print_json(row)
        else:
            out.print(Text(_line(row)), soft_wrap=True)
    if not as_json:
        print_error(_summary(path, count, limit))


def _line(row: Row) -> str:
    """`ticket_id=T1  product="Soap bar"  quantity=2`: the values as JSON, words without quotes."""
    return "  ".join(f"{name}={_shown(value)}" for name, value in row.items())


def _shown(value: object) -> str:
    is_word = isinstance(value, str) and value.isprintable() and not set(value) & set(" \"'\\=")
    return str(value) if is_word and value else json.dumps(value, ensure_ascii=False)


def _summary(path: AccessPath, count: int, limit: int | None) -> str:
    how = {
        "key": "by its key",
        "index": f"by its index {path.index}",
        "scan": "by reading all of it",
    }[path.kind]
    more = "; --limit may have left out others" if count == limit else ""
    rows = "1 row" if count == 1 else f"{count:,} rows"
    return f"{rows} of table {path.table}, found {how}{more}."
