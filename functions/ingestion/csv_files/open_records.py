"""Reads on from lines at whose start a record is open."""

from ingestion.csv_files.records import (
    State,
    quoted_end,
    take_fields,
    unquoted_end,
    without_line_end,
)
from ingestion.csv_files.syntax import Syntax


class OpenRecords:
    """Finds where the records of one text end that are open at the start of a line.

    A result is the same for all records that are open there in the same state, so each line is read
    only once per state. The text is read up to `stop`.
    """

    def __init__(self, text: bytes, stop: int, syntax: Syntax) -> None:
        self._text = text
        self._stop = stop
        self._syntax = syntax
        # Results of `rest`, by the starts of lines.
        self._within_quotes: dict[int, tuple[int, int]] = {}
        self._escaped: dict[int, tuple[int, int]] = {}

    def rest(self, start: int, state: State) -> tuple[int, int]:
        """How many more fields a record has that is open at the start of a line, and where it ends.

        Its state is OPEN (within quotes) or ESCAPED. The end is 0 if the text ends first, and -1 if
        text follows a closing quote.
        """
        text, stop, quote = self._text, self._stop, self._syntax.opening
        lines = []
        at = start
        fields = end = 0
        while at < stop:
            known = self._within_quotes if state is State.OPEN else self._escaped
            if state is State.OPEN:
                position = text.find(quote, at, stop)
                if position < 0:
                    break
                at = text.rfind(b"\n", at, position) + 1 or at  # the lines before have no quotes
            if at in known:
                fields, end = known[at]
                break
            line_end = text.find(b"\n", at, stop) + 1 or stop
            state, closed = self._take_line(at, line_end, state)
            lines.append((known, at, closed))
            at = line_end
            if state is State.CLOSED:
                end = line_end
                break
            if state is State.MALFORMED:
                end = -1
                break
        for known, line, closed in reversed(lines):
            fields += closed
            known[line] = fields, end
        return fields, end

    def _take_line(self, start: int, end: int, state: State) -> tuple[State, int]:
        """Reads a line at whose start a record is open: how far the record could be read, and how
        many fields end on the line."""
        syntax = self._syntax
        line = without_line_end(self._text[start:end])
        if state is State.OPEN:
            field_end = quoted_end(line, 0, len(line), syntax)
            if field_end < 0:
                return State.OPEN, 0
        else:
            field_end = unquoted_end(line, 0, len(line), syntax)
        if field_end == len(line):
            return State.CLOSED, 1
        if not line.startswith(syntax.delimiter, field_end):
            return (State.MALFORMED, 1) if state is State.OPEN else (State.ESCAPED, 0)
        at = field_end + len(syntax.delimiter)
        taken = take_fields(line, at, len(line), syntax, len(line) + 1, complete=True)
        return taken.state, 1 + len(taken.fields)
