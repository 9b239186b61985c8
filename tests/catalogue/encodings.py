"""Files in another encoding, and files that aren't CSV at all."""

import io
import json
import zipfile

from tests.catalogue.expectations import (
    HEADER,
    ONE_CHUNK,
    Item,
    Outcome,
    Tickets,
    kind,
    loaded,
    refused,
    text,
)

Made = tuple[bytes, Outcome]
NOT_CSV = ("not_csv", None, None)


def zipped(*names: str) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        for name in names:
            file.writestr(name, HEADER)
    return archive.getvalue()


def a_mib_of_rows(t: Tickets) -> tuple[list[str], list[Item]]:
    """Lines 2 to 101, more than 1 MiB of them, and their items."""
    numbers = range(1000, 1100)
    wide = "x" * 11_000
    return (
        [t.line(number, category=wide) for number in numbers],
        [t.row(number, category=wide) for number in numbers],
    )


@kind()
def empty(t: Tickets) -> Made:
    return b"", refused(("empty_file", None, None))


@kind()
def only_a_byte_order_mark(t: Tickets) -> Made:
    return b"\xef\xbb\xbf", refused(("empty_file", None, None))


@kind()
def utf8_with_byte_order_mark(t: Tickets) -> Made:
    return b"\xef\xbb\xbf" + text(t.line(1)), loaded(t.rows(1))


@kind()
def two_byte_order_marks(t: Tickets) -> Made:
    return b"\xef\xbb\xbf" * 2 + text(t.line(1)), loaded(t.rows(1))


@kind()
def byte_order_mark_in_a_row(t: Tickets) -> Made:
    """Two joined files, for example, have one: within a row it is data."""
    body = text(t.line(1), t.line(2, product="\ufeffTea"))
    return body, loaded([*t.rows(1), t.row(2, product="\ufeffTea")])


@kind()
def utf16_le_with_mark(t: Tickets) -> Made:
    return b"\xff\xfe" + text(t.line(1)).decode().encode("utf-16-le"), refused(NOT_CSV)


@kind()
def utf16_be_with_mark(t: Tickets) -> Made:
    return b"\xfe\xff" + text(t.line(1)).decode().encode("utf-16-be"), refused(NOT_CSV)


@kind()
def utf16_le_without_mark(t: Tickets) -> Made:
    return text(t.line(1)).decode().encode("utf-16-le"), refused(("not_csv", 1, None))


@kind()
def utf16_be_without_mark(t: Tickets) -> Made:
    return text(t.line(1)).decode().encode("utf-16-be"), refused(("not_csv", 1, None))


@kind()
def utf32(t: Tickets) -> Made:
    return b"\xff\xfe\0\0" + text(t.line(1)).decode().encode("utf-32-le"), refused(NOT_CSV)


@kind()
def latin1_early(t: Tickets) -> Made:
    body = text(t.line(1)) + t.line(2, product="Café").encode("latin-1") + b"\n"
    return body, loaded(t.rows(1), refused=[(3, "product", "not_utf8")])


@kind()
def latin1_everywhere(t: Tickets) -> Made:
    """With two good ones of five rows, more are affected than the limit allows."""
    cafes = [t.line(number, product="Café") for number in (2, 3, 4)]
    body = text(t.line(1)) + "\n".join(cafes).encode("latin-1") + b"\n" + t.line(5).encode()
    return body, refused(("not_utf8", 3, None))


@kind()
def latin1_in_the_header(t: Tickets) -> Made:
    return HEADER.encode() + b",caf\xe9\n", refused(("not_utf8", 1, None))


@kind()
def a_character_cut_off_at_the_end(t: Tickets) -> Made:
    return text(t.line(1)) + t.line(2, store="Caf").encode() + b"\xc3", loaded(
        t.rows(1), refused=[(3, "store", "not_utf8")]
    )


@kind(chunk_sizes=ONE_CHUNK)
def latin1_after_the_first_mib(t: Tickets) -> Made:
    lines, rows = a_mib_of_rows(t)
    body = text(*lines) + t.line(1, product="Café").encode("latin-1") + b"\n"
    body += t.line(2).encode() + b"\n"
    return body, loaded([*rows, *t.rows(2)], refused=[(102, "product", "not_utf8")])


@kind(chunk_sizes=ONE_CHUNK)
def latin1_in_an_unknown_column_after_the_first_mib(t: Tickets) -> Made:
    """The row is not UTF-8, though the field at fault would not be stored."""
    lines, rows = a_mib_of_rows(t)
    body = f"{HEADER},note\n".encode()
    body += "".join(f"{line},\n" for line in lines).encode()
    body += t.line(1).encode() + b",caf\xe9\n" + t.line(2).encode() + b",\n"
    return body, loaded(
        [*rows, *t.rows(2)], refused=[(102, "", "not_utf8")], unknown_columns=("note",)
    )


@kind()
def nul_early(t: Tickets) -> Made:
    return text(t.line(1, product="Te\0a")), refused(("not_csv", 2, None))


@kind(chunk_sizes=ONE_CHUNK)
def nul_after_the_first_mib(t: Tickets) -> Made:
    lines, rows = a_mib_of_rows(t)
    body = text(*lines, t.line(1, category="a\0b"))
    return body, loaded([*rows, t.row(1, category="a\0b")])


@kind()
def zip_archive(t: Tickets) -> Made:
    return zipped("tickets.csv"), refused(NOT_CSV)


@kind()
def xlsx(t: Tickets) -> Made:
    return zipped("[Content_Types].xml", "xl/workbook.xml"), refused(NOT_CSV)


@kind()
def xls(t: Tickets) -> Made:
    return bytes.fromhex("d0cf11e0a1b11ae1") + bytes(504), refused(NOT_CSV)


@kind()
def parquet(t: Tickets) -> Made:
    return b"PAR1\x15\x04\x15\x10\x4c\x15\x02PAR1", refused(NOT_CSV)


@kind()
def html(t: Tickets) -> Made:
    return b"<!DOCTYPE html>\n<title>502 Bad Gateway</title>\n", refused(("no_header", 1, None))


@kind()
def json_lines(t: Tickets) -> Made:
    return json.dumps({"ticket": t.id(1)}).encode() + b"\n", refused(("no_header", 1, None))


@kind()
def unicode_text_of_every_kind(t: Tickets) -> Made:
    """Texts are stored as given, without normalization, so these are four products."""
    names = ["Café", "Cafe\u0301", "\u200bTea\u00a0", "味噌 🍵\u2028\u0085"]
    body = text(*(t.line(1, product=name) for name in names))
    return body, loaded([t.row(1, product=name) for name in names])
