"""One chunk's rows, streamed from S3 a page at a time."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ingestion.contracts import Chunk, File
from ingestion.csv_files.fast_rows import PAGE_SIZE, Page, PageReader
from ingestion.csv_files.records import WholeRecords
from ingestion.s3.objects import chunk_source, read_blocks

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class ChunkPages:
    """The pages of a chunk. ``key`` names the table's key attributes, partition key first."""

    def __init__(self, s3: "S3Client", file: File, chunk: Chunk, key: Sequence[str]) -> None:
        self.delimiter = file.delimiter.encode()
        self.reader = PageReader(file.columns, file.width, self.delimiter, key)
        self._s3 = s3
        self._source = chunk_source(file, chunk)

    def blocks(self, start: int, end: int) -> Iterator[bytes]:
        """The bytes of a range that begins and ends at records."""
        return read_blocks(self._s3, self._source, start, end, PAGE_SIZE)

    def texts(self, start: int, end: int) -> WholeRecords:
        """The range as texts of whole records, each good for a page."""
        return WholeRecords(self.blocks(start, end), self.delimiter)

    def pages(self, start: int, end: int) -> Iterator[Page]:
        return map(self.reader.read, self.texts(start, end))
