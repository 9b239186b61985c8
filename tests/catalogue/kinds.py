"""The catalogue: every kind of hostile file, by name."""

from tests.catalogue import encodings, headers, lines, packed, values
from tests.catalogue.expectations import KINDS, Kind, Tickets

__all__ = ["ALL_KINDS", "Kind", "Tickets"]

_MODULES = (encodings, headers, lines, packed, values)  # each has entered its own kinds

ALL_KINDS = tuple(KINDS.values())
