"""A running load's rate, the time that is left, and its chunks."""

from dataclasses import replace
from typing import Any

import pytest

from ingestion.ledger.chunks import ChunkProgress
from ingestion.report_page.recorded import Recorded
from tests.support.visited_states import BEGAN
from tickets.console.progress import Samples, grid

RUNNING = Recorded("a", "arn:a", "RUNNING", BEGAN, None, {})


def at(rows: int, done: int) -> Recorded:
    chunk = ChunkProgress(0, 100, 1100, 100 + done, rows_read=rows)
    return replace(RUNNING, chunks=[chunk])


def test_the_rate_is_that_of_the_last_ten_seconds() -> None:
    samples = Samples()
    for seconds, rows in ((0, 0), (2, 2000), (12, 2000), (22, 3000)):
        samples.add(at(rows, rows // 10), 1000, seconds)
    assert samples.rows_per_second == 100
    assert samples.share == pytest.approx(0.3)
    # 300 of 1,000 bytes took 22 seconds.
    assert samples.seconds_left == pytest.approx(700 / (300 / 22))


def test_nothing_is_estimated_from_one_sample() -> None:
    samples = Samples()
    samples.add(at(10, 10), 1000, 0)
    assert (samples.rows_per_second, samples.seconds_left) == (None, None)


def test_progress_never_goes_backwards() -> None:
    samples = Samples()
    samples.add(at(500, 50), 1000, 0)
    samples.add(at(400, 40), 1000, 2)
    assert samples.rows == 500
    assert len(samples.taken) == 1


def test_a_long_load_keeps_a_limited_number_of_samples() -> None:
    samples = Samples()
    for second in range(5000):
        samples.add(at(second, 1), 1000, second)
    assert len(samples.taken) <= 300
    assert (samples.taken[0].rows, samples.rows) == (0, 4999)
    assert len(samples.curve().split(" ")) == len(samples.taken) - 1


def chunk(index: int, **values: Any) -> ChunkProgress:
    return ChunkProgress(index, 0, 10, 5, **values)


def test_each_chunk_has_a_square() -> None:
    drawn = grid([chunk(0, finished=True), chunk(2)], 102)
    assert drawn.finished == "M0 0h9v9h-9z"
    assert drawn.begun == "M22 0h9v9h-9z"
    assert drawn.waiting.count("M") == 100
    assert drawn.waiting.endswith("M11 11h9v9h-9z")  # chunk 101, in the second row
    assert drawn.text == "1 of 102 chunks are written, 1 have begun."
