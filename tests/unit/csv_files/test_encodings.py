"""What a text that is not UTF-8 looks like, by words as files of tickets have them."""

from typing import Any

import pytest

from ingestion.csv_files.encodings import looks_like, utf16_without_mark

FRENCH = "T1,Crème brûlée,B1\nT2,L’Oréal n° 5,B2\nT3,Pâté de campagne,B3\nT4,CAFÉ MOULU,B4"
GERMAN = "T1,Weißbier,B1\nT2,Käse,B2\nT3,MÜSLI,B3\nT4,Größe 38,Köln"
SPANISH = "T1,Jamón ibérico,B1\nT2,Piña colada,B2\nT3,Azúcar,España"
SWEDISH = "T1,Smör,B1\nT2,Kött,Göteborg\nT3,Ägg,Malmö"
POLISH = "T1,Żółty ser,B1\nT2,Śmietana,Łódź\nT3,Masło,Gdańsk"
RUSSIAN = "T1,Молоко,B1\nT2,Хлеб бородинский,МОСКВА\nT3,Сыр,B3"
GREEK = "T1,Γάλα,B1\nT2,Τυρί φέτα,Αθήνα"
JAPANESE = "T1,牛乳,B1\nT2,おにぎり,東京\nT3,コーヒー,B3"
CHINESE = "T1,牛奶,B1\nT2,苹果汁,北京"
KOREAN = "T1,우유,B1\nT2,사과 주스,서울"


@pytest.mark.parametrize(
    ("text", "codec", "name"),
    [
        *((text, "cp1252", "Windows-1252") for text in (FRENCH, GERMAN, SPANISH, SWEDISH)),
        *((text, "cp850", "CP850") for text in (GERMAN, SPANISH, SWEDISH)),
        *((text, "mac_roman", "Mac OS Roman") for text in (FRENCH, GERMAN, SPANISH)),
        ("T1,Café,B1", "cp1252", "Windows-1252"),
        ("T1,Café,B1", "cp850", "CP850"),
        ("T1,Tea “best” – 3 €,B1", "cp1252", "Windows-1252"),
        (GERMAN, "iso8859_1", "Windows-1252"),  # the same bytes
        (POLISH, "cp1250", "Windows-1250"),
        (POLISH, "iso8859_2", "ISO-8859-2"),
        (RUSSIAN, "cp1251", "Windows-1251"),
        (RUSSIAN, "koi8_r", "KOI8-R"),
        (GREEK, "cp1253", "Windows-1253"),
    ],
)
def test_an_encoding_is_told_from_a_few_words(text: Any, codec: Any, name: Any) -> None:
    assert looks_like(text.encode(codec)) == name


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        (JAPANESE, "shift_jis"),
        (JAPANESE, "euc_jp"),
        (CHINESE, "gb18030"),
        (CHINESE.replace("苹", "蘋"), "big5"),
        (KOREAN, "euc_kr"),
    ],
)
def test_east_asian_encodings_are_not_told_apart(text: Any, codec: str) -> None:
    assert str(looks_like(text.encode(codec))).startswith("an East Asian encoding")


@pytest.mark.parametrize(
    "text", [b"", b"T1,tea", b"T1,\xff\xfe\xfd\xfc\x80\x81,", b"caf\xc3,tea\xe2\x82"]
)
def test_what_makes_no_sense_is_not_named(text: bytes) -> None:
    assert looks_like(text) is None


def test_a_long_text_is_told_from_its_beginning() -> None:
    text = ("x" * 50 + "é,").encode("cp1252") * 100_000
    assert looks_like(text) == "Windows-1252"


@pytest.mark.parametrize("name", ["UTF-16LE", "UTF-16BE"])
def test_utf16_is_told_by_its_nul_bytes(name: str) -> None:
    for text in (FRENCH, POLISH, "ticket_id,product\n"):
        assert utf16_without_mark(text.encode(name)) == name


@pytest.mark.parametrize("text", [b"", b"ticket_id,product\n\x00\x00\x00\x00", b"\x00" * 50])
def test_other_nul_bytes_are_not_taken_for_utf16(text: bytes) -> None:
    assert utf16_without_mark(text) is None
