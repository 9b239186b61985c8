"""Finds rows with equal keys: the last row of each key is written, earlier ones are left out.

"Last" means last in the file's order. Unless the source says otherwise, the earlier rows are
superseded; `totals` is for sources that add them up instead. Digests (`key_digests`) show which
rows may have equal keys. Only those rows are read here, and their actual keys are compared.
"""

from array import array
from collections.abc import Callable, Container, Iterable, Iterator, Set
from typing import NamedTuple

from ingestion.contracts import RefusedRow
from ingestion.csv_files.fast_rows import Page, PageReader
from ingestion.csv_files.item_json import EncodedKey
from ingestion.csv_files.key_digests import Digest
from ingestion.csv_files.records import without_line_end
from ingestion.csv_files.refused_rows import refused_row
from ingestion.csv_files.sections import Section

MAX_KEYS_AT_A_TIME = 750_000
"""Repeated keys to search for in one pass over a chunk: some 300 bytes of memory each."""

MAX_TEXT_BYTES = 16 * 1024 * 1024
"""Texts of rows with repeated keys that are kept in memory instead of reading them again."""

_BYTES_PER_SECOND = 10e6
"""Half the speed at which a function with one vCPU reads ordinary rows."""


def finding_seconds(repeated: int, size: int) -> float:
    """The most seconds `superseded_rows` takes for `repeated` digests in `size` bytes."""
    readings = -(-repeated // MAX_KEYS_AT_A_TIME) + 1
    return 2 + readings * size / _BYTES_PER_SECOND


class WhyLeftOut(NamedTuple):
    """Why a row is left out of the table if a later row has the same key."""

    reason: str
    column: str


SUPERSEDED = WhyLeftOut("superseded", "")


class KeyedRow(NamedTuple):
    """An accepted row. `line` is counted from the start of the text that was read."""

    line: int
    raw: bytes
    key: EncodedKey
    digest: int
    request: bytes
    """The request that puts its item. Empty if only keys were asked for."""

    def left_out(self, why: WhyLeftOut) -> RefusedRow:
        return refused_row(self.line, why.column, why.reason, self.raw)


def rows_with(
    wanted: Set[int],
    sections: Iterable[Section],
    reader: PageReader,
    digest: Digest,
    *,
    keys_only: bool = False,
) -> Iterator[KeyedRow]:
    """The accepted rows whose key has one of the digests in `wanted`, in the file's order.

    `sections` are a chunk's sections, from its start. If `keys_only`, requests may be empty.
    """
    lines = 0
    for section in sections:
        page = reader.read_keys(section, lines) if keys_only else reader.read(section, lines)
        digests = digest(page.keys)
        if not wanted.isdisjoint(digests):
            places = _places(page, reader)
            for one, key, request, (line, raw) in zip(
                digests, page.keys, page.requests, places, strict=True
            ):
                if one in wanted:
                    yield KeyedRow(lines + line, raw, key, one, request)
        lines += page.lines


def _places(page: Page, reader: PageReader) -> Iterator[tuple[int, bytes]]:
    """The line and the text of each accepted row of a page."""
    if len(page.keys) == page.lines:  # each line is a row
        for line, raw in enumerate(page.section.text.removesuffix(b"\n").split(b"\n"), 1):
            yield line, without_line_end(raw)
    else:
        for record, _ in reader.accepted(page):
            yield record.line, record.raw


def superseded_rows(
    repeated: "array[int]",
    sections: Callable[[], Iterable[Section]],
    reader: PageReader,
    digest: Digest,
    refused_lines: Container[int] = (),
    why: WhyLeftOut = SUPERSEDED,
) -> Iterator[RefusedRow]:
    """The rows of a chunk whose key a later row of the chunk has, in the order of their lines.

    `repeated` are the digests that occur more than once in the chunk. `sections` returns the
    chunk's sections from its start. The chunk is read once per MAX_KEYS_AT_A_TIME digests, and once
    more to list the rows if their texts are longer than MAX_TEXT_BYTES. The table has refused the
    rows at `refused_lines`, so they supersede nothing. Memory: those keys and texts, and one bit
    per line.
    """
    lines = _Lines()
    texts: dict[int, bytes] | None = {}  # by lines
    size = 0
    for first in range(0, len(repeated), MAX_KEYS_AT_A_TIME):
        wanted = frozenset(repeated[first : first + MAX_KEYS_AT_A_TIME])
        last: dict[bytes, int] = {}  # the line of each key's last row
        for row in rows_with(wanted, sections(), reader, digest, keys_only=True):
            if row.line in refused_lines:
                continue
            if texts is not None:
                texts[row.line] = row.raw
                size += len(row.raw)
                if size > MAX_TEXT_BYTES:
                    texts = None
            key = b"\0".join(row.key)  # takes less memory; no value of a key has a NUL
            if key in last:
                lines.add(last[key])
            last[key] = row.line
    if texts is not None:
        for line in sorted(texts):
            if line in lines:
                yield refused_row(line, why.column, why.reason, texts[line])
        return
    lines_before = 0
    for section in sections():
        page = reader.read_keys(section, lines_before)
        for line, raw in _places(page, reader):
            if lines_before + line in lines:
                yield refused_row(lines_before + line, why.column, why.reason, raw)
        lines_before += page.lines


class _Lines:
    """A set of line numbers: one bit per line."""

    def __init__(self) -> None:
        self._bits = bytearray()

    def add(self, line: int) -> None:
        missing = (line >> 3) + 1 - len(self._bits)
        if missing > 0:
            self._bits.extend(bytes(missing))
        self._bits[line >> 3] |= 1 << (line & 7)

    def __contains__(self, line: int) -> bool:
        return line >> 3 < len(self._bits) and self._bits[line >> 3] >> (line & 7) & 1 == 1
