"""Streams the rows of one chunk from S3, a page at a time."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from ingestion.contracts import Chunk, File, RefusedRow
from ingestion.csv_files.fast_rows import PAGE_SIZE, Page, PageReader
from ingestion.csv_files.item_json import EncodedKey
from ingestion.csv_files.layout import HeaderLine, Layout
from ingestion.csv_files.refused_rows import refused_row
from ingestion.csv_files.rows import layout_of
from ingestion.csv_files.sections import Section, read_sections
from ingestion.csv_files.sorted_numbers import SortedNumbers
from ingestion.csv_files.source_columns import Origin
from ingestion.dynamodb.table_schema import TableSchema
from ingestion.s3.objects import chunk_source, read_blocks
from ingestion.tasks.file_source import source_of
from ingestion.tasks.target_table import key_rules

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


class ChunkPages:
    """The pages of a chunk, read for a load and its table. `is_last` says whether the chunk is
    the file's last one."""

    def __init__(
        self,
        s3: "S3Client",
        file: File,
        chunk: Chunk,
        table: TableSchema,
        load_id: str,
        *,
        is_last: bool,
    ) -> None:
        source = source_of(file)
        self.reader = PageReader(
            source,
            file.columns,
            file.width,
            file.delimiter.encode(),
            table.key_names,
            _header(file),
            key_rules(table, source),
            _origin(file, chunk, load_id),
        )
        self._s3 = s3
        self._source = chunk_source(file, chunk)
        self._file_end = chunk.end if is_last else None

    def sections(self, start: int, end: int) -> Iterator[Section]:
        """Reads a byte range that begins and ends at records, in sections of one page each."""
        blocks = read_blocks(self._s3, self._source, start, end, PAGE_SIZE)
        return read_sections(blocks, self.reader.layout, ends_file=end == self._file_end)

    def pages(self, start: int, end: int, lines_before: int) -> Iterator[Page]:
        """Reads a byte range. `lines_before` are the lines of the chunk before it."""
        for section in self.sections(start, end):
            page = self.reader.read(section, lines_before)
            yield page
            lines_before += page.lines

    def refused_by_table(
        self, start: int, end: int, numbers: SortedNumbers, lines_before: int
    ) -> Iterator[tuple[RefusedRow, EncodedKey]]:
        """Yields the accepted rows of a byte range that have these numbers (from 0), as refused
        rows with their keys. Line numbers continue from `lines_before`."""
        first = 0
        for page in self.pages(start, end, lines_before):
            last = first + len(page.requests)
            if numbers.any_between(first, last):
                for number, (record, key) in enumerate(self.reader.accepted(page), first):
                    if number in numbers:
                        line = page.lines_before + record.line
                        yield refused_row(line, "", "refused_by_table", record.raw), key
            first = last

    def keys(
        self, start: int, end: int, refused_lines: SortedNumbers
    ) -> Iterator[list[EncodedKey]]:
        """Yields the keys of the accepted rows of a byte range that begins where the chunk does,
        except those at `refused_lines`."""
        for page in self.pages(start, end, 0):
            yield self._keys_without(page, refused_lines)

    def _keys_without(self, page: Page, refused_lines: SortedNumbers) -> list[EncodedKey]:
        first = page.lines_before + 1
        if not refused_lines.any_between(first, first + page.lines):
            return page.keys
        return [
            key
            for record, key in self.reader.accepted(page)
            if page.lines_before + record.line not in refused_lines
        ]


def file_layout(file: File) -> Layout:
    """The layout of an accepted file."""
    return layout_of(
        source_of(file), file.columns, file.width, file.delimiter.encode(), _header(file)
    )


def _header(file: File) -> HeaderLine | None:
    return HeaderLine(**file.header) if file.header else None


def _origin(file: File, chunk: Chunk, load_id: str) -> Origin:
    lines_before = chunk.lines_before
    # Lines are counted beforehand only for sources that store them.
    return Origin(file.origin_key, load_id, 0 if lines_before is None else lines_before)
