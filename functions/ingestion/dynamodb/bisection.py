"""Finds the rows that make DynamoDB refuse a batch, by sending smaller and smaller parts."""

from collections.abc import Hashable, Sequence


class Bisection:
    """One batch that was refused as invalid, sent again part by part.

    `keys` and `requests` are the keys and requests of all rows of the batch, in order. If rows have
    equal keys, the last one is sent. If it is refused, the one before it is sent instead, because a
    refused row supersedes nothing. n rows take at most 2n requests.
    """

    def __init__(self, keys: Sequence[Hashable], requests: Sequence[bytes]) -> None:
        self._requests = requests
        self._earlier: dict[int, int] = {}
        """Maps a row to the nearest earlier row with the same key."""
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
        """The part to send now. Empty once every row is accepted, replaced or refused."""
        return [self._requests[position] for position in self._parts[-1]] if self._parts else []

    def part_accepted(self) -> None:
        """Notes that the table has accepted the part that was sent."""
        self.accepted += len(self._parts.pop())

    def part_refused(self) -> None:
        """Notes that the part that was sent was refused as invalid."""
        part = self._parts.pop()
        if len(part) > 1:
            middle = len(part) // 2
            self._parts += [part[middle:], part[:middle]]
            return
        [position] = part
        self.refused.append(position)
        if position in self._earlier:
            self._parts.append([self._earlier[position]])
