"""Guesses the encoding of text, to name it in the reason for a refusal."""

import re
import unicodedata

_EAST_ASIAN = "an East Asian encoding such as Shift_JIS, GB18030, Big5 or EUC-KR"
_ENCODINGS = (
    # If several fit equally well, the first one wins.
    ("cp1252", "Windows-1252"),
    ("cp1250", "Windows-1250"),
    ("cp1251", "Windows-1251"),
    ("cp1253", "Windows-1253"),
    ("koi8_r", "KOI8-R"),
    ("cp850", "CP850"),
    ("mac_roman", "Mac OS Roman"),
    ("iso8859_2", "ISO-8859-2"),
    ("iso8859_15", "ISO-8859-15"),
    ("shift_jis", _EAST_ASIAN),
    ("gb18030", _EAST_ASIAN),
    ("big5", _EAST_ASIAN),
    ("euc_kr", _EAST_ASIAN),
)
_MIN_FITTING = 0.8
"""Share of the non-ASCII bytes that must make sense before an encoding is named, and of the
non-ASCII lines that are valid in a text that is taken for UTF-8."""
_MAX_SAMPLE = 20_000  # bytes examined

_WORD = re.compile(r"[^\W\d_]+")
_SCRIPTS = ("LATIN", "CYRILLIC", "GREEK")
_SIGN = re.compile(r"(?<![^\W\d_])\W|\W(?![^\W\d_])|’")
"""A sign that is not inside a word, or an apostrophe."""
# RUF001 warns of signs that look like others, and these are meant.
_USUAL_SIGNS = frozenset("‘’“”„–—…€£°§«»©®™²³½¼·¿¡ºª×\u00a0\u3000、。・（）％：")  # noqa: RUF001 - see above


def is_utf8(text: bytes) -> bool:
    if text.isascii():  # faster, and the usual case
        return True
    try:
        text.decode()
    except UnicodeDecodeError:
        return False
    return True


def utf16_without_mark(text: bytes) -> str | None:
    """`UTF-16LE` or `UTF-16BE` if almost every second byte of a text is NUL, else None."""
    sample = text[:_MAX_SAMPLE]
    for name, zeros, others in (
        ("UTF-16LE", sample[1::2], sample[::2]),
        ("UTF-16BE", sample[::2], sample[1::2]),
    ):
        if zeros.count(0) > len(zeros) * _MIN_FITTING and others.count(0) < len(others) / 10:
            return name
    return None


def is_rather_utf8(text: bytes, codec: str) -> bool:
    """Whether a text whose encoding is declared as `codec` is UTF-8 instead.

    It is if most of its lines with non-ASCII characters are valid UTF-8, and make more sense as
    UTF-8. A few words of another encoding can be valid UTF-8 by chance, such as "NESCAFÉ®" in
    Windows-1252.
    """
    sample = b""
    lines = valid = 0
    for line in text.split(b"\n"):
        if line.isascii() or len(line) > _MAX_SAMPLE:
            continue
        lines += 1
        if is_utf8(line):
            valid += 1
            sample += line + b"\n"
        if len(sample) > _MAX_SAMPLE:
            break
    if not sample or valid < lines * _MIN_FITTING:
        return False
    return _share_fitting(sample.decode()) > _share_fitting(sample.decode(codec, "replace"))


def _share_fitting(text: str) -> float:
    """The share of a text's non-ASCII characters that make sense."""
    characters = sum(not character.isascii() for character in text)
    return sum(not character.isascii() for character in _fitting(text)) / characters


def looks_like(text: bytes) -> str | None:
    """The encoding in which a text that is not UTF-8 makes sense, or None.

    A few words with non-ASCII letters are enough to distinguish most encodings. Similar encodings
    can't be distinguished: ISO-8859-1 is reported as Windows-1252, and so may Turkish or Hungarian
    text be.
    """
    sample = text[:_MAX_SAMPLE]
    best_name = None
    best = sum(byte >= 0x80 for byte in sample) * _MIN_FITTING
    for codec, name in _ENCODINGS:
        try:
            decoded = sample.decode(codec)
        except UnicodeDecodeError:
            continue
        fitting = sum(byte >= 0x80 for byte in _fitting(decoded).encode(codec))
        if fitting > best:
            best_name, best = name, fitting
    return best_name


def _fitting(text: str) -> str:
    """The words and signs of a text that make sense, joined.

    A word makes sense if its letters are of one script and it is in lower case, in capitals or
    capitalized. A Latin word must not have four non-ASCII letters in a row.
    """
    fitting = [sign for sign in _SIGN.findall(text) if sign in _USUAL_SIGNS]
    for word in _WORD.findall(text):
        if word not in (word.lower(), word.upper(), word[0].upper() + word[1:].lower()):
            continue
        scripts = {_script(letter) for letter in word}
        if len(scripts) == 1 and not (scripts == {"LATIN"} and re.search(r"[^\x00-\x7f]{4}", word)):
            fitting.append(word)
    return "".join(fitting)


def _script(letter: str) -> str:
    first = unicodedata.name(letter, "").partition(" ")[0]
    return first if first in _SCRIPTS else "another"
