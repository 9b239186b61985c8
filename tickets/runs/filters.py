"""Filters of lists of loads and executions: the options `--key`, `--status`, `--since` and so
on."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from ingestion.ledger.store import timestamp
from ingestion.sources.matching import matches
from tickets.errors import CommandError
from tickets.runs.stack import Stack

_WILDCARDS = re.compile(r"[*?]")
_UNITS = {"m": 1, "h": 60, "d": 24 * 60}


@dataclass(frozen=True)
class Wanted:
    """What a list is limited to. None stands for no limit.

    key: a key in the upload bucket or an `s3://bucket/key`, with the wildcards of sources.
    since, until: the start of the executions, both included.
    """

    key: str | None = None
    status: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    limit: int | None = None

    @property
    def since_text(self) -> str:
        """`since` as the ledger writes times; a text before all times if there is none."""
        return timestamp(self.since.timestamp()) if self.since else "0"

    @property
    def until_text(self) -> str:
        """`until` as the ledger writes times; a text after all times if there is none."""
        return timestamp(self.until.timestamp()) if self.until else "~"

    def one_object(self, stack: Stack) -> str | None:
        """The URL of the only object that `key` matches; None if it matches several."""
        if self.key is None or _WILDCARDS.search(self.key):
            return None
        return object_url(stack, self.key)

    def matches_object(self, stack: Stack, url: str) -> bool:
        return self.key is None or matches(object_url(stack, self.key), url)


def object_url(stack: Stack, key: str) -> str:
    """Returns the `s3://bucket/key` of a key in the upload bucket. Returns an address that already
    has this form unchanged.

    Raises CommandError for an invalid address.
    """
    if not key.startswith("s3://"):
        return f"s3://{stack.upload_bucket}/{key}"
    bucket, _, rest = key.removeprefix("s3://").partition("/")
    if not bucket or not rest:
        raise CommandError(f"{key} is not an S3 address: write it like s3://bucket/key.csv.")
    return key


def parse_since(text: str, option: str = "--since") -> datetime:
    """Parses a duration before now, such as `90m`, `12h` or `7d`, or a date, such as `2026-11-01`
    or `2026-11-01T18:00`, which is in local time unless it names its offset.

    Raises CommandError for anything else.
    """
    text = text.strip()
    match = re.fullmatch(r"([0-9]{1,6})([mhd])", text.lower())
    try:
        if match is None:
            return datetime.fromisoformat(text).astimezone()
        return datetime.now(UTC) - timedelta(minutes=int(match[1]) * _UNITS[match[2]])
    except (ValueError, OverflowError) as error:
        raise CommandError(
            f"{option} {text} is neither a duration nor a date: write it like 90m, 12h, 7d or"
            " 2026-11-01."
        ) from error


def parse_until(text: str) -> datetime:
    """Parses like `parse_since`. A date without a time includes that day."""
    moment = parse_since(text, "--until")
    if re.fullmatch(r"[0-9]{4}-?[0-9]{2}-?[0-9]{2}", text.strip()):
        moment = (moment.replace(tzinfo=None) + timedelta(days=1)).astimezone()
        moment -= timedelta(milliseconds=1)
    return moment
