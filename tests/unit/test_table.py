"""BatchWriter against a client that is slow, throttled, broken or out of order on demand.

Time is the test's own: sleeping moves the clock, so no test waits.
"""

import threading

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from ingestion import table
from ingestion.table import BATCH_ITEMS, BatchWriter, WritingStopped

TABLE = "Tickets"


def failure(code, status=400):
    return ClientError(
        {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}},
        "BatchWriteItem",
    )


THROTTLED = failure("ProvisionedThroughputExceededException")
DENIED = failure("AccessDeniedException")
FAULT = failure("InternalServerError", 500)
BROKEN = EndpointConnectionError(endpoint_url="https://dynamodb.us-east-1.amazonaws.com")


class Time:
    """Seconds that pass only by sleeping."""

    def __init__(self):
        self.now = 0.0
        self.pauses = []

    def sleep(self, seconds):
        self.pauses.append(seconds)
        self.now += seconds

    def clock(self):
        return self.now


class Client:
    """A DynamoDB client. ``answers`` are given in turn, then every batch is taken: an exception is
    raised, a number is how many items of the batch are left unprocessed. ``before`` is called with
    each batch's values, outside the lock."""

    def __init__(self, *answers, before=lambda values: None):
        self.answers = list(answers)
        self.before = before
        self.calls = []
        self.stored = {}
        self.under_way = 0
        self.most_under_way = 0
        self.collisions = []
        self._keys_under_way = []
        self._lock = threading.Lock()

    def batch_write_item(self, *, RequestItems):
        ((name, requests),) = RequestItems.items()
        assert name == TABLE
        items = [request["PutRequest"]["Item"] for request in requests]
        keys = {item["id"]["S"] for item in items}
        assert len(keys) == len(items), "equal keys in one batch"
        with self._lock:
            self.calls.append([item["value"]["N"] for item in items])
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
            self.collisions += [keys & others for others in self._keys_under_way if keys & others]
            self._keys_under_way.append(keys)
        try:
            self.before([int(item["value"]["N"]) for item in items])
            with self._lock:
                answer = self.answers.pop(0) if self.answers else 0
                if isinstance(answer, Exception):
                    raise answer
                done = len(items) - answer
                self.stored |= {item["id"]["S"]: item["value"]["N"] for item in items[:done]}
            return {"UnprocessedItems": {TABLE: requests[done:]} if answer else {}}
        finally:
            with self._lock:
                self.under_way -= 1
                self._keys_under_way.remove(keys)


@pytest.fixture
def time(monkeypatch):
    """Jitter at its longest, so that pauses can be foretold; one test looks at the jitter."""
    monkeypatch.setattr(table.random, "uniform", lambda shortest, longest: longest)
    return Time()


def writer_for(client, time, in_flight=1, deadline=1000.0):
    return BatchWriter(
        client,
        TABLE,
        in_flight=in_flight,
        deadline=deadline,
        clock=time.clock,
        sleep=time.sleep,
    )


def put(writer, value, key=None):
    """Put an item whose mark is its value."""
    name = f"key-{value}" if key is None else key
    writer.put((name,), {"id": {"S": name}, "value": {"N": str(value)}}, value)


def put_all(writer, values):
    for value in values:
        put(writer, value)


def write(client, time, values, **options):
    """Put all and drain; the writer as it is afterwards."""
    with writer_for(client, time, **options) as writer:
        put_all(writer, values)
        writer.drain()
    return writer


@pytest.mark.parametrize(
    ("items", "batches"), [(0, []), (1, [1]), (25, [25]), (26, [25, 1]), (60, [25, 25, 10])]
)
def test_batches_are_of_25(time, items, batches):
    client = Client()
    writer = write(client, time, range(items))
    assert [len(call) for call in client.calls] == batches
    assert len(client.stored) == writer.items_written == items
    assert writer.acknowledged == (items - 1 if items else None)


def test_of_equal_keys_in_one_batch_only_the_last_is_sent(time):
    client = Client()
    with writer_for(client, time) as writer:
        for value, key in [(1, "a"), (2, "b"), (3, "a"), (4, "a")]:
            put(writer, value, key)
        writer.drain()
    assert client.calls == [["2", "4"]]
    assert (writer.items_written, writer.items_replaced) == (2, 2)
    assert writer.acknowledged == 4


def test_a_replaced_item_leaves_its_place_in_the_batch(time):
    client = Client()
    with writer_for(client, time) as writer:
        for value in range(40):
            put(writer, value, f"key-{value % 20}")
        assert client.calls == []  # 20 keys are no full batch
        writer.drain()
    assert [len(call) for call in client.calls] == [20]


def test_equal_keys_are_never_in_flight_at_once_and_the_last_wins(time):
    second = threading.Event()

    def hold_the_first_batch(values):
        if 0 in values:
            second.wait(0.2)  # a writer that does not wait sends the second batch meanwhile
        else:
            second.set()

    client = Client(before=hold_the_first_batch)
    with writer_for(client, time, in_flight=4) as writer:
        for value in range(50):
            put(writer, value, "same" if value in (0, 25) else None)
        writer.drain()
    assert len(client.calls) == 2
    assert client.collisions == []
    assert client.stored["same"] == "25"


def test_a_batch_waits_for_every_earlier_one_that_shares_a_key(time):
    """The second batch in flight is the one in common, not the first."""
    third = threading.Event()

    def hold_the_second_batch(values):
        if 25 in values:
            third.wait(0.2)
        elif 50 in values:
            third.set()

    client = Client(before=hold_the_second_batch)
    with writer_for(client, time, in_flight=4) as writer:
        for value in range(75):
            put(writer, value, "same" if value in (25, 50) else None)
        writer.drain()
    assert client.collisions == []
    assert client.stored["same"] == "50"


def test_as_many_batches_are_in_flight_as_asked_for_and_no_more(time):
    together = threading.Barrier(3)
    client = Client(before=lambda values: together.wait(10))
    writer = write(client, time, range(9 * BATCH_ITEMS), in_flight=3)
    assert client.most_under_way == 3
    assert writer.acknowledged == 9 * BATCH_ITEMS - 1


def test_a_throttled_table_has_fewer_batches_in_flight(time):
    """Throttles that go on leave one of four; the success behind them makes it two."""
    with writer_for(Client(*[THROTTLED] * 5), time, in_flight=4) as writer:
        put_all(writer, range(BATCH_ITEMS))
        writer.drain()
        put_all(writer, range(BATCH_ITEMS, 4 * BATCH_ITEMS))
        # A batch leaves this queue only when the next one needs its place.
        assert len(writer._sent) == 2
        writer.drain()
    assert writer.acknowledged == 4 * BATCH_ITEMS - 1


def test_only_what_is_left_unprocessed_is_sent_again(time):
    client = Client(10, 3)
    writer = write(client, time, range(25))
    assert [len(call) for call in client.calls] == [25, 10, 3]
    assert client.calls[1] == [str(value) for value in range(15, 25)]
    assert client.calls[2] == [str(value) for value in range(22, 25)]
    assert len(client.stored) == writer.items_written == 25


def test_nothing_is_acknowledged_before_what_was_left_is_written(time):
    client = Client(10, DENIED)
    with writer_for(client, time) as writer:
        put_all(writer, range(25))
        with pytest.raises(ClientError):
            writer.drain()
        writer.stop()
    assert (writer.acknowledged, writer.items_written) == (None, 0)


@pytest.mark.parametrize(
    "code",
    [
        "ProvisionedThroughputExceededException",
        "ThrottlingException",
        "RequestLimitExceeded",
    ],
)
def test_throttling_is_retried_with_pauses_that_double_up_to_a_limit(time, code):
    client = Client(*[failure(code)] * 12)
    writer = write(client, time, range(3))
    assert time.pauses == [0.05, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 5.0, 5.0, 5.0]
    assert (len(client.calls), writer.acknowledged) == (13, 2)


def test_pauses_grow_while_nothing_is_taken_and_start_anew_once_something_is(time):
    client = Client(25, 25, 20, 20)
    write(client, time, range(25))
    assert time.pauses == [0.05, 0.1, 0.05, 0.1]


def test_pauses_are_jittered_from_none_to_the_longest(time, monkeypatch):
    asked = []

    def half(shortest, longest):
        asked.append((shortest, longest))
        return longest / 2

    monkeypatch.setattr(table.random, "uniform", half)
    write(Client(THROTTLED, THROTTLED), time, range(3))
    assert asked == [(0, 0.05), (0, 0.1)]
    assert time.pauses == [0.025, 0.05]


@pytest.mark.parametrize("fault", [FAULT, BROKEN], ids=["server fault", "broken connection"])
def test_a_few_faults_in_a_row_are_retried_and_no_more(time, fault):
    assert write(Client(*[fault] * 6), time, range(3)).acknowledged == 2
    client = Client(*[fault] * 99)
    with writer_for(client, time) as writer:
        put(writer, 1)
        with pytest.raises(type(fault)):
            writer.drain()
    assert len(client.calls) == 7


def test_faults_between_which_something_was_taken_are_not_in_a_row(time):
    client = Client(*[FAULT] * 6, 20, *[FAULT] * 6, 10)
    assert write(client, time, range(25)).acknowledged == 24


@pytest.mark.parametrize(
    "code", ["AccessDeniedException", "ValidationException", "ResourceNotFoundException"]
)
def test_what_no_retry_can_help_is_raised_at_once(time, code):
    client = Client(failure(code))
    with writer_for(client, time) as writer:
        put(writer, 1)
        with pytest.raises(ClientError, match=code):
            writer.drain()
    assert (len(client.calls), time.pauses, writer.acknowledged) == (1, [], None)


def test_it_is_raised_by_a_later_put_too(time):
    client = Client(DENIED)
    with writer_for(client, time) as writer, pytest.raises(ClientError):
        put_all(writer, range(3 * BATCH_ITEMS))
    assert len(client.calls) == 1


def test_throttled_to_the_deadline_it_gives_up_and_never_sleeps_past_it(time):
    client = Client(*[THROTTLED] * 999)
    with writer_for(client, time, deadline=20.0) as writer:
        put(writer, 1)
        with pytest.raises(WritingStopped):
            writer.drain()
    assert 20.0 - 5.0 <= time.now < 20.0
    assert writer.acknowledged is None


def test_left_unprocessed_to_the_deadline_it_gives_up(time):
    client = Client(*[25] * 999)
    with writer_for(client, time, deadline=20.0) as writer, pytest.raises(WritingStopped):
        put_all(writer, range(3 * BATCH_ITEMS))
    assert (client.stored, writer.acknowledged) == ({}, None)


def test_the_mark_stays_before_a_batch_that_is_under_way_though_later_ones_are_done(time):
    second_done, go_on = threading.Event(), threading.Event()

    def hold_the_first_batch(values):
        if 0 in values:
            assert go_on.wait(10)
        else:
            second_done.set()

    client = Client(before=hold_the_first_batch)
    with writer_for(client, time, in_flight=2) as writer:
        put_all(writer, range(2 * BATCH_ITEMS))
        assert second_done.wait(10)
        assert (writer.acknowledged, writer.items_written) == (None, 0)
        go_on.set()
        writer.drain()
    assert (writer.acknowledged, writer.items_written) == (49, 50)


def test_the_mark_stays_before_a_batch_that_gave_up_though_later_ones_are_in_the_table(time):
    second_started = threading.Event()

    def refuse_the_second_batch(values):
        if 25 in values:
            second_started.set()
            raise DENIED
        if 50 in values:
            assert second_started.wait(10)

    client = Client(before=refuse_the_second_batch)
    with writer_for(client, time, in_flight=3) as writer:
        put_all(writer, range(3 * BATCH_ITEMS))
        writer.stop()  # raises nothing
        with pytest.raises(ClientError):
            writer.drain()
    assert "key-74" in client.stored
    assert (writer.acknowledged, writer.items_written) == (24, 25)


def test_stop_moves_the_mark_over_all_that_is_in_flight_and_leaves_the_open_batch(time):
    client = Client()
    with writer_for(client, time, in_flight=4) as writer:
        put_all(writer, range(2 * BATCH_ITEMS + 5))
        writer.stop()
        assert (writer.acknowledged, len(client.calls)) == (49, 2)


def test_left_by_an_error_nothing_more_is_sent(time):
    started, go_on = threading.Event(), threading.Event()

    def hold(values):
        started.set()
        assert go_on.wait(10)

    client = Client(before=hold)
    with pytest.raises(RuntimeError), writer_for(client, time, in_flight=1) as writer:  # noqa: PT012
        put_all(writer, range(BATCH_ITEMS + 3))
        assert started.wait(10)
        go_on.set()
        raise RuntimeError
    assert len(client.calls) == 1
