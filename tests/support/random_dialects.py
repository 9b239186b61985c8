"""Strategies for hypothesis: dialects of CSV, and the ways to write fields in them."""

import csv
import io
from dataclasses import dataclass

from hypothesis import strategies as st


@dataclass
class RandomDialect:
    delimiter: str
    quote: str | None
    double_quote: bool
    escape: str | None
    skip_initial_space: bool
    comment: str | None
    null: str | None

    @property
    def quotes_anything(self) -> bool:
        return self.quote is not None and (self.double_quote or self.escape is not None)

    def read(self, text: str) -> list[list[str]]:
        """What the csv module reads."""
        return list(
            csv.reader(
                io.StringIO(text, newline=""),
                delimiter=self.delimiter,
                quotechar=self.quote,
                doublequote=self.double_quote,
                escapechar=self.escape,
                skipinitialspace=self.skip_initial_space,
                quoting=csv.QUOTE_MINIMAL if self.quote else csv.QUOTE_NONE,
            )
        )

    def expressible(self, text: str, *, is_first: bool) -> str:
        """The text, without what the dialect can't express. `is_first` says that a row begins
        with it."""
        # Real files have them, but csv reads them in another way, or they have no meaning.
        lost = {"\r", "\f", "\x1a", "\x00", "\ufeff"}
        if self.quotes_anything or self.escape is not None:
            return "".join(character for character in text if character not in lost)
        lost |= {self.delimiter, "\n", *(self.quote or "")}
        text = "".join(character for character in text if character not in lost)
        text = text.lstrip(" ") if self.skip_initial_space else text
        begins_comment = is_first and self.comment is not None and text.startswith(self.comment)
        return "x" if text == self.null or begins_comment else text

    def written(self, draw: st.DrawFn, text: str | None, *, is_first: bool) -> str:
        """A field with this text, in one of the ways to write it. None is the null sequence."""
        if text is None:
            return self.null or ""
        blanks = draw(st.sampled_from(["", "", " "])) if self.skip_initial_space else ""
        plain = self._unquoted(text)
        if plain is not None and plain == self.null:
            plain = self.escape + plain if self.escape else None
        if plain is not None and is_first and self.comment and plain.startswith(self.comment):
            plain = None
        if plain is not None and not (self.quotes_anything and draw(st.booleans())):
            return blanks + plain
        return blanks + self._quoted(text)

    def _unquoted(self, text: str) -> str | None:
        """The text without quotes around it. None if it must have them."""
        special = {self.delimiter, "\n"}
        if self.escape:
            special |= {self.escape, *(self.quote or ""), *(self.comment or "")}
            special |= {" "} if self.skip_initial_space else set()
            return "".join(self.escape + one if one in special else one for one in text)
        if special & set(text) or (self.quote and text.startswith(self.quote)):
            return None
        return None if self.skip_initial_space and text.startswith(" ") else text

    def _quoted(self, text: str) -> str:
        quote = self.quote or ""
        if self.escape:
            text = text.replace(self.escape, self.escape * 2)
        before = quote if self.double_quote else self.escape or ""
        return quote + text.replace(quote, before + quote) + quote


@st.composite
def dialects(draw: st.DrawFn) -> RandomDialect:
    quote = draw(st.sampled_from(['"', '"', '"', "'", None]))
    escape = draw(st.sampled_from([None, None, "\\"]))
    return RandomDialect(
        delimiter=draw(st.sampled_from([",", ";", "\t", "|", "^", ":"])),
        quote=quote,
        double_quote=draw(st.booleans()) if quote and escape else True,
        escape=escape,
        skip_initial_space=draw(st.sampled_from([False, False, True])),
        comment=draw(st.sampled_from([None, None, "#"])),
        null=draw(st.sampled_from([None, None, "\\N", "NULL"])),
    )
