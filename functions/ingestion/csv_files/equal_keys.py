"""Rows of one chunk with equal keys, found without keeping the rows.

A digest of each key is kept, 8 bytes a row. Only if some occur more than once is the chunk read
again, to compare the keys themselves and to list the rows that are superseded.
"""

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator

from ingestion.csv_files.fast_rows import PageReader
from ingestion.csv_files.item_json import EncodedKey
from ingestion.csv_files.refused_rows import RefusedRow, refused_row
from ingestion.csv_files.sections import Section


class KeyDigests:
    """Python's hashes of keys, 64 bits that mean nothing in another process, in order."""

    def __init__(self) -> None:
        self._digests = array("q")

    def __len__(self) -> int:
        return len(self._digests)

    def add(self, keys: Iterable[EncodedKey]) -> None:
        self._digests.extend(map(hash, keys))

    def keep(self, count: int) -> None:
        """Forget all but the first so many."""
        del self._digests[count:]

    def repeated(self) -> set[int]:
        """The digests that occur more than once: equal keys have them, and hardly any others."""
        # One half of them at a time, to need less memory at once.
        below = _more_than_once([digest for digest in self._digests if digest < 0])
        return below | _more_than_once([digest for digest in self._digests if digest >= 0])


def _more_than_once(digests: list[int]) -> set[int]:
    if len(set(digests)) == len(digests):
        return set()
    return {digest for digest, times in Counter(digests).items() if times > 1}


def superseded_rows(
    sections: Iterable[Section], reader: PageReader, repeated: set[int], lines_before: int
) -> Iterator[RefusedRow]:
    """The rows that a later one of the same key supersedes which stands behind the first
    ``lines_before`` lines. ``sections`` are all from the chunk's start on."""
    last: dict[EncodedKey, tuple[int, bytes]] = {}  # line and text of each key's last row
    lines = 0
    for section in sections:
        page = reader.read(section)
        if not repeated.isdisjoint(map(hash, page.keys)):
            for record, key in reader.accepted(page):
                if hash(key) not in repeated:
                    continue
                line = lines + record.line
                if key in last and line > lines_before:
                    yield refused_row(last[key][0], "", "superseded", last[key][1])
                last[key] = line, record.raw
        lines += page.lines
