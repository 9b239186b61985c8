"""Adds up rows with equal keys for an audit, on disk, so that memory is bounded."""

import heapq
from collections.abc import Iterator, Mapping, Sequence
from decimal import Context, Decimal
from pathlib import Path
from typing import Any

_CONTEXT = Context(prec=300)  # DynamoDB's numbers have digits from 10^125 to 10^-167 at most
_MISSING = "-"
_BUFFERED_ROWS = 256


class TotalsOnDisk:
    """The number attributes of all rows, by the digest of their key, in `partitions` files."""

    def __init__(self, folder: Path, partitions: int, attributes: Sequence[str]) -> None:
        self._attributes = attributes
        self._paths = [folder / f"totals-{number:04d}" for number in range(partitions)]
        self._buffers: list[list[str]] = [[] for _ in self._paths]

    def add(self, digest: bytes, line: int, item: Mapping[str, Any]) -> None:
        """Adds a row. Rows must come in the order of their line numbers."""
        partition = int.from_bytes(digest[:4], "big") % len(self._paths)
        numbers = [item.get(name, {}).get("N", _MISSING) for name in self._attributes]
        self._buffers[partition].append(f"{digest.hex()} {line} {' '.join(numbers)}\n")
        if len(self._buffers[partition]) == _BUFFERED_ROWS:
            self._write(partition)

    def totals(self) -> Iterator[tuple[int, dict[str, dict[str, str]]]]:
        """Yields the last line of each key that several rows have, ascending, and its totals as
        attributes of an item."""
        found = []
        for partition, path in enumerate(self._paths):
            self._write(partition)
            if path.exists():
                path.write_text("".join(_added_up(path)))
                found.append(path)
        for text in heapq.merge(*map(_lines, found), key=_line_number):
            line, *numbers = text.split()
            values = zip(self._attributes, numbers, strict=True)
            yield int(line), {name: {"N": one} for name, one in values if one != _MISSING}

    def _write(self, partition: int) -> None:
        with self._paths[partition].open("a") as file:
            file.writelines(self._buffers[partition])
        self._buffers[partition].clear()


def _added_up(path: Path) -> list[str]:
    """The last line and the totals of each key of a partition that several rows have."""
    totals: dict[str, tuple[int, int, list[Decimal | None]]] = {}
    for text in _lines(path):
        digest, line, *numbers = text.split()
        _, rows, before = totals.get(digest, (0, 0, [None] * len(numbers)))
        after = [_sum(one, number) for one, number in zip(before, numbers, strict=True)]
        totals[digest] = int(line), rows + 1, after
    several = [(line, numbers) for line, rows, numbers in totals.values() if rows > 1]
    return [
        f"{line} {' '.join(_MISSING if one is None else str(one) for one in numbers)}\n"
        for line, numbers in sorted(several, key=lambda one: one[0])
    ]


def _sum(total: Decimal | None, number: str) -> Decimal | None:
    if number == _MISSING:
        return total
    return Decimal(number) if total is None else _CONTEXT.add(total, Decimal(number))


def _lines(path: Path) -> Iterator[str]:
    with path.open() as file:
        yield from file


def _line_number(text: str) -> int:
    return int(text.split(maxsplit=1)[0])
