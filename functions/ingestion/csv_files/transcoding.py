"""Converts text of a declared encoding to UTF-8, as a stream, and parts of it back.

Nothing is replaced. What the encoding doesn't define stays in the text as bytes that make the text
invalid UTF-8 at that place, so that exactly the rows that contain it are refused:

- A byte that Windows-1252 doesn't define (`81`, `8D`, `8F`, `90` or `9D`) is kept. In
  UTF-8 it could only continue a character, and the characters around it are complete.
- Half a surrogate pair of UTF-16 becomes `ED` and two bytes from `A0 80` to `BF BF`. UTF-8
  excludes them ("Well-Formed UTF-8 Byte Sequences", Unicode Standard, table 3-7).
- An odd byte at the end of UTF-16 text becomes `FF`, which never occurs in UTF-8. Kept as it is,
  it could be a letter or a line end.
"""

import codecs
from collections.abc import Iterable, Iterator

ENCODING_NAMES = {
    "utf_8": "UTF-8",
    "utf_16": "UTF-16",
    "cp1252": "Windows-1252",
    "iso8859_1": "ISO-8859-1",
    "iso8859_15": "ISO-8859-15",
    "cp437": "CP437",
    "cp850": "CP850",
}
"""The usual name of each encoding that a source can declare, by the name of its Python codec."""

MAX_GROWTH = 3
"""How many bytes of UTF-8 a byte can become, such as the euro sign of Windows-1252."""

_ODD_BYTE = b"\xff"
_REPLACEMENT = "\ufffd".encode("utf_16_le")


def transcode(blocks: Iterable[bytes], encoding: str, *, complete: bool = True) -> Iterator[bytes]:
    """Yields the text in blocks of UTF-8. Each of these has at most MAX_GROWTH times the bytes of
    the block that it is made from.

    `encoding` is a key of ENCODING_NAMES. UTF-16 text must begin with a byte order mark, which is
    left out; if it has none, UnicodeError is raised. If the text is not `complete`, a character
    that is cut off at its end is left out.
    """
    if encoding == "utf_8":
        yield from blocks
    elif encoding == "utf_16":
        yield from _from_utf16(blocks, complete=complete)
    else:
        for block in blocks:
            # All of these encodings contain ASCII.
            yield block if block.isascii() else _from_single_bytes(block, encoding)


def encode(text: bytes, encoding: str) -> bytes:
    """Converts a part of the text that `transcode` yields back to its encoding.

    UTF-16 text gets no byte order mark, and is little-endian. What UTF-8 excludes becomes the bytes
    that it was made from, apart from an odd byte at the end of UTF-16 text, which is replaced.
    """
    if encoding == "utf_8":
        return text
    if encoding == "utf_16":
        units = text.removesuffix(_ODD_BYTE).decode(errors="surrogatepass")
        return units.encode("utf_16_le", "surrogatepass") + _REPLACEMENT * text.endswith(_ODD_BYTE)
    return text.decode(errors="surrogateescape").encode(encoding, "surrogateescape")


def _from_single_bytes(block: bytes, encoding: str) -> bytes:
    # Undefined bytes become surrogates, and the same bytes again.
    return block.decode(encoding, "surrogateescape").encode(errors="surrogateescape")


def _from_utf16(blocks: Iterable[bytes], *, complete: bool) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder("utf_16")("surrogatepass")
    odd = b""
    for block in blocks:
        units = odd + block
        even = len(units) // 2 * 2
        units, odd = units[:even], units[even:]
        if text := decoder.decode(units):
            yield text.encode(errors="surrogatepass")
    if complete:
        half_pair = decoder.decode(b"", final=True)
        yield half_pair.encode(errors="surrogatepass") + _ODD_BYTE * len(odd)
