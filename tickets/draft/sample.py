"""Reads the beginning of a file as text, and guesses its encoding."""

import codecs
import gzip
import sys
import zlib
from pathlib import Path
from typing import BinaryIO, NamedTuple

from ingestion.csv_files.encodings import is_utf8, looks_like, utf16_without_mark
from tickets.draft.guesses import Guess
from tickets.errors import CommandError

MAX_SAMPLE = 4 * 1024 * 1024
"""Bytes to look at, unpacked: some tens of thousands of rows."""

_GZIP = b"\x1f\x8b"
_MIN_UTF8_LINES = 0.95
"""Share of the lines that must be UTF-8 if the others are taken for damaged ones."""
_NAMES = {"Windows-1252": "windows-1252", "ISO-8859-15": "iso-8859-15", "CP850": "cp850"}
"""Encodings that a source can declare, as `looks_like` names them."""


class Sample(NamedTuple):
    text: str
    """Whole lines, without a byte order mark."""
    encoding: Guess
    complete: bool
    """Whether it is the whole file."""


def read_sample(path: Path) -> Sample:
    """Reads the beginning of a file, or of standard input if the path is `-`.

    Raises CommandError if the file is empty or binary, or if no source can declare its encoding,
    and OSError.
    """
    if str(path) == "-":
        data = _unpacked(sys.stdin.buffer)
    else:
        with path.open("rb") as file:
            data = _unpacked(file)
    complete = len(data) <= MAX_SAMPLE
    return _decoded(data if complete else data[:MAX_SAMPLE], complete)


def _unpacked(file: BinaryIO) -> bytes:
    """The first bytes, at most one more than MAX_SAMPLE."""
    start = file.read(MAX_SAMPLE + 1)
    if not start.startswith(_GZIP):
        return start
    unpacker, data = zlib.decompressobj(wbits=31), b""
    packed = start
    try:
        while packed and len(data) <= MAX_SAMPLE:
            data += unpacker.decompress(packed, MAX_SAMPLE + 1 - len(data))
            packed = unpacker.unconsumed_tail or unpacker.unused_data or file.read(65536)
            if unpacker.eof:
                unpacker = zlib.decompressobj(wbits=31)
    except (zlib.error, gzip.BadGzipFile):
        if not data:
            raise CommandError("The file begins like gzip, but it can't be unpacked.") from None
    return data


def _decoded(data: bytes, complete: bool) -> Sample:
    if not data:
        raise CommandError("The file is empty: there is nothing to look at.")
    codec, name = _encoding(data)
    if codec == "utf_16":
        text = codecs.getincrementaldecoder(codec)("replace").decode(data, final=complete)
    else:
        text = data.decode(codec, errors="replace")
    if not complete:
        text = text[: text.rfind("\n") + 1]
    if "\0" in text.rstrip("\0\x1a\r\n"):
        raise CommandError("The file has NUL bytes, so it is binary or damaged.")
    lines = text.count("\n") + (not text.endswith("\n"))
    damaged = sum("\ufffd" in line for line in text.split("\n")) if "\ufffd" in text else 0
    note = "" if codec in ("utf_8_sig", "utf_16") else "Look at the letters that are not ASCII."
    guess = Guess("encoding", name, lines - damaged, lines, note)
    return Sample(text, guess, complete)


def _encoding(data: bytes) -> tuple[str, str]:
    """The codec to read the data with, and the name that a declaration has for it."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf_16", "utf-16"
    without_mark = utf16_without_mark(data)
    if without_mark:
        raise CommandError(
            f"The file looks like {without_mark} without a byte order mark, which no source can "
            "declare: save it with a mark, or as UTF-8."
        )
    lines = data.split(b"\n")
    strange = [line for line in lines if not is_utf8(line)]
    if len(strange) <= len(lines) * (1 - _MIN_UTF8_LINES):
        return "utf_8_sig", "utf-8"
    found = looks_like(b"\n".join(strange))
    if found is None or found in _NAMES:
        name = _NAMES.get(found or "", "windows-1252")
        return codecs.lookup(name).name, name
    raise CommandError(
        f"The text looks like {found}, which no source can declare: save the file as UTF-8."
    )
