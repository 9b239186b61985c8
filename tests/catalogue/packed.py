"""Files packed with gzip: whole, in several members, damaged, and harmful."""

import gzip
import struct
import zlib

from tests.catalogue.expectations import (
    HEADER,
    ONE_CHUNK,
    Outcome,
    Tickets,
    Unread,
    failed,
    kind,
    loaded,
    refused,
    text,
)

Made = tuple[bytes, Outcome]
PACKED = ".csv.gz"
DAMAGED = Unread("corrupt_gzip")


def packed(data: bytes, level: int = 9) -> bytes:
    return gzip.compress(data, level, mtime=0)


@kind(PACKED)
def gzip_single(t: Tickets) -> Made:
    body = text(t.line(1), t.line(2, quantity="x"), t.line(3, product='"a\nb"'), "", t.line(4))
    return packed(body), loaded(
        [*t.rows(1, 4), t.row(3, product="a\nb")],
        refused=[(3, "quantity", "bad_quantity")],
        blank_lines=1,
    )


@kind()
def gzip_named_csv(t: Tickets) -> Made:
    return packed(text(t.line(1), t.line(2))), loaded(t.rows(1, 2))


@kind(PACKED)
def plain_text_named_gz(t: Tickets) -> Made:
    return text(t.line(1), t.line(2)), loaded(t.rows(1, 2))


@kind(PACKED)
def gzip_of_several_members(t: Tickets) -> Made:
    """Cut within the header, within a row, and with an empty member between."""
    body = text(t.line(1), t.line(2), t.line(3))
    members = [body[:20], body[20:100], b"", body[100:]]
    return b"".join(map(packed, members)), loaded(t.rows(1, 2, 3))


@kind(PACKED)
def gzip_of_an_empty_member_first(t: Tickets) -> Made:
    return packed(b"") + packed(text(t.line(1))), loaded(t.rows(1))


@kind(PACKED)
def gzip_with_all_optional_fields(t: Tickets) -> Made:
    """FEXTRA, FNAME, FCOMMENT and FHCRC; the extra field holds what looks like a member."""
    extra = b"\x1f\x8b\x08\x00" + b"x" * 60
    head = b"\x1f\x8b\x08\x1e" + bytes(6) + struct.pack("<H", len(extra)) + extra
    head += b"tickets.csv\0" + b"a comment\0"
    head += struct.pack("<H", zlib.crc32(head) & 0xFFFF)
    return head + packed(text(t.line(1)))[10:], loaded(t.rows(1))


@kind(PACKED)
def gzip_stored_not_compressed(t: Tickets) -> Made:
    return packed(text(t.line(1), t.line(2)), 0), loaded(t.rows(1, 2))


@kind(PACKED)
def gzip_with_byte_order_mark_and_crlf(t: Tickets) -> Made:
    body = b"\xef\xbb\xbf" + text(t.line(1), t.line(2)[:-5], t.line(3), end="\r\n")
    rows = [*t.rows(1, 3)]
    return packed(body), loaded(rows, refused=[(3, "", "too_few_fields")])


@kind(PACKED)
def gzip_of_a_header(t: Tickets) -> Made:
    return packed(HEADER.encode()), loaded([])


@kind(PACKED)
def gzip_of_nothing(t: Tickets) -> Made:
    return packed(b""), refused(("empty_file", None, None))


@kind(PACKED)
def gzip_truncated(t: Tickets) -> Made:
    """Stored, so that one can see what is left: all of row 1, and not all of row 2."""
    body = text(t.line(1), t.line(2), t.line(3))
    left = len(text(t.line(1))) + 10
    cut = packed(body, 0)[: 15 + left]  # behind the heads of the member and of the block
    return cut, failed(t.rows(1), unread=DAMAGED)


@kind(PACKED)
def gzip_truncated_in_its_trailer(t: Tickets) -> Made:
    return packed(text(t.line(1), t.line(2)))[:-3], failed(t.rows(1, 2), unread=DAMAGED)


@kind(PACKED)
def gzip_truncated_in_its_head(t: Tickets) -> Made:
    """Nothing can be unpacked, which is not the same as an empty file."""
    return packed(text(t.line(1)))[:9], refused(("corrupt_gzip", None, None))


@kind(PACKED)
def gzip_with_a_wrong_checksum(t: Tickets) -> Made:
    body = bytearray(packed(text(t.line(1), t.line(2))))
    body[-8] ^= 1
    return bytes(body), failed(t.rows(1, 2), unread=DAMAGED)


@kind(PACKED)
def gzip_damaged_in_its_second_member(t: Tickets) -> Made:
    damaged = bytearray(packed(text(t.line(2))[62:]))
    damaged[10:12] = b"\xff\xff"
    return packed(text(t.line(1))) + bytes(damaged), failed(t.rows(1), unread=DAMAGED)


@kind(PACKED)
def gzip_with_trailing_zeros(t: Tickets) -> Made:
    """Tapes and some tools pad files like this."""
    return packed(text(t.line(1), t.line(2))) + bytes(1024), loaded(t.rows(1, 2))


@kind(PACKED)
def gzip_with_trailing_garbage(t: Tickets) -> Made:
    body = text(t.line(1), t.line(2))
    return packed(body) + b"garbage" * 9, failed(t.rows(1, 2), unread=DAMAGED)


@kind(PACKED)
def gzip_of_gzip(t: Tickets) -> Made:
    return packed(packed(text(t.line(1)))), refused(("not_csv", None, None))


@kind(PACKED)
def gzip_of_a_zip_archive(t: Tickets) -> Made:
    return packed(b"PK\x03\x04" + bytes(100)), refused(("not_csv", None, None))


@kind(PACKED)
def gzip_of_a_stray_quote(t: Tickets) -> Made:
    body = packed(text(t.line(1), t.line(2, product='"Tea'), t.line(3)))
    return body, loaded(t.rows(1, 3), refused=[(3, "", "stray_quote")])


@kind(PACKED, chunk_sizes=ONE_CHUNK)
def gzip_bomb(t: Tickets) -> Made:
    """70 MB in 70 KB."""
    body = text(t.line(1), t.line(2)) + b"x" * 70_000_000
    return packed(body), refused(("gzip_ratio", None, None))


@kind(PACKED)
def gzip_bomb_of_zeros(t: Tickets) -> Made:
    return packed(bytes(70_000_000)), refused(("not_csv", 1, None))
