"""gzip as a stream: members, padding, damage, bounds, and flat memory."""

import gzip
import io
import zlib
from collections.abc import Iterator

import pytest

from ingestion.csv_files import gzip_stream
from ingestion.csv_files.gzip_stream import Unpacker

TEXT = "".join(f"T{number},Tea,{number * 7919 % 1000}\n" for number in range(3_000)).encode()
PACKED = gzip.compress(TEXT, mtime=0)


def unpacked(packed: bytes, block_size: int) -> tuple[bytes, str | None]:
    unpacker = Unpacker(
        packed[at : at + block_size] for at in range(0, max(1, len(packed)), block_size)
    )
    return b"".join(unpacker), unpacker.problem


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
    assert unpacked(packed, block_size) == (expected, None)


def test_a_file_as_the_gzip_module_writes_it_with_a_name() -> None:
    file = io.BytesIO()
    with gzip.GzipFile("tickets.csv", "wb", fileobj=file) as member:
        member.write(TEXT)
    assert unpacked(file.getvalue(), 100) == (TEXT, None)


@pytest.mark.parametrize("block_size", [1, 1000, 1 << 20])
@pytest.mark.parametrize("left", [1, 9, 10, 11, 500, len(PACKED) - 9, len(PACKED) - 1])
def test_a_truncated_file_gives_what_can_be_told_of_it(left: int, block_size: int) -> None:
    data, problem = unpacked(PACKED[:left], block_size)
    assert problem == "corrupt_gzip"
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
    assert unpacked(packed, block_size) == (TEXT, "corrupt_gzip")


@pytest.mark.parametrize("at", [0, 1, 2, 3, 40, 4_000])
@pytest.mark.parametrize("block_size", [1, 1000, 1 << 20])
def test_damage_anywhere_ends_the_data_and_is_told(at: int, block_size: int) -> None:
    damaged = bytearray(PACKED)
    damaged[at] ^= 0xFF
    data, problem = unpacked(bytes(damaged), block_size)
    assert problem == "corrupt_gzip"
    assert len(data) <= len(TEXT)


def test_nothing_follows_a_problem() -> None:
    """Not even what would be fine again."""
    unpacker = Unpacker([PACKED, b"garbage", PACKED])
    assert b"".join(unpacker) == TEXT
    assert unpacker.problem == "corrupt_gzip"


def test_memory_is_flat_however_much_a_block_unpacks_to() -> None:
    packed = gzip.compress(bytes(20_000_000))
    sizes = [len(block) for block in Unpacker([packed])]
    assert sum(sizes) == 20_000_000
    assert max(sizes) <= 1024 * 1024
    assert min(sizes) > 0


def test_a_small_file_may_unpack_to_64_mib() -> None:
    assert Unpacker.largest(10) == 64 * 1024 * 1024


def test_a_file_may_unpack_to_200_times_its_size() -> None:
    assert Unpacker.largest(10**8) == 200 * 10**8
    assert Unpacker.largest(10**9) == 50 * 10**9  # no more than the largest file that is accepted


@pytest.mark.parametrize(("room", "problem"), [(1_000_000, None), (999_999, "unpacks_too_large")])
def test_the_bound_is_exact(
    room: int, problem: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gzip_stream, "_FREE_SIZE", room)
    monkeypatch.setattr(gzip_stream, "_MAX_RATIO", 0)
    data, found = unpacked(gzip.compress(b"x" * 1_000_000), 64)
    assert found == problem
    assert len(data) <= room


def test_a_bomb_is_given_up_before_it_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gzip_stream, "_FREE_SIZE", 100_000)
    bomb = gzip.compress(bytes(50_000_000))
    read = 0

    def blocks() -> Iterator[bytes]:
        nonlocal read
        for at in range(0, len(bomb), 1_000):
            read += 1_000
            yield bomb[at : at + 1_000]

    unpacker = Unpacker(blocks())
    for _ in unpacker:
        pass
    assert unpacker.problem == "unpacks_too_large"
    assert read < len(bomb) // 10


def test_the_ratio_counts_all_members_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gzip_stream, "_FREE_SIZE", 100_000)
    members = gzip.compress(bytes(90_000)) * 3  # each one alone would be allowed
    assert unpacked(members, 1 << 20)[1] == "unpacks_too_large"
