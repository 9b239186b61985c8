"""What is certain about the order in which chunks were written."""

from typing import Any

from ingestion.ledger.chunks import ChunkProgress
from ingestion.ledger.claims import Lease
from ingestion.ledger.writing_times import CLOCK_SKEW_SECONDS, WritingTime, writing_times

AT_TEN = 1_767_261_600  # 2026-01-01T10:00:00Z
ALONE = "2026-01-01T09:59:59.000Z"


def chunk(index: Any, *rounds: Any) -> Any:
    times = [
        [f"2026-01-01T10:00:{began:06.3f}Z", f"2026-01-01T10:00:{ended:06.3f}Z", f"lease-{began}"]
        for began, ended in rounds
    ]
    return ChunkProgress(index, 0, 9, 9, finished=True, rounds=times)


def lease(index: Any, until: Any) -> Any:
    return Lease("load", AT_TEN, AT_TEN + until, "generation", index)


def times(*chunks: Any, leases: Any = (), alone: Any = ALONE) -> Any:
    """In seconds after ten."""
    return {
        index: (time.began - AT_TEN, time.ended - AT_TEN, time.may_have_overlapped)
        for index, time in writing_times(chunks, leases, alone).items()
    }


def test_a_chunk_is_written_from_its_first_round_to_its_last() -> None:
    assert times(chunk(4, (1.5, 7.25)), chunk(5, (2, 3), (20, 25.5))) == {
        4: (1.5, 7.25, False),
        5: (2, 25.5, False),
    }


def test_a_call_that_recorded_nothing_may_have_written_until_its_lease_ran_out() -> None:
    found = times(chunk(0, (1, 7)), chunk(1, (1, 7)), leases=[lease(0, 5), lease(0, 40)])
    assert found == {0: (1, 41, True), 1: (1, 7, False)}  # a lease's seconds are rounded down
    assert times(chunk(0, (1, 7)), leases=[lease(0, 5)]) == {0: (1, 7, True)}


def test_before_a_load_wrote_alone_another_one_may_have_written_the_same_rows() -> None:
    found = times(chunk(0, (1, 7)), chunk(1, (9, 12)), alone="2026-01-01T10:00:08.000Z")
    assert found == {0: (1, 8, True), 1: (9, 12, False)}
    assert times(chunk(0, (1, 7)), alone=None) == {0: (1, float("inf"), True)}


def test_only_a_chunk_that_began_when_clocks_agree_that_the_other_had_ended_is_after_it() -> None:
    early = WritingTime(10, 20, False)
    assert WritingTime(20 + CLOCK_SKEW_SECONDS, 30, False).is_after(early)
    assert not WritingTime(19.9 + CLOCK_SKEW_SECONDS, 30, False).is_after(early)
    assert not early.is_after(early)
