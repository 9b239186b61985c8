"""Strategies for hypothesis: declarations of sources, each with a file.

The files are made as their declarations say. What must become of each row is found out with
Python's csv, codecs, decimal, datetime and zoneinfo modules alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, NamedTuple

from hypothesis import strategies as st

from ingestion.sources.model import Field
from tests.support.random_dialects import RandomDialect, dialects
from tests.support.random_fields import fields, texts_for
from tests.support.reference_values import Outcome, reference_outcome, written

S3_KEY = 'till/"7" 100%.csv'
LOAD_ID = "0123456789abcdef"

CODECS = {
    "utf-8": "utf_8",
    "utf-16": "utf_16",
    "windows-1252": "cp1252",
    "latin1": "iso8859_1",
    "ISO-8859-15": "iso8859_15",
    "cp437": "cp437",
    "IBM850": "cp850",
}
"""Encodings as declarations may name them, and Python's codecs."""

NAMES = ["Bon-Nr", "Artikel", "Datum", "Menge", "Preis", "Größe", "Kasse 1", "Kunde #"]
EXTRA_NAMES = ["Notiz", "Filiale"]
WHEN_MISSING: dict[str, dict[str, Any]] = {
    "omit": {},
    "null": {"NULL": True},
    "empty": {"S": ""},
}
UNDEFINED = "\udc81"
"""A byte that neither Windows-1252 nor UTF-8 defines, as `surrogateescape` decodes it."""


class ExpectedRow(NamedTuple):
    """What a row becomes: an item, or a column and the reason why it is refused."""

    line: int
    item: dict[str, Any] | None
    column: str = ""
    reason: str = ""


@dataclass
class Pair:
    """A declaration, a file, and what becomes of the file's rows, in their order."""

    declaration: dict[str, Any]
    data: bytes
    key: list[str]
    """The attributes of the table's key."""
    numeric_key: list[str]
    """Those of them that have type N."""
    rows: list[ExpectedRow]
    undecodable_rows: int = 0


@st.composite
def pairs(draw: st.DrawFn) -> Pair:
    return _Maker(draw).pair()


class _Maker:
    """Draws a declaration and its file."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.dialect: RandomDialect = draw(dialects())
        self.encoding = self.one_of(*CODECS, "utf-8", "utf-8")
        self.trusts_line_ends = self.one_of(False, True)
        self.has_header = self.one_of(True, True, False)
        self.fields = self.declared_fields()
        self.key, self.values = self.key_and_values()
        self.columns, self.fields_match = self.file_columns()
        self.line_end = self.one_of("\n", "\r\n")
        self.trailing = self.dialect.delimiter if self.has_header and self.chance(5) else ""
        self.text = ""
        self.header_line = self.last_line = ""

    def one_of(self, *choices: Any) -> Any:
        return self.draw(st.sampled_from(choices))

    def chance(self, one_in: int) -> bool:
        return self.draw(st.integers(1, one_in)) == one_in

    def pair(self) -> Pair:
        header = self.write_header() if self.has_header else {}
        pair = Pair(
            self.declaration(header),
            b"",
            self.key,
            [one for one in self.key if self.is_number(one)],
            [],
        )
        for _ in range(self.draw(st.integers(0 if self.has_header else 1, 8))):
            self.write_between()
            self.write_row(pair)
        if self.chance(3):
            self.text = self.text.removesuffix(self.line_end)
        pair.data = self.encoded()
        return pair

    # ------------------------------------------------------------ the declaration

    def declared_fields(self) -> list[Field]:
        names = self.draw(st.lists(st.sampled_from(NAMES), min_size=2, max_size=5, unique=True))
        made = []
        for at, name in enumerate(names):
            attribute = f"a{at}" if not at or not self.chance(4) else None
            if at:
                one = self.draw(fields())
            else:
                types = ("string", "integer", "number", "date", "datetime")
                one = self.draw(fields(types).filter(lambda one: not one.ttl))
            when = one.when_missing if at and attribute else "omit"
            others = (f"Alias {at}",) if self.chance(3) else ()
            made.append(
                replace(one, name=name, attribute=attribute, when_missing=when, header_names=others)
            )
        return made

    def key_and_values(self) -> tuple[list[str], dict[str, Any]]:
        names = [one.name for one in self.fields]
        values: dict[str, Any] = {}
        self.made_of = [self.one_of(*names), self.one_of(*names)]
        if self.chance(2):
            values["made"] = f"{{{self.made_of[0]}}}T{{{{}}}}{{{self.made_of[1]}}}"
        if self.chance(2):
            values["place"] = '{key}:{line} " {load}'
        if self.chance(3):
            values["number"] = self.one_of(1, -2.50, 1e-7)
        return ["a0", *([self.one_of(*values)] if values and self.chance(2) else [])], values

    def file_columns(self) -> tuple[list[str], str]:
        """The names of the file's columns, and what `fieldsMatch` has to be for them."""
        names = [one.name for one in self.fields]
        lacks = extra = False
        if self.chance(4):
            droppable = [one for one in names if self.may_lack(one)]
            if not self.has_header:
                droppable = [one for one in names[-1:] if one in droppable]
            if droppable:
                names.remove(self.one_of(*droppable))
                lacks = True
        if self.chance(3) and not (lacks and not self.has_header):
            names += EXTRA_NAMES[: self.draw(st.integers(1, 2))]
            extra = True
        in_order = not self.has_header or not self.chance(2)
        if not in_order:
            names = self.draw(st.permutations(names))
        matches = ["partial"]
        matches += [] if lacks else ["subset"]
        matches += [] if extra else ["superset"]
        matches += [] if lacks or extra else ["equal"]
        matches += [] if lacks or extra or not in_order else ["exact"]
        return names, self.one_of(*matches)

    def may_lack(self, name: str) -> bool:
        return not self.is_required(self.field(name)) and len(self.fields) > 2

    def field(self, name: str) -> Field:
        return next(one for one in self.fields if one.name == name)

    def is_required(self, one: Field) -> bool:
        return (
            one.constraints.required
            or one.attribute in self.key
            or ("made" in self.key and one.name in self.made_of)
        )

    def is_number(self, attribute: str) -> bool:
        if attribute in self.values:
            return not isinstance(self.values[attribute], str)
        return any(one.attribute == attribute and one.stored_as == "N" for one in self.fields)

    def declaration(self, header: Mapping[str, Any]) -> dict[str, Any]:
        one = self.dialect
        dialect: dict[str, Any] = {
            "delimiter": one.delimiter,
            "quoteChar": one.quote,
            "doubleQuote": one.double_quote,
            "skipInitialSpace": one.skip_initial_space,
            "header": self.has_header,
            **header,
        }
        optional = {
            "escapeChar": one.escape,
            "commentChar": one.comment,
            "nullSequence": one.null,
        }
        dialect |= {name: value for name, value in optional.items() if value is not None}
        if one.delimiter in ",;\t|" and self.has_header and self.chance(2):
            del dialect["delimiter"]
        names = {one.attribute: one.name for one in self.fields if one.attribute}
        return {
            "name": "random",
            "match": ["till/*"],
            "encoding": self.encoding,
            "dialect": dialect,
            "schema": {
                "fieldsMatch": self.fields_match,
                "primaryKey": [names.get(one, one) for one in self.key],
                "fields": list(map(declaration_of, self.fields)),
            },
            "dynamodb": {
                "values": self.values,
                "lineEnds": "trusted" if self.trusts_line_ends else "checked",
            },
        }

    # ------------------------------------------------------------ the file

    def write_header(self) -> dict[str, Any]:
        """Writes it, perhaps with lines above it. Returns what the dialect declares about it."""
        for title in self.draw(st.lists(st.sampled_from(["Report 2026", "", "=="]), max_size=2)):
            self.text += title + self.line_end
        self.write_comment()
        above = self.text.count("\n")
        titles = [
            self.dialect.expressible(self.title(name), is_first=not at)
            for at, name in enumerate(self.columns)
        ]
        declares_rows = self.chance(3)
        if declares_rows and self.chance(2):
            # The names are spread over two lines, as far as they have a blank.
            firsts = [
                title.strip().partition(" ")[0] if " " in title.strip() else "" for title in titles
            ]
            lasts = [title.strip().partition(" ")[2] or title for title in titles]
            self.write_fields(firsts)
            self.write_fields(lasts)
            self.header_line = self.last_line
            return {"headerRows": [above + 1, above + 2]}
        self.write_fields(titles)
        self.header_line = self.last_line
        return {"headerRows": [above + 1]} if declares_rows else {}

    def title(self, name: str) -> str:
        """A name as a header may have it."""
        declared = [one for one in self.fields if one.name == name]
        others = [other for one in declared for other in one.header_names]
        titles = [name, name.upper(), name.lower(), name.replace("-", " "), *others]
        title = str(self.one_of(*titles))
        return f" {title} " if self.chance(2) else title

    def write_between(self) -> None:
        """Writes what may be between rows and isn't one."""
        self.write_comment()
        if self.chance(10):
            self.text += self.line_end
        if self.header_line and self.chance(12):
            self.text += self.header_line + self.line_end

    def write_comment(self) -> None:
        if self.dialect.comment and self.chance(4):
            self.text += self.dialect.comment + self.one_of("", " 1;2,3|\"'x") + self.line_end

    def write_row(self, pair: Pair) -> None:
        line = self.text.count("\n") + 1
        attempts = self.one_of(1, 8, 8, 8, 8)
        texts = [
            self.value(name, attempts, is_first=not at) for at, name in enumerate(self.columns)
        ]
        expected = self.outcome(line, self.by_name(texts))
        if any("\n" in (text or "") for text in texts):
            # What becomes of the lines of a record that is refused is tested in other places.
            if expected.item is None:
                texts = [text and text.replace("\n", " ") for text in texts]
                expected = self.outcome(line, self.by_name(texts))
        elif self.has_header and not self.trailing and self.chance(12):
            reason, texts = self.one_of(
                ("too_few_fields", texts[:-1]), ("too_many_fields", [*texts, "z", "z"])
            )
            expected = ExpectedRow(line, None, "", reason)
        elif CODECS[self.encoding] in ("utf_8", "cp1252") and self.chance(12):
            at = self.draw(st.integers(0, len(texts) - 1))
            texts[at] = (texts[at] or "") + UNDEFINED
            reason = "not_utf8" if self.encoding == "utf-8" else "undecodable"
            column = "" if self.columns[at] in EXTRA_NAMES else self.columns[at]
            expected = ExpectedRow(line, None, column, reason)
            pair.undecodable_rows += 1
        self.write_fields(texts)
        if texts.count("") < len(texts):  # otherwise it is a blank line
            pair.rows.append(expected)

    def by_name(self, texts: Sequence[str | None]) -> dict[str, str | None]:
        return dict(zip(self.columns, texts, strict=True))

    def value(self, name: str, attempts: int, *, is_first: bool) -> str | None:
        """A text for a column, the last one if none of as many attempts is accepted."""
        text = None
        for _ in range(attempts):
            text = self.text_for(name, is_first=is_first)
            if name in EXTRA_NAMES or self.is_accepted(self.field(name), text):
                break
        return text

    def text_for(self, name: str, *, is_first: bool) -> str | None:
        if self.dialect.null and self.chance(6):
            return None
        if name in EXTRA_NAMES:
            text = self.one_of("x", "", '5" x 3"')
        else:
            text = self.draw(texts_for(self.field(name)))
        if not self.trusts_line_ends:
            text = text.replace("\n", " ")
        return self.dialect.expressible(self.encodable(text), is_first=is_first)

    def is_accepted(self, one: Field, text: str | None) -> bool:
        outcome = self.outcome_of(one, text)
        if isinstance(outcome, str):
            return outcome == "missing" and not self.is_required(one)
        return True

    def encodable(self, text: str) -> str:
        return text.encode(CODECS[self.encoding], "replace").decode(CODECS[self.encoding])

    def write_fields(self, texts: Sequence[str | None]) -> None:
        """Writes a line, and checks with the csv module that it contains these texts."""
        parts = [
            self.dialect.written(self.draw, text, is_first=not at) for at, text in enumerate(texts)
        ]
        line = self.dialect.delimiter.join(parts) + self.trailing
        self.text += line + self.line_end
        for row in self.dialect.read(line + "\n"):
            assert len(row) in (0, len(texts) + bool(self.trailing)), line
            for text, read in zip(texts, row, strict=False):
                assert text in (read, None), line
        self.last_line = line

    def encoded(self) -> bytes:
        codec = CODECS[self.encoding]
        if codec == "utf_16":
            codec = self.one_of("utf_16_le", "utf_16_be")
            return ("\ufeff" + self.text).encode(codec)
        mark = "\ufeff" if codec == "utf_8" and self.chance(4) else ""
        return (mark + self.text).encode(codec, "surrogateescape")

    # ------------------------------------------------------------ what becomes of a row

    def outcome(self, line: int, texts: Mapping[str, str | None]) -> ExpectedRow:
        outcomes = {
            one.name: self.outcome_of(one, texts[one.name]) if one.name in texts else "missing"
            for one in self.fields
        }
        for one in self.fields:
            if self.is_required(one) and outcomes[one.name] == "missing":
                return ExpectedRow(line, None, one.name, "missing_value")
        for name, outcome in outcomes.items():
            if isinstance(outcome, str) and outcome != "missing":
                return ExpectedRow(line, None, name, outcome)
        item: dict[str, Any] = {}
        filled: dict[str, str] = {}
        for one in self.fields:
            outcome = outcomes[one.name]
            if not isinstance(outcome, str):
                attribute, filled[one.name] = outcome
            else:
                attribute = WHEN_MISSING[one.when_missing]
            if one.attribute and attribute:
                item[one.attribute] = attribute
        return ExpectedRow(line, item | self.made(line, filled))

    def outcome_of(self, one: Field, text: str | None) -> Outcome:
        if one.attribute not in self.key:
            return reference_outcome(one, text)
        outcome = reference_outcome(replace(one, missing_values=(*one.missing_values, "")), text)
        if isinstance(outcome, str) or "N" not in outcome[0]:
            return outcome
        return {"N": written(Decimal(outcome[0]["N"]))}, outcome[1]

    def made(self, line: int, filled: Mapping[str, str]) -> dict[str, Any]:
        """The attributes that `values` declares."""
        made: dict[str, Any] = {}
        if "number" in self.values:
            made["number"] = {"N": written(Decimal(str(self.values["number"])))}
        if "place" in self.values:
            made["place"] = {"S": f'{S3_KEY}:{line} " {LOAD_ID}'}
        names = self.made_of
        if "made" in self.values and set(names) <= filled.keys():
            made["made"] = {"S": f"{filled[names[0]]}T{{}}{filled[names[1]]}"}
        return made


def declaration_of(one: Field) -> dict[str, Any]:
    """The JSON that declares a field."""
    limits = one.constraints
    constraints = {
        "required": limits.required or None,
        "pattern": limits.pattern,
        "enum": limits.enum and list(limits.enum),
        "minimum": limits.minimum,
        "maximum": limits.maximum,
        "minLength": limits.min_length,
        "maxLength": limits.max_length,
    }
    declared: dict[str, Any] = {
        "name": one.name,
        "type": one.type,
        "missingValues": list(one.missing_values),
        "constraints": {name: value for name, value in constraints.items() if value is not None},
    }
    titles = {"headerNames": list(one.header_names)} if one.header_names else {}
    dynamodb: dict[str, Any] = {"as": one.stored_as, **titles}
    if one.attribute:
        dynamodb |= {"attribute": one.attribute, "whenMissing": one.when_missing}
    match one.type:
        case "integer" | "number":
            declared["bareNumber"] = one.bare_number
            declared |= {"groupChar": one.group_char} if one.group_char else {}
            declared |= {"decimalChar": one.decimal_char} if one.type == "number" else {}
            dynamodb["trailingMinus"] = one.trailing_minus
        case "boolean":
            declared["trueValues"] = list(one.true_values)
            declared["falseValues"] = list(one.false_values)
        case "list":
            declared |= {"delimiter": one.delimiter, "itemType": one.item_type}
        case "date" | "datetime" | "time":
            if len(one.formats) == 1:
                declared["format"] = one.formats[0]
            else:
                dynamodb["formats"] = list(one.formats)
            if one.type != "time":
                dynamodb |= {"timezone": one.timezone} if one.timezone else {}
                dynamodb["ttl"] = one.ttl
    if one.as_given:
        dynamodb["store"] = "asGiven"
    return {**declared, "dynamodb": dynamodb}
