"""Finds the rows for which DynamoDB refuses a whole batch, by sending ever smaller parts of it."""

from collections.abc import Hashable, Sequence


class Bisection:
    """One batch that was refused as invalid, sent again part by part.

    ``keys`` and ``requests`` are all rows of the batch in their order. Of rows with equal keys the
    last one is sent; where it is refused, the one before it is sent instead, because a refused row
    supersedes nothing. Of n rows it takes at most 2n requests.
    """

    def __init__(self, keys: Sequence[Hashable], requests: Sequence[bytes]) -> None:
        self._requests = requests
        self._earlier: dict[int, int] = {}
        """For a row its nearest earlier one with the same key."""
        last: dict[Hashable, int] = {}
        for position, key in enumerate(keys):
            if key in last:
                self._earlier[position] = last[key]
            last[key] = position
        self._parts = [sorted(last.values())]  # the last one is being sent
        self.accepted = 0
        """Rows that are in the table."""
        self.refused: list[int] = []
        """Positions of the rows that the table refuses."""

    @property
    def requests(self) -> list[bytes]:
        """The part to be sent now; empty once every row is accepted, replaced or refused."""
        return [self._requests[position] for position in self._parts[-1]] if self._parts else []

    def part_accepted(self) -> None:
        """The part that was sent is in the table."""
        self.accepted += len(self._parts.pop())

    def part_refused(self) -> None:
        """The part that was sent was refused as invalid."""
        part = self._parts.pop()
        if len(part) > 1:
            middle = len(part) // 2
            self._parts += [part[middle:], part[:middle]]
            return
        [position] = part
        self.refused.append(position)
        if position in self._earlier:
            self._parts.append([self._earlier[position]])
