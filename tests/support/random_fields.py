"""Strategies for hypothesis: declared fields, and texts that may be their values."""

from datetime import datetime
from typing import Any

from hypothesis import strategies as st

from ingestion.sources.model import Constraints, Field

TYPES = (
    *("string", "string", "string", "integer", "number", "boolean"),
    *("date", "datetime", "time", "list"),
)
GROUP_CHARS = [None, ",", ".", " ", "'", "\u00a0"]
ZONES = ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "UTC", "America/Sao_Paulo"]
FORMATS = {
    "date": [
        *("default", "%d.%m.%Y", "%m/%d/%y", "%d%b%Y", "%B %d, %Y", "%Y%m%d", "%Y-%j", "%d%m%y"),
        *("%Y-%m-%d %H:%M:%S", "100%% %d/%m/%Y"),
    ],
    "time": ["default", "%H:%M", "%I:%M %p", "%H%M%S", "%H:%M:%S.%f", "%d.%m.%Y %H:%M:%S"],
    "datetime": [
        *("default", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M:%S", "%m/%d/%Y %I:%M:%S %p"),
        *("%Y-%m-%dT%H:%M:%S", "%Y%m%d%H%M%S", "%Y-%m-%d %H:%M:%S.%f", "%d-%b-%y %H:%M:%S %z"),
        *("%Y-%m-%dT%H:%M:%S%z", "%H:%M %d.%m.%Y", "%d %B %Y %H Uhr", "%Y-%m-%d"),
    ],
}
"""`any` has tests of its own."""

_MISSING = st.sampled_from([("",), ("", "NULL"), ("n/a", "-", "0"), (), ("\\N", "")])
_PIECES_OF_NUMBERS = [
    *("0", "00", "000", "1", "7", "12", "234", "500", "999", "9" * 37, "5" * 38),
    *(".", ",", "'", " ", "\u00a0", "-", "+", "e3", "E-2", "€", "%", "(", ")", "\u2212", "½", "x"),
]
_PIECES_OF_TEXTS = [
    "a",
    "B",
    "é",
    "味",
    '"',
    "\\",
    "\t",
    "\n",
    " ",
    ",",
    ";",
    "NULL",
    "1",
    "-",
    "/",
]
_DAYS = st.one_of(
    st.datetimes(datetime(1900, 1, 2), datetime(2068, 12, 30)),  # noqa: DTZ001
    # Around changes of summer time.
    st.datetimes(datetime(2025, 3, 29), datetime(2025, 3, 31)),  # noqa: DTZ001
    st.datetimes(datetime(2025, 10, 25), datetime(2025, 11, 3)),  # noqa: DTZ001
    st.datetimes(datetime(2018, 11, 3), datetime(2018, 11, 5)),  # noqa: DTZ001
)


@st.composite
def fields(draw: st.DrawFn, types: tuple[str, ...] = ()) -> Field:
    """A field of one of the types, or of any."""
    kind = draw(st.sampled_from(types or TYPES))
    values: dict[str, Any] = {
        "name": "field",
        "type": kind,
        "missing_values": draw(_MISSING),
        "attribute": "attribute",
        **draw(_BY_TYPE[kind]),
    }
    whens = ["omit", "null"] + (["empty"] if values["stored_as"] == "S" else [])
    values["when_missing"] = draw(st.sampled_from(whens))
    values["constraints"] = draw(_constraints(values))
    return Field(**values)


@st.composite
def _numbers(draw: st.DrawFn, decimal: bool) -> dict[str, Any]:
    decimal_char = draw(st.sampled_from(".,")) if decimal else "."
    as_given = draw(st.sampled_from([False, False, False, True]))
    return {
        "decimal_char": decimal_char,
        "group_char": draw(
            st.sampled_from([c for c in GROUP_CHARS if c != decimal_char or not decimal])
        ),
        "bare_number": draw(st.sampled_from([True, True, False])),
        "trailing_minus": draw(st.booleans()),
        "as_given": as_given,
        "stored_as": "S" if as_given else draw(st.sampled_from("NNNS")),
    }


@st.composite
def _times(draw: st.DrawFn, kind: str) -> dict[str, Any]:
    ttl = kind != "time" and draw(st.sampled_from([False, False, True]))
    zoned = kind == "datetime" or ttl
    formats = st.lists(st.sampled_from(FORMATS[kind]), min_size=1, max_size=2, unique=True)
    return {
        "formats": tuple(draw(formats)),
        "timezone": draw(st.sampled_from([None, *ZONES])) if zoned else None,
        "ttl": ttl,
        "as_given": not ttl and draw(st.sampled_from([False, False, True])),
        "stored_as": "N" if ttl else "S",
    }


@st.composite
def _lists(draw: st.DrawFn) -> dict[str, Any]:
    item_type = draw(st.sampled_from(["string", "integer", "number", "boolean"]))
    stored = ["L", "SS"] + ([] if item_type == "boolean" else ["NS"])
    return {
        "delimiter": draw(st.sampled_from([",", ";", "|"])),
        "item_type": item_type,
        "stored_as": draw(st.sampled_from(stored)),
        "true_values": ("true", "True", "TRUE", "1"),
        "false_values": ("false", "False", "FALSE", "0"),
    }


_BY_TYPE: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "string": st.fixed_dictionaries({"stored_as": st.sampled_from("SSSN")}),
    "integer": _numbers(decimal=False),
    "number": _numbers(decimal=True),
    "boolean": st.sampled_from(
        [
            {"true_values": ("ja", "J"), "false_values": ("nein", "N"), "stored_as": "BOOL"},
            {"true_values": ("1",), "false_values": ("0",), "stored_as": "S"},
        ]
    ),
    "date": _times("date"),
    "datetime": _times("datetime"),
    "time": _times("time"),
    "list": _lists(),
}


@st.composite
def _constraints(draw: st.DrawFn, field: dict[str, Any]) -> Constraints:
    if draw(st.sampled_from([True, True, True, False])):
        return Constraints(required=draw(st.booleans()))
    given: dict[str, Any] = {}
    match field["type"]:
        case "string":
            given["pattern"] = st.sampled_from([None, "[A-Ba-b]*", r"(?i)b|.{2,3}", "a|ab|[^b]+"])
            texts = ("7", "12", "1.50") if field["stored_as"] == "N" else ("a", "é", "1", "NULL")
            given["enum"] = st.sampled_from([None, None, texts])
        case "integer" | "number":
            bounds = st.sampled_from([None, 0, 1, 12, 234.5, -7, 500_000])
            given |= {"minimum": bounds, "maximum": bounds}
            given["enum"] = st.sampled_from([None, None, (0, 1, 7), (12, -7, 234)])
        case "boolean":
            given["enum"] = st.sampled_from([None, (True,), (False, True)])
        case "date" | "datetime":
            days = ["2000-01-01", "2025-03-30", "2025-10-26"]
            clock = "T12:00:00" if field["type"] == "datetime" else ""
            bounds = st.sampled_from([None, *(day + clock for day in days)])
            given |= {"minimum": bounds, "maximum": bounds}
        case "time":
            bounds = st.sampled_from([None, "06:00:00", "18:30:00"])
            given |= {"minimum": bounds, "maximum": bounds}
    if field["type"] in ("string", "list"):
        given["min_length"] = st.sampled_from([None, 0, 1, 2])
        given["max_length"] = st.sampled_from([None, 1, 2, 5])
    return Constraints(**draw(st.fixed_dictionaries(given)))


def texts_for(field: Field) -> st.SearchStrategy[str]:
    """Texts that often are values of the field, and otherwise nearly so."""
    good = _good_texts(field)
    odd = _texts_of(_PIECES_OF_TEXTS)
    rare = ["", *field.missing_values, *map(str, field.constraints.enum or ())]
    padded = st.builds("{}{}{}".format, _BLANKS, good, _BLANKS)
    return st.one_of(good, good, good, padded, _changed(good), odd, st.sampled_from(rare))


_BLANKS = st.sampled_from(["", " ", "\t", "  ", "\u00a0"])


def _texts_of(pieces: list[str]) -> st.SearchStrategy[str]:
    return st.lists(st.sampled_from(pieces), min_size=1, max_size=5).map("".join)


@st.composite
def _changed(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> str:
    """A text with one character more, less or another."""
    text = draw(texts)
    at = draw(st.integers(0, len(text)))
    return text[:at] + draw(st.sampled_from(["", "0", " ", ".", "x"])) + text[at + 1 :]


def _good_texts(field: Field) -> st.SearchStrategy[str]:
    match field.type:
        case "string":
            numbers = _number_texts(Field("", "number"))
            return numbers if field.stored_as == "N" else _texts_of(_PIECES_OF_TEXTS)
        case "integer" | "number":
            return _number_texts(field)
        case "boolean":
            return st.sampled_from([*field.true_values, *field.false_values])
        case "list":
            kind = Field("", field.item_type, true_values=("1", "True"), false_values=("0",))
            return st.lists(_good_texts(kind), min_size=1, max_size=4).map(field.delimiter.join)
        case _:
            return st.builds(_in_format, _DAYS, st.sampled_from(field.formats), st.just(field.type))


@st.composite
def _number_texts(draw: st.DrawFn, field: Field) -> str:
    if draw(st.sampled_from([True, False, False, False])):
        return draw(_texts_of(_PIECES_OF_NUMBERS))
    whole = f"{draw(st.integers(0, draw(st.sampled_from([9, 99_999, 10**9, 10**38]))))}"
    if field.group_char and draw(st.booleans()):
        whole = f"{int(whole):,}".replace(",", field.group_char)
    ends = ["", "", ".0", ".00", ".000", ".0000"]
    ends += [".5", ".50", ".05"] if field.type == "number" else []
    end = draw(st.sampled_from(ends)).replace(".", field.decimal_char)
    around = ["{}"] * 5 + ["+{}", "-{}", "{}-", "€ {}", "{} %", "-{}-", "{}e2"]
    return draw(st.sampled_from(around)).format(whole + end)


def _in_format(moment: datetime, declared: str, kind: str) -> str:
    usual = {"date": "%Y-%m-%d", "time": "%H:%M:%S", "datetime": "%Y-%m-%dT%H:%M:%S"}
    used = usual[kind] if declared == "default" else declared
    text = moment.strftime(used.replace("%z", "+0530"))
    return text if moment.second % 3 else text.lower()
