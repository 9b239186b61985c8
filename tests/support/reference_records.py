"""The reference reader: implements the rules for records, stray quotes and blank lines as simply as
possible, without regard to speed.

It follows the text of docs/files.md and uses nothing of the product's code. It reads a file byte by
byte.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import NamedTuple

MARKS = (b"\xef\xbb\xbf", b"\f")
MINUTES = ("", "99", ":99")
"""What may follow the hours of an offset, with a 9 for any digit."""


class Parsed(NamedTuple):
    """The result of reading one or more lines as one record."""

    state: str
    """`closed`, `open` (the text ends within quotes) or `malformed`."""
    fields: list[bytes]
    raw_fields: list[bytes]
    """The fields with their quotes."""


class Found(NamedTuple):
    """One record, or the line that remains of one that is refused."""

    line: int
    """The line at which it begins; the first line of the data is 1."""
    lines: int
    kind: str
    """`row`, `blank`, `header`, `comment`, `end mark`, or the reason for refusing it:
    `fields`, `value`, `not_utf8`, `malformed_quote`, `stray_quote` or
    `record_too_long`."""
    fields: list[bytes]
    doubtful: bool = False


@dataclass
class Reference:
    """Reads files of one layout. `fits` says whether a value fits a column."""

    width: int
    delimiter: bytes
    fits: Callable[[int, bytes], bool]
    header: bytes | None = None
    judges_line_ends: bool = True
    max_record: int = 1024 * 1024
    quote: bytes | None = b'"'
    double_quote: bool = True
    escape: bytes | None = None
    skip_initial_space: bool = False
    comment: bytes | None = None
    _lines: list[bytes] = field(default_factory=list)
    _known: dict[int, Found] = field(default_factory=dict)

    def read(self, data: bytes, *, ends_file: bool = True) -> list[Found]:
        """Reads data without a header; returns its records."""
        data, mark = cut_end_mark(data) if ends_file else (data, b"")
        # If the last row has no line end before the mark, the mark up to the end of that line
        # belongs to the row's line end.
        if mark and data and not data.endswith(b"\n") and b"\n" in mark:
            data += b"\n"
            mark = mark[mark.index(b"\n") + 1 :]
        elif mark and data and not data.endswith(b"\n"):
            mark = b""
        self._lines = data.split(b"\n")
        self._lines = [line + b"\n" for line in self._lines[:-1]] + [
            line for line in self._lines[-1:] if line
        ]
        self._known = {}
        found = []
        at = 0
        while at < len(self._lines):
            one = self._record_at(at)
            found.append(one)
            at += one.lines
        if mark:
            lines = mark.count(b"\n") + (not mark.endswith(b"\n"))
            found.append(Found(at + 1, lines, "end mark", []))
        return found

    def is_plain_row(self, line: bytes) -> bool:
        parsed = self._parse(line)
        quote = self.quote
        quote_as_data = quote is not None and any(
            quote in one for one in parsed.raw_fields if not one.startswith(quote)
        )
        return self._is_valid_row(line) and not quote_as_data

    def _record_at(self, at: int) -> Found:
        if at not in self._known:
            self._known[at] = self._read_record(at)
        return self._known[at]

    def _read_record(self, at: int) -> Found:
        line = self._lines[at]
        if len(line.removesuffix(b"\n")) > self.max_record:
            return Found(at + 1, 1, "record_too_long", [])
        if self._is_comment(line):
            return Found(at + 1, 1, "comment", [])
        parsed = self._parse(line)
        if parsed.state != "open":
            return self._judge(at, 1, parsed)
        end = at + 1
        while parsed.state == "open" and end < len(self._lines):
            end += 1
            text = b"".join(self._lines[at:end])
            if len(text.removesuffix(b"\n")) > self.max_record:
                break
            parsed = self._parse(text)
        else:
            if parsed.state == "closed" and len(self._trimmed(parsed).fields) == self.width:
                whole = self._judge(at, end - at, parsed)
                if whole.kind != "row":
                    if not self._any_row(at + 1, end):
                        return whole
                elif not self.judges_line_ends:
                    return whole._replace(doubtful=True)
                elif self._passes_b(at, end) and self._passes_c(parsed):
                    return whole
                else:
                    return Found(at + 1, 1, "stray_quote", [], doubtful=True)
        return Found(at + 1, 1, "stray_quote", [])

    def _trimmed(self, parsed: Parsed) -> Parsed:
        """Without the empty field after a delimiter at the record's end."""
        if len(parsed.fields) == self.width + 1 and parsed.raw_fields[-1] == b"":
            return parsed._replace(fields=parsed.fields[:-1], raw_fields=parsed.raw_fields[:-1])
        return parsed

    def _any_row(self, at: int, end: int) -> bool:
        while at < end:
            one = self._record_at(at)
            if one.kind == "row":
                return True
            at += one.lines
        return False

    def _passes_b(self, at: int, end: int) -> bool:
        for number in range(at + 1, end):
            line = self._lines[number]
            if not self.may_be_escaped(self._lines[number - 1]):
                if self.is_plain_row(line):
                    return False
                if number < end - 1 and self._is_valid_row(line):
                    return False
        return True

    def may_be_escaped(self, line: bytes) -> bool:
        """Whether an escape character precedes the line's end."""
        return self.escape is not None and strip_line_end(line).endswith(self.escape)

    def _is_comment(self, line: bytes) -> bool:
        return self.comment is not None and strip_marks(line).startswith(self.comment)

    def _split(self, text: bytes) -> list[bytes]:
        values = text.split(self.delimiter)
        return [one.lstrip(b" ") for one in values] if self.skip_initial_space else values

    def _passes_c(self, parsed: Parsed) -> bool:
        w = self.width
        for k, raw in enumerate(parsed.raw_fields):
            if b"\n" not in raw or self.quote is None or not raw.startswith(self.quote):
                continue
            *others, last = raw.removesuffix(self.quote).split(b"\n")
            ends_as_a_row = False
            for line in others:
                ending = strip_line_end(line + b"\n")
                if self.may_be_escaped(line + b"\n"):
                    continue
                # A row may end with a delimiter, which is not part of its last field.
                for row in {ending, ending.removesuffix(self.delimiter)}:
                    values = self._split(row)
                    if len(values) >= w - k:
                        tail = values[len(values) - (w - 1 - k) :]
                        if all(self.fits(k + 1 + at, value) for at, value in enumerate(tail)):
                            ends_as_a_row = True
            values = self._split(strip_marks(last))
            begins_as_a_row = len(values) - 1 >= k and all(
                self.fits(at, value) for at, value in enumerate(values[:k])
            )
            if ends_as_a_row and begins_as_a_row:
                return False
        return True

    def _is_valid_row(self, line: bytes) -> bool:
        if len(line.removesuffix(b"\n")) > self.max_record or self._is_comment(line):
            return False
        parsed = self._parse(line)
        return parsed.state == "closed" and self._judge(0, 1, parsed, line).kind == "row"

    def _judge(self, at: int, lines: int, parsed: Parsed, text: bytes | None = None) -> Found:
        text = b"".join(self._lines[at : at + lines]) if text is None else text

        def found(kind: str) -> Found:
            return Found(at + 1, lines, kind, parsed.fields if kind == "row" else [])

        if parsed.state == "malformed":
            return found("malformed_quote")
        if self.header is not None and strip_marks(strip_line_end(text)) == self.header:
            return found("header")
        if all(value == b"" for value in parsed.fields):
            return found("blank")
        parsed = self._trimmed(parsed)
        if len(parsed.fields) != self.width:
            return found("fields")
        try:
            text.decode()
        except UnicodeDecodeError:
            return found("not_utf8")
        fit = all(self.fits(column, value) for column, value in enumerate(parsed.fields))
        return found("row" if fit else "value")

    def _parse(self, text: bytes) -> Parsed:
        """Reads text as one record, byte by byte."""
        text = strip_marks(text)
        fields: list[bytes] = []
        raw_fields: list[bytes] = []
        value, raw = bytearray(), bytearray()
        state = "start"  # of a field; then plain, quoted, or closed
        quote, escape = self.quote, self.escape
        at = 0
        while at < len(text):
            byte = text[at : at + 1]
            if state == "start" and byte == b" " and self.skip_initial_space:
                at += 1
            elif state != "closed" and escape is not None and text.startswith(escape, at):
                at += len(escape)
                escaped = text[at : at + 1]
                for line_end in (b"\r\n", b"\r\r\n"):
                    if text.startswith(line_end, at):
                        escaped = line_end
                at += len(escaped)
                if at == len(text) and escaped[-1:] in (b"", b"\n"):
                    return Parsed("open", fields, raw_fields)
                value += escaped
                raw += escape + escaped
                state = "quoted" if state == "quoted" else "plain"
            elif state == "quoted" and quote is not None and text.startswith(quote, at):
                twice = self.double_quote and text.startswith(quote + quote, at)
                if twice:
                    value += quote
                else:
                    state = "closed"
                raw += quote * (2 if twice else 1)
                at += len(quote) * (2 if twice else 1)
            elif state == "quoted":
                value += byte
                raw += byte
                at += 1
            elif len(text) - at < 4 and text[at:] in (b"\n", b"\r\n", b"\r\r\n"):
                break
            elif byte == b"\n":
                # A line end outside quotes with more text after it: this is more than one record.
                return Parsed("malformed", fields, raw_fields)
            elif text.startswith(self.delimiter, at):
                fields.append(bytes(value))
                raw_fields.append(bytes(raw))
                value, raw, state = bytearray(), bytearray(), "start"
                at += len(self.delimiter)
            elif state == "closed":
                return Parsed("malformed", fields, raw_fields)
            elif state == "start" and quote is not None and text.startswith(quote, at):
                raw += quote
                state = "quoted"
                at += len(quote)
            else:
                value += byte
                raw += byte
                state = "plain"
                at += 1
        if state == "quoted":
            return Parsed("open", fields, raw_fields)
        return Parsed("closed", [*fields, bytes(value)], [*raw_fields, bytes(raw)])


def cut_end_mark(data: bytes) -> tuple[bytes, bytes]:
    """Splits a file into its content and the end mark: the Ctrl-Zs and NULs at its end, with the
    line ends between and after them."""
    body = data.rstrip(b"\x1a\x00\r\n")
    mark = data[len(body) :].lstrip(b"\r\n")
    return data[: len(data) - len(mark)], mark


def strip_line_end(line: bytes) -> bytes:
    for line_end in (b"\r\r\n", b"\r\n", b"\n"):
        if line.endswith(line_end):
            return line[: -len(line_end)]
    return line


def strip_marks(line: bytes) -> bytes:
    while line.startswith(MARKS):
        line = line.removeprefix(MARKS[0]).removeprefix(MARKS[1])
    return line


def fits_ticket(column: str | None, value: bytes) -> bool:
    """Whether a value fits a column of the built-in contract."""
    if column in ("ticket_id", "product", "basket_id"):
        return value != b""
    if column == "quantity":
        return whole_number(value) is not None
    if column == "timestamp":
        return _is_timestamp(strip_blanks(value))
    return True


def stored_value(column: str, value: bytes) -> str:
    """A good value of a column as it is stored."""
    if column == "quantity":
        return whole_number(value) or ""
    return (strip_blanks(value) if column == "timestamp" else value).decode()


def strip_blanks(value: bytes) -> bytes:
    while value[:1] in (b" ", b"\t") and value:
        value = value[1:]
    while value[-1:] in (b" ", b"\t") and value:
        value = value[:-1]
    return value


def whole_number(value: bytes) -> str | None:
    """The whole number that a value is, without blanks, a plus sign, and a fraction of zeros. None
    if it isn't one, or if its three zeros may belong to a thousand."""
    number = strip_blanks(value)
    sign = number[:1] if number[:1] in (b"+", b"-") else b""
    digits, point, zeros = number[len(sign) :].partition(b".")
    if not 1 <= len(digits) <= 38 or any(byte not in b"0123456789" for byte in digits):
        return None
    if point and (len(zeros) in (0, 3) or zeros.strip(b"0")):
        return None
    return (b"-" if sign == b"-" else b"").decode() + digits.decode()


def _is_timestamp(value: bytes) -> bool:
    """Whether a value is `YYYY-MM-DD`, optionally followed by `T`, `t` or a space, and
    `hh:mm`, then optionally `:ss`, a fraction of seconds, and an offset."""
    shape = "".join("9" if byte in b"0123456789" else chr(byte) for byte in value)
    day, time, rest = shape[:10], shape[10:16], shape[16:]
    if day != "9999-99-99" or time not in ("T99:99", "t99:99", " 99:99", ""):
        return False
    if rest.startswith(":99"):
        if value[17:19] > b"59":
            return False
        rest = rest[3:]
        if rest.startswith("."):
            digits = len(rest) - 1 - len(rest[1:].lstrip("9"))
            if not 1 <= digits <= 9:
                return False
            rest = rest[1 + digits :]
    rest = rest.removeprefix(" ") or rest
    if rest not in ("", "Z", "z", "UTC", *(f"{sign}99{more}" for sign in "+-" for more in MINUTES)):
        return False
    if rest[:1] in ("+", "-"):
        offset = value[len(value) - len(rest) + 1 :].replace(b":", b"")
        if offset[:2] > b"23" or offset[2:] > b"59":
            return False
    if time and (value[11:13] > b"23" or value[14:16] > b"59"):
        return False
    try:
        date(int(value[:4]), int(value[5:7]), int(value[8:10]))
    except ValueError:
        return False
    return True
