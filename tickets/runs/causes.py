"""Groups failed loads and failed chunks by what made them fail."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from ingestion.contracts import ErrorGroup
from ingestion.executions.history import last_value
from ingestion.tasks.chunk_errors import ChunkError, group_errors, without_variables
from tickets.runs.executions import Execution

T = TypeVar("T")


@dataclass(frozen=True)
class Cause(Generic[T]):
    """A cause in words, and all that failed for it."""

    text: str
    failed: list[T]


def group_by_cause(
    failed: Iterable[T], cause: Callable[[T], str], names: Callable[[T], Iterable[str | None]]
) -> list[Cause[T]]:
    """Groups failures with the same cause, in the order of their first ones. Causes that differ
    only in numbers, ids and the failure's own names are the same.

    names: the key of the object, the execution's name and whatever else a cause may mention.
    """
    groups: dict[str, Cause[T]] = {}
    for one in failed:
        text = cause(one)
        groups.setdefault(_without_names(text, names(one)), Cause(text, [])).failed.append(one)
    return list(groups.values())


def chunk_errors(execution: Execution) -> list[ErrorGroup]:
    """The errors of an execution's unfinished chunks, grouped, the most frequent first.

    Those that Write Chunk recorded are in the result of Reconcile. If there are none, because
    Lambda ended the functions or Reconcile did not run, Step Functions has the errors of the first
    ten chunks.
    """
    result = last_value(execution.states, "result") or {}
    if result.get("errors"):
        return [ErrorGroup.from_json(one) for one in result["errors"]]
    return group_errors(
        ChunkError(chunk.index or 0, *_split(chunk.error)) for chunk in execution.failed_chunks()
    )


def untold_errors(execution: Execution) -> list[ErrorGroup]:
    """The `chunk_errors` that the execution's `failure` does not contain. It ends with the most
    frequent one, or is the error of the only chunk, if the ledger has it."""
    told = execution.failure or ""
    return [
        group
        for group in chunk_errors(execution)
        # The failure of a state has the same text after the name of the call.
        if not any(text and text in told for text in (group.message, _without_call(group.message)))
    ]


def chunks_in_words(group: ErrorGroup) -> str:
    """`chunk 3`, `chunks 0-3, 7`."""
    return f"chunk{'' if group.chunks == 1 else 's'} {group.indexes}"


def _without_call(message: str) -> str:
    return message.partition(": ")[2]


def _split(error: str) -> tuple[str, str]:
    name, _, message = error.partition(": ")
    return name, message


def _without_names(text: str, names: Iterable[str | None]) -> str:
    known = sorted({name for name in names if name}, key=len, reverse=True)
    if known:
        text = re.sub(rf"(?<!\w)(?:{'|'.join(map(re.escape, known))})(?!\w)", "#", text)
    return without_variables(text)
