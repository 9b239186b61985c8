"""The packaged functions give every sample event its expected answer on emulated arm64, over TLS,
and with the release of boto3 that Lambda's runtime has been reported to ship."""

import json
import re
from typing import Any

import pytest

from tests.support.cloud import Cloud
from tests.support.sample_events import ALL, send

pytestmark = pytest.mark.exhaustive

# What differs in each run: the random key of a plan's digests, and the time of a load.
DIFFERS = re.compile(
    r'(?<="digest_key": ")[0-9a-f]{32}(?=")|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z'
)


def comparable(answer: Any) -> Any:
    return json.loads(DIFFERS.sub("...", json.dumps(answer)))


@pytest.mark.parametrize("event", ALL)
def test_the_answer_is_the_expected_one(event: str, cloud: Cloud) -> None:
    got, expected = send(cloud, event)
    for result in (got, expected):
        if "answer" in result:
            result["answer"] = comparable(result["answer"])
    assert got == expected
