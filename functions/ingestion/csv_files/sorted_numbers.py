"""Stores many ascending numbers in little memory."""

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator


class SortedNumbers:
    """Ascending whole numbers, 8 bytes each: lines, or positions in a sequence of rows."""

    def __init__(self, numbers: Iterable[int] = ()) -> None:
        self._numbers = array("Q", numbers)

    def __len__(self) -> int:
        return len(self._numbers)

    def __iter__(self) -> Iterator[int]:
        return iter(self._numbers)

    def __contains__(self, number: object) -> bool:
        return isinstance(number, int) and self.any_between(number, number + 1)

    def append(self, number: int) -> None:
        """Adds a number that is greater than all the others."""
        self._numbers.append(number)

    def any_between(self, first: int, last: int) -> bool:
        """Whether one of the numbers is in `[first, last)`."""
        at = bisect_left(self._numbers, first)
        return at < len(self._numbers) and self._numbers[at] < last
