"""Scenarios of many loads at once, for test_waiting_loads.py.

python -m tests.statemachine.waiting_loads              prints the table in docs/scale.md
python -m tests.statemachine.waiting_loads --large      prints its table of large loads
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from ingestion.csv_files.gzip_stream import MAX_FILE_BYTES
from ingestion.tasks.split_file import MAX_CHUNKS
from tests.support.simulated_account import Account, Load
from tools import definition

DAY = 86_400
TWO_WEEKS = 14 * DAY
"""The largest LoadTimeoutSeconds."""
NEW_ACCOUNT = 8
"""The quota of a new account, less two calls of start_execution."""
DOLLARS_PER_TRANSITION = 25e-6

Machine = dict[str, Any]


@dataclass(frozen=True)
class Scenario:
    title: str
    loads: Callable[[], list[Load]]
    writes_per_second: float = 4_000
    quota: int = 1_000
    loads_at_a_time: int = 3
    """The default of LoadsAtATime."""
    write_chunk_concurrency: int = 0

    def run(self, machine: Machine | None = None, **changes: Any) -> "Outcome":
        loads = self.loads()
        settings = {
            "quota": self.quota,
            "writes_per_second": self.writes_per_second,
            "loads_at_a_time": self.loads_at_a_time,
            "write_chunk_concurrency": self.write_chunk_concurrency,
        }
        account = Account(machine or defined(), **{**settings, **changes})
        account.run(loads)
        return Outcome(account, loads)

    @property
    def shortest(self) -> float:
        """The seconds in which the table can accept all rows."""
        return sum(load.chunks * load.rows for load in self.loads()) / self.writes_per_second


@dataclass(frozen=True)
class Outcome:
    account: Account
    loads: list[Load]

    @property
    def unfinished(self) -> list[Load]:
        return [load for load in self.loads if load.execution.ended_in != "Loaded"]

    @property
    def seconds(self) -> float:
        return max(load.ended or 0.0 for load in self.loads)

    @property
    def events(self) -> int:
        """The events of the execution that has most."""
        return max(load.execution.history for load in self.loads)

    @property
    def transitions(self) -> int:
        return sum(load.transitions for load in self.loads)


def defined(timeout: int = 4 * DAY, map_concurrency: int = 2) -> Machine:
    """The definition with the template's defaults."""
    text = definition.DEFINITION.read_text(encoding="utf-8")
    values = {name: definition.sample_value(name) for name in definition.placeholders(text)}
    values |= {"LoadTimeoutSeconds": timeout, "MapConcurrency": map_concurrency}
    return definition.substitute(text, values)


def files(count: int, chunks: int, rows: int) -> list[Load]:
    return [Load(f"file-{number:04d}", chunks, rows) for number in range(count)]


def one_large(small: int, chunks: int) -> list[Load]:
    return [Load("large", chunks, 20_000), *files(small, 1, 20_000)]


A_THOUSAND = Scenario("1,000 files of 20,000 rows", lambda: files(1_000, 1, 20_000))
NEW = Scenario(
    "the same, new account (10 calls)", lambda: files(1_000, 1, 20_000), quota=NEW_ACCOUNT
)
TWENTY = Scenario(
    "20 files of 1.2 million rows (6 chunks), new account",
    lambda: files(20, 6, 200_000),
    quota=NEW_ACCOUNT,
)
SLOW = Scenario(
    "20 files of 120,000 rows (6 chunks), table of 100 writes/s",
    lambda: files(20, 6, 20_000),
    writes_per_second=100,
)
LARGE = Scenario(
    "500 files of 20,000 rows beside one of 10,000 chunks", lambda: one_large(500, 10_000)
)

SMALL = Scenario("1,000 files of 10 rows", lambda: files(1_000, 1, 10))
SMALL_NEW = Scenario(
    "the same, new account (10 calls)", lambda: files(1_000, 1, 10), quota=NEW_ACCOUNT
)
A_MIB = Scenario("1,000 files of 10,000 rows (1 MiB)", lambda: files(1_000, 1, 10_000))
BESIDE = Scenario(
    "500 files of 10 rows beside one of 1,000 chunks, new account",
    lambda: [Load("large", 1_000, 20_000), *files(500, 1, 10)],
    quota=NEW_ACCOUNT,
)


ROW_BYTES = 84
ROWS_OF_A_CHUNK = 16 * 2**20 // ROW_BYTES
WRITERS = {4_000: 2, 40_000: 8, 400_000: 64}
"""MapConcurrency by the writes per second that a table accepts. A writer reaches 8,000."""
DOLLARS_PER_WRITE = 0.625e-6
DOLLARS_PER_SECOND = 1769 / 1024 * 0.0000133334
"""Of Write Chunk and of Settle Equal Keys, on Arm."""
DOLLARS_PER_GET = 0.4e-6


def print_large_loads() -> None:
    print(
        "| Rows | File | Chunks | Table, writes/s | `MapConcurrency` | Finished | Table alone | "
        "Settle Equal Keys | Its calls | Transitions | DynamoDB | Step Functions | Write Chunk | "
        "Settle Equal Keys, GETs included |\n"
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
    )
    for rows in (100_000_000, 1_000_000_000, MAX_FILE_BYTES // ROW_BYTES):
        chunks = min(-(-rows // ROWS_OF_A_CHUNK), MAX_CHUNKS)
        for writes, writers in WRITERS.items():
            load = Load("large", chunks, rows // chunks)
            scenario = Scenario("", lambda load=load: [load], writes)  # type: ignore[misc]
            if scenario.shortest > TWO_WEEKS:
                continue
            outcome = scenario.run(defined(TWO_WEEKS, writers))
            if outcome.unfinished:
                raise RuntimeError("The load is not finished.")
            settling = outcome.account.settling_seconds
            gets = load.slabs * chunks
            cells = [
                f"{rows:,}",
                f"{rows * ROW_BYTES / 1e9:,.1f} GB",
                f"{chunks:,}",
                f"{writes:,}",
                f"{writers}",
                f"{outcome.seconds / 3600:.2f} h",
                f"{scenario.shortest / 3600:.2f} h",
                f"{settling:,.0f} s",
                f"{outcome.account.calls['settle_equal_keys']}",
                f"{outcome.transitions:,}",
                f"${rows * DOLLARS_PER_WRITE:,.2f}",
                f"${outcome.transitions * DOLLARS_PER_TRANSITION:.2f}",
                f"${outcome.account.writing_seconds * DOLLARS_PER_SECOND:.2f}",
                f"${gets * DOLLARS_PER_GET + settling * DOLLARS_PER_SECOND:.2f}",
            ]
            print(f"| {' | '.join(cells)} |", flush=True)


def main() -> None:
    if "--large" in sys.argv:
        print_large_loads()
        return
    print(
        "| Uploaded at once | Finished | Table alone | Failed | Longest idle slot | "
        "Events, at most | Transitions | Per load | Time of Write Chunk |\n"
        "|---|---:|---:|---:|---:|---:|---:|---:|---:|"
    )
    for scenario in (A_THOUSAND, NEW, TWENTY, SLOW, LARGE, SMALL, SMALL_NEW, A_MIB, BESIDE):
        outcome = scenario.run()
        transitions, idle = outcome.transitions, outcome.account.longest_idle
        cells = [
            scenario.title,
            f"{outcome.seconds:,.0f} s",
            f"{scenario.shortest:,.0f} s",
            f"{len(outcome.unfinished)}",
            f"{idle:,.0f} s",
            f"{outcome.events:,}",
            f"{transitions:,} (${transitions * DOLLARS_PER_TRANSITION:.2f})",
            f"{transitions / len(outcome.loads):,.0f}",
            f"{outcome.account.writing_seconds:,.0f} s",
        ]
        print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
