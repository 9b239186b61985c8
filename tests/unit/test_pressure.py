"""The limit of batches in flight: additive increase, multiplicative decrease."""

from ingestion.pressure import InFlightLimit


def test_it_begins_at_the_most_and_never_exceeds_it():
    pressure = InFlightLimit(8)
    assert pressure.limit == 8
    pressure.succeeded()
    assert pressure.limit == 8


def test_a_throttle_halves_it_down_to_one():
    pressure = InFlightLimit(8)
    limits = []
    for second in range(5):
        pressure.throttled(float(second))
        limits.append(pressure.limit)
    assert limits == [4, 2, 1, 1, 1]


def test_throttles_that_come_together_are_one_answer():
    pressure = InFlightLimit(8)
    for now in (10.0, 10.1, 10.24):
        pressure.throttled(now)
    assert pressure.limit == 4
    pressure.throttled(10.25)
    assert pressure.limit == 2


def test_a_round_of_successes_adds_one():
    pressure = InFlightLimit(8)
    pressure.throttled(0.0)
    limits = []
    for _ in range(5 + 6):  # as many as were in flight, and a little for the rounding
        pressure.succeeded()
        limits.append(pressure.limit)
    assert limits == [4, 4, 4, 4, 5, 5, 5, 5, 5, 6, 6]
