"""Reads the report page of an execution, and the history that is kept beside it, as a person or a
program finds them in the work bucket."""

import json
import re
from dataclasses import dataclass
from html import unescape
from typing import Any

from tests.support.load_records import LoadRecords


@dataclass(frozen=True)
class KeptPage:
    """`events` are those of the execution's history, as JSON has them."""

    html: str
    events: list[dict[str, Any]]

    @property
    def text(self) -> str:
        """What the page says, without its markup."""
        return " ".join(unescape(re.sub(r"<[^>]+>", " ", self.html)).split())

    @property
    def heading(self) -> str:
        [heading] = re.findall(r"<h1>(.*?)</h1>", self.html, re.DOTALL)
        return unescape(re.sub(r"<[^>]+>", "", heading)).strip()

    @property
    def equation(self) -> str | None:
        """`100 rows read = 97 written + 1 superseded + 2 refused`; None if nothing was read."""
        found = re.search(r"[\d,]+ rows read = .*? refused", self.text)
        return found[0] if found else None


def kept_page(stack: LoadRecords, bucket: str, execution: str) -> KeptPage | None:
    """The page of an execution in the work bucket; None if there is none."""
    try:
        html = stack.read_url(f"s3://{bucket}/reports/{execution}.html").decode()
    except stack.s3.exceptions.NoSuchKey:
        return None
    history = stack.read_url(f"s3://{bucket}/reports/{execution}.history.jsonl").decode()
    return KeptPage(html, [json.loads(line) for line in history.splitlines()])


def equation(totals: dict[str, Any]) -> str:
    """What a page says about the totals of a load in which no rows are combined."""
    return (
        f"{totals['rows_read']:,} rows read = {totals['rows_written']:,} written + "
        f"{totals['rows_superseded']:,} superseded + {totals['rows_refused']:,} refused"
    )
