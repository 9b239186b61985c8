"""Drafts the declaration of a source from a sample of a file."""

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tickets.draft.attributes import (
    TEXT_ATTRIBUTES,
    attributes_of,
    is_code,
    is_date,
    other_attribute,
)
from tickets.draft.columns import ColumnGuess, guess_column
from tickets.draft.division import NULL_SEQUENCE, Division, Row, divide, division_guesses, header_of
from tickets.draft.guesses import Guess
from tickets.draft.sample import Sample

KEY = ("ticket_id", "product")
"""The key of the table that the stack creates."""

_MAX_LINE = 100


class Draft(NamedTuple):
    declaration: dict[str, Any]
    """As JSON has it."""
    guesses: list[Guess]


class _Column(NamedTuple):
    title: str
    found: ColumnGuess
    attribute: str | None


def draft_source(sample: Sample, name: str, match: str) -> Draft:
    """Drafts the declaration of a source with this name, for keys that match a pattern."""
    division = divide(sample.text)
    header, below = header_of(division)
    regular = [row.values for row in below if division.is_regular(row)]
    rows = [row for row in regular if not _is_sparse(row)]
    titles = _titles(header, division.width)
    columns = _columns(titles, rows, division.delimiter)
    values, questions = _values(columns)
    guesses = [
        sample.encoding,
        *division_guesses(division, header, below),
        *(column.found.guess for column in columns),
        *questions,
    ]
    if len(rows) < len(regular):
        note = (
            "The other rows have less than half of their fields, like totals. They are refused if "
            "a required field or the key is missing."
        )
        guesses.append(Guess("rows", "", len(rows), len(regular), note))
    repeated = _repeated_keys(columns, rows)
    if repeated:
        note = (
            f"{repeated:,} rows have the key of an earlier row. Only the last of such rows stays "
            'in the table, unless equalKeys is "sum".'
        )
        guesses.append(
            Guess("primaryKey", ", ".join(KEY), len(rows) - repeated, len(rows), note, True)
        )
    guesses.append(
        Guess("match", match, 0, 0, "Which keys will such files have in S3?", is_question=True)
    )
    declaration: dict[str, Any] = {
        "$schema": "source-1.schema.json",
        "name": name,
        "description": _description(guesses),
        "match": [match],
        "encoding": sample.encoding.value,
        "dialect": _dialect(division, header, below),
        "schema": {
            "primaryKey": _primary_key(columns),
            "fields": [_field(column) for column in columns],
        },
    }
    if values:
        declaration["dynamodb"] = {"values": values}
    return Draft(declaration, guesses)


def declaration_text(value: Any, indent: str = "") -> str:
    """A declaration as JSON, in which what fits on a line of 100 characters is on one line."""
    line = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(line) < _MAX_LINE or not isinstance(value, dict | list) or not value:
        return line
    deeper = indent + "  "
    if isinstance(value, dict):
        parts = [
            f"{json.dumps(name, ensure_ascii=False)}: {declaration_text(one, deeper)}"
            for name, one in value.items()
        ]
        brackets = "{}"
    else:
        parts, brackets = [declaration_text(one, deeper) for one in value], "[]"
    inner = f",\n{deeper}".join(parts)
    return f"{brackets[0]}\n{deeper}{inner}\n{indent}{brackets[1]}"


def source_name(path: Path) -> str:
    """A name for the source of such files: the file's name, without digits at its end."""
    stem = re.sub(r"(\.csv|\.txt|\.tsv|\.psv)?(\.gz)?$", "", path.name.lower())
    name = re.sub(r"[^a-z0-9]+", "-", stem)
    return re.sub(r"(-?\d+)+$", "", name).strip("-") or "source"


def match_pattern(path: Path) -> str:
    """A pattern of S3 keys for such files, in any folder: each number of the name may be another
    one."""
    stem = re.sub(r"\.gz$", "", path.name, flags=re.IGNORECASE)
    if not stem.lower().endswith(".csv"):
        stem += ".csv"  # as `tickets ingest` names it
    return "**/" + re.sub(r"\d+([-_.]\d+)*", "*", stem)


def _is_sparse(row: Sequence[str]) -> bool:
    return 2 * sum(map(bool, row)) < len(row)


def _titles(header: Row | None, width: int) -> list[str]:
    if header is None:
        return [f"column_{number}" for number in range(1, width + 1)]
    given = [*header.values, *[""] * width][:width]
    titles: list[str] = []
    for number, title in enumerate((one.strip() for one in given), 1):
        is_new = title and title not in titles
        titles.append(title if is_new else f"{title or 'column'}_{number}")
    return titles


def _columns(titles: Sequence[str], rows: Sequence[list[str]], delimiter: str) -> list[_Column]:
    attributes = attributes_of(titles)
    counts = [Counter(row[at] for row in rows) for at in range(len(titles))]
    comma = delimiter == ";"  # separates fields where a comma separates decimals
    first = [_guess(titles, attributes, counts, at, comma) for at in range(len(titles))]
    decided = Counter(
        column.properties.get("decimalChar", ".")
        for column in first
        if column.type == "number" and not column.guess.is_question
    )
    if decided:
        comma = decided[","] > decided["."]
    found = []
    names = set(attributes.values())
    for at, title in enumerate(titles):
        guess = _guess(titles, attributes, counts, at, comma)
        attribute = attributes.get(at)
        if attribute == "timestamp" and guess.type == "time":
            attribute = None
        if attribute == "quantity" and guess.type not in ("integer", "number"):
            attribute = None
        if attribute is None:
            attribute = other_attribute(title) or f"column_{at + 1}"
            if attribute in names:
                attribute = f"{attribute}_{at + 1}"
        names.add(attribute)
        found.append(_Column(title, guess, attribute))
    return _with_joined_time(_with_timestamp(found))


def _guess(
    titles: Sequence[str],
    attributes: dict[int, str],
    counts: Sequence[Counter[str]],
    at: int,
    comma: bool,
) -> ColumnGuess:
    title = titles[at]
    is_text = attributes.get(at) in TEXT_ATTRIBUTES or (at not in attributes and is_code(title))
    return guess_column(
        title, counts[at], is_text=is_text, is_date=is_date(title), prefers_comma=comma
    )


def _with_timestamp(columns: Sequence[_Column]) -> list[_Column]:
    """The columns. The only one with dates is the timestamp, whatever its title."""
    moments = [column for column in columns if column.found.type == "datetime"]
    if not moments and all(column.found.type != "time" for column in columns):
        moments = [column for column in columns if column.found.type == "date"]
    if len(moments) == 1 and all(column.attribute != "timestamp" for column in columns):
        return [
            column._replace(attribute="timestamp") if column is moments[0] else column
            for column in columns
        ]
    return list(columns)


def _with_joined_time(columns: Sequence[_Column]) -> list[_Column]:
    """The columns. If there is one date and one time of day, neither has an attribute of its own,
    and `timestamp` is made of both."""
    joined = _date_and_time(columns)
    return [
        column._replace(attribute=None) if column.title in joined else column for column in columns
    ]


def _date_and_time(columns: Sequence[_Column]) -> tuple[str, ...]:
    """The titles of the columns that `timestamp` is made of: a date and a time, or none."""
    dates = [column for column in columns if column.found.type == "date"]
    times = [column for column in columns if column.found.type == "time"]
    has_both = any(column.found.type == "datetime" for column in columns)
    if has_both or len(dates) != 1 or len(times) != 1:
        return ()
    return dates[0].title, times[0].title


def _values(columns: Sequence[_Column]) -> tuple[dict[str, Any], list[Guess]]:
    """The attributes to make of several columns or of none, and the questions about them."""
    titles = {column.attribute: column.title for column in columns}
    values: dict[str, Any] = {}
    questions = []
    if "ticket_id" not in titles and "basket_id" in titles:
        titles["ticket_id"] = titles["basket_id"]
        values["ticket_id"] = _reference(titles["basket_id"])
        note = "No column was recognised. Is the basket the ticket?"
        questions.append(Guess("ticket_id", values["ticket_id"], 0, 0, note, is_question=True))
    for attribute, template in (
        ("ticket_id", "{key}" if "product" not in titles else "{key}#{line}"),
        ("product", "{line}"),
    ):
        if attribute not in titles:
            values[attribute] = template
            note = "No column was recognised, so every row is an item of its own. Is there one?"
            questions.append(Guess(attribute, template, 0, 0, note, is_question=True))
    joined = _date_and_time(columns)
    if joined:
        values["timestamp"] = "T".join(map(_reference, joined))
        questions.append(Guess("timestamp", values["timestamp"], 0, 0, "made of two columns"))
    elif any(one.attribute == "timestamp" and one.found.type == "string" for one in columns):
        note = "Its values have no known date format. Which format do the dates have?"
        questions.append(Guess("timestamp", "text", 0, 0, note, is_question=True))
    elif "timestamp" not in titles:
        note = "No column was recognised. Which one has the time of the sale?"
        questions.append(Guess("timestamp", "none", 0, 0, note, is_question=True))
    if "basket_id" not in titles and "ticket_id" in titles:
        values["basket_id"] = _reference(titles["ticket_id"])
        note = "No column was recognised. Is the ticket the basket?"
        questions.append(Guess("basket_id", values["basket_id"], 0, 0, note, is_question=True))
    if "quantity" not in titles:
        note = "No column was recognised. Which one is it?"
        questions.append(Guess("quantity", "none", 0, 0, note, is_question=True))
    return values, questions


def _reference(title: str) -> str:
    return f"{{{title}}}"


def _primary_key(columns: Sequence[_Column]) -> list[str]:
    """The fields of the key's attributes; an attribute itself if it is made of values."""
    titles = {column.attribute: column.title for column in columns}
    return [titles.get(attribute, attribute) for attribute in KEY]


def _repeated_keys(columns: Sequence[_Column], rows: Sequence[list[str]]) -> int:
    places = {column.attribute: at for at, column in enumerate(columns)}
    if not all(attribute in places for attribute in KEY):
        return 0
    keys = {tuple(row[places[attribute]] for attribute in KEY) for row in rows}
    return len(rows) - len(keys)


def _dialect(division: Division, header: Row | None, below: Sequence[Row]) -> dict[str, Any]:
    dialect: dict[str, Any] = {"delimiter": division.delimiter}
    if division.quote_char != '"':
        dialect["quoteChar"] = division.quote_char or ""
    if division.escape_char:
        dialect["escapeChar"] = division.escape_char
    if any(NULL_SEQUENCE in row.raw for row in below):
        dialect["nullSequence"] = NULL_SEQUENCE
    if division.comment_char:
        dialect["commentChar"] = division.comment_char
    if header is None:
        dialect["header"] = False
    return dialect


def _field(column: _Column) -> dict[str, Any]:
    found = column.found
    declared: dict[str, Any] = {
        "name": column.title,
        "type": found.type,
        "description": found.guess.sentence("values"),
        **found.properties,
    }
    missing = [value for value in found.missing_values if value != NULL_SEQUENCE]
    if len(missing) > 1:
        declared["missingValues"] = missing
    if column.attribute in ("ticket_id", "product", "timestamp", "quantity") and found.is_full:
        declared["constraints"] = {"required": True}
    dynamodb = dict(found.dynamodb)
    if column.attribute:
        dynamodb = {"attribute": column.attribute, **dynamodb}
    if dynamodb:
        declared["dynamodb"] = dynamodb
    return declared


def _description(guesses: Sequence[Guess]) -> str:
    questions = [f"{guess.about}: {guess.note}" for guess in guesses if guess.is_question]
    text = "Drafted by looking at a file. Check every guess, then delete the descriptions."
    return text + "".join(f" QUESTION: {question}" for question in questions)
