"""Limits the share of refused and superseded rows with which a load still succeeds."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

_TOO_MANY = "rows are refused, more than the"
_NONE_ACCEPTED = "refused, so nothing is written."


def is_about_refused_rows(summary: str) -> bool:
    """Whether a load's summary says that it failed because of its refused rows."""
    return _TOO_MANY in summary or _NONE_ACCEPTED in summary


@dataclass(frozen=True)
class QualityLimits:
    """Limits as percentages of the rows read, which a load may reach but not exceed."""

    max_refused_percent: float
    max_superseded_percent: float = 100

    def of_source(self, max_superseded_percent: float | None) -> Self:
        """The limits of a source that may set its own."""
        if max_superseded_percent is None:
            return self
        return replace(self, max_superseded_percent=max_superseded_percent)

    def exceeded(self, totals: Mapping[str, int]) -> str | None:
        """Describes in a sentence which limit a load exceeds, or returns None.

        `totals` has `rows_read`, `rows_refused` and `rows_superseded` of the whole load. A
        file without rows exceeds none, and a single refused row only if no other row was accepted.
        """
        read, refused = totals["rows_read"], totals["rows_refused"]
        superseded = totals["rows_superseded"]
        if read and refused == read:
            return f"{_all(read)} {_NONE_ACCEPTED}"
        if self.too_many_refused(refused, read):
            return (
                f"{refused:,} of {read:,} {_TOO_MANY} "
                f"{self.max_refused_percent:g} % that are allowed; the others are written."
            )
        if superseded * 100 > read * self.max_superseded_percent:
            return (
                f"{superseded:,} of {read:,} rows are superseded by a later row with an equal key, "
                f"more than the {self.max_superseded_percent:g} % that are allowed; the last row "
                "of each key is written. Look at the key columns: a spreadsheet may have shortened "
                "long ids to numbers like 1.23457E+12, or the file repeats its rows."
            )
        return None

    def too_many_refused(self, refused: int, read: int) -> bool:
        """Whether at least two rows and more than the allowed share are refused."""
        return refused >= 2 and refused * 100 > read * self.max_refused_percent


def _all(rows: int) -> str:
    return "The only row is" if rows == 1 else f"All {rows:,} rows are"
