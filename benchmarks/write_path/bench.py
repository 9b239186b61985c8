"""`make bench` and `make bench-quick`: measure the CPU time of writing rows of a CSV file to
DynamoDB.

In each round, all ways to write run one after another, against one stub of BatchWriteItem on
another CPU. The medians of the rounds are printed. After every run, the stub must have received
every row exactly once, as the csv module reads the file. The last line has the main figures as
JSON.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.ticket_file import NO_QUOTES, QUOTED, QUOTED_AND_INCHES, TILE_ROWS, Mixture
from benchmarks.write_path import imports, memory, money, split_scan
from benchmarks.write_path.forms import FORMS, Form, FormSample
from benchmarks.write_path.native import Behaviour, Stats, Stub, running_stub
from benchmarks.write_path.processes import Processes
from benchmarks.write_path.samples import Expected, Sample
from benchmarks.write_path.settings import ENVIRONMENT, parameter_default
from benchmarks.write_path.worker import Result

IN_FLIGHT = parameter_default("BatchesInFlight")
"""Requests in flight, by default of the template."""
TUNED_THREADS = 8
"""Threads of the tuned boto3 client. At a latency of 5 ms it is also measured with IN_FLIGHT
threads."""
FAULTS = Behaviour(unprocessed=0.05, throttled=0.03)


FILES: dict[Mixture | Form, str] = {
    NO_QUOTES: "0 % quoted",
    QUOTED: "5 % quoted",
    QUOTED_AND_INCHES: "5 % quoted, inch marks in 12 %",
    **{form: form.label for form in FORMS},
}


class Condition(NamedTuple):
    latency_ms: int
    tls: bool
    file: Mixture | Form

    def __str__(self) -> str:
        return f"{self.latency_ms} ms, {'TLS' if self.tls else 'plain'}, {FILES[self.file]}"


class Case(NamedTuple):
    """One way to write under one condition."""

    way: str
    condition: Condition
    in_flight: int = IN_FLIGHT


PLAIN = Condition(0, False, NO_QUOTES)
TLS = Condition(0, True, NO_QUOTES)
WITH_QUOTES = Condition(0, False, QUOTED)
DOUBTFUL_ROWS = Condition(0, False, QUOTED_AND_INCHES)
SLOW_TABLE = Condition(5, False, NO_QUOTES)

IN_FORMS = [Condition(0, False, form) for form in FORMS]

WAYS = ("floor", "ours", "tuned", "batch_writer", "put_csv")
LABELS = {
    "ours": "ours",
    "floor": "floor (C)",
    "batch_writer": "batch_writer",
    "put_csv": "awswrangler put_csv",
    "tuned": "tuned boto3",
}

RATIO_TILES = 100
"""The tiles of the runs whose ratios are main figures: as many for each, so that costs per file do
not distort the ratios."""
RATIO_CASES = [Case("ours", condition) for condition in (PLAIN, WITH_QUOTES, *IN_FORMS)]

QUICK_CASES = [
    Case("floor", PLAIN),
    Case("ours", PLAIN),
    Case("batch_writer", PLAIN),
    Case("put_csv", PLAIN),
    Case("ours", TLS),
    Case("batch_writer", TLS),
    Case("ours", SLOW_TABLE),
    Case("tuned", SLOW_TABLE, TUNED_THREADS),
    Case("tuned", SLOW_TABLE, IN_FLIGHT),
    *RATIO_CASES[1:],
]


def all_cases() -> Iterator[Case]:
    for latency_ms in (0, 5):
        for tls in (False, True):
            for file in (NO_QUOTES, QUOTED):
                condition = Condition(latency_ms, tls, file)
                for way in WAYS:
                    yield Case(way, condition, TUNED_THREADS if way == "tuned" else IN_FLIGHT)
                if latency_ms:
                    yield Case("tuned", condition, IN_FLIGHT)
    for way in ("floor", "ours", "batch_writer"):
        yield Case(way, DOUBTFUL_ROWS)
    for condition in IN_FORMS:
        yield Case("ours", condition)


class Scope(NamedTuple):
    """How much is measured."""

    cases: list[Case]
    rounds: int
    seconds: float
    """About how long one run of a case should take. Slow ways get fewer rows."""
    least_tiles: int
    """The fewest tiles that any way gets, so that costs per file don't distort those per row."""
    memory_sizes: list[int]
    """The numbers of bytes written after which a process's peak memory is read."""
    fault_rows: int
    imports: int
    """How often the import is timed; 0 for never."""


QUICK = Scope(QUICK_CASES, 5, 0.4, 2, [9 * 10**6, 90 * 10**6], 5_000, 0)
FULL = Scope(list(all_cases()), 5, 0.6, 4, [9 * 10**6, 90 * 10**6, 500 * 10**6], 20_000, 5)


class Wrong(Exception):
    """Rows were lost, written twice or altered."""


class Measured(NamedTuple):
    """The medians of one case."""

    rows: int
    """The rows of one run."""
    cpu_us: float
    """The client's CPU time per row in microseconds."""
    rows_per_s: float
    most_in_flight: int


class Bench:
    """Runs cases on one stub."""

    def __init__(
        self,
        stub: Stub,
        processes: Processes,
        samples: dict[Mixture | Form, Sample | FormSample],
        scope: Scope,
    ) -> None:
        self._stub = stub
        self._processes = processes
        self._samples = samples
        self._scope = scope

    def measure(self) -> dict[Case, Measured]:
        """Measures all cases: in each round, one after another."""
        cases = self._scope.cases
        tiles = {case: self._fitting_tiles(case) for case in cases}
        runs: dict[Case, list[tuple[Result, Stats]]] = {case: [] for case in cases}
        for _ in range(self._scope.rounds):
            for case in cases:
                runs[case].append(self._run(case, tiles[case]))
        return {case: _medians(runs[case], tiles[case] * TILE_ROWS) for case in cases}

    def _fitting_tiles(self, case: Case) -> int:
        """The number of tiles for a run of about `seconds`, estimated from trial runs, which also
        open the connections."""
        most = self._samples[case.condition.file].tiles
        if case in RATIO_CASES:
            self._run(case, 1)
            return min(most, RATIO_TILES)
        tiles = 1
        while True:
            result, _ = self._run(case, tiles)
            fitting = int(tiles * self._scope.seconds / result.wall)
            if fitting < 4 * tiles or tiles == most:
                return max(self._scope.least_tiles, min(most, fitting))
            tiles = min(most, 4 * tiles)

    def _run(self, case: Case, tiles: int) -> tuple[Result, Stats]:
        sample = self._samples[case.condition.file]
        self._stub.reset(Behaviour(latency_ms=case.condition.latency_ms))
        result = self._processes.run(case.way, sample, tiles, case.condition.tls, case.in_flight)
        stats = self._stub.stats()
        if problem := not_exactly_once(sample.expected(tiles), stats):
            raise Wrong(f"{case.way}, {case.condition}: {problem}")
        return result, stats

    def rows_lost(self) -> tuple[int, Stats]:
        """How many rows our writer loses, writes twice or alters while the table throttles and
        returns unprocessed items."""
        sample = self._samples[QUOTED]
        tiles = min(sample.tiles, self._scope.fault_rows // TILE_ROWS)
        self._stub.reset(FAULTS)
        self._processes.run("ours", sample, tiles, False, IN_FLIGHT)
        stats = self._stub.stats()
        return wrong_rows(sample.expected(tiles), stats), stats


def not_exactly_once(expected: Expected, stats: Stats) -> str | None:
    """Describes how the rows that the stub received differ from the file; None if they don't."""
    if (stats.items, stats.distinct, stats.hash) == (expected.rows, expected.rows, expected.hash):
        return None
    return (
        f"{expected.rows} rows became {stats.items} items, {stats.distinct} different ones, "
        f"{'as' if stats.hash == expected.hash else 'not as'} the csv module reads them"
    )


def wrong_rows(expected: Expected, stats: Stats) -> int:
    """How many rows were lost or written twice; at least 1 if any item differs from its row."""
    doubled = stats.items - stats.distinct
    lost = max(0, expected.rows - stats.distinct)
    return max(lost + doubled, int(not_exactly_once(expected, stats) is not None))


def _medians(runs: Sequence[tuple[Result, Stats]], rows: int) -> Measured:
    return Measured(
        rows,
        statistics.median(result.cpu for result, _ in runs) / rows * 1e6,
        rows / statistics.median(result.wall for result, _ in runs),
        max(stats.most_in_flight for _, stats in runs),
    )


def print_table(measured: dict[Case, Measured]) -> None:
    print(
        "| Table and file | Client | Rows per run | In flight | CPU µs per row | Times the floor | "
        "Times ours | Rows/s |"
    )
    print("|---|---|---:|---:|---:|---:|---:|---:|")
    for case, one in measured.items():
        floor = measured.get(Case("floor", case.condition))
        ours = measured[Case("ours", case.condition)]
        times_floor = f"{one.cpu_us / floor.cpu_us:.1f}" if floor else "-"
        in_flight = one.most_in_flight if case.condition.latency_ms else "-"
        print(
            f"| {case.condition} | {LABELS[case.way]} | {one.rows:,} | {in_flight} | "
            f"{one.cpu_us:.2f} | {times_floor} | {one.cpu_us / ours.cpu_us:.1f} | "
            f"{one.rows_per_s:,.0f} |"
        )


def main_figures(
    measured: dict[Case, Measured], peaks: list[float], scans: dict[str, float], lost: int
) -> dict[str, float]:
    ours = measured[Case("ours", PLAIN)]
    floor = measured[Case("floor", PLAIN)]
    at_5_ms = measured[Case("ours", SLOW_TABLE)]
    tuned = max(
        measured[Case("tuned", SLOW_TABLE, threads)].rows_per_s
        for threads in (TUNED_THREADS, IN_FLIGHT)
    )
    less_tls = measured[Case("batch_writer", TLS)].cpu_us / measured[Case("ours", TLS)].cpu_us
    figures = {
        "cpu_us_per_row": ours.cpu_us,
        "floor_cpu_us_per_row": floor.cpu_us,
        "ratio_to_floor": ours.cpu_us / floor.cpu_us,
        "times_less_than_batch_writer": measured[Case("batch_writer", PLAIN)].cpu_us / ours.cpu_us,
        "times_less_than_wrangler": measured[Case("put_csv", PLAIN)].cpu_us / ours.cpu_us,
        "times_less_than_batch_writer_tls": less_tls,
        "rows_per_s_5ms": at_5_ms.rows_per_s,
        "times_tuned_boto3_5ms": at_5_ms.rows_per_s / tuned,
        "quoted_ratio": measured[Case("ours", WITH_QUOTES)].cpu_us / ours.cpu_us,
        **{
            f"{form.name}_ratio": measured[Case("ours", condition)].cpu_us / ours.cpu_us
            for form, condition in zip(FORMS, IN_FORMS, strict=True)
        },
        "rss_growth_mb": (peaks[-1] - peaks[0]) * 2**20 / 1e6,
        "split_gb_per_cpu_s": min(
            scans[name]
            for name, mixture in split_scan.MIXTURES.items()
            if mixture in (NO_QUOTES, QUOTED)
        ),
    }
    return {name: round(value, 3) for name, value in figures.items()} | {"rows_lost": lost}


def run(scope: Scope, stub: Stub, folder: Path) -> dict[str, float]:
    """Measures and prints everything; returns the main figures."""
    chunk_size = parameter_default("ChunkSizeBytes")
    samples: dict[Mixture | Form, Sample | FormSample] = {}
    for file in dict.fromkeys(case.condition.file for case in scope.cases):
        path = folder / f"{len(samples)}.csv"
        samples[file] = (
            FormSample(path, file) if isinstance(file, Form) else Sample(path, file, chunk_size)
        )
    bytes_per_row = Sample.bytes_per_row_of(NO_QUOTES)
    print(f"A row has {bytes_per_row:.1f} bytes. Medians of {scope.rounds} rounds.\n", flush=True)
    with Processes(stub) as processes:
        bench = Bench(stub, processes, samples, scope)
        measured = bench.measure()
        print_table(measured)
        lost, stats = bench.rows_lost()
    print(
        f"\n{FAULTS.unprocessed:.0%} UnprocessedItems and {FAULTS.throttled:.0%} throttling: "
        f"{stats.items:,} items accepted, {stats.unprocessed:,} returned, {stats.throttled:,} "
        f"requests throttled; {lost} rows lost, doubled or altered.",
        flush=True,
    )
    peaks = memory.measure(stub, scope.memory_sizes, chunk_size, IN_FLIGHT)
    for size, peak in zip(scope.memory_sizes, peaks, strict=True):
        print(f"Peak memory after {size / 1e6:.0f} MB: {peak * 2**20 / 1e6:.1f} MB.", flush=True)
    scans = split_scan.measure()
    for name, speed in scans.items():
        print(f"Split's scan, {name}: {speed:.2f} GB per CPU second.", flush=True)
    figures = main_figures(measured, peaks, scans, lost)
    if scope.imports:
        imported = imports.measure(scope.imports)
        for module, milliseconds in imported.items():
            print(f"Importing {module}: {milliseconds:.0f} ms.")
        print()
        over_tls = measured[Case("ours", SLOW_TABLE._replace(tls=True))]
        money.print_model(
            money.Measured(
                over_tls.rows_per_s, imported["handlers.write_chunk"] / 1000, bytes_per_row
            )
        )
    return figures


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="only what the last line needs")
    options = parser.parse_args(arguments)
    began = time.monotonic()
    # Client and stub each have a CPU of their own, so that neither slows the other down.
    cpus = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, cpus[:1])
    os.environ.update(ENVIRONMENT)
    load = ", ".join(f"{one:.1f}" for one in os.getloadavg())
    print(
        f"Python {platform.python_version()}, {platform.system()} {platform.machine()}, "
        f"{len(cpus)} CPUs, load average {load}."
    )
    scope = QUICK if options.quick else FULL
    with (
        tempfile.TemporaryDirectory(prefix="tickets-bench-") as folder,
        running_stub(cpu=cpus[-1]) as stub,
    ):
        try:
            figures = run(scope, stub, Path(folder))
        except Wrong as error:
            print(error, file=sys.stderr)
            return 1
    print(f"Everything took {time.monotonic() - began:.0f} s.")
    print(json.dumps(figures))
    return int(figures["rows_lost"] > 0)


if __name__ == "__main__":
    sys.exit(main())
