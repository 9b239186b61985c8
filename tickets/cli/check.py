"""`tickets check`: checks files before they are uploaded, without a stack."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from shlex import quote
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from ingestion.csv_files.row_warnings import WARNINGS
from ingestion.csv_files.rows import REASONS
from ingestion.csv_files.transcoding import ENCODING_NAMES
from ingestion.sources.catalogue import Sources
from tickets.check.check import STANDARD_INPUT, Checked, check_file
from tickets.check.estimate import NEW_TABLE_UNITS_PER_SECOND
from tickets.cli.console import console, new_table, print_json
from tickets.cli.options import AsJson
from tickets.cli.sources import SourcesFolder
from tickets.cli.text import duration, size
from tickets.errors import FAILED, CommandError
from tickets.runs.sources import find_sources

_NOT_CSV = ("empty_file", "not_csv", "corrupt_gzip", "file_too_large")
"""Reasons that no declaration changes."""
_MAX_EXAMPLES = 3
_MAX_CHARACTERS = 40


def check(
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE", help="CSV files; - is standard input.")
    ],
    source: Annotated[
        str | None,
        typer.Option(
            "--source",
            metavar="NAME",
            help="Name of the source to read the files with. Default: the one whose pattern "
            "matches the path or the name of the file, or else the built-in one.",
        ),
    ] = None,
    folder: SourcesFolder = None,
    writes_per_second: Annotated[
        float,
        typer.Option(
            "--writes-per-second",
            min=1,
            show_default=False,
            help="Writes of up to 1 KB that the table takes per second, for the estimate. Default: "
            f"{NEW_TABLE_UNITS_PER_SECOND:,}, which is what a new on-demand table takes.",
        ),
    ] = NEW_TABLE_UNITS_PER_SECOND,
    as_json: AsJson = False,
) -> None:
    """Check files as the functions would, without a stack and without uploading anything.

    Reads each file with the functions' own code, and says whether its load would succeed, what the
    columns become, which rows are refused and why, and what writing the rows costs. The exit code
    is 1 if a load would fail.
    """
    known = find_sources(folder)
    out = console(quiet=as_json)
    failed = False
    for file in files:
        key = "input.csv" if str(file) == STANDARD_INPUT else file.as_posix()
        applying = sources_for(known, key, source)
        checked = check_file(file, key, applying, writes_per_second)
        failed = failed or not checked.would_succeed
        if as_json:
            print_json(_as_json(str(file), checked))
        else:
            _print(out, str(file), checked)
    if failed:
        raise typer.Exit(FAILED)


def sources_for(known: Sources, key: str, name: str | None) -> Sources:
    """Returns the source of a local file, as one that applies to any key.

    It is the source with this name, or the one whose pattern matches the file's path or else its
    name, or the built-in one.
    """
    if name is not None:
        named = known.named(name)
        if named is None:
            names = ", ".join(one.name for one in (known.built_in, *known.declared))
            raise CommandError(f"There is no source {name}. There are: {names}.")
        return Sources(named, [])
    found = known.source_for(key)
    if found is known.built_in:
        found = known.source_for(key.rpartition("/")[2])
    return Sources(found, [])


def _print(out: Console, name: str, checked: Checked) -> None:
    style = "green" if checked.would_succeed else "red"
    verdict = "would succeed" if checked.would_succeed else "would fail"
    if checked.file is None:
        verdict = "is refused"
    out.print(
        Text.assemble(f"{name}: ", (verdict, style), f", with source {checked.source.name}"),
        soft_wrap=True,
    )
    if checked.would_succeed is False:
        out.print(Text(f"  {checked.verdict}"), soft_wrap=True)
        hopeless = any(one.reason in _NOT_CSV for one in checked.reasons)
        if checked.source.match == () and checked.file is None and not hopeless:
            hint = f"`tickets sources draft {quote(name)}` writes a declaration to begin with."
            out.print(Text(f"  {hint}"), soft_wrap=True)
    if checked.estimate is None:
        return
    _print_form(out, checked)
    _print_mapping(out, checked)
    rows = checked.rows
    out.print(f"\n{rows.read:,} rows read = {_where_they_go(checked)}")
    _print_refused(out, checked)
    for equal in checked.equal_rows:
        out.print(f"  line {equal.line:,} has the same key as line {equal.later_line:,}")
    for kind, (count, line) in checked.rows.warnings.items():
        out.print(
            Text(f"Warning: {WARNINGS[kind]} ({_count(count, 'row')}, the first in line {line:,})")
        )
    made = checked.estimate
    up_to = "up to " if checked.chunks > 1 else ""
    out.print(f"{_count(checked.chunks, 'chunk')} of {up_to}{size(checked.largest_chunk)}")
    out.print(
        f"{_count(made.write_units, 'write unit')}: {duration(made.seconds)} at "
        f"{made.units_per_second:,.0f} per second, {_price(made.dollars)} on demand in us-east-1, "
        "without indexes"
    )


def _print_form(out: Console, checked: Checked) -> None:
    """Prints the file's encoding, delimiter and header line."""
    file = checked.file
    assert file
    delimiter = "tab" if file.delimiter == "\t" else f'"{file.delimiter}"'
    header = "no header"
    if file.header_lines:
        header = f"header in line {file.lines_before_data}"
    packed = "gzip, " if file.compression else ""
    out.print(
        Text(f"  {packed}{ENCODING_NAMES[file.encoding]}, delimiter {delimiter}, {header}"),
        soft_wrap=True,
    )


def _print_mapping(out: Console, checked: Checked) -> None:
    table = new_table("Column", "Attribute", "Type", "First values", wrapped=("First values",))
    for title, attribute, kind in _mapping(checked):
        shown = [_shown(item[attribute]) for item in checked.rows.examples if attribute in item]
        values = " · ".join([value for value in shown if value][:_MAX_EXAMPLES])
        table.add_row(Text(title), Text(attribute), kind, Text(values))
    out.print(table)
    if checked.not_stored:
        out.print(Text("Not stored: " + ", ".join(checked.not_stored)), soft_wrap=True)


def _mapping(checked: Checked) -> list[tuple[str, str, str]]:
    """The attributes as (column, attribute, DynamoDB type)."""
    assert checked.file
    found = []
    for field in checked.source.fields:
        at = checked.file.columns.get(field.name)
        title = field.name
        if at is not None and at < len(checked.titles):
            title = checked.titles[at].strip()
        if field.attribute:
            found.append((title, field.attribute, field.stored_as))
        else:
            found.append((title, "", ""))
    types = checked.source.attribute_types
    return found + [("(values)", name, types[name]) for name in checked.source.values]


def _where_they_go(checked: Checked) -> str:
    """`97 written + 1 superseded + 2 refused`."""
    parts = [f"{checked.written:,} written", f"{checked.superseded:,} superseded"]
    if checked.combined:
        parts.append(f"{checked.combined:,} combined")
    return " + ".join([*parts, f"{checked.rows.refused:,} refused"])


def _print_refused(out: Console, checked: Checked) -> None:
    rows = checked.rows
    if not rows.refused:
        return
    table = new_table("Refused", "Column", "Reason", "First lines", wrapped=("First lines",))
    for (column, reason), count in sorted(rows.reasons.items(), key=lambda one: -one[1]):
        lines = [
            f"{row.line:,}" for row in rows.shown if (row.column, row.reason) == (column, reason)
        ]
        table.add_row(f"{count:,}", Text(column), reason, "  ".join(lines))
    out.print(table)
    for reason in sorted({reason for _, reason in rows.reasons}):
        out.print(Text(f"{reason}: {REASONS[reason]}"), soft_wrap=True)
    if checked.may_have_totals:
        out.print("The refused rows at the end may be totals. Refused rows are not written.")


def _price(dollars: float) -> str:
    return f"${dollars:,.2f}" if dollars >= 0.01 else "less than $0.01"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _shown(value: Mapping[str, Any]) -> str:
    [content] = value.values()
    text = str(content).replace("\n", "\\n")
    return text if len(text) <= _MAX_CHARACTERS else f"{text[:_MAX_CHARACTERS]}…"


def _as_json(name: str, checked: Checked) -> dict[str, Any]:
    rows = checked.rows
    return {
        "file": name,
        "source": checked.source.name,
        "would_succeed": checked.would_succeed,
        "verdict": checked.verdict,
        "reasons": [reason.to_json() for reason in checked.reasons],
        "columns": [
            {"column": title, "attribute": attribute, "type": kind}
            for title, attribute, kind in (_mapping(checked) if checked.file else ())
        ],
        "not_stored": list(checked.not_stored),
        "rows_read": rows.read,
        "rows_written": checked.written,
        "rows_superseded": checked.superseded,
        "rows_combined": checked.combined,
        "rows_refused": rows.refused,
        "refused": [
            {
                "column": column,
                "reason": reason,
                "rows": count,
                "lines": [
                    row.line for row in rows.shown if (row.column, row.reason) == (column, reason)
                ],
            }
            for (column, reason), count in rows.reasons.items()
        ],
        "equal_keys": [equal._asdict() for equal in checked.equal_rows],
        "warnings": {kind: warned._asdict() for kind, warned in rows.warnings.items()},
        "chunks": checked.chunks,
        "largest_chunk": checked.largest_chunk,
        "estimate": dataclasses.asdict(checked.estimate) if checked.estimate else None,
    }
