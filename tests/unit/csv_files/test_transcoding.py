"""Text in a declared encoding becomes the same text in UTF-8, except for what can't be decoded."""

import codecs
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.csv_files.transcoding import ENCODING_NAMES, MAX_GROWTH, encode, transcode
from ingestion.sources.declaration import ENCODINGS

SINGLE_BYTE = [name for name in ENCODING_NAMES if not name.startswith("utf")]
UNDEFINED = b"\x81\x8d\x8f\x90\x9d"
"""The bytes that Windows-1252 doesn't define."""


def in_blocks(text: bytes, size: int) -> list[bytes]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def converted(text: bytes, encoding: str, size: int = 7, *, complete: bool = True) -> bytes:
    return b"".join(transcode(in_blocks(text, size), encoding, complete=complete))


def is_utf8(text: bytes) -> bool:
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_each_encoding_that_can_be_declared_has_a_name() -> None:
    assert tuple(ENCODING_NAMES) == ENCODINGS


def test_utf8_is_left_as_it_is() -> None:
    text = "Käse\n".encode() + b"\xff\xc3"
    assert converted(text, "utf_8", 3) == text


@pytest.mark.parametrize("encoding", SINGLE_BYTE)
def test_every_byte_becomes_its_character(encoding: str) -> None:
    for byte in range(256):
        one = bytes([byte])
        expected = one.decode(encoding, "replace").encode()
        if encoding == "cp1252" and one in UNDEFINED:
            expected = one
        assert converted(one, encoding) == expected
        assert len(expected) <= MAX_GROWTH


@given(st.lists(st.binary(max_size=6)), st.integers(1, 9))
def test_exactly_the_lines_with_undefined_bytes_are_not_utf8(lines: list[bytes], size: int) -> None:
    lines = [line.replace(b"\n", b"\x81") for line in lines]
    found = converted(b"\n".join(lines), "cp1252", size).split(b"\n")
    for line, text in zip(lines, found, strict=False):
        if set(line) & set(UNDEFINED):
            assert not is_utf8(text)
        else:
            assert text == line.decode("cp1252").encode()


def test_no_sequence_of_kept_bytes_is_valid_utf8() -> None:
    """A character of UTF-8 has four bytes at most, so no longer sequence needs to be tried. The
    characters around the bytes have one, two and three."""
    kept = [bytes([byte]) for byte in UNDEFINED]
    around = [b"", *(one.encode("cp1252") for one in ("a", "ä", "€"))]
    for length in range(1, 5):
        for middle in product(kept, repeat=length):
            for before, after in product(around, repeat=2):
                assert not is_utf8(converted(before + b"".join(middle) + after, "cp1252", 1))


@pytest.mark.parametrize("order", ["le", "be"])
@given(text=st.text(), size=st.integers(1, 9))
def test_utf16_with_a_mark(order: str, text: str, size: int) -> None:
    mark = {"le": codecs.BOM_UTF16_LE, "be": codecs.BOM_UTF16_BE}[order]
    given = mark + text.encode(f"utf-16-{order}")
    assert converted(given, "utf_16", size) == text.encode()


UNITS = st.sampled_from(["a", "\n", "ä", "€", "😀", "\ud83d", "\ude00", "\ud800", "\udfff"])


@given(st.lists(UNITS).map("".join), st.integers(1, 5))
def test_exactly_the_lines_with_half_a_surrogate_pair_are_not_utf8(text: str, size: int) -> None:
    given = codecs.BOM_UTF16_LE + text.encode("utf-16-le", "surrogatepass")
    found = converted(given, "utf_16", size).split(b"\n")
    # Two halves that happen to meet are a pair.
    lines = text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass").split("\n")
    assert len(found) == len(lines)
    for line, converted_line in zip(lines, found, strict=True):
        if any("\ud800" <= character <= "\udfff" for character in line):
            assert not is_utf8(converted_line)
        else:
            assert converted_line == line.encode()


@pytest.mark.parametrize("odd", [b"a", b"\n", b"\x00", b"\xe4", b"\x1a"])
def test_an_odd_byte_at_the_end_spoils_the_last_line_only(odd: bytes) -> None:
    given = "T1\nT2".encode("utf-16") + odd
    for size in (1, 2, 3, 100):
        assert converted(given, "utf_16", size) == b"T1\nT2\xff"


def test_half_a_pair_and_an_odd_byte_at_the_end() -> None:
    given = codecs.BOM_UTF16_BE + b"\x00T\xd8\x3dx"
    assert converted(given, "utf_16", 2) == b"T\xed\xa0\xbd\xff"


def test_a_character_that_is_cut_off_is_left_out_of_a_head() -> None:
    pair = "T1,😀".encode("utf-16")
    for cut in range(1, 4):
        assert converted(pair[:-cut], "utf_16", 3, complete=False) == b"T1,"


def test_utf16_without_a_mark_is_an_error() -> None:
    with pytest.raises(UnicodeError):
        converted(b"T\x001\x00", "utf_16")


@pytest.mark.parametrize("encoding", SINGLE_BYTE)
def test_every_byte_is_encoded_again(encoding: str) -> None:
    text = bytes(range(256))
    assert encode(converted(text, encoding), encoding) == text


@given(st.binary(max_size=20))
def test_utf16_is_encoded_again_apart_from_an_odd_byte(units: bytes) -> None:
    text = converted(codecs.BOM_UTF16_LE + units, "utf_16")
    even = len(units) // 2 * 2
    expected = units[:even] + b"\xfd\xff" * (len(units) % 2)
    assert encode(text, "utf_16") == expected
