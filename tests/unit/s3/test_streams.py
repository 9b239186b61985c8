"""A file object over an iterator: every byte once, in order, and none made ahead."""

import io
import random
from collections.abc import Iterator

import pytest

from ingestion.s3.streams import IteratorStream, file_object

PIECES = [b"a", b"", b"bcd", b"x" * 3_000_000, b"", b"\x00\xff", b"end"]
WHOLE = b"".join(PIECES)


@pytest.mark.parametrize("size", [1, 7, 4096, 1 << 20, 10 << 20])
def test_reads_of_any_size_give_the_same_bytes(size: int) -> None:
    pieces = PIECES if size > 1 else [b"ab", b"", b"c"]
    stream = file_object(pieces)
    assert b"".join(iter(lambda: stream.read(size), b"")) == b"".join(pieces)


def test_it_is_read_whole_and_then_over() -> None:
    stream = file_object(PIECES)
    assert stream.read() == WHOLE
    assert stream.read() == b""
    assert stream.read(10) == b""


def test_reads_of_changing_sizes() -> None:
    rng = random.Random(3)
    stream, read = file_object(PIECES), b""
    while block := stream.read(rng.randrange(1, 500_000)):
        read += block
    assert read == WHOLE


def test_a_read_gives_as_much_as_was_asked_for() -> None:
    """As boto3 needs it: a part of an upload must not be shorter than S3's smallest."""
    stream = file_object([b"x"] * 1_000)
    assert len(stream.read(999)) == 999


@pytest.mark.parametrize("pieces", [[], [b""], [b"", b"", b""]])
def test_nothing_is_an_empty_file(pieces: list[bytes]) -> None:
    assert file_object(pieces).read() == b""


def test_an_empty_piece_does_not_end_it() -> None:
    buffer = bytearray(10)
    raw = IteratorStream([b"", b"ab", b"", b"c"])
    assert [raw.readinto(buffer), bytes(buffer[:2])] == [2, b"ab"]
    assert [raw.readinto(buffer), bytes(buffer[:1])] == [1, b"c"]
    assert raw.readinto(buffer) == 0


def test_it_can_be_read_but_not_sought_or_written() -> None:
    stream = file_object([b"a"])
    assert stream.readable()
    assert not stream.seekable()
    assert not stream.writable()
    with pytest.raises(io.UnsupportedOperation):
        stream.seek(0)


def test_pieces_are_made_only_as_they_are_read() -> None:
    made = 0

    def pieces() -> Iterator[bytes]:
        nonlocal made
        for _ in range(1_000):
            made += 1
            yield b"x" * 100_000

    stream = file_object(pieces())
    stream.read(100_000)
    assert made <= 12  # the buffer has 1 MiB


def test_what_goes_wrong_while_it_is_made_is_not_hidden() -> None:
    def pieces() -> Iterator[bytes]:
        yield b"ab"
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError, match="the source broke"):
        file_object(pieces()).read()
