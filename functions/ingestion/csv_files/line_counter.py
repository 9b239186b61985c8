"""Counts the lines of a stream before given offsets."""

from collections.abc import Iterable


class LineCounter:
    """Counts line ends between `offset`, where the stream begins, and each of the `points`.

    The points are offsets in ascending order, and may be infinitely many. `counts` has one number
    for each point that the stream has reached.
    """

    def __init__(self, offset: int, points: Iterable[int]) -> None:
        self.counts: list[int] = []
        self._offset = offset
        self._points = iter(points)
        self._point = next(self._points, None)
        self._lines = 0
        self.feed(b"")

    def feed(self, block: bytes) -> None:
        at = 0
        end = self._offset + len(block)
        while self._point is not None and self._point <= end:
            until = self._point - self._offset
            self._lines += block.count(b"\n", at, until)
            self.counts.append(self._lines)
            self._point = next(self._points, None)
            at = until
        self._lines += block.count(b"\n", at)
        self._offset = end
