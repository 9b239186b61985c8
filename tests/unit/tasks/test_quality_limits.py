"""How many refused and superseded rows a load may have."""

import pytest

from ingestion.tasks.quality_limits import QualityLimits


def exceeded(good: int, refused: int = 0, superseded: int = 0, **limits: float) -> str | None:
    totals = {
        "rows_read": good + refused + superseded,
        "rows_refused": refused,
        "rows_superseded": superseded,
    }
    limits = {"max_refused_percent": 5, "max_superseded_percent": 50} | limits
    return QualityLimits(**limits).exceeded(totals)


@pytest.mark.parametrize(
    ("good", "refused", "percent"),
    [
        (0, 0, 5),  # a header alone
        (0, 0, 0),
        (9, 1, 5),  # a single row
        (1, 1, 0),
        (38, 2, 5),  # exactly
        (5, 0, 0),
        (1, 3, 100),
        (78, 2, 2.5),
    ],
)
def test_a_load_may_have_a_share_of_refused_rows_or_a_single_one(
    good: int, refused: int, percent: float
) -> None:
    assert exceeded(good, refused, max_refused_percent=percent) is None


@pytest.mark.parametrize(
    ("good", "refused", "percent"),
    [(9, 2, 5), (37, 2, 5), (77, 2, 2.5), (998, 2, 0)],
)
def test_one_row_more_fails_it(good: int, refused: int, percent: float) -> None:
    assert exceeded(good, refused, max_refused_percent=percent) == (
        f"{refused} of {good + refused:,} rows are refused, more than the {percent} % that are "
        "allowed; the others are written."
    )


@pytest.mark.parametrize(
    ("refused", "words"), [(1, "The only row is refused"), (1200, "All 1,200 rows are refused")]
)
def test_without_an_accepted_row_it_fails_whatever_share_is_allowed(
    refused: int, words: str
) -> None:
    assert exceeded(0, refused, max_refused_percent=100) == f"{words}, so nothing is written."


def test_half_of_the_rows_may_be_superseded_and_no_row_more() -> None:
    assert exceeded(500, superseded=500) is None  # a file appended to itself
    assert exceeded(1, superseded=1) is None
    sentence = exceeded(1, superseded=999)
    assert sentence
    assert sentence.startswith(
        "999 of 1,000 rows are superseded by a later row with an equal key, more than the 50 % that"
    )
    assert "1.23457E+12" in sentence
    assert exceeded(1, superseded=999, max_superseded_percent=99.9) is None
    assert exceeded(499, refused=1, superseded=501) is not None


def test_refused_rows_are_named_before_superseded_ones() -> None:
    assert "refused" in str(exceeded(1, refused=2, superseded=9))


def test_the_limits_of_the_head_are_those_of_the_load() -> None:
    limits = QualityLimits(5, 50)
    assert not limits.too_many_refused(refused=1, read=2)
    assert limits.too_many_refused(refused=2, read=39)
    assert not limits.too_many_refused(refused=2, read=40)
