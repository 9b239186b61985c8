"""Measures how fast Split File divides a stream that it has to read completely, in GB (10^9 bytes)
per CPU second.

    python -m benchmarks.write_path.split_scan

That is how it divides gzip files. The blocks are in memory, so reading from S3 is not measured.
"""

import json
import time

from benchmarks.ticket_file import NO_QUOTES, QUOTED, QUOTED_AND_INCHES, Mixture, TicketFile
from benchmarks.write_path.processes import run_module
from ingestion.csv_files.chunks import BoundaryFinder, next_multiple
from ingestion.csv_files.rows import COLUMNS, layout_of
from ingestion.s3.objects import BLOCK_SIZE
from ingestion.tasks.deployed_sources import deployed_sources

MIXTURES = {
    "without quotes": NO_QUOTES,
    "5 % of the rows quoted": QUOTED,
    "5 % quoted, a quote as data in every eighth row": QUOTED_AND_INCHES,
}
_FILE_SIZE = 32 * 1024 * 1024
_CHUNK_SIZE = 16 * 1024 * 1024
_SECONDS = 0.5
"""The CPU time of one measurement, at least. It ends after a whole file."""


def measure() -> dict[str, float]:
    """The speed for each mixture, by the names in MIXTURES."""
    return dict(run_module("split_scan"))


def _gb_per_cpu_second(mixture: Mixture) -> float:
    source = TicketFile(_FILE_SIZE, mixture)
    start = len(source.header)
    blocks = list(source.blocks(start, source.size, BLOCK_SIZE))
    columns = {name: at for at, name in enumerate(COLUMNS)}
    layout = layout_of(deployed_sources().built_in, columns, len(COLUMNS), b",")
    scanned = 0
    before = time.process_time()
    while (spent := time.process_time() - before) < _SECONDS:
        finder = BoundaryFinder(start, next_multiple(start, _CHUNK_SIZE), _CHUNK_SIZE, layout)
        for block in blocks:
            finder.feed(block)
        finder.finish()
        if not finder.boundaries:
            raise RuntimeError("No boundary was found.")
        scanned += source.size - start
    return scanned / spent / 1e9


if __name__ == "__main__":
    print(json.dumps({name: _gb_per_cpu_second(one) for name, one in MIXTURES.items()}))
