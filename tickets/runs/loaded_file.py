"""Reads the object version that a load read, once more."""

import json
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any

from ingestion.csv_files.gzip_stream import GZIP_MAGIC, Unpacker
from ingestion.csv_files.header import HEAD_SIZE, FileFacts, examine
from ingestion.csv_files.layout import Layout
from ingestion.csv_files.records import Record
from ingestion.csv_files.rows import layout_of
from ingestion.csv_files.sections import read_sections
from ingestion.csv_files.transcoding import MAX_GROWTH, transcode
from ingestion.errors import ObjectChanged, ObjectGone, ObjectUnreadable
from ingestion.s3.objects import PinnedObject, read_blocks
from ingestion.sources.declaration import recorded_source
from ingestion.sources.model import Source
from ingestion.tasks.deployed_sources import deployed_sources
from tickets.errors import CommandError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def recorded_source_of(load: Mapping[str, Any]) -> Source:
    """The source by which a load read its file. `load` is the load's entry in the ledger."""
    recorded = load.get("source")
    if not recorded:  # a load of an earlier release
        return deployed_sources().built_in
    return recorded_source({**recorded, "declaration": json.loads(load["declaration"])})


@contextmanager
def missing_objects_explained(consequence: str, condition: str) -> Iterator[None]:
    """Turns errors of objects that can't be read into CommandError.

    consequence: what can't be done if the object is gone, as a sentence.
    condition: what can be done once the object can be read, without the word "once".
    """
    try:
        yield
    except (ObjectGone, ObjectChanged) as error:
        raise CommandError(f"{error} {consequence}") from error
    except ObjectUnreadable as error:  # its remedy is for the loader
        raise CommandError(f"{error.cause} {condition} once you can read the object.") from error


class LoadedFile:
    """The object version that a load read. `load` is the load's entry in the ledger.

    Its methods raise CommandError if the file is refused as a whole, and the errors of
    `ingestion.s3.objects` if the object can't be read.
    """

    def __init__(self, s3: "S3Client", load: Mapping[str, Any]) -> None:
        self._s3 = s3
        self._object = PinnedObject(
            load["bucket"], load["key"], load.get("version_id"), load["etag"], load["size"]
        )
        self.source = recorded_source_of(load)
        head = b""
        with closing(self._blocks(0)) as blocks:
            for block in blocks:
                head += block
                if len(head) > HEAD_SIZE:
                    break
        complete = len(head) <= HEAD_SIZE and not self._is_damaged
        head = head[:HEAD_SIZE]
        facts = examine(head, complete, lambda refused, rows: False, self.source)
        if not isinstance(facts, FileFacts):
            raise CommandError(f"The file is refused as a whole: {facts[0].detail}")
        self.facts = facts
        text = b"".join(transcode([head], self.source.encoding, complete=complete))
        self.header = text[: facts.data_start].split(b"\n", facts.skipped_lines)[-1]
        """The header with its line end, as UTF-8. Empty if the file has none."""

    @property
    def layout(self) -> Layout:
        facts = self.facts
        delimiter = facts.delimiter.encode()
        return layout_of(self.source, facts.columns, facts.width, delimiter, facts.header)

    @property
    def is_read_by_ranges(self) -> bool:
        """Whether offsets in the text are offsets in the object."""
        return not self._is_packed and self.source.encoding == "utf_8"

    @property
    def max_size(self) -> int:
        """The largest possible size of the text in bytes."""
        size = Unpacker.largest(self._object.size) if self._is_packed else self._object.size
        return size if self.source.encoding == "utf_8" else size * MAX_GROWTH

    def records(
        self, start: int | None = None, lines_before: int | None = None
    ) -> Iterator[tuple[int, Record]]:
        """Yields (lines before, record) for each record. The record's line is counted after those.

        start: the offset of the first record to read, if the object is read by ranges, with the
        number of lines before it. Otherwise, all records are read.
        """
        facts = self.facts
        lines = facts.lines_before_data if lines_before is None else lines_before
        blocks = self._data() if start is None else self._lines(start)
        for section in read_sections(blocks, self.layout, ends_file=True):
            for record in section.records():
                yield lines, record
            lines += section.line_ends

    def _data(self) -> Iterator[bytes]:
        """Yields the text after the header."""
        left_out = self.facts.data_start
        for block in self._lines(0):
            yield block[left_out:]
            left_out = max(0, left_out - len(block))

    def _lines(self, start: int) -> Iterator[bytes]:
        """Yields the text, as UTF-8. Damaged gzip data is cut off after the last complete line."""
        held = b""
        for block in transcode(self._blocks(start), self.source.encoding):
            end = block.rfind(b"\n") + 1
            if end:
                yield held + block[:end]
                held = b""
            held += block[end:]
        if held and not self._is_damaged:
            yield held

    def _blocks(self, start: int) -> Generator[bytes, None, None]:
        """Yields the object, unpacked."""
        self._is_damaged = False
        blocks = read_blocks(self._s3, self._object, start, self._object.size)
        first = next(blocks, b"")
        if start == 0:
            self._is_packed = first.startswith(GZIP_MAGIC)
        whole = chain([first], blocks)
        if not self._is_packed:
            yield from whole
            return
        unpacker = Unpacker(whole, self._object.size)
        yield from unpacker
        self._is_damaged = unpacker.damaged
