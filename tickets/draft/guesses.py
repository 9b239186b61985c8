"""What was guessed about a file, and how much of the file fits."""

from typing import NamedTuple


class Guess(NamedTuple):
    """A guess about a file or about one of its columns."""

    about: str
    """What is guessed, such as `delimiter`, or the title of a column."""
    value: str
    fitting: int
    """Rows or values that fit."""
    of: int
    """Rows or values that were looked at."""
    note: str = ""
    is_question: bool = False
    """Whether the file doesn't decide it, so that a person has to."""

    @property
    def share(self) -> str:
        """`100 %`, `99.8 %`; never 100 unless all of them fit. Empty if there are none."""
        if not self.of:
            return ""
        tenths = self.fitting * 1000 // self.of
        return f"{tenths / 10:g} %"

    def sentence(self, what: str) -> str:
        """Describes the guess for a declaration. `what` are the `rows` or `values`."""
        fits = f"Guess: fits {self.share} of {self.of:,} {what}." if self.of else "Guess."
        question = f" QUESTION: {self.note}" if self.is_question else f" {self.note}"
        return f"{fits}{question if self.note else ''}"
