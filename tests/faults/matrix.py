"""The fault matrix: what may go wrong with a load, and how it must end.

Each kind below has one test of its name, `test_<name>`, in the module of its theme, `test_<theme>`.
Every test

1. loads a file, or several, while one thing goes wrong,
2. asserts the ending that is written here, and the words `why` for a failed one,
3. asserts that every row is accounted for: no item in the table that the file has not, none that
   the ledger calls written missing, and rows read = written + superseded + refused in each entry,
4. removes the cause and applies the `cure`, if the load has not recovered by itself,
5. asserts that the table equals what Python's own `csv` module reads in the file, value and type of
   each attribute, and that report, ledger and refused rows say so.

The lowest layer that shows a kind honestly runs it. `cloud`: executions interpreted from the
definition, with its retries, and the real handlers before moto's S3, DynamoDB and Step Functions;
all that the handlers send goes through a proxy of these tests, `cloud.wire`.
`stack`: the whole stack on the embedded engine, with real Lambda workers. Each fault keeps a
record of what it did, and one that did nothing fails its test.

`quick` kinds run in `make test`, all of them in `make test-all`.
"""

from dataclasses import dataclass

# The state that an execution ends in, ...
LOADED = "Loaded"
OVERTAKEN = "Overtaken"
FAILED = "Load Failed"
NOT_REPORTED = "Load Failure Not Reported"
# ... or how it ended where none of the graph's states did it.
ABORTED = "ABORTED"
CRASHED = "States.ServiceRestart"
NOT_STARTED = "in the queue"

REPLAY = "replay"
NEW_UPLOAD = "upload again"
REDELIVERY = "the queue delivers again"


@dataclass(frozen=True)
class Kind:
    name: str
    fault: str
    ending: str
    why: str = ""
    cure: str | None = None
    quick: bool = False


MATRIX: dict[str, list[Kind]] = {
    "events": [
        Kind(
            "duplicate_events",
            "the S3 event of an upload is delivered three times",
            LOADED,
        ),
        Kind(
            "reordered_events",
            "the event of a key's newer version is delivered first",
            OVERTAKEN,
        ),
        Kind(
            "poison_record",
            "one of ten messages of a batch is no S3 event",
            LOADED,
        ),
        Kind(
            "start_execution_throttled",
            "StartExecution answers ThrottlingException until the SDK gives up",
            NOT_STARTED,
            cure=REDELIVERY,
            quick=True,
        ),
        Kind(
            "start_execution_reply_lost",
            "StartExecution has started it, and the connection breaks before its reply",
            LOADED,
        ),
    ],
    "objects": [
        Kind("overwritten_before_validate", "a newer version is there before it starts", LOADED),
        Kind(
            "overwritten_before_validate_without_versions",
            "the same in a bucket without versions",
            FAILED,
            why="was overwritten before it was read",
            cure=NEW_UPLOAD,
        ),
        Kind("overwritten_before_split", "a newer version comes after Validate File", LOADED),
        Kind(
            "overwritten_before_split_without_versions",
            "the same in a bucket without versions",
            FAILED,
            why='"split_file":{"Error":"ObjectChanged"',
            cure=NEW_UPLOAD,
        ),
        Kind(
            "overwritten_in_a_chunk",
            "a newer version comes while a chunk is read, and its body breaks off",
            LOADED,
        ),
        Kind(
            "overwritten_in_a_chunk_without_versions",
            "the same in a bucket without versions",
            FAILED,
            why="5 of 5 chunks are not finished; the first is chunk 0.",
            cure=NEW_UPLOAD,
        ),
        Kind(
            "deleted_by_a_marker",
            "a delete marker is put on it while a chunk is read, and its body breaks off",
            LOADED,
        ),
        Kind(
            "deleted_for_good",
            "the version is deleted between Split File and the chunks",
            FAILED,
            why="5 of 5 chunks are not finished; the first is chunk 0.",
            cure=NEW_UPLOAD,
        ),
        Kind(
            "body_cut",
            "four bodies of GetObject in a row end after a third of their bytes",
            LOADED,
            quick=True,
        ),
        Kind(
            "body_cut_for_ever",
            "every body of GetObject ends before its first byte, once the chunks have begun",
            FAILED,
            why="5 of 5 chunks are not finished; the first is chunk 0.",
            cure=REPLAY,
        ),
        Kind("body_slow", "bodies of GetObject come at 10 KiB a second", LOADED),
        Kind("slow_down", "GetObject answers 503 SlowDown, twice in a row", LOADED, quick=True),
        Kind(
            "get_denied",
            "HeadObject and GetObject answer AccessDenied",
            FAILED,
            why="S3 denies access to the object: s3://",
            cure=REPLAY,
        ),
        Kind(
            "get_denied_in_split",
            "GetObject answers AccessDenied after Validate File",
            FAILED,
            why="S3 denies access to the object: s3://",
            cure=REPLAY,
        ),
        Kind(
            "archived_in_a_chunk",
            "the object is archived between Split File and the chunks",
            FAILED,
            why="5 of 5 chunks are not finished; the first is chunk 0.",
            cure=REPLAY,
            quick=True,
        ),
    ],
    "table": [
        Kind(
            "unprocessed_items",
            "BatchWriteItem hands most of its items back, for several rounds",
            LOADED,
            quick=True,
        ),
        Kind(
            "throughput_exceeded",
            "every other BatchWriteItem answers ProvisionedThroughputExceededException",
            LOADED,
        ),
        Kind(
            "write_reply_lost",
            "batches land in the table, and the connection breaks before the reply",
            LOADED,
            quick=True,
        ),
        Kind(
            "server_errors", "BatchWriteItem answers 500 InternalServerError, three times", LOADED
        ),
        Kind(
            "table_missing",
            "there is no table",
            FAILED,
            why="Table Tickets does not exist.",
            cure=REPLAY,
        ),
        Kind(
            "one_chunk_fails_for_ever",
            "the batch with one certain ticket is refused, every time",
            FAILED,
            why="1 of 5 chunks are not finished; the first is chunk 2.",
            cure=REPLAY,
            quick=True,
        ),
        Kind(
            "every_chunk_fails",
            "every BatchWriteItem is denied, in the middle of the load",
            FAILED,
            why="4 of 5 chunks are not finished; the first is chunk 1.",
            cure=REPLAY,
        ),
    ],
    "ledger": [
        Kind(
            "ledger_write_refused_once",
            "the entry of a finished chunk is refused",
            LOADED,
            quick=True,
        ),
        Kind(
            "ledger_write_refused",
            "every write to the ledger is refused once the chunks have begun",
            FAILED,
            why="(AccessDeniedException) when calling the UpdateItem operation",
            cure=REPLAY,
        ),
        Kind(
            "ledger_reply_lost",
            "a chunk's entry is written, and the connection breaks before the reply",
            LOADED,
        ),
        Kind(
            "refused_rows_refused",
            "the object with a chunk's refused rows can't be put",
            FAILED,
            why="2 of 5 chunks are not finished; the first is chunk 0.",
            cure=REPLAY,
        ),
        Kind(
            "plan_refused",
            "the plan can't be put",
            FAILED,
            why="(AccessDenied) when calling the PutObject operation",
            cure=REPLAY,
        ),
        Kind(
            "report_refused",
            "the report can't be put",
            FAILED,
            why="(AccessDenied) when calling the PutObject operation",
            cure=REPLAY,
        ),
        Kind(
            "chunk_entry_missing",
            "a chunk's entry has gone from the ledger before Reconcile",
            FAILED,
            why="1 of 5 chunks are not finished; the first is chunk 3.",
            cure=REPLAY,
        ),
        Kind(
            "plan_expired",
            "a chunk fails, and plan and chunk size are others before the replay",
            FAILED,
            why="1 of 5 chunks are not finished; the first is chunk 2.",
            cure=REPLAY,
            quick=True,
        ),
    ],
    "workers": [
        Kind(
            "time_runs_out",
            "a chunk's function comes to its last seconds in the middle of the chunk",
            LOADED,
        ),
        Kind(
            "worker_killed",
            "the process of a Lambda worker is killed with a batch on its way",
            LOADED,
        ),
        Kind(
            "worker_timed_out",
            "Lambda ends a function that hangs when all of its chunk is written",
            LOADED,
        ),
    ],
    "state_machine": [
        Kind(
            "permission_missing",
            "the role of Write Chunk may not write to the table",
            FAILED,
            why="chunks are not finished; the first is chunk 0.",
            cure=REPLAY,
        ),
        Kind(
            "dead_letter_queue_refuses",
            "a load fails, and the dead-letter queue does not take its message",
            NOT_REPORTED,
            why="chunks are not finished; the first is chunk 0.",
            cure=REPLAY,
        ),
        Kind(
            "execution_aborted",
            "an execution is stopped in the middle of its chunks",
            ABORTED,
            cure=REPLAY,
        ),
        Kind(
            "replay_during_a_replay",
            "a failed load is replayed twice more while its first replay runs",
            FAILED,
            why="chunks are not finished; the first is chunk 0.",
            cure=REPLAY,
        ),
    ],
    "engine": [
        Kind(
            "engine_restarted",
            "the engine is stopped in the middle of a load, and started again",
            CRASHED,
            cure=REPLAY,
        ),
        Kind(
            "engine_frozen",
            "the engine's process stands still in the middle of a load, then goes on",
            LOADED,
        ),
    ],
}

KINDS = {kind.name: kind for kinds in MATRIX.values() for kind in kinds}
