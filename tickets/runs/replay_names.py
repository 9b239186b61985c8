"""Names of replays: the original execution's name followed by `-r1`, `-r2` and so on."""

import hashlib
import re

# Step Functions allows 80 characters; the remaining six are for "-rN".
_MAX_STEM = 74
_REPLAY = re.compile(r"(-r[0-9]+)+$")


def stem_of(name: str) -> str:
    """What the names of all replays of an execution begin with: the original execution's name. A
    name of more than 74 characters is cut to 74, and its last eight characters are its hash."""
    original = _REPLAY.sub("", name)
    if len(original) <= _MAX_STEM:
        return original
    digest = hashlib.sha256(original.encode()).hexdigest()[:8]
    return f"{original[: _MAX_STEM - 9]}-{digest}"


def replay_name(stem: str, number: int) -> str:
    return f"{stem}-r{number}"


def replay_number(name: str) -> int:
    """N of `<stem>-rN`; 0 for an execution that is not a replay."""
    match = _REPLAY.search(name)
    return int(match[0].rpartition("r")[2]) if match else 0
