"""Groups the errors with which the chunks of a load failed.

Ten thousand chunks can fail for the same reason, and an operator wants to read it once.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from botocore.exceptions import ClientError

from ingestion.contracts import ErrorGroup

MAX_MESSAGE = 1000
"""Characters of an error's message that are kept. With MAX_GROUPS, it keeps a result far below the
256 KiB that Step Functions allows."""
MAX_GROUPS = 5
_MAX_RANGES = 10
# What differs between equal errors: ids of requests, numbers of chunks, bytes and seconds.
_VARIABLE = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[0-9]+")


class ChunkError(NamedTuple):
    """An error with which Write Chunk failed. `chunk` is the chunk's index."""

    chunk: int
    error: str
    message: str


def describe_error(error: Exception) -> tuple[str, str]:
    """Returns an error's name and its message.

    The name of an error of AWS is its code, and its message begins with the call that failed.
    """
    if isinstance(error, ClientError):
        answer = error.response["Error"]
        text = f"{error.operation_name}: {answer.get('Message') or 'no message'}"
        return answer.get("Code") or type(error).__name__, text[:MAX_MESSAGE]
    return type(error).__name__, str(error)[:MAX_MESSAGE]


def group_errors(errors: Iterable[ChunkError]) -> list[ErrorGroup]:
    """Groups equal errors, the most frequent first. Messages that differ only in numbers and ids
    are equal, and the group has the message of its first chunk. Returns at most MAX_GROUPS
    groups."""
    groups: defaultdict[tuple[str, str], list[ChunkError]] = defaultdict(list)
    for one in sorted(errors):
        groups[one.error, without_variables(one.message)].append(one)
    largest_first = sorted(groups.values(), key=len, reverse=True)
    return [
        ErrorGroup(
            group[0].error, group[0].message, len(group), _ranges([one.chunk for one in group])
        )
        for group in largest_first[:MAX_GROUPS]
    ]


def without_variables(message: str) -> str:
    """The message without numbers and ids, to compare it with another error's message."""
    return _VARIABLE.sub("#", message)


def sentence(group: ErrorGroup) -> str:
    """`Chunks 0-3: AccessDeniedException: BatchWriteItem: User: ...`"""
    chunks = "Chunk" if group.chunks == 1 else "Chunks"
    return f"{chunks} {group.indexes}: {group.error}: {group.message}"


def with_first_error(summary: str, groups: Sequence[ErrorGroup]) -> str:
    """The summary of a load that is incomplete, followed by the most frequent error."""
    if not groups:
        return summary
    others = len(groups) - 1
    more = f" There are {others} other errors." if others > 1 else " There is another error."
    first = sentence(groups[0])
    return f"{summary} {first}{'' if first.endswith('.') else '.'}{more if others else ''}"


def _ranges(indexes: Sequence[int]) -> str:
    """`0-3, 7` for sorted indexes; beyond _MAX_RANGES ranges, how many more chunks there are."""
    ranges: list[list[int]] = []
    for index in indexes:
        if ranges and index == ranges[-1][1] + 1:
            ranges[-1][1] = index
        else:
            ranges.append([index, index])
    shown = [f"{a}" if a == b else f"{a}-{b}" for a, b in ranges[:_MAX_RANGES]]
    left = sum(last - first + 1 for first, last in ranges[_MAX_RANGES:])
    return ", ".join(shown) + (f" and {left:,} more" if left else "")
