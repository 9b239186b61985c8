"""Reads again the rows whose keys have certain digests, for Settle Equal Keys."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from ingestion.csv_files.equal_keys import KeyedRow, rows_with
from ingestion.csv_files.key_digests import Digest
from ingestion.csv_files.sections import Section
from ingestion.errors import AccountingError
from ingestion.ledger.chunks import ChunkProgress
from ingestion.s3.refused_rows import Series, read_rows
from ingestion.tasks.chunk_rows import ChunkPages

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class SuspectRows:
    """Reads chunks of one load.

    `pages` returns the pages of a chunk. `listed` returns the series of the accepted rows that
    Write Chunk has found superseded or the table has refused. `look` is called before each page,
    and raises WritingStopped when there is no more time.
    """

    def __init__(
        self,
        s3: "S3Client",
        work_bucket: str,
        digest: Digest,
        pages: Callable[[int], ChunkPages],
        listed: Callable[[ChunkProgress], Sequence[Series]],
        look: Callable[[], None],
    ) -> None:
        self._s3 = s3
        self._work_bucket = work_bucket
        self._digest = digest
        self._pages = pages
        self._listed = listed
        self._look = look

    def read(self, chunk: ChunkProgress, wanted: frozenset[int]) -> Iterator[KeyedRow]:
        """Yields the chunk's rows whose keys have a wanted digest, without the listed ones.

        Raises AccountingError at the end if a digest did not occur.
        """
        rows = read_rows(self._s3, self._work_bucket, self._listed(chunk))
        left_out = next(rows, None)
        found = set()
        pages = self._pages(chunk.index)
        sections = self._watched(pages.sections(chunk.start, chunk.end))
        for row in rows_with(wanted, sections, pages.reader, self._digest):
            while left_out and left_out.line < row.line:
                left_out = next(rows, None)
            if not left_out or left_out.line != row.line:
                found.add(row.digest)
                yield row
        if found != wanted:
            raise AccountingError(
                f"Chunk {chunk.index} has {len(found)} of the {len(wanted)} keys that its digests "
                "stand for."
            )

    def _watched(self, sections: Iterable[Section]) -> Iterator[Section]:
        for section in sections:
            self._look()
            yield section
