"""The catalogue: every kind of hostile file, by name."""

from tests.catalogue import encodings, headers, lines, packed, values
from tests.catalogue.expectations import KINDS, Kind, Outcome, Tickets

__all__ = ["ALL_KINDS", "Kind", "Tickets", "one_for_each_ending"]

_MODULES = (encodings, headers, lines, packed, values)  # each has entered its own kinds

ALL_KINDS = tuple(KINDS.values())

OUTCOMES = {kind.name: kind.make(Tickets("x"))[1] for kind in ALL_KINDS}
"""By the kind's name. Some files take a second to make, so this is done once."""


def one_for_each_ending() -> list[Kind]:
    """The first kind of each ending, which includes the reasons why anything is refused."""
    first: dict[object, Kind] = {}
    for kind in ALL_KINDS:
        first.setdefault((kind.suffix, *_reasons(OUTCOMES[kind.name])), kind)
    return list(first.values())


def _reasons(outcome: Outcome) -> tuple[object, ...]:
    of_file = {reason for reason, _, _ in outcome.reasons}
    of_rows = {reason for _, _, reason in outcome.notes}
    unread = outcome.unread and outcome.unread.reason
    return outcome.ending, frozenset(of_file), frozenset(of_rows), unread
