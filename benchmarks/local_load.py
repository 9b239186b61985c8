"""`make local-load`: a load on the local stack, from upload to end, and the speed of the engine.

The speed of the engine is the number of rows per second that its BatchWriteItem accepts from one
process, which only sends batches that were made beforehand. It is measured before and after the
load, each time with two access keys: the root user's, whose permissions the engine does not check,
and those of write_chunk's role, which the load uses.

With `--files`, loads that many files of 10 rows instead, one after the other, and prints the median
time of an execution and its state transitions.
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

from botocore.credentials import Credentials

from ingestion.csv_files.item_json import put_request
from ingestion.dynamodb.requests import batch_body
from ingestion.dynamodb.transport import dynamodb_transport
from tickets.cli.progress import watch
from tickets.local.deployment import local_stack
from tickets.runs.ingest import local_file, start_load
from tickets.runs.stack import Stack
from tickets.sample import write_sample

BATCH = 25
IN_FLIGHT = 16
SEED = 7
SMALL_ROWS = 10
CHUNK_TRANSITIONS = 4
"""The start of a child execution, and its three states."""


def engine_rows_per_second(stack: Stack, keys: Credentials, name: str, rows: int) -> float:
    """Measures how many rows per second BatchWriteItem accepts. Raises RuntimeError if it does not
    accept a whole batch."""
    requests = [put_request(_item(f"{name}-{row:06d}")) for row in range(rows)]
    bodies = [
        batch_body(stack.table, requests[first : first + BATCH]) for first in range(0, rows, BATCH)
    ]
    sender = dynamodb_transport(stack.client("dynamodb"), keys)
    began = time.perf_counter()
    while bodies or sender.under_way:
        while bodies and sender.under_way < IN_FLIGHT:
            sender.send(None, bodies.pop())
        for reply in sender.replies(10):
            if reply.status != 200 or json.loads(reply.body)["UnprocessedItems"]:
                raise RuntimeError(f"BatchWriteItem did not take a batch: status {reply.status}.")
    return rows / (time.perf_counter() - began)


def write_chunks_keys(stack: Stack) -> Credentials:
    """Session credentials of the role of the stack's function write_chunk."""
    function = stack.client("lambda").get_function_configuration(
        FunctionName=stack.outputs["WriteChunkFunctionName"]
    )
    keys = stack.client("sts").assume_role(RoleArn=function["Role"], RoleSessionName="local-load")[
        "Credentials"
    ]
    return Credentials(keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"])


def _item(ticket: str) -> dict[str, dict[str, str]]:
    texts = {
        "ticket_id": ticket,
        "product": "Espresso beans",
        "basket_id": "B000000196",
        "timestamp": "2026-01-01T09:32:19Z",
        "category": "Drinks",
        "store": "Lyon",
    }
    return {name: {"S": text} for name, text in texts.items()} | {"quantity": {"N": "2"}}


def load_rows_per_second(stack: Stack, path: Path, rows: int, seconds: float) -> float:
    """Measures the rows per second of a load, from the upload to the end. Raises RuntimeError if
    the load fails or has not read all rows."""
    began = time.perf_counter()
    start = start_load(stack, local_file(path))
    _, outcome = watch(stack, start.execution_arn, timeout=seconds)
    took = time.perf_counter() - began
    if outcome.status != "SUCCEEDED" or outcome.rows_read != rows:
        raise RuntimeError(f"The load is {outcome.status} with {outcome.rows_read} rows read.")
    print(
        f"Load: {rows:,} rows, {outcome.rows_written:,} written, {outcome.chunks} chunks, "
        f"{took:.1f} s from upload to end, {rows / took:,.0f} rows/s"
    )
    return rows / took


def measure_small_files(stack: Stack, folder: Path, count: int) -> None:
    """Loads files of 10 rows, and prints how long their executions take. Raises RuntimeError if a
    load fails."""
    seconds, transitions = [], set()
    for number in range(count + 1):
        path = folder / f"small-{number:03d}.csv"
        write_sample(path, SMALL_ROWS, seed=number)
        execution, outcome = watch(stack, start_load(stack, local_file(path)).execution_arn)
        if outcome.status != "SUCCEEDED" or outcome.rows_read != SMALL_ROWS:
            raise RuntimeError(f"{path.name} is {outcome.status}: {execution.failure}")
        children = (execution.map_run or {}).get("itemCounts", {}).get("total", 0)
        if number:  # the first one starts the functions' processes
            seconds.append(outcome.seconds or 0.0)
            transitions.add(len(execution.states) + children * CHUNK_TRANSITIONS)
    print(
        f"{count} files of {SMALL_ROWS} rows: median {statistics.median(seconds):.2f} s from the "
        f"start to the end of an execution ({min(seconds):.2f} to {max(seconds):.2f}), state "
        f"transitions: {', '.join(map(str, sorted(transitions)))}"
    )


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--direct", type=int, default=40_000, help="rows sent directly, each time")
    parser.add_argument("--files", type=int, default=0, help="load this many files of 10 rows")
    parser.add_argument(
        "--seconds", type=float, default=900, help="give up after this many seconds"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, local_stack() as local:
        if options.files:
            measure_small_files(local.stack, Path(folder), options.files)
            return 0
        path = Path(folder) / "tickets.csv"
        sample = write_sample(path, options.rows, SEED)
        stack = local.stack
        callers = {
            "root": Credentials(local.engine.access_key_id, local.engine.secret_access_key),
            "write_chunk's role": write_chunks_keys(stack),
        }

        def engine_rates(moment: str) -> dict[str, float]:
            return {
                caller: engine_rows_per_second(stack, keys, f"{moment}-{caller}", options.direct)
                for caller, keys in callers.items()
            }

        before = engine_rates("before")
        load = load_rows_per_second(stack, path, sample.rows, options.seconds)
        after = engine_rates("after")
    for caller in callers:
        mean = (before[caller] + after[caller]) / 2
        print(
            f"Engine's BatchWriteItem for {caller}: {before[caller]:,.0f} rows/s before, "
            f"{after[caller]:,.0f} after; the load has {load / mean:.2f} times this rate."
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
