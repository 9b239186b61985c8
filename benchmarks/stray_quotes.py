"""Measures how fast records are found if every row has a stray quote, in MB per CPU second.

python -m benchmarks.stray_quotes [MB ...]

The time must be linear in the file's size. Every row must be found, as a separate record.
"""

import sys
import time
from collections.abc import Sequence

from ingestion.csv_files.rows import COLUMNS, layout_of
from ingestion.csv_files.sections import read_sections
from ingestion.s3.objects import BLOCK_SIZE
from ingestion.tasks.deployed_sources import deployed_sources

ROWS = {
    "no quotes": "T{},Tea,B1,2026-01-31T23:59:59Z,Drinks,1,Lyon\n",
    "a quote within an unquoted field": 'T{},Te"a,B1,2026-01-31T23:59:59Z,Drinks,1,Lyon\n',
    "a quote that opens the first field": '"T{},Tea,B1,2026-01-31T23:59:59Z,Drinks,1,Lyon\n',
    "a quote that opens the second field": 'T{},"Tea,B1,2026-01-31T23:59:59Z,Drinks,1,Lyon\n',
    "a quote that opens the last field": 'T{},Tea,B1,2026-01-31T23:59:59Z,Drinks,1,"Lyon\n',
}
SIZES = (4, 16, 64)


def mb_per_cpu_second(row: str, size: int) -> float:
    """Reads about `size` MB of such rows. Raises RuntimeError if a row is missing."""
    rows = size * 1_000_000 // (len(row) + 4)
    data = "".join(row.format(number) for number in range(rows)).encode()
    blocks = [data[at : at + BLOCK_SIZE] for at in range(0, len(data), BLOCK_SIZE)]
    source = deployed_sources().built_in
    columns = {name: at for at, name in enumerate(COLUMNS)}
    layout = layout_of(source, columns, len(COLUMNS), b",")
    found = 0
    before = time.process_time()
    for section in read_sections(blocks, layout, ends_file=True):
        found += sum(1 for _ in section.records())
    spent = time.process_time() - before
    if found != rows:
        raise RuntimeError(f"{found:,} of {rows:,} rows were found.")
    return len(data) / spent / 1e6


def main(sizes: Sequence[int]) -> None:
    print(f"| In every row | {' | '.join(f'{size} MB' for size in sizes)} |")
    print(f"|---|{'---:|' * len(sizes)}")
    for kind, row in ROWS.items():
        speeds = [f"{mb_per_cpu_second(row, size):.1f}" for size in sizes]
        print(f"| {kind} | {' | '.join(speeds)} |", flush=True)


if __name__ == "__main__":
    main([int(one) for one in sys.argv[1:]] or SIZES)
