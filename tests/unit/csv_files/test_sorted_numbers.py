"""Ascending numbers against a set of them."""

from hypothesis import given
from hypothesis import strategies as st

from ingestion.csv_files.sorted_numbers import SortedNumbers


@given(st.sets(st.integers(0, 30)), st.integers(0, 31), st.integers(0, 31))
def test_they_answer_as_a_set_does(numbers: set[int], first: int, last: int) -> None:
    found = SortedNumbers()
    for number in sorted(numbers):
        found.append(number)
    assert list(found) == sorted(numbers)
    assert len(found) == len(numbers)
    assert (first in found) == (first in numbers)
    assert found.any_between(first, last) == any(first <= one < last for one in numbers)
