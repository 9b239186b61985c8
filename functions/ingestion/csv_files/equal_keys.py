"""Rows of one chunk with equal keys, found without keeping the rows.

A digest of each key is kept, 8 bytes a row. Only if some occur more than once is the chunk read
again, to compare the keys themselves and to list the rows that are superseded.
"""

from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence

from ingestion.csv_files.fast_rows import PageReader
from ingestion.csv_files.item_json import EncodedKey
from ingestion.csv_files.records import Record
from ingestion.csv_files.refused_rows import RefusedRow, refused_row


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


MAX_KEYS_AT_A_TIME = 250_000
"""Repeated keys that are looked for in one reading of a chunk: some 400 bytes each."""


def superseded_rows(
    texts: Callable[[], Iterable[bytes]], reader: PageReader, repeated: Sequence[int]
) -> Iterator[RefusedRow]:
    """The rows of a chunk that a later row with an equal key supersedes, in the order of lines.

    ``texts`` gives the chunk's whole records from its start, ``repeated`` has the digests of the
    keys that occur more than once. The chunk is read once per MAX_KEYS_AT_A_TIME of them, and once
    more to list the rows. Memory: those keys, and one bit per line.
    """
    superseded = bytearray()  # a bit per line
    for first in range(0, len(repeated), MAX_KEYS_AT_A_TIME):
        _mark_superseded(
            superseded, texts(), reader, frozenset(repeated[first : first + MAX_KEYS_AT_A_TIME])
        )
    for line, record, _ in _accepted(texts(), reader):
        if line >> 3 < len(superseded) and superseded[line >> 3] >> (line & 7) & 1:
            yield refused_row(line, "", "superseded", record.raw)


def _mark_superseded(
    superseded: bytearray, texts: Iterable[bytes], reader: PageReader, repeated: frozenset[int]
) -> None:
    last: dict[EncodedKey, int] = {}  # line of each key's last row
    for line, _, key in _accepted(texts, reader, repeated):
        earlier = last.get(key)
        if earlier is not None:
            superseded.extend(bytes(max(0, (earlier >> 3) + 1 - len(superseded))))
            superseded[earlier >> 3] |= 1 << (earlier & 7)
        last[key] = line


def _accepted(
    texts: Iterable[bytes], reader: PageReader, repeated: frozenset[int] | None = None
) -> Iterator[tuple[int, Record, EncodedKey]]:
    """Line, record and key of the accepted rows, of those whose keys have the digests wanted."""
    lines = 0
    for text in texts:
        page = reader.read(text)
        if repeated is None or not repeated.isdisjoint(map(hash, page.keys)):
            for record, key in reader.accepted(page):
                if repeated is None or hash(key) in repeated:
                    yield lines + record.line, record, key
        lines += page.lines
