"""Digests of keys, and a chunk's collection of them."""

import tracemalloc
from collections import Counter
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from xxhash import xxh3_64_intdigest

from ingestion.csv_files import key_digests
from ingestion.csv_files.item_json import EncodedKey, escape
from ingestion.csv_files.key_digests import KeyDigests, key_digest

DIGEST = key_digest("00" * 16)


def number(keys: Iterable[EncodedKey]) -> list[int]:
    """Digests that a test chooses."""
    return [int(key[0]) for key in keys]


def collected(numbers: Iterable[int], digests: KeyDigests | None = None) -> KeyDigests:
    digests = digests or KeyDigests(number)
    for one in numbers:
        digests.add([(str(one).encode(),)])
    return digests


def found(digests: KeyDigests) -> tuple[list[int], list[int]]:
    """All distinct and all repeated ones, as the ranges have them."""
    distinct, repeated = list[int](), list[int]()
    for part in digests.ranges():
        distinct += part.distinct
        repeated += part.repeated
    return distinct, repeated


def test_a_digest_is_positive_as_a_number_and_is_the_same_in_every_process() -> None:
    """The upper 62 bits of xxh3 of the values with a NUL between them, seeded with the first 64
    bits of the secret. A load that continues after an update compares digests of both releases."""
    digest = key_digest("fedcba9876543210" + "00" * 8)
    assert digest([(b"T1", b"Tea"), (b"T1",)]) == [0x29551EFF1129EFE7, 0x20CD111D16F28260]


def test_equal_keys_have_equal_digests_and_others_have_others() -> None:
    keys = [(b"AB", b"C"), (b"A", b"BC"), (b"ABC",), (b"A", b"B", b"C"), (b"",), (b"", b"")]
    assert len(set(DIGEST(keys))) == len(keys)
    assert DIGEST(keys) == DIGEST(list(keys))


def test_a_value_can_not_look_like_two() -> None:
    """A NUL in a value is escaped, as in every key that a row has."""
    assert DIGEST([(escape(b"A\0B"),)]) != DIGEST([(b"A", b"B")])


def test_another_load_has_other_digests() -> None:
    assert key_digest("01" + "00" * 15)([(b"T1",)]) != DIGEST([(b"T1",)])


def test_keys_whose_digests_are_equal_can_not_be_made_without_the_secret() -> None:
    """xxh3 multiplies two halves of 16 bytes, each XORed with a public constant, so the factors can
    be swapped. A seed is added to one constant and subtracted from the other.
    """
    constants = bytes.fromhex("b8fe6c3923a44bbe7c01812cf721ad1c")
    first, second = (int.from_bytes(constants[at : at + 8], "little") for at in (0, 8))
    low, high = 0x1122_3344_5566_7788, 0x0102_0304_0506_0708
    pair = [
        b"".join(half.to_bytes(8, "little") for half in halves) + bytes(16)
        for halves in ((low, high), (high ^ second ^ first, low ^ first ^ second))
    ]
    assert xxh3_64_intdigest(pair[0]) == xxh3_64_intdigest(pair[1])
    one, other = key_digest("fedcba9876543210" + "00" * 8)([(pair[0],), (pair[1],)])
    assert one != other


@pytest.mark.parametrize(("run", "many"), [(2, 2), (5, 3), (9, 4), (20, 1024), (1_000, 2)])
@given(st.lists(st.integers(0, 2**62 - 1) | st.sampled_from([0, 7, 2**61, 2**62 - 1]), max_size=60))
@settings(deadline=None)
def test_ranges_hold_all_digests_in_order_however_they_are_sorted(
    run: int, many: int, numbers: list[int]
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(key_digests, "RUN_DIGESTS", run)
        patch.setattr(key_digests, "MANY_EQUAL", many)
        digests = collected(numbers)
        assert len(digests) == len(numbers)
        times = Counter(numbers)
        repeated = sorted(one for one in times if times[one] > 1)
        assert found(digests) == (sorted(times), repeated)
        assert list(digests.repeated()) == repeated


def test_the_last_rows_can_be_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_digests, "RUN_DIGESTS", 3)
    digests = collected([9, 1, 9, 4, 4, 7, 1, 2])
    digests.keep(6)
    assert (len(digests), found(digests)) == (6, ([1, 4, 7, 9], [4, 9]))
    collected([7], digests)
    assert found(digests) == ([1, 4, 7, 9], [4, 7, 9])
    with pytest.raises(ValueError, match="more than can be forgotten"):
        digests.keep(2)


def test_a_row_that_the_table_refused_is_forgotten_and_its_equals_are_not() -> None:
    digests = collected([5, 1, 5, 9, 5])
    for one in (b"5", b"9"):
        digests.forget([(one,)])
    assert (len(digests), found(digests)) == (3, ([1, 5], [5]))
    digests.forget([(b"5",)])
    assert (len(digests), found(digests)) == (2, ([1, 5], []))


@pytest.mark.parametrize(("refused", "repeated"), [(5, [5]), (7, [5]), (8, []), (9, None)])
def test_of_many_equal_rows_that_the_table_refused_the_others_are_left(
    monkeypatch: pytest.MonkeyPatch, refused: int, repeated: list[int] | None
) -> None:
    monkeypatch.setattr(key_digests, "RUN_DIGESTS", 6)
    monkeypatch.setattr(key_digests, "MANY_EQUAL", 4)
    digests = collected([5] * 9 + [1, 2, 3] * 3)
    digests.forget([(b"5",)] * refused)
    distinct = [1, 2, 3] if repeated is None else [1, 2, 3, 5]
    assert (len(digests), found(digests)) == (
        18 - refused,
        (distinct, [1, 2, 3, *(repeated or [])]),
    )


def test_equal_digests_of_many_rows_take_no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_digests, "RUN_DIGESTS", 2**16)
    digests = KeyDigests(number)
    for _ in range(20):
        digests.add([(b"7",)] * key_digests.RUN_DIGESTS)
    tracemalloc.start()
    assert found(digests) == ([7], [7])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10e6  # two runs of Python floats are 4 MB
