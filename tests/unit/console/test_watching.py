"""What pages show is read a fixed number of times, however many pages ask for it."""

import threading

import pytest

from tests.support.running_stack import until
from tickets.console import watching
from tickets.console.watching import Watcher


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "SECONDS", 0.3)
    monkeypatch.setattr(watching, "FORGOTTEN_SECONDS", 1.0)


def explain(error: Exception) -> str:
    return f"failed: {error}"


def test_many_pages_share_one_reading() -> None:
    read: list[int] = []
    with Watcher(explain) as watcher:
        together = threading.Barrier(20)

        def ask() -> None:
            together.wait(10)
            watcher.reading("loads", slow)

        def slow() -> None:
            read.append(1)
            threading.Event().wait(0.05)

        pages = [threading.Thread(target=ask) for _ in range(20)]
        for page in pages:
            page.start()
        for page in pages:
            page.join()
        assert len(read) == 1


def test_it_is_read_again_while_pages_ask_and_no_longer() -> None:
    read: list[int] = []
    with Watcher(explain) as watcher:
        one = watcher.reading("loads", lambda: read.append(1))
        until(lambda: one.version >= 3, "two more readings")
        until(lambda: "loads" not in watcher._readings, "forgotten")
        readings = len(read)
        until(lambda: threading.Event().wait(0.7) or True, "time for two readings")
        assert len(read) == readings


def test_a_failed_reading_keeps_the_last_value_and_says_why() -> None:
    answers = iter(["first"])
    with Watcher(explain) as watcher:
        one = watcher.reading("loads", lambda: next(answers))
        until(lambda: one.error, "the second reading")
        assert (one.value, one.version, one.error) == ("first", 1, "failed: ")


def test_only_so_many_things_are_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "MAX_WATCHED", 3)
    with Watcher(explain) as watcher:
        for number in range(10):
            watcher.reading(f"load {number}", lambda: None)
        assert list(watcher._readings) == ["load 7", "load 8", "load 9"]
