"""What pages show is read a fixed number of times, however many pages ask for it."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.running_stack import until
from tickets.console import watching
from tickets.console.watching import Watcher


@pytest.fixture
def watcher(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watcher]:
    monkeypatch.setattr(watching, "SECONDS", 0.1)
    monkeypatch.setattr(watching, "FORGOTTEN_SECONDS", 0.5)
    with Watcher(lambda error: f"failed: {error}") as watcher:
        yield watcher


def test_many_pages_share_one_reading(watcher: Watcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "SECONDS", 60.0)
    read: list[int] = []
    pages = [watcher.reading("loads", lambda _: read.append(1)) for _ in range(20)]
    assert pages[0].was_tried.wait(10)
    assert len({id(one) for one in pages}) == len(read) == 1


def test_it_is_read_again_while_pages_ask_and_no_longer(watcher: Watcher) -> None:
    one = watcher.reading("loads", lambda _: object())
    until(lambda: watcher.reading("loads", lambda _: None) is one and one.version >= 3, "two more")
    until(lambda: "loads" not in watcher._readings, "forgotten")
    until(lambda: "loads" not in {thread.name for thread in threading.enumerate()}, "its end")


def test_a_failed_reading_keeps_the_last_value_and_says_why(watcher: Watcher) -> None:
    answers = iter(["first"])
    one = watcher.reading("loads", lambda _: next(answers))
    until(lambda: one.error, "the second reading")
    assert (one.value, one.version, one.error) == ("first", 1, "failed: ")
    assert one.stale == "Stale: what you see is 0 seconds old. failed: "


def test_a_reading_gets_the_last_value_and_the_same_value_is_no_new_version(
    watcher: Watcher,
) -> None:
    got: list[Any] = []

    def read(last: Any) -> Any:
        got.append(last)
        return last or "first"

    one = watcher.reading("loads", read)
    until(lambda: len(got) >= 3, "two more readings")
    assert got[:3] == [None, "first", "first"]
    assert one.version == 1


def test_what_will_not_change_is_read_once_for_the_pages_that_are_open(watcher: Watcher) -> None:
    read: list[int] = []

    def ask() -> Any:
        return watcher.reading("load a", lambda _: read.append(1), lambda _: True)

    one = ask()
    until(lambda: one.version, "the reading")
    assert ask() is one
    until(lambda: ask() is not one, "another reading for a page that is opened later")
    until(lambda: len(read) == 2, "it")


def test_readings_that_fail_become_rarer(watcher: Watcher, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Any) -> None:
        raise ConnectionError

    monkeypatch.setattr(watching, "MAX_PAUSE", 0.4)
    one = watcher.reading("loads", fail)
    until(one.was_tried.is_set, "the first reading")
    assert one.pause in (0.1, 0.2, 0.4)
    until(lambda: watcher.reading("loads", fail).pause == 0.4, "the longest pause")


def test_only_so_many_things_are_watched(watcher: Watcher, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "MAX_WATCHED", 3)
    for number in range(10):
        watcher.reading(f"load {number}", lambda _: None)
    assert list(watcher._readings) == ["load 7", "load 8", "load 9"]
