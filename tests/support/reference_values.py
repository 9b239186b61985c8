"""What the text of a field becomes, according to decimal, datetime.strptime, zoneinfo and re.

Slow, and written independently of the product's code. Formats must not have "%f" for more than
six digits, nor "any", which strptime doesn't support.
"""

import re
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal
from typing import Any
from zoneinfo import ZoneInfo

from ingestion.sources.model import Field

Outcome = tuple[dict[str, Any], str] | str
"""The attribute and the text for templates; `missing`; or the reason for a refusal."""

DIGITS = frozenset("0123456789")
SMALLEST, LARGEST = Decimal("1E-130"), Decimal("9." + "9" * 37 + "E+125")
WIDE = Context(prec=2_000, Emax=999_999, Emin=-999_999)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Whole(Decimal):
    """An integer that remembers how it was written."""

    def __init__(self, digits: str) -> None:
        self.digits = digits


class NoValueError(Exception):
    """The text isn't a value of the type."""


def reference_outcome(field: Field, text: str | None) -> Outcome:
    """`text` is None for a field that is written as the null sequence."""
    keeps_blanks = field.type in ("string", "list")
    if text is None or (text if keeps_blanks else text.strip(" \t")) in field.missing_values:
        return "missing"
    text = text if keeps_blanks else text.strip(" \t")
    try:
        value = read(field, text)
    except NoValueError:
        return "bad_number" if field.type == "string" else f"bad_{field.type}"
    if value == []:
        return "missing"
    return violated(field, text, value) or stored(field, text, value)


def read(field: Field, text: str) -> Any:
    """A str, Decimal, bool, datetime (without a zone, if the text has none) or list of these."""
    match field.type:
        case "string" if field.stored_as in ("N", "NS"):
            return number(text, ".", "")
        case "string":
            return text
        case "integer":
            return integer(field, text if field.bare_number else bare(field, text))
        case "number":
            text = text if field.bare_number else bare(field, text)
            return number(signed(field, text), field.decimal_char, field.group_char or "")
        case "boolean":
            if text not in field.true_values + field.false_values:
                raise NoValueError
            return text in field.true_values
        case "list":
            items = [item.strip(" \t") for item in text.split(field.delimiter)]
            kind = Field(
                "",
                field.item_type,
                true_values=field.true_values,
                false_values=field.false_values,
                stored_as=field.stored_as,
            )
            return [read(kind, item) for item in items if item not in field.missing_values]
        case _:
            return in_zone(field, moment(field, text))


# ---------------------------------------------------------------- numbers


def bare(field: Field, text: str) -> str:
    """Without what is around the number, unless it may change its meaning."""
    numeric = [at for at, one in enumerate(text) if one.isnumeric()]
    if not numeric:
        raise NoValueError
    marks = {"+", "-", field.decimal_char, *(field.group_char or "")}
    doubtful = set("()\u2212\u2010\u2011\u2012\u2013\u2014\ufe63\uff0b\uff0d")
    start, end = numeric[0], numeric[-1] + 1
    before, after = text[:start], text[end:]
    if doubtful & set(before + after):
        raise NoValueError
    kept_before = before[min((before.index(one) for one in marks & set(before)), default=start) :]
    last = max((after.rindex(one) for one in marks & set(after)), default=-1)
    kept = kept_before + text[start:end] + after[: last + 1]
    outside = text[: start - len(kept_before)][-1:] + after[last + 1 :][:1]
    if set(outside) & (set(".,") - marks):
        raise NoValueError
    return kept.strip()


def signed(field: Field, text: str) -> str:
    """With its sign in front."""
    if field.trailing_minus and text.endswith("-"):
        if text.startswith(("+", "-")):
            raise NoValueError
        return "-" + text[:-1]
    return text


def integer(field: Field, text: str) -> Decimal:
    text = signed(field, text)
    if text.startswith("+-") and field.group_char is None and not field.trailing_minus:
        text = text[1:]  # accepted ever since
    sign = text[:1] if text[:1] in ("+", "-") else ""
    whole, point, zeros = text[len(sign) :], "", ""
    if field.group_char != field.decimal_char:
        whole, point, zeros = whole.partition(field.decimal_char)
    digits = without_groups(whole, field.group_char or "")
    if not digits or len(digits) > 38:
        raise NoValueError
    if point and (set(zeros) != {"0"} or len(zeros) == 3):
        raise NoValueError
    return Whole(sign.replace("+", "") + digits)


def number(text: str, decimal_char: str, group_char: str) -> Decimal:
    mantissa, e, exponent = text.replace("E", "e").partition("e")
    sign = mantissa[:1] if mantissa[:1] in ("+", "-") else ""
    whole, _, fraction = mantissa[len(sign) :].partition(decimal_char)
    power = exponent[1:] if exponent[:1] in ("+", "-") else exponent
    digits = without_groups(whole, group_char)
    if not set(digits + fraction + power) <= DIGITS or not digits + fraction:
        raise NoValueError
    if bool(e) != bool(power) or len(power) > 6:
        raise NoValueError
    value = Decimal(f"{sign}{digits}.{fraction}{e}{exponent}")
    significant = str(value.as_tuple().digits).strip("(,) ").replace(", ", "").strip("0")
    if value and not (SMALLEST <= abs(value) <= LARGEST and len(significant) <= 38):
        raise NoValueError
    return value


def without_groups(whole: str, group_char: str) -> str:
    groups = whole.split(group_char) if group_char else [whole]
    sizes = [len(group) for group in groups]
    if len(groups) > 1 and (sizes[0] not in (1, 2, 3) or set(sizes[1:]) != {3}):
        raise NoValueError
    if not set("".join(groups)) <= DIGITS:
        raise NoValueError
    return "".join(groups)


def written(value: Decimal) -> str:
    """Without an exponent and without zeros that mean nothing."""
    if not value:
        return "0"
    plain = format(value.normalize(WIDE), "f")
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


# ---------------------------------------------------------------- dates and times

DEFAULTS = {
    "date": ("%Y-%m-%d",),
    "time": ("%H:%M:%S",),
    "datetime": tuple(
        f"%Y-%m-%dT%H:%M:%S{fraction}{offset}" for fraction in ("", ".%f") for offset in ("", "%z")
    ),
}
NEXT_TO_DIGITS = re.compile("%[YymdjHIMSf](%[YymdjHIMSf]|[0-9])")


def moment(field: Field, text: str) -> datetime:
    for declared in field.formats:
        for one in DEFAULTS[field.type] if declared == "default" else (declared,):
            try:
                read = datetime.strptime(text, one)  # noqa: DTZ007 - the text may have no zone
            except ValueError:
                continue
            if declared == "default" and field.type == "datetime" and not is_iso(text, read):
                continue
            if len(text.split()) != len(one.split()):
                continue  # strptime takes a blank for the first digit of a day
            written = one.replace("%Y", f"{read.year:04}")  # strftime doesn't pad years everywhere
            if NEXT_TO_DIGITS.search(one) and read.strftime(written).lower() != text.lower():
                continue
            return read
    raise NoValueError


def is_iso(text: str, read: datetime) -> bool:
    """Whether a text has two digits everywhere, a capital T and Z, and a colon in its offset."""
    offset = text.endswith("Z") or text[-3:-2] == ":" if read.tzinfo else True
    return text[:19] == read.isoformat()[:19] and offset


def in_zone(field: Field, read: datetime) -> datetime:
    if field.type != "datetime" or field.timezone is None:
        return read
    zone = ZoneInfo(field.timezone)
    if read.tzinfo:
        return read.astimezone(zone)
    both = [read.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1)]
    real = [one for one in both if one.astimezone(zone).replace(tzinfo=None) == read]
    if not real:
        raise NoValueError
    return min(real).astimezone(zone)


def iso(field: Field, value: datetime) -> str:
    if field.type == "date":
        return value.date().isoformat()
    fraction = f"{value.microsecond:06}".rstrip("0")
    offset = value.isoformat()[19:].lstrip(".0123456789")
    clock = value.strftime("%H:%M:%S") + (f".{fraction}" if fraction else "")
    return clock if field.type == "time" else f"{value.date().isoformat()}T{clock}{offset}"


def seconds(field: Field, value: datetime) -> str:
    if field.type == "date":
        midnight = datetime(value.year, value.month, value.day)  # noqa: DTZ001 - added below
        value = midnight.replace(tzinfo=ZoneInfo(field.timezone) if field.timezone else UTC)
    aware = value if value.tzinfo else value.replace(tzinfo=UTC)
    return str((aware - EPOCH) // timedelta(seconds=1))


# ---------------------------------------------------------------- constraints, and what is stored


def comparable(field: Field, value: Any) -> Any:
    if isinstance(value, str) and field.type in ("integer", "number"):
        return number(value, field.decimal_char, field.group_char or "")
    if isinstance(value, int | float) and not isinstance(value, bool):
        return Decimal(str(value))
    if isinstance(value, str) and field.type in ("date", "datetime", "time"):
        try:
            value = in_zone(field, moment(field, value))
        except NoValueError:
            day = "1900-01-01T" if field.type == "time" else ""
            value = in_zone(field, datetime.fromisoformat(day + value))
    if isinstance(value, datetime):
        if field.type == "time":
            return value.time()
        if field.type == "date":
            return value.date()
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    return value


def violated(field: Field, text: str, value: Any) -> str | None:
    limits = field.constraints
    given = text if field.type == "string" else comparable(field, value)
    if limits.pattern is not None and not re.fullmatch(limits.pattern, text):
        return "pattern_mismatch"
    if limits.enum is not None and given not in [comparable(field, one) for one in limits.enum]:
        return "not_in_enum"
    if limits.minimum is not None and given < comparable(field, limits.minimum):
        return "below_minimum"
    if limits.maximum is not None and given > comparable(field, limits.maximum):
        return "above_maximum"
    if limits.min_length is not None and len(given) < limits.min_length:
        return "too_short"
    if limits.max_length is not None and len(given) > limits.max_length:
        return "too_long"
    return None


def stored(field: Field, text: str, value: Any) -> tuple[dict[str, Any], str]:
    if field.type == "list":
        return {field.stored_as: members(field, value)}, text
    if field.as_given:
        return {"S": text}, text
    converted = as_text(field, value)
    if field.ttl:
        return {"N": seconds(field, value)}, converted
    return {field.stored_as: value if field.stored_as == "BOOL" else converted}, converted


def as_text(field: Field, value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Whole):
        return value.digits
    if isinstance(value, Decimal):
        return written(value)
    return iso(field, value) if isinstance(value, datetime) else str(value)


def members(field: Field, items: list[Any]) -> list[Any]:
    kind = Field("", field.item_type)
    texts = [as_text(kind, item) for item in items]
    if field.stored_as == "L":
        type_ = {"integer": "N", "number": "N", "boolean": "BOOL"}.get(field.item_type, "S")
        values = items if type_ == "BOOL" else texts
        return [{type_: value} for value in values]
    if field.stored_as == "NS":
        texts = [written(item) for item in items]
    return sorted(set(texts), key=texts.index)
