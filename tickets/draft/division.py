"""Guesses how a text is divided into rows and fields: delimiter, quotes, escapes, header."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from tickets.draft.guesses import Guess

DELIMITERS = (",", ";", "\t", "|", "^", "~", "\x1f", "\x01")
MAX_LINES_ABOVE = 20
"""Lines above a header that the loader skips."""

_TRIED_CHARACTERS = 200_000
"""Characters of the text with which delimiters are tried."""
_SEP = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)
_PLAIN = re.compile(r"[\d.,:/+\- €$£%]*")
"""Numbers, dates and times, in which commas and the like don't indicate a wrong delimiter."""
NULL_SEQUENCE = "\\N"


class Row(NamedTuple):
    line: int
    """The line of the file in which it begins."""
    raw: list[str]
    """The fields as they are written."""
    values: list[str]
    """The fields without quotes and escapes."""


@dataclass(frozen=True)
class Division:
    """How a text is divided. `rows` are all of its rows that aren't blank, in order."""

    delimiter: str
    quote_char: str | None
    escape_char: str | None
    rows: Sequence[Row]
    width: int
    """The number of fields that most rows have."""
    has_trailing_delimiter: bool
    """Whether these rows end with a delimiter that adds no field, and `width` doesn't count."""
    comment_char: str | None = None

    def is_regular(self, row: Row) -> bool:
        """Whether a row has the number of fields that most rows have."""
        extra = len(row.values) - self.width
        return extra == 0 or (extra == 1 and not row.raw[-1])


def divide(text: str) -> Division:
    """Divides a text with the delimiter and the quotes that suit it best."""
    sep = _SEP.match(text)
    delimiters = [sep[1]] if sep else DELIMITERS
    tried = text[:_TRIED_CHARACTERS]
    if len(tried) < len(text):
        tried = tried[: tried.rfind("\n") + 1]
    escape = "\\" if re.search(r'(?<!\\)(?:\\\\)*\\["\',;|\t]', tried) else None
    readings = []
    for delimiter in delimiters:
        quote = _quote_char(tried, delimiter, escape)
        readings.append((_quality(tried, delimiter, quote, escape), delimiter, quote))
    _, delimiter, quote = max(readings, key=lambda reading: reading[0])
    rows = [row for row in _rows(text, delimiter, quote, escape) if any(row.values)]
    if sep:
        rows = rows[1:]
    widths = Counter(len(row.values) for row in rows)
    width = max(widths, key=lambda one: (widths[one] * (one > 1), one), default=1)
    usual = [row for row in rows if len(row.values) == width]
    trailing = width > 1 and all(not row.raw[-1] for row in usual)
    division = Division(delimiter, quote, escape, rows, width - trailing, trailing)
    return _without_comments(division)


def header_of(division: Division) -> tuple[Row | None, list[Row]]:
    """The header, or None if there is none, and the rows below it."""
    rows = division.rows
    for at, row in enumerate(rows):
        if row.line > MAX_LINES_ABOVE + 1:
            break
        names = row.values[: division.width]
        filled = sum(bool(name.strip()) for name in names)
        is_wide = division.width - 1 <= len(row.values) <= division.width + 1
        if not is_wide or filled < max(1, division.width - 1):
            continue
        below = [one for one in rows[at + 1 :] if division.is_regular(one)]
        if _is_header(names, below):
            return row, list(rows[at + 1 :])
        return None, list(rows[at:])
    return None, list(rows)


def division_guesses(division: Division, header: Row | None, below: Sequence[Row]) -> list[Guess]:
    """The guesses about the dialect."""
    fitting = sum(map(division.is_regular, below))
    of = len(below)
    names = {"\t": "tab", "\x1f": "unit separator", "\x01": "start of heading"}
    delimiter = names.get(division.delimiter, division.delimiter)
    note = f"{division.width} fields"
    if division.has_trailing_delimiter:
        note += "; each row ends with a delimiter, which adds none"
    found = [Guess("delimiter", delimiter, fitting, of, note)]
    quoted = sum(_is_quoted(row, division.quote_char) for row in below)
    if division.quote_char is None:
        found.append(Guess("quoteChar", "none", of, of, "quotes are data"))
    elif quoted:
        note = f"{quoted:,} rows have quoted fields"
        found.append(Guess("quoteChar", division.quote_char, of, of, note))
    if division.escape_char:
        found.append(Guess("escapeChar", division.escape_char, of, of))
    if division.comment_char:
        found.append(Guess("commentChar", division.comment_char, of, of))
    if header:
        above = f", below {header.line - 1} lines" if header.line > 1 else ""
        found.append(Guess("header", f"line {header.line}", of, of, f"it names the fields{above}"))
    else:
        found.append(
            Guess(
                "header",
                "none",
                of,
                of,
                "The fields have only numbers: name them.",
                is_question=True,
            )
        )
    return found


def _rows(text: str, delimiter: str, quote: str | None, escape: str | None) -> Iterator[Row]:
    """Splits a text into rows. A quote that doesn't open a whole field is data."""
    field = _field_pattern(delimiter, quote, escape)
    at, line, first = 0, 1, 1
    raw: list[str] = []
    values: list[str] = []
    while at < len(text):
        found = field.match(text, at)
        if found is None:  # not possible: the pattern matches any text
            raise AssertionError(at)
        written = found["field"]
        raw.append(written)
        values.append(_value(written, quote, escape))
        line += written.count("\n")
        at = found.end()
        if found["end"] != delimiter or at == len(text):
            if found["end"] == delimiter:
                raw.append("")
                values.append("")
            line += 1
            yield Row(first, raw, values)
            raw, values, first = [], [], line


def _field_pattern(delimiter: str, quote: str | None, escape: str | None) -> re.Pattern[str]:
    stop = re.escape(delimiter)
    end = rf"(?P<end>{stop}|\r{{0,2}}\n|\r{{0,2}}\Z)"
    other = rf"[^{stop}\n{re.escape(escape)}]|{re.escape(escape)}." if escape else rf"[^{stop}\n]"
    field = rf"(?:{other})*?"
    if quote:
        mark = re.escape(quote)
        inner = rf"[^{mark}{re.escape(escape)}]|{re.escape(escape)}." if escape else rf"[^{mark}]"
        field = rf"{mark}(?:{inner}|{mark}{mark})*+{mark}(?=\s*?(?:{stop}|\n|\Z))|{field}"
    return re.compile(rf"(?P<field>{field}){end}", re.DOTALL)


def _value(written: str, quote: str | None, escape: str | None) -> str:
    if quote and len(written) >= 2 and written[0] == quote and written[-1] == quote:
        written = written[1:-1].replace(quote * 2, quote)
    if escape and escape in written and written != NULL_SEQUENCE:
        written = re.sub(re.escape(escape) + "(.)", r"\1", written, flags=re.DOTALL)
    return written


def _quote_char(text: str, delimiter: str, escape: str | None) -> str | None:
    """The character that quotes fields. None if quotes at the start of fields are data."""
    stop = re.escape(delimiter)
    body = r"(?:\\.|[^{0}\\]|{0}{0})*+" if escape else "(?:[^{0}]|{0}{0})*+"
    counts = {}
    for quote in ('"', "'"):
        opened = len(re.findall(rf"(?:^|{stop}){quote}", text, re.MULTILINE))
        pattern = rf"(?:^|(?<={stop})){quote}{body.format(quote)}{quote}(?=\s*?(?:{stop}|$))"
        closed = len(re.findall(pattern, text, re.MULTILINE | re.DOTALL))
        counts[quote] = opened, closed
    opened, closed = counts['"']
    if counts["'"][1] > closed and counts["'"][1] >= counts["'"][0] * 0.9:
        return "'"
    return '"' if closed >= opened * 0.5 else None


def _quality(text: str, delimiter: str, quote: str | None, escape: str | None) -> float:
    """How well a delimiter divides a text, from 0 to 1: equal numbers of fields in most rows, many
    fields, and no other delimiter within them."""
    rows = [row for row in _rows(text, delimiter, quote, escape) if any(row.values)]
    widths = Counter(len(row.values) for row in rows if len(row.values) > 1)
    if not widths:
        return 0
    width, count = max(widths.items(), key=lambda one: (one[1], one[0]))
    others = [one for one in DELIMITERS if one != delimiter]
    fields = unclean = 0
    for row in rows:
        if len(row.values) == width:
            for written in row.raw:
                fields += 1
                if not _PLAIN.fullmatch(written) and any(one in written for one in others):
                    unclean += written[0] != quote
    return count / len(rows) * (width - 1) / width * (1 - unclean / fields / 2)


def _is_header(names: Sequence[str], below: Sequence[Row]) -> bool:
    """Whether these are the names of the columns, judged by what is below them."""
    if len(set(names)) < len(names):
        return False
    votes = 0
    for column, name in enumerate(names):
        values = [row.values[column] for row in below[:500] if row.values[column]]
        shapes = [_has_digit(value) for value in values]
        if values and sum(shapes) >= 0.9 * len(values):
            votes += -1 if _has_digit(name) else 1
        elif name in values:
            votes -= 1
    if votes:
        return votes > 0
    return not any(map(_has_digit, names))


def _has_digit(value: str) -> bool:
    return any(character.isdigit() for character in value)


def _is_quoted(row: Row, quote: str | None) -> bool:
    return any(written.startswith(quote) and len(written) > 1 for written in row.raw if quote)


def _without_comments(division: Division) -> Division:
    """The division, with comments left out if lines between the rows begin with `#`."""
    marked = [row for row in division.rows if row.values[0].startswith("#")]
    first = next((row.line for row in division.rows if division.is_regular(row)), 0)
    below = [row for row in marked if row.line > first]
    if not below or any(division.is_regular(row) for row in below):
        return division
    rows = [row for row in division.rows if row not in marked]
    return replace(division, rows=rows, comment_char="#")
