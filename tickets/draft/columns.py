"""Guesses the type of a column from its values."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tickets.draft.dates import guess_date
from tickets.draft.guesses import Guess
from tickets.draft.numbers import guess_number, has_leading_zeros

_CERTAINLY_MISSING = ("NULL", "\\N", "(null)", "#N/A", "N/A")
"""Texts that mean in any column that there is no value."""
_PERHAPS_MISSING = ("NA", "n/a", "null", "None", "NaN", "nan", "-", "--", "?")
"""Texts that mean it only in a column of numbers or dates."""
_BOOLEANS = (
    ({"true"}, {"false"}),
    ({"yes", "y"}, {"no", "n"}),
    ({"ja", "j"}, {"nein", "n"}),
    ({"oui", "o"}, {"non", "n"}),
    ({"si", "sí", "s"}, {"no", "n"}),
)
_DEFAULT_BOOLEANS = (["true", "True", "TRUE", "1"], ["false", "False", "FALSE", "0"])


@dataclass(frozen=True)
class ColumnGuess:
    """What a column holds. `properties` and `dynamodb` are for its field's declaration."""

    type: str
    guess: Guess
    """Counts the values that are not missing."""
    is_full: bool
    """Whether every row has a value."""
    properties: dict[str, Any] = field(default_factory=dict)
    dynamodb: dict[str, Any] = field(default_factory=dict)
    missing_values: tuple[str, ...] = ("",)


def guess_column(
    title: str,
    values: Counter[str],
    *,
    is_text: bool,
    is_date: bool,
    prefers_comma: bool,
) -> ColumnGuess:
    """Guesses the type of a column.

    `is_text` says that its title names a code or a name, so that digits aren't numbers;
    `is_date` that it names a date.
    """
    missing = [one for one in ("", *_CERTAINLY_MISSING) if values[one]]
    there = Counter({value: count for value, count in values.items() if value not in missing})
    number, date = None, None
    perhaps = [one for one in _PERHAPS_MISSING if there[one]]
    certain = Counter({value: count for value, count in there.items() if value not in perhaps})
    if certain and not is_text:
        date = guess_date(certain, may_be_compact=is_date)
        if date is None and not has_leading_zeros(certain):
            number = guess_number(certain, prefers_comma)
    if number or date:
        there, missing = certain, [*missing, *perhaps]
    total = sum(there.values())
    is_full = total == sum(values.values())
    kept = ("", *(one for one in missing if one))
    if date:
        note = ""
        if date.alternative:
            note = f"{date.alternative} fits as well, because no day is over 12. Which is it?"
        described = ", ".join((date.type, *date.formats))
        guess = Guess(title, described, date.fitting, total, note, bool(note))
        if len(date.formats) > 1:
            formats = {"formats": list(date.formats)}
            return ColumnGuess(date.type, guess, is_full, {}, formats, kept)
        [format_] = date.formats
        declared = {} if format_ == "default" else {"format": format_}
        return ColumnGuess(date.type, guess, is_full, declared, {}, kept)
    if number:
        kind = "integer" if number.whole else "number"
        form = number.form
        described = ", ".join(f"{name} {value}" for name, value in form.properties.items())
        note = ""
        if number.alternative:
            decimal, group = number.alternative.decimal_char, number.alternative.group_char
            between = f"{group!r} between thousands" if group else "nothing between thousands"
            note = (
                f"Every number fits as well with {decimal!r} before the decimals and {between}. "
                "Which is it?"
            )
        guess = Guess(
            title,
            ", ".join(part for part in (kind, described) if part),
            number.fitting,
            total,
            note,
            bool(note),
        )
        properties = form.properties
        if kind == "integer":
            properties.pop("decimalChar", None)
        dynamodb = {"trailingMinus": True} if form.trailing_minus else {}
        return ColumnGuess(kind, guess, is_full, properties, dynamodb, kept)
    boolean = None if is_text else _boolean(there)
    if boolean is not None:
        guess = Guess(title, "boolean", total, total)
        return ColumnGuess("boolean", guess, is_full, boolean, {}, kept)
    note = "" if total else "It has no values."
    return ColumnGuess("string", Guess(title, "string", total, total, note), is_full, {}, {}, kept)


def _boolean(values: Counter[str]) -> dict[str, Any] | None:
    """The properties of a boolean field, or None if the values aren't booleans."""
    folded = {value.casefold() for value in values}
    for true, false in _BOOLEANS:
        if folded and folded <= true | false and folded & true and folded & false:
            found = [
                sorted(value for value in values if value.casefold() in some)
                for some in (true, false)
            ]
            usual = zip(found, _DEFAULT_BOOLEANS, strict=True)
            if all(set(some) <= set(default) for some, default in usual):
                return {}
            return {"trueValues": found[0], "falseValues": found[1]}
    return None
