"""Runs Write Chunk as it is deployed, with the classes of functions/ingestion. Only S3 and the
ledger are replaced.

The table is the stub in C. The writer finds its endpoint in AWS_ENDPOINT_URL_DYNAMODB. S3 and the
ledger are stubs in this process.
"""

import os
import tempfile
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import boto3

from benchmarks.stubs import DynamoDBStub, Meter, S3Stub, Source
from benchmarks.write_path.worker import Job, serve
from ingestion.contracts import Chunk, ChunkTask, LoadRequest
from ingestion.csv_files.transcoding import transcode
from ingestion.dynamodb.transport import Transport, dynamodb_transport
from ingestion.ledger.chunks import Chunks
from ingestion.ledger.claims import Claims
from ingestion.ledger.loads import Loads
from ingestion.ledger.versions import Turns
from ingestion.s3.objects import BLOCK_SIZE
from ingestion.sources.catalogue import read_sources
from ingestion.tasks.deployed_sources import value_problems
from ingestion.tasks.quality_limits import QualityLimits
from ingestion.tasks.target_table import TargetTable
from ingestion.tasks.validate_file import Validator
from ingestion.tasks.write_chunk import ChunkWriter

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

LAMBDA_SECONDS = 900.0  # write_chunk's timeout in template.yaml
SOURCES = Path(__file__).parent / "sources"
"""Declarations of the files that are not ticket files."""
WORK_BUCKET, COPY = "work", "copy.csv"
DIGEST_KEY = "0123456789abcdef" * 2


class FileInMemory:
    """A file that is completely in memory, as the source of an S3Stub."""

    etag = "0" * 32

    def __init__(self, data: bytes) -> None:
        self._data = memoryview(data)
        self.size = len(data)

    def blocks(self, start: int, end: int, block_size: int) -> Iterator[bytes]:
        for position in range(start, end, block_size):
            yield bytes(self._data[position : min(position + block_size, end)])


class Load:
    """A validated file, and the writer that writes its chunks."""

    def __init__(
        self, folder: Path, source: Source, endpoint: str, in_flight: int, name: str = "tickets"
    ) -> None:
        meter = Meter()
        s3 = cast("Any", S3Stub(folder, source, meter))
        ledger_client = cast("Any", DynamoDBStub(folder))
        loads = Loads(ledger_client, "ledger")
        turns = Turns(s3, Claims(ledger_client, "ledger"))
        table = TargetTable(ledger_client, "Tickets")
        request = LoadRequest("uploads", f"{name}.csv")
        sources = read_sources(SOURCES, value_problems)
        validator = Validator(s3, loads, turns, table, QualityLimits(5), sources, chunk_size=2**24)
        verdict = validator.validate(request, "arn:bench")
        if verdict.file is None or verdict.load_id is None:
            raise ValueError(verdict.summary)
        self._file, self._load_id = verdict.file, verdict.load_id
        self._writer = chunk_writer(s3, Chunks(ledger_client, "ledger"), turns, endpoint, in_flight)
        self._index = 0
        self._s3 = s3

    @property
    def data_start(self) -> int:
        return self._file.data_start

    def write_file(self, source: Source, rows: int) -> None:
        """Writes a file of one chunk. Converts it to UTF-8 first, as Split File does, if it has
        another encoding."""
        end = source.size
        if self._file.is_rewritten:
            blocks = source.blocks(0, source.size, BLOCK_SIZE)
            text = b"".join(transcode(blocks, self._file.encoding))
            self._s3.put_object(Bucket=WORK_BUCKET, Key=COPY, Body=text)
            end = len(text)
        self.write(self.data_start, end, rows)

    def write(self, start: int, end: int, rows: int) -> None:
        """Writes a chunk. Raises RuntimeError unless exactly `rows` rows were written."""
        file = self._file
        bucket, key = (WORK_BUCKET, COPY) if file.is_rewritten else (file.bucket, file.key)
        chunk = Chunk(self._index, bucket, key, file.version_id, start, end)
        self._index += 1
        task = ChunkTask(self._load_id, file, chunk, 1, "g", DIGEST_KEY)
        result = self._writer.write(task, LAMBDA_SECONDS)
        if not result.finished or result.rows_written != rows:
            raise RuntimeError(f"{result.rows_written} of {rows} rows were written.")


def chunk_writer(
    s3: Any, chunks: Chunks, turns: Turns, endpoint: str, in_flight: int
) -> ChunkWriter:
    """Makes a ChunkWriter as handlers/write_chunk.py does."""
    client, transport = _client(endpoint)
    return ChunkWriter(
        s3,
        TargetTable(client, "Tickets"),
        transport,
        chunks,
        turns,
        work_bucket=WORK_BUCKET,
        in_flight=in_flight,
    )


@cache
def _client(endpoint: str) -> tuple["DynamoDBClient", Transport]:
    os.environ["AWS_ENDPOINT_URL_DYNAMODB"] = endpoint
    client = boto3.client("dynamodb")
    return client, dynamodb_transport(client)


def prepare(folder: Path, job: Job) -> Callable[[], None]:
    with Path(job.path).open("rb") as file:
        source = FileInMemory(file.read(job.size))
    load = Load(folder, source, job.endpoint, job.in_flight, job.source)
    return lambda: load.write_file(source, job.rows)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        serve(partial(prepare, Path(folder)))
