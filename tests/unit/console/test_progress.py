"""A running load's rate, the time that is left, and its chunks."""

from dataclasses import replace
from typing import Any

import pytest

from ingestion.ledger.chunks import ChunkProgress
from ingestion.report_page.recorded import Recorded
from tests.support.visited_states import BEGAN
from tickets.console.progress import Samples, grid

RUNNING = Recorded("a", "arn:a", "RUNNING", BEGAN, None, {})


def at(rows: int, done: int, total: int = 1000) -> Recorded:
    chunk = ChunkProgress(0, 100, 1100, 100 + done, rows_read=rows)
    return replace(RUNNING, chunks=[chunk], load={"plan": {"chunks": 4, "data_end": total}})


def test_the_rate_is_that_of_the_last_ten_seconds() -> None:
    samples = Samples()
    for seconds, rows in ((0, 0), (2, 2000), (12, 2000), (22, 3000)):
        samples.add(at(rows, rows // 10), seconds)
    assert samples.rows_per_second == 100
    assert samples.rates() == [(2, 1000), (12, 0), (22, 100)]
    assert samples.share == pytest.approx(0.3)
    # 300 of 1,000 bytes took 22 seconds.
    assert samples.seconds_left == pytest.approx(700 / (300 / 22))


def test_waiting_does_not_count_for_the_rate() -> None:
    samples = Samples()
    for seconds, done in ((0, 0), (3000, 0), (3010, 100), (3020, 200)):
        samples.add(at(done, done), seconds)
    assert samples.rows_per_second == 10
    assert samples.seconds_left == pytest.approx(80)
    assert samples.curve() == "0,4 600,4"


def test_the_estimate_is_that_of_the_last_minute() -> None:
    samples = Samples()
    for seconds, done in ((0, 0), (100, 800), (160, 860)):
        samples.add(at(done, done), seconds)
    assert samples.seconds_left == pytest.approx(140)


def test_nothing_is_estimated_from_one_sample() -> None:
    samples = Samples()
    samples.add(at(10, 10), 0)
    assert (samples.rows_per_second, samples.seconds_left, samples.curve()) == (None, None, "")


def test_progress_never_goes_backwards() -> None:
    samples = Samples()
    samples.add(at(500, 50), 0)
    newest = samples.chunks
    samples.add(at(400, 40), 2)
    assert (samples.rows, len(samples.taken)) == (500, 1)
    assert samples.chunks is newest


def test_a_chunk_that_begins_late_does_not_lower_the_share() -> None:
    samples = Samples()
    last = ChunkProgress(1, 500, 1000, 1000, finished=True, rows_read=50)
    samples.add(replace(at(0, 0), chunks=[last]), 0)
    assert samples.share == 0.5
    first = ChunkProgress(0, 20, 500, 30, rows_read=1)
    samples.add(replace(at(0, 0), chunks=[first, last]), 2)
    assert samples.share == 0.51


def test_a_long_load_keeps_a_limited_number_of_samples() -> None:
    samples = Samples()
    for second in range(5000):
        samples.add(at(second, second, 10_000), second)
    assert len(samples.taken) <= 300
    assert (samples.taken[0].rows, samples.rows) == (0, 4999)
    assert samples.rows_per_second == pytest.approx(1)


def chunk(index: int, **values: Any) -> ChunkProgress:
    return ChunkProgress(index, 0, 10, 5, **values)


def test_each_chunk_has_a_square() -> None:
    drawn = grid([chunk(0, finished=True), chunk(2), chunk(3, finished=True)], 62)
    # Each square is 9 units wide, and the next one begins 2 units after its end.
    assert drawn.finished == "M0 4.5h9M33 4.5h9"
    assert drawn.begun == "M22 4.5h9"
    assert drawn.waiting == "M11 4.5h9M44 4.5h614M0 15.5h20"  # 56 and 2 squares
    assert (drawn.width, drawn.height) == (658, 22)
    assert drawn.text == "2 of 62 chunks are written, 1 partly."


def test_the_picture_of_many_chunks_is_small() -> None:
    done = [chunk(index, finished=True) for index in range(0, 10_000, 2)]
    drawn = grid(done, 10_000)
    assert len(drawn.finished + drawn.waiting) < 150_000
    assert len(grid([chunk(i, finished=True) for i in range(5_000)], 10_000).finished) < 1000
