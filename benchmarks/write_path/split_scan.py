"""How fast Split File finds where records end, in GB (10^9 bytes) a second of its own CPU time.

python -m benchmarks.write_path.split_scan

The blocks are in memory: reading from S3 is not in it.
"""

import json
import time

from benchmarks.ticket_file import NO_QUOTES, QUOTED, QUOTED_AND_INCHES, Mixture, TicketFile
from benchmarks.write_path.processes import run_module
from ingestion.csv_files.chunks import Cutter
from ingestion.s3.objects import BLOCK_SIZE

MIXTURES = {
    "without quotes": NO_QUOTES,
    "5 % of the rows quoted": QUOTED,
    "5 % quoted, a quote as data in every eighth row": QUOTED_AND_INCHES,
}
_FILE_SIZE = 32 * 1024 * 1024
_CHUNK_SIZE = 16 * 1024 * 1024
_SECONDS = 0.5
"""CPU time of one measurement, which ends with the file in hand."""


def measure() -> dict[str, float]:
    """By the names of MIXTURES."""
    return dict(run_module("split_scan"))


def _gb_per_cpu_second(mixture: Mixture) -> float:
    source = TicketFile(_FILE_SIZE, mixture)
    start = len(source.header)
    blocks = list(source.blocks(start, source.size, BLOCK_SIZE))
    scanned = 0
    before = time.process_time()
    while (spent := time.process_time() - before) < _SECONDS:
        cutter = Cutter(start, _CHUNK_SIZE, b",")
        ranges = [found for block in blocks for found in cutter.feed(block)]
        ranges += cutter.finish()
        if ranges[-1][1] != source.size:
            raise RuntimeError("The ranges do not reach the file's end.")
        scanned += source.size - start
    return scanned / spent / 1e9


if __name__ == "__main__":
    print(json.dumps({name: _gb_per_cpu_second(one) for name, one in MIXTURES.items()}))
