"""Which records of several lines stand: cases by hand, and files made up at random, which are read
as the reference in `tests/support` reads them."""

import time
from collections import Counter
from random import Random

import pytest

from ingestion.csv_files import multiline, records, sections
from ingestion.csv_files.layout import HeaderLine, Layout
from ingestion.csv_files.multiline import Kind, is_plain_row, scan
from ingestion.csv_files.rows import COLUMNS, layout_of
from ingestion.csv_files.sections import read_sections
from ingestion.csv_files.syntax import Syntax
from tests.support.fuzzing import SEED, files
from tests.support.random_records import (
    Made,
    a_syntax,
    as_sections_tell,
    as_the_reference_reads,
    layout_for,
    make,
)
from tests.support.sources import BUILT_IN

FILES = files(quick=200)

TICKETS = layout_of(BUILT_IN, {name: at for at, name in enumerate(COLUMNS)}, 7, b",")


def ticket(number: int, **changed: str) -> bytes:
    values = {
        "ticket_id": f"T{number}",
        "product": "Soap",
        "basket_id": f"B{number}",
        "timestamp": "2026-03-01T12:00Z",
        "category": "Home",
        "quantity": "1",
        "store": "Lyon",
    }
    return ",".join((values | changed).values()).encode() + b"\n"


def found(text: bytes, layout: Layout = TICKETS) -> list[tuple[int, int, Kind, bool]]:
    """Of each special record the first line, how many lines, what it is, and whether doubtful."""
    return [
        (
            text.count(b"\n", 0, one.start) + 1,
            text.count(b"\n", one.start, one.end),
            one.kind,
            one.doubtful,
        )
        for one in scan(text, layout, complete=True).special
    ]


def test_a_field_of_several_lines() -> None:
    text = ticket(1) + ticket(2, product='"Soap,\n""blue"""', store='"a\n\nb"') + ticket(3)
    assert found(text) == [(2, 4, Kind.ROW, False)]


def test_lines_that_look_like_rows_and_are_none() -> None:
    text = ticket(1, product='"assorted\nT9,not,a,row\n""x"", y"') + ticket(2)
    assert found(text) == [(1, 3, Kind.ROW, False)]


@pytest.mark.parametrize(
    "row",
    [
        ticket(1, product='"24 inch'),
        ticket(1, store='"Lyon'),
        ticket(1, ticket_id='"T1'),
        ticket(1, store='"'),
    ],
)
@pytest.mark.parametrize(
    "following",
    [b"", ticket(2) * 30, ticket(2) * 3 + ticket(3, product='"Soap, blue"') + ticket(4)],
)
def test_a_stray_quote_costs_its_line_only(row: bytes, following: bytes) -> None:
    for before in (b"", ticket(9) * 3, ticket(9, store='"Lyon, North"')):
        text = before + row + following
        line = before.count(b"\n") + 1
        # Where it is closed by chance, there is a valid record that has failed (b) or (c).
        assert [one[:3] for one in found(text)] == [(line, 1, Kind.STRAY_QUOTE)]


def test_two_stray_quotes_that_join_rows_to_a_valid_one() -> None:
    text = ticket(2, product='"Screen 22""') + ticket(3) + ticket(4, product='Hose 3/4"')
    assert found(text) == [(1, 1, Kind.STRAY_QUOTE, True)]
    text = ticket(2, product='"Screen 22""') + ticket(4, product='Hose 3/4"')
    assert found(text) == [(1, 1, Kind.STRAY_QUOTE, True)]


def test_a_field_that_contains_a_row_is_read_as_rows() -> None:
    text = ticket(1, store='"see:\n' + ticket(2).decode() + 'end"')
    assert found(text) == [(1, 1, Kind.STRAY_QUOTE, True)]


def test_a_row_of_several_lines_that_is_refused_for_a_value_is_one_row() -> None:
    text = ticket(1) + ticket(2, product='"a\nb"', quantity="x") + ticket(3)
    assert found(text) == [(2, 2, Kind.BY_ITSELF, False)]
    text = ticket(2, product='"a\n' + ticket(5).decode() + 'b"', quantity="x")
    assert found(text) == [(1, 1, Kind.STRAY_QUOTE, False)]  # of its lines one becomes a row


def test_text_after_a_closing_quote_ends_the_record_with_its_line() -> None:
    text = ticket(1, product='"a"b', store='"Lyon') + ticket(2) + ticket(3, store='"Bern"')
    assert found(text) == [(1, 1, Kind.BY_ITSELF, False)]


def test_rows_with_a_delimiter_at_their_end() -> None:
    text = ticket(1, product='"Soap,\n""blue"""', store='"a\n\nb",') + ticket(2, store="Lyon,")
    assert found(text) == [(1, 4, Kind.ROW, False)]
    first = ticket(2, product='"Screen 22""', store="Lyon,")
    for store in ("Lyon,", "Lyon"):  # of the row that the stray quote joins to the first one
        joined = first + ticket(4, product='Hose 3/4"', store=store)
        assert found(joined) == [(1, 1, Kind.STRAY_QUOTE, True)]
    text = ticket(1, product='"see:\n' + ticket(3, store="Lyon,").decode() + 'end"')
    assert found(text) == [(1, 1, Kind.STRAY_QUOTE, True)]


def test_a_source_whose_line_ends_are_not_judged() -> None:
    layout = Layout(Syntax(b","), 2, {}, judges_line_ends=False)
    assert found(b'a,b\n"a\nc,d\n",e\n', layout) == [(2, 3, Kind.ROW, True)]
    assert found(b'"a\nb,c\n"x"\n', layout) == [
        (1, 1, Kind.STRAY_QUOTE, False),
        (3, 1, Kind.BY_ITSELF, False),
    ]


@pytest.mark.parametrize(
    ("line", "plain"),
    [
        (ticket(1), True),
        (ticket(1, product='"Soap, ""blue"""'), True),
        (b"\f" + ticket(1), True),
        (b"\xef\xbb\xbf" + ticket(1), True),
        (ticket(1, product='5" pipe'), False),
        (ticket(1, product='"a"b'), False),
        (ticket(1, product='"a'), False),
        (ticket(1, quantity="x"), False),
        (ticket(1, product=""), False),
        (ticket(1, store="x,y"), False),
        (ticket(1, store="Lyon,"), True),
        (ticket(1, store='"Lyon",'), True),
        (ticket(1, store=","), True),
        (ticket(1, store=',""'), False),
        (ticket(1, store=",,"), False),
        (ticket(1, quantity=" 1.00 ", timestamp="2026-03-01 "), True),
        (ticket(1)[:-1] + b"\xff", False),
        (ticket(1, store="x" * 2**20), False),
        (b"\n", False),
        (b",,,,,,\n", False),
        (b"", False),
    ],
)
def test_plain_rows(line: bytes, plain: bool) -> None:
    assert is_plain_row(line.removesuffix(b"\n"), TICKETS) is plain


def test_a_header_is_no_plain_row_where_it_would_be_a_valid_one() -> None:
    layout = Layout(Syntax(b","), 2, {}, HeaderLine.of(b"a,b"))
    assert not is_plain_row(b"a,b", layout)
    assert not is_plain_row(b"\xef\xbb\xbfa,b", layout)
    assert is_plain_row(b"a,c", layout)


# ---------------------------------------------------------------- as the reference reads them


def compare_with_the_reference(made: Made, monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    """Read a file, and return how many records of each kind there are."""
    for module in (multiline, records, sections):
        monkeypatch.setattr(module, "MAX_RECORD_BYTES", made.max_record)
    expected = as_the_reference_reads(made)
    size = made.block_size
    blocks = [made.data[at : at + size] for at in range(0, len(made.data), size)]
    found = list(read_sections(blocks, layout_for(made), ends_file=made.ends_file))
    assert as_sections_tell(found) == expected, made
    assert sum(section.size for section in found) == len(made.data)
    assert sum(section.line_ends for section in found) == made.data.count(b"\n")
    kinds = Counter(one.kind + "+" * (one.lines > 1) for one in expected)
    kinds["doubtful"] += sum(one.doubtful for one in expected)
    return kinds


KINDS = {"", "+", "stray_quote", "record_too_long", "end mark", "doubtful"}


@pytest.mark.timeout(3600)
def test_records_are_those_that_the_reference_finds(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds: Counter[str] = Counter()
    for number in range(FILES):
        made = make(Random(f"{SEED}-{number}"))
        kinds += compare_with_the_reference(made, monkeypatch)
    assert set(kinds) >= KINDS


@pytest.mark.timeout(3600)
def test_so_they_are_in_any_other_syntax(monkeypatch: pytest.MonkeyPatch) -> None:
    kinds: Counter[str] = Counter()
    for number in range(FILES):
        rng = Random(f"syntax-{SEED}-{number}")
        kinds += compare_with_the_reference(make(rng, a_syntax(rng)), monkeypatch)
    assert set(kinds) >= KINDS


# ---------------------------------------------------------------- how long it takes


def seconds(text: bytes, layout: Layout = TICKETS) -> float:
    began = time.process_time()
    for _ in read_sections([text], layout, ends_file=True):
        pass
    return time.process_time() - began


@pytest.mark.parametrize(
    "row",
    [
        ticket(1, product='"24 inch frame'),  # the next one closes it, and is malformed
        ticket(1, store='"'),  # the next one closes it, and makes a valid record
        ticket(1, store='"', quantity="x"),  # ... and one that is refused
        ticket(1, product='x","y'),  # open, however the line before it ends
    ],
)
def test_a_file_in_which_every_row_has_a_stray_quote_takes_time_in_proportion(row: bytes) -> None:
    small, large = row * 1_000, row * 16_000
    at_once = min(seconds(small) for _ in range(3))
    assert seconds(large) < 16 * at_once * 4 + 0.5


@pytest.mark.parametrize("width", [1, 2, 7, 2_000])
@pytest.mark.parametrize("line", [b'x","y\n', b'","\n', b'"\n', b'x,"\n', b'"""x",""\n', b'",\n'])
def test_neither_do_lines_of_nothing_but_stray_quotes(width: int, line: bytes) -> None:
    """Each is open however the one before it ends, or closes what the one before it has opened."""
    layout = Layout(Syntax(b","), width, {0: bytes.isdigit})
    small, large = line * 1_000, line * 16_000
    at_once = min(seconds(small, layout) for _ in range(3))
    assert seconds(large, layout) < 16 * at_once * 4 + 0.5
