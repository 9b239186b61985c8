"""The events that the state machine sends to consumers of the rows: one event for each load that it
ends itself.

Consumers build on the samples in events/notifications, so these tests compare the samples with what
the definition sends. tests/e2e/test_notifications.py tests that the events arrive.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.states import State
from tests.support.task_answers import Answers
from tools import definition

SAMPLES = Path(__file__).parents[2] / "events" / "notifications"
STATES = definition.load()["States"]
KINDS = {"Load Succeeded": "Announce Success", "Load Failed": "Announce Failure"}


def entry(name: str) -> dict[str, Any]:
    [only] = STATES[name]["Parameters"]["Entries"]
    return dict(only)


def sample(kind: str) -> dict[str, Any]:
    text = (SAMPLES / f"{kind.lower().replace(' ', '_')}.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def keys(template: State) -> set[str]:
    return {key.removesuffix(".$") for key in template}


def test_the_states_that_put_events_are_these_two() -> None:
    putting = {
        name
        for name, state in STATES.items()
        if state.get("Resource", "").endswith(":states:::events:putEvents")
    }
    assert putting == set(KINDS.values())


@pytest.mark.parametrize("name", KINDS.values())
def test_an_announcement_that_fails_holds_a_load_up_by_minutes_at_most(name: str) -> None:
    state = STATES[name]
    [retrier] = state["Retry"]
    tries = retrier["MaxAttempts"] + 1
    longest = tries * state["TimeoutSeconds"] + tries * retrier["MaxDelaySeconds"]
    assert longest <= 5 * 60


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_names_its_bus_its_source_and_its_kind(kind: str) -> None:
    told = {
        key: value for key, value in entry(KINDS[kind]).items() if not key.startswith("Detail.")
    }
    told.pop("Detail", None)
    assert told == {"EventBusName": "default", "Source": "tickets", "DetailType": kind}


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_looks_as_eventbridge_delivers_it(kind: str) -> None:
    event = sample(kind)
    assert list(event) == [
        "version", "id", "detail-type", "source", "account", "time", "region", "resources",
        "detail",
    ]  # fmt: skip
    assert (event["detail-type"], event["source"]) == (kind, "tickets")
    # The optimized integration adds both ARNs.
    machine, execution = event["resources"]
    assert execution == event["detail"]["execution_arn"]
    assert execution.replace(":execution:", ":stateMachine:").startswith(machine)
    assert execution.endswith(f":{event['detail']['execution_name']}")


def test_the_sample_of_a_success_has_the_fields_that_the_definition_sends(
    answers: Answers,
) -> None:
    detail = sample("Load Succeeded")["detail"]
    assert detail.keys() == keys(entry("Announce Success")["Detail"])
    assert detail["result"].keys() == answers["reconcile"]["complete"].keys()
    assert detail["result"]["complete"] is True


def test_the_sample_of_a_failure_is_a_dead_letter(answers: Answers) -> None:
    assert entry("Announce Failure")["Detail.$"] == "$.dead_letter"
    assert STATES["Send To Dead Letter Queue"]["Parameters"]["MessageBody.$"] == "$.dead_letter"
    detail = sample("Load Failed")["detail"]
    assert detail.keys() == keys(STATES["Describe Shortfall"]["Parameters"])
    assert detail["result"].keys() == answers["reconcile"]["missing"].keys()
    assert detail["cause"] == detail["result"]["summary"]


@pytest.mark.parametrize("name", [name for name in STATES if name.startswith("Describe ")])
def test_every_dead_letter_names_its_execution_load_and_state(name: str) -> None:
    assert keys(STATES[name]["Parameters"]) >= {
        *("execution_arn", "execution_name", "started_at", "failed_at", "input"),
        *("load_id", "state", "error", "cause"),
    }


def test_totals_in_the_samples_add_up() -> None:
    for kind in KINDS:
        result = sample(kind)["detail"]["result"]
        kinds = ("rows_written", "rows_superseded", "rows_combined", "rows_refused")
        assert result["rows_read"] == sum(result[one] for one in kinds) > 0
