"""Calculates what a load costs on AWS, by chunk size.

The writer's speed and the import time are measured. State transitions are counted in the
definition, and memory sizes are read from the template. ASSUMPTIONS states the rest.
"""

from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from benchmarks.write_path.settings import WRITERS, function_memory
from tools.definition import load

WHERE = "at the on-demand list prices of us-east-1, without free tiers"
DYNAMODB_WRITE = 0.625e-6  # one item of up to 1 KB
DYNAMODB_READ = 0.125e-6  # one consistent read of up to 4 KB
TRANSITION = 25e-6
GB_SECOND = {"arm64": 0.0000133334, "x86-64": 0.0000166667}
INVOCATION = 0.2e-6
S3_PUT = 5e-6
S3_GET = 0.4e-6
SQS_REQUEST = 0.4e-6
EVENT = 1e-6  # to EventBridge

VCPU_MB = 1769  # MB of memory with which a function has one full vCPU: "Lambda quotas"
CHUNK_SIZES = [2**20, 4 * 2**20, 16 * 2**20, 64 * 2**20]

CALL_SECONDS = 0.15
"""The time that an invocation of write_chunk takes besides writing: for the ledger, and until S3's
first byte."""
OTHER_CALL_SECONDS = 0.3
COLD_START_SECONDS = 0.2
"""Lambda's part of a cold start, without importing."""
OTHER_FUNCTIONS = (
    "StartExecution",
    "ValidateFile",
    "SplitFile",
    "TakeTurn",
    "SettleEqualKeys",
    "Reconcile",
)

# A chunk takes its lease, writes its entry and deletes its lease. It reads its entry and the claim.
LEDGER_WRITES_PER_CHUNK, LEDGER_READS_PER_CHUNK = 3, 3
LEDGER_WRITES_PER_LOAD, LEDGER_READS_PER_LOAD = 10, 10
# PUTs: a load's plan, report and Map results. GETs: these, the file's head and its byte ranges.
PUTS_PER_LOAD, GETS_PER_LOAD = 8, 15
# A chunk's boundary, its byte range and its digests are read; its digests are written.
PUTS_PER_CHUNK, GETS_PER_CHUNK = 1, 3
SQS_REQUESTS_PER_LOAD = 3

ASSUMPTIONS = f"""\
Assumed: one write unit per row; one invocation of write_chunk per chunk, with {CALL_SECONDS} s
besides writing; {OTHER_CALL_SECONDS} s per invocation of the other functions; one cold start per
function, and for write_chunk one per writer, with {COLD_START_SECONDS} s besides importing; a
writer reads from S3 as fast as it writes. Per chunk {LEDGER_WRITES_PER_CHUNK} writes and
{LEDGER_READS_PER_CHUNK} reads of the ledger, {PUTS_PER_CHUNK} PUT and {GETS_PER_CHUNK} GETs; per
load {LEDGER_WRITES_PER_LOAD} writes, {LEDGER_READS_PER_LOAD} reads, {PUTS_PER_LOAD} PUTs,
{GETS_PER_LOAD} GETs, {SQS_REQUESTS_PER_LOAD} SQS requests and one event. No keys are equal.
Not included: storage, logs, traces, alarms, failed attempts."""


class Measured(NamedTuple):
    rows_per_s: float
    """The speed of one writer on a full vCPU."""
    import_seconds: float
    bytes_per_row: float


class Pace(NamedTuple):
    """How fast a load runs: `writers` write at once to a table that accepts
    `table_rows_per_s`."""

    writers: int
    table_rows_per_s: float


class Cost(NamedTuple):
    """The cost of one load in dollars."""

    chunks: int
    transitions: int
    dynamodb: float
    step_functions: float
    functions: float
    requests: float
    """Requests to S3, SQS, EventBridge and the ledger."""

    @property
    def overhead(self) -> float:
        """The cost of everything except the writes to the table."""
        return self.step_functions + self.functions + self.requests

    @property
    def overhead_percent(self) -> float:
        return self.overhead / self.dynamodb * 100


def cost(
    rows: int, chunk_size: int, pace: Pace, measured: Measured, architecture: str = "arm64"
) -> Cost:
    size = rows * measured.bytes_per_row
    chunks = max(1, -(-int(size) // chunk_size))
    transitions_per_load, transitions_per_chunk = transitions()
    writers = min(pace.writers, chunks)
    share_of_vcpu = min(1.0, function_memory("WriteChunk") / VCPU_MB)
    writing = rows / min(writers * measured.rows_per_s * share_of_vcpu, pace.table_rows_per_s)
    cold = COLD_START_SECONDS + measured.import_seconds
    gb_seconds = _gb("WriteChunk") * (writers * (writing + cold) + chunks * CALL_SECONDS)
    gb_seconds += sum(map(_gb, OTHER_FUNCTIONS)) * (OTHER_CALL_SECONDS + cold)
    gb_seconds += _gb("Reconcile") * OTHER_CALL_SECONDS  # before and after Settle Equal Keys
    transitions_ = transitions_per_load + chunks * transitions_per_chunk
    writes = LEDGER_WRITES_PER_LOAD + chunks * LEDGER_WRITES_PER_CHUNK
    reads = LEDGER_READS_PER_LOAD + chunks * LEDGER_READS_PER_CHUNK
    return Cost(
        chunks,
        transitions_,
        rows * DYNAMODB_WRITE,
        transitions_ * TRANSITION,
        gb_seconds * GB_SECOND[architecture] + (chunks + 1 + len(OTHER_FUNCTIONS)) * INVOCATION,
        (PUTS_PER_LOAD + chunks * PUTS_PER_CHUNK) * S3_PUT
        + (GETS_PER_LOAD + chunks * GETS_PER_CHUNK) * S3_GET
        + SQS_REQUESTS_PER_LOAD * SQS_REQUEST
        + EVENT
        + writes * DYNAMODB_WRITE
        + reads * DYNAMODB_READ,
    )


def _gb(function: str) -> float:
    return function_memory(function) / 1024


def transitions() -> tuple[int, int]:
    """Counts the state transitions of a load of several chunks without a retry: (per load, per
    chunk).

    Entering a state is one transition. Starting the child execution of a chunk is one more
    ("Transitions in Distributed Map state", Step Functions Developer Guide).
    """
    definition = load()
    states = definition["States"]
    parent = _path(states, definition["StartAt"], "Write Chunks")
    parent += _path(states, states["Write Chunks"]["Next"], "Settle Equal Keys")
    parent += _path(states, states["Settle Equal Keys"]["Next"], "Loaded")
    processor = states["Write Chunks"]["ItemProcessor"]
    child = _path(processor["States"], processor["StartAt"], "Chunk Written")
    return len(parent), 1 + len(child)


def transitions_of_a_small_file() -> int:
    """Counts the state transitions of a file that Write Small File writes, without a retry."""
    states = load()["States"]
    way = _path(states, load()["StartAt"], "Write Small File")
    return len(way) + len(_path(states, states["Write Small File"]["Next"], "Loaded"))


def _path(states: dict[str, Any], start: str, end: str) -> list[str]:
    """The states on the shortest path from one state to another, including both, without any
    Catch."""
    ways = deque([[start]])
    while ways:
        way = ways.popleft()
        if way[-1] == end:
            return way
        ways.extend([*way, next_] for next_ in _next(states[way[-1]]) if next_ not in way)
    raise ValueError(f"No way leads from {start} to {end}.")


def _next(state: dict[str, Any]) -> Iterator[str]:
    yield from (choice["Next"] for choice in state.get("Choices", []))
    yield from (state[name] for name in ("Next", "Default") if name in state)


def print_model(measured: Measured, rows: int = 1_000_000) -> None:
    """Prints a table for each pace."""
    print(
        f"Dollars for {rows:,} rows of {measured.bytes_per_row:.0f} bytes, {WHERE}.\n"
        f"Measured: a writer writes {measured.rows_per_s:,.0f} rows per second and takes "
        f"{measured.import_seconds * 1000:.0f} ms to import; write_chunk has "
        f"{function_memory('WriteChunk')} MB.\n{ASSUMPTIONS}"
    )
    paces = {
        f"the table accepts whatever {WRITERS} writers write": Pace(WRITERS, float("inf")),
        "the table accepts 40,000 rows/s, one writer": Pace(1, 40_000),
        f"the table accepts 40,000 rows/s, {WRITERS} writers": Pace(WRITERS, 40_000),
        f"the table accepts 4,000 rows/s, {WRITERS} writers": Pace(WRITERS, 4_000),
    }
    for name, pace in paces.items():
        print(
            f"\n{name[0].upper()}{name[1:]}:\n\n"
            "| Chunk | Chunks | Transitions | DynamoDB | Step Functions | Lambda (arm64) | "
            "Requests | Overhead, arm64 | x86-64 |\n"
            "|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
        )
        for chunk_size in CHUNK_SIZES:
            one = cost(rows, chunk_size, pace, measured)
            other = cost(rows, chunk_size, pace, measured, "x86-64")
            print(
                f"| {chunk_size // 2**20} MiB | {one.chunks} | {one.transitions} | "
                f"{one.dynamodb:.4f} | {one.step_functions:.5f} | {one.functions:.5f} | "
                f"{one.requests:.5f} | {one.overhead_percent:.2f} % | "
                f"{other.overhead_percent:.2f} % |"
            )
