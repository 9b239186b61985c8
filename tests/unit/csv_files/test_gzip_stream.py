"""gzip as a stream: members, padding, damage, bounds, and flat memory."""

import gzip
import io
import random
import zlib
from collections.abc import Iterator

import pytest

from ingestion.csv_files import gzip_stream
from ingestion.csv_files.gzip_stream import Unpacker

TEXT = "".join(f"T{number},Tea,{number * 7919 % 1000}\n" for number in range(3_000)).encode()
PACKED = gzip.compress(TEXT, mtime=0)


def unpacker_of(packed: bytes, block_size: int) -> Unpacker:
    blocks = (packed[at : at + block_size] for at in range(0, max(1, len(packed)), block_size))
    return Unpacker(blocks, len(packed))


def unpacked(packed: bytes, block_size: int) -> tuple[bytes, bool]:
    """The unpacked data, and whether the file is damaged. It must not be refused."""
    unpacker = unpacker_of(packed, block_size)
    data = b"".join(unpacker)
    assert unpacker.refusal is None
    return data, unpacker.damaged


@pytest.mark.parametrize("block_size", [1, 2, 17, 1000, 1 << 20])
@pytest.mark.parametrize(
    ("packed", "expected"),
    [
        (PACKED, TEXT),
        (PACKED + PACKED, TEXT + TEXT),
        (gzip.compress(b"") + PACKED + gzip.compress(b""), TEXT),
        (gzip.compress(TEXT, 0), TEXT),
        (PACKED + bytes(700), TEXT),
        (PACKED + bytes(1), TEXT),
        (gzip.compress(b""), b""),
    ],
    ids=["one", "two", "empty ones", "stored", "padded", "one zero", "of nothing"],
)
def test_whole_files_in_blocks_of_any_size(packed: bytes, expected: bytes, block_size: int) -> None:
    assert unpacked(packed, block_size) == (expected, False)


def test_a_file_as_the_gzip_module_writes_it_with_a_name() -> None:
    file = io.BytesIO()
    with gzip.GzipFile("tickets.csv", "wb", fileobj=file) as member:
        member.write(TEXT)
    assert unpacked(file.getvalue(), 100) == (TEXT, False)


@pytest.mark.parametrize("block_size", [1, 1000, 1 << 20])
@pytest.mark.parametrize("left", [1, 9, 10, 11, 500, len(PACKED) - 9, len(PACKED) - 1])
def test_a_truncated_file_gives_what_can_be_told_of_it(left: int, block_size: int) -> None:
    data, damaged = unpacked(PACKED[:left], block_size)
    assert damaged
    assert data == zlib.decompressobj(wbits=31).decompress(PACKED[:left])
    assert TEXT.startswith(data)


@pytest.mark.parametrize(
    "packed",
    [
        PACKED + b"garbage",
        PACKED + bytes(10) + b"garbage",
        PACKED + PACKED[:5],
        PACKED[:-8] + b"\xff" + PACKED[-7:],
        PACKED[:-1] + b"\xff",
    ],
    ids=["garbage", "zeros and garbage", "half a head", "checksum", "length"],
)
@pytest.mark.parametrize("block_size", [1, 1000, 1 << 20])
def test_damage_behind_the_data_loses_none_of_it(packed: bytes, block_size: int) -> None:
    assert unpacked(packed, block_size) == (TEXT, True)


@pytest.mark.parametrize("at", [0, 1, 2, 3, 40, 4_000])
@pytest.mark.parametrize("block_size", [1, 1000, 1 << 20])
def test_damage_anywhere_ends_the_data_and_is_told(at: int, block_size: int) -> None:
    damaged = bytearray(PACKED)
    damaged[at] ^= 0xFF
    data, is_told = unpacked(bytes(damaged), block_size)
    assert is_told
    assert len(data) <= len(TEXT)


def test_nothing_follows_a_problem() -> None:
    """Not even data that would be valid again."""
    unpacker = Unpacker([PACKED, b"garbage", PACKED], 2 * len(PACKED) + 7)
    assert b"".join(unpacker) == TEXT
    assert unpacker.damaged


def test_memory_is_flat_however_much_a_block_unpacks_to() -> None:
    packed = gzip.compress(bytes(20_000_000))
    sizes = [len(block) for block in Unpacker([packed], len(packed))]
    assert sum(sizes) == 20_000_000
    assert max(sizes) <= 1024 * 1024
    assert min(sizes) > 0


def test_a_small_file_may_unpack_to_64_mib() -> None:
    assert Unpacker.largest(10) == 64 * 1024 * 1024


def test_a_file_may_unpack_to_200_times_its_size_and_to_30_gb() -> None:
    assert Unpacker.largest(10**8) == 200 * 10**8
    assert Unpacker.largest(10**9) == 30 * 10**9


@pytest.mark.parametrize(("room", "refused"), [(1_000_000, None), (999_999, "gzip_ratio")])
def test_the_bound_is_exact(
    room: int, refused: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gzip_stream, "_FREE_SIZE", room)
    monkeypatch.setattr(gzip_stream, "MAX_RATIO", 0)
    unpacker = unpacker_of(gzip.compress(b"x" * 1_000_000), 64)
    data = b"".join(unpacker)
    assert (unpacker.refusal.reason if unpacker.refusal else None) == refused
    assert len(data) <= room
    assert not unpacker.damaged


def test_the_ratio_is_that_of_the_whole_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first member unpacks to almost 1,000 times its size."""
    monkeypatch.setattr(gzip_stream, "_FREE_SIZE", 100_000)
    noise = random.Random(1).randbytes(10_000)
    repetitive = bytes(1_000_000)
    packed = gzip.compress(repetitive) + gzip.compress(noise)
    assert unpacked(packed, 100) == (repetitive + noise, False)


def test_the_ratio_counts_all_members_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gzip_stream, "_FREE_SIZE", 100_000)
    members = gzip.compress(bytes(90_000)) * 3  # each one alone would be allowed
    assert refusal(members) == (
        "gzip_ratio",
        f"The file has {len(members)} bytes and unpacks to more than 100,000, which is more than"
        " 200 times as many. If the file is right, upload it uncompressed.",
    )


def test_a_file_that_is_too_large_is_told_from_one_that_is_too_repetitive(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(gzip_stream, "MAX_UNPACKED_BYTES", 50_000)
    assert refusal(gzip.compress(bytes(90_000))) == (
        "gzip_too_large",
        "The file unpacks to more than 50,000 bytes; split it into smaller files.",
    )


def refusal(packed: bytes) -> tuple[str, str]:
    unpacker = unpacker_of(packed, 1 << 20)
    list(unpacker)
    assert unpacker.refusal
    return unpacker.refusal.reason, unpacker.refusal.detail


def test_a_bomb_is_given_up_before_it_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gzip_stream, "_FREE_SIZE", 100_000)
    bomb = gzip.compress(bytes(50_000_000))
    read = 0

    def blocks() -> Iterator[bytes]:
        nonlocal read
        for at in range(0, len(bomb), 1_000):
            read += 1_000
            yield bomb[at : at + 1_000]

    unpacker = Unpacker(blocks(), len(bomb))
    for _ in unpacker:
        pass
    assert unpacker.refusal
    assert read < len(bomb) // 4
