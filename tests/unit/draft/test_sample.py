"""The beginning of a file as text."""

import gzip
import io
from pathlib import Path
from types import SimpleNamespace

import pytest

from tickets.draft import sample
from tickets.draft.sample import read_sample
from tickets.errors import CommandError

TEXT = "id;Größe\n1;Köln\n2;Düsseldorf\n"


def written(data: bytes, folder: Path) -> Path:
    path = folder / "file.csv"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (TEXT.encode(), "utf-8"),
        (TEXT.encode("utf-8-sig"), "utf-8"),
        (TEXT.encode("utf-16"), "utf-16"),
        (b"\xfe\xff" + TEXT.encode("utf-16-be"), "utf-16"),
        (TEXT.encode("cp1252"), "windows-1252"),
        (TEXT.encode("cp850"), "cp850"),
    ],
)
def test_encoding(data: bytes, encoding: str, tmp_path: Path) -> None:
    for packed in (data, gzip.compress(data[:9]) + gzip.compress(data[9:])):
        found = read_sample(written(packed, tmp_path))
        assert (found.encoding.value, found.text, found.complete) == (encoding, TEXT, True)


def test_a_damaged_line_does_not_change_the_encoding(tmp_path: Path) -> None:
    data = TEXT.encode() * 20 + b"3;caf\xe9\n"
    found = read_sample(written(data, tmp_path)).encoding
    assert (found.value, found.fitting, found.of) == ("utf-8", 60, 61)


def test_only_whole_lines_of_the_beginning_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample, "MAX_SAMPLE", 20)
    for data in (TEXT.encode(), gzip.compress(TEXT.encode())):
        found = read_sample(written(data, tmp_path))
        assert (found.text, found.complete) == ("id;Größe\n1;Köln\n", False)


def test_nul_bytes_at_the_end_are_padding(tmp_path: Path) -> None:
    assert read_sample(written(b"id,n\n1,2\n\0\0", tmp_path)).text.startswith("id,n\n1,2\n")


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(TEXT.encode())))
    assert read_sample(Path("-")).text == TEXT


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "empty"),
        (TEXT.encode("utf-16-le"), "UTF-16LE without a byte order mark"),
        ("код;имя\n1;Москва\n".encode("cp1251"), "looks like Windows-1251"),
        (b"\x1f\x8b\x08broken", "can't be unpacked"),
        (b"\x7fELF\x02\x00\x01\n1,2\n", "binary or damaged"),
    ],
)
def test_a_file_that_no_source_can_declare(data: bytes, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=sentence):
        read_sample(written(data, tmp_path))
