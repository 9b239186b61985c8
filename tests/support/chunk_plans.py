"""Plans the chunks of a file that is in memory."""

from collections.abc import Generator

from ingestion.csv_files.chunks import Boundary, BoundaryFinder, cut, next_multiple
from ingestion.csv_files.layout import Layout
from ingestion.csv_files.sections import Section, read_sections

Ranges = list[tuple[int, int]]


def plan(data: bytes, chunk_size: int, layout: Layout) -> Ranges:
    """The ranges of the chunks, as Split File cuts a stream."""
    finder = BoundaryFinder(0, chunk_size, chunk_size, layout)
    if layout.judges_line_ends:
        finder.feed(data)
        finder.finish()
        boundaries = finder.boundaries
    else:
        multiples = range(next_multiple(0, chunk_size), len(data), chunk_size)
        boundaries = [Boundary(multiple, None) for multiple in multiples]

    def sections_from(position: int) -> Generator[Section]:
        yield from read_sections([data[position:]], layout, ends_file=True)

    return cut(0, len(data), boundaries, sections_from)
