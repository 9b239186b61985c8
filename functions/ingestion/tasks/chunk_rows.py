"""One chunk's rows, streamed from S3 a page at a time."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from ingestion.contracts import Chunk, File
from ingestion.csv_files.fast_rows import PAGE_SIZE, Page, PageReader
from ingestion.csv_files.layout import HeaderLine, Layout
from ingestion.csv_files.rows import layout_of
from ingestion.csv_files.sections import Section, read_sections
from ingestion.s3.objects import chunk_source, read_blocks

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class ChunkPages:
    """The pages of a chunk.

    ``key`` names the table's key attributes, partition key first. ``is_last`` says whether the
    chunk is the file's last one.
    """

    def __init__(
        self, s3: "S3Client", file: File, chunk: Chunk, key: Sequence[str], *, is_last: bool
    ) -> None:
        delimiter = file.delimiter.encode()
        self.reader = PageReader(file.columns, file.width, delimiter, key, _header(file))
        self._s3 = s3
        self._source = chunk_source(file, chunk)
        self._file_end = chunk.end if is_last else None

    def sections(self, start: int, end: int) -> Iterator[Section]:
        """A range that begins and ends at records, each section good for a page."""
        blocks = read_blocks(self._s3, self._source, start, end, PAGE_SIZE)
        return read_sections(blocks, self.reader.layout, ends_file=end == self._file_end)

    def pages(self, start: int, end: int) -> Iterator[Page]:
        return map(self.reader.read, self.sections(start, end))


def file_layout(file: File) -> Layout:
    """The layout of an accepted file."""
    return layout_of(file.columns, file.width, file.delimiter.encode(), _header(file))


def _header(file: File) -> HeaderLine | None:
    return HeaderLine(**file.header) if file.header else None
