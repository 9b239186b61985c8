"""What the tasks of the state machine hand to each other."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Chunk:
    """A half-open byte range of one object version that begins and ends at records."""

    index: int
    bucket: str
    key: str
    version: str | None
    start: int
    end: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
