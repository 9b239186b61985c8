"""The task Validate File: one object becomes accepted facts, or the reasons it is refused."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from ingestion.errors import ObjectChanged, ObjectGone
from ingestion.facts import HEAD_SIZE, FileFacts, Reason, examine
from ingestion.ledger import Ledger
from ingestion.objects import PinnedObject, pin, read_blocks
from ingestion.uploads import load_id

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

    def __init__(self, s3: "S3Client", ledger: Ledger) -> None:
        self._s3 = s3
        self._ledger = ledger

    def validate(self, request: Mapping[str, Any], execution_arn: str) -> Verdict:
        """Judge the object of an execution's input.

        ``bucket`` and ``key`` are enough; ``version_id``, ``etag`` and ``uploader`` are known when
        an upload started the execution. Raises only what a retry or an operator can cure.
        """
        bucket, key = request["bucket"], request["key"]
        try:
            source = pin(self._s3, bucket, key, request.get("version_id"), request.get("etag"))
            head = b"".join(read_blocks(self._s3, source, 0, min(source.size, HEAD_SIZE)))
        except (ObjectGone, ObjectChanged) as error:
            reason = "object_gone" if isinstance(error, ObjectGone) else "object_changed"
            return _refused([Reason(reason, str(error))], None)
        load = load_id(bucket, key, source.version_id, source.etag)
        earlier = self._ledger.load(load)
        if earlier and earlier.get("status") == "SUCCEEDED":
            summary = f"Loaded already on {earlier['finished_at']}, as {load}."
            return Verdict("already_loaded", summary, [], load, None)
        facts = examine(head, source.size)
        record = asdict(source)
        if request.get("uploader"):  # a start by hand does not know it, and must not erase it
            record["uploader"] = request["uploader"]
        if isinstance(facts, list):
            verdict = _refused(facts, load)
            self._ledger.open_load(load, record, execution_arn)
            self._ledger.close_load(
                load, "FAILED", {"summary": verdict.summary, "reasons": verdict.reasons}
            )
            return verdict
        self._ledger.open_load(
            load, record | {"unknown_columns": list(facts.unknown_columns)}, execution_arn
        )
        return Verdict("accepted", "The file is accepted.", [], load, _file(source, facts))


def _refused(reasons: list[Reason], load: str | None) -> Verdict:
    summary = " ".join(reason.detail for reason in reasons)
    return Verdict("refused", summary, [reason.as_json() for reason in reasons], load, None)


def _file(source: PinnedObject, facts: FileFacts) -> dict[str, Any]:
    return asdict(source) | {
        "delimiter": facts.delimiter,
        "columns": facts.columns,
        "width": facts.width,
        "data_start": facts.data_start,
        "header_lines": facts.header_lines,
    }
