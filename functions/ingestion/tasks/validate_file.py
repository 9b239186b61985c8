"""The task Validate File: one object becomes accepted facts, or the reasons it is refused."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ingestion.csv_files.gzip_stream import GZIP_MAGIC, MAX_FILE_BYTES, Unpacker
from ingestion.csv_files.header import HEAD_SIZE, FileFacts, Reason, examine
from ingestion.errors import ObjectChanged, ObjectGone
from ingestion.ledger.loads import Ledger
from ingestion.ledger.versions import Turns
from ingestion.names import forced_load_id, load_id
from ingestion.s3.objects import ObjectState, PinnedObject, pin, read_blocks

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True)
class Verdict:
    """The answer, with every field that a later state of the state machine names."""

    verdict: str
    """``accepted``, ``refused`` or ``already_loaded``."""
    summary: str
    reasons: list[dict[str, Any]]
    load_id: str | None
    file: dict[str, Any] | None
    """The pinned object and its facts; null unless accepted."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


class Validator:
    """Validates objects with the help of S3 and the ledger."""

    def __init__(self, s3: "S3Client", ledger: Ledger, turns: Turns) -> None:
        self._s3 = s3
        self._ledger = ledger
        self._turns = turns

    def validate(self, request: Mapping[str, Any], execution_arn: str) -> Verdict:
        """Judge the object of an execution's input.

        ``bucket`` and ``key`` are enough; ``version_id``, ``etag`` and ``uploader`` are known when
        an upload started the execution; ``force`` loads again what has been loaded. Raises only
        what a retry or an operator can cure.
        """
        bucket, key = request["bucket"], request["key"]
        try:
            state = pin(self._s3, bucket, key, request.get("version_id"), request.get("etag"))
            head, compression, complete = self._read_head(state.pinned)
        except (ObjectGone, ObjectChanged) as error:
            reason = "object_gone" if isinstance(error, ObjectGone) else "object_changed"
            return _refused([Reason(reason, str(error))], None)
        load = load_id(bucket, key, state.identity)
        if request.get("force"):
            load = forced_load_id(load, execution_arn.rpartition(":")[2])
        earlier = self._loaded_already(load, state, forced=bool(request.get("force")))
        if earlier:
            return earlier
        record = asdict(state.pinned) | {
            "object_url": f"s3://{bucket}/{key}",
            "fingerprint": state.fingerprint,
        }
        if request.get("uploader"):  # a start by hand does not know it, and must not erase it
            record["uploader"] = request["uploader"]
        facts = _judge(state.pinned.size, head, compression, complete)
        if isinstance(facts, list):
            verdict = _refused(facts, load)
            self._ledger.open_load(load, record, execution_arn)
            self._ledger.close_load(
                load,
                "FAILED",
                {
                    "summary": verdict.summary,
                    "reasons": verdict.reasons,
                    "first_error": _first_error(verdict.reasons[0]),
                },
            )
            return verdict
        record["unknown_columns"] = list(facts.unknown_columns)
        self._ledger.open_load(load, record, execution_arn)
        file = _file(state.pinned, facts, compression)
        return Verdict("accepted", "The file is accepted.", [], load, file)

    def _read_head(self, source: PinnedObject) -> tuple[bytes, str | None, bool]:
        """The first bytes, unpacked, how they are compressed, and whether they are all there is."""
        blocks = read_blocks(self._s3, source, 0, min(source.size, HEAD_SIZE))
        packed = b"".join(blocks)
        if not packed.startswith(GZIP_MAGIC):
            return packed, None, len(packed) == source.size
        head = b""
        unpacker = Unpacker([packed])
        for block in unpacker:
            head += block
            if len(head) >= HEAD_SIZE:
                return head[:HEAD_SIZE], "gzip", False
        return head, "gzip", len(packed) == source.size and unpacker.problem is None

    def _loaded_already(self, load: str, state: ObjectState, forced: bool) -> Verdict | None:
        """The answer if the same version, or the same bytes, are what is in the table."""
        entry = self._ledger.load(load)
        if entry and entry.get("status") == "SUCCEEDED":
            return _already_loaded(load, entry)
        source = state.pinned
        newest = self._turns.newest(f"s3://{source.bucket}/{source.key}")
        if newest is None or state.fingerprint is None or forced:
            return None
        entry = self._ledger.load(newest.load_id)
        if not entry or entry.get("status") != "SUCCEEDED":
            return None
        if entry.get("fingerprint") != state.fingerprint:
            return None
        # The claim moves on to this version, so that one in between, arriving late, loses.
        if not self._turns.move_on(newest, source.version_id):
            return None
        return _already_loaded(newest.load_id, entry)


def _judge(
    size: int, head: bytes, compression: str | None, complete: bool
) -> FileFacts | list[Reason]:
    if size > MAX_FILE_BYTES:
        detail = f"The file has {size:,} bytes; split it into files of at most {MAX_FILE_BYTES:,}."
        return [Reason("file_too_large", detail)]
    if compression and not head and not complete:
        return [Reason("corrupt_gzip", "The file begins like gzip, but it can't be unpacked.")]
    return examine(head, complete)


def _refused(reasons: list[Reason], load: str | None) -> Verdict:
    summary = " ".join(reason.detail for reason in reasons)
    return Verdict("refused", summary, [reason.as_json() for reason in reasons], load, None)


def _already_loaded(load: str, entry: Mapping[str, Any]) -> Verdict:
    summary = f"Loaded already on {entry['finished_at']}, as {load}."
    return Verdict("already_loaded", summary, [], load, None)


def _first_error(reason: Mapping[str, Any]) -> dict[str, Any]:
    return {name: reason[name] for name in ("line", "column", "reason")}


def _file(source: PinnedObject, facts: FileFacts, compression: str | None) -> dict[str, Any]:
    return asdict(source) | {
        "compression": compression,
        "delimiter": facts.delimiter,
        "columns": facts.columns,
        "width": facts.width,
        "data_start": facts.data_start,
        "header_lines": facts.header_lines,
        "header": asdict(facts.header),
    }
