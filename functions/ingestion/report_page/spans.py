"""Pieces of a timeline, as shares of its whole time."""

from collections.abc import Iterable

from ingestion.report_page.content import Span

_MIN_GAP = 0.004
"""Pieces with a smaller gap between them are joined. A share of the whole time: a load that waits
for others can have thousands of pieces."""


def span(outcome: str, began: float, took: float, whole: float) -> Span:
    """Returns the piece of something that began `began` seconds after the start of a timeline of
    `whole` seconds."""
    left = _share(began, whole)
    return Span(outcome, left, _share(began + took, whole) - left)


def merged(spans: Iterable[Span]) -> list[Span]:
    """Joins neighbouring pieces of the same outcome with hardly anything between them."""
    found: list[Span] = []
    for one in spans:
        last = found[-1] if found else None
        if last and last.outcome == one.outcome:
            end = last.left + last.width
            if one.left - end < _MIN_GAP:
                found[-1] = Span(
                    last.outcome, last.left, max(one.left + one.width, end) - last.left
                )
                continue
        found.append(one)
    return found


def _share(part: float, whole: float) -> float:
    return min(max(part / whole, 0.0), 1.0) if whole else 0.0
