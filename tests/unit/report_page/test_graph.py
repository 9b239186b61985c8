"""The picture of the states is coloured as the history of the execution says."""

from xml.etree import ElementTree

import pytest

from ingestion.executions.history import StateRun
from ingestion.report_page.graph import Mark, coloured, marks, ways
from tests.support.visited_states import visited
from tools.definition import load

SVG = "{http://www.w3.org/2000/svg}"

VALIDATED = ("Validate File", "File Accepted?")
SMALL = (*VALIDATED, "Write Small File", "Small File Finished?")
PLANNED = (*VALIDATED, "Split File", "Anything To Write?", "Take Turn", "Whose Turn?")
WRITTEN = (*PLANNED, "Write Chunks", "Reconcile", "Everything Written?")
REPORTED = ("Announce Failure", "Send To Dead Letter Queue", "Load Failed")
DENIED = {"error": "AccessDenied", "cause": "no", "attempts": 3}
NOT_SENT = ("Send To Dead Letter Queue", DENIED)

# The execution's status, its history, and the states that are coloured in another way than as
# succeeded.
ENDINGS = {
    "Loaded": ("SUCCEEDED", (*WRITTEN, "Announce Success", "Loaded"), {}),
    "Loaded, a small file": (
        "SUCCEEDED",
        (*SMALL, "Reconcile", "Everything Written?", "Announce Success", "Loaded"),
        {},
    ),
    "Already Loaded": ("SUCCEEDED", (*VALIDATED, "Already Loaded"), {}),
    "Overtaken": ("SUCCEEDED", (*PLANNED, "Overtaken"), {}),
    "refused": (
        "FAILED",
        (*VALIDATED, "Describe Refusal", *REPORTED),
        {"Load Failed": "failed"},
    ),
    "failed in Write Chunks": (
        "FAILED",
        (*PLANNED, ("Write Chunks", DENIED), "Write Chunks Failed", "Describe Failure", *REPORTED),
        {"Write Chunks": "failed", "Load Failed": "failed"},
    ),
    "incomplete": (
        "FAILED",
        (*WRITTEN, "Describe Shortfall", *REPORTED),
        {"Load Failed": "failed"},
    ),
    "not reported": (
        "FAILED",
        (*VALIDATED, "Describe Refusal", "Announce Failure", NOT_SENT, "Load Failure Not Reported"),
        {"Send To Dead Letter Queue": "failed", "Load Failure Not Reported": "failed"},
    ),
    "TIMED_OUT": (
        "TIMED_OUT",
        (*PLANNED, ("Write Chunks", {"stopped_at": None})),
        {"Write Chunks": "stopped"},
    ),
    "ABORTED": (
        "ABORTED",
        (*PLANNED, ("Write Chunks", {"stopped_at": None, "error": "Stopped"})),
        {"Write Chunks": "stopped"},
    ),
    "States.Runtime": (
        "FAILED",
        (*VALIDATED, ("Split File", {"stopped_at": None, "error": "States.Runtime"})),
        {"Split File": "failed"},
    ),
    "still running": (
        "RUNNING",
        (*PLANNED, ("Write Chunks", {"stopped_at": None})),
        {"Write Chunks": "running"},
    ),
}


def classes(svg: str) -> dict[str, str]:
    """The last class of each state and arrow, by its name."""
    found = {}
    for group in ElementTree.fromstring(svg).iter(f"{SVG}g"):  # noqa: S314 - our own file
        shape, *kinds = group.get("class", "").split()
        title = group.findtext(f"{SVG}title", "").partition(": ")[0]
        if shape == "edge" and kinds[0] == "catch":
            title = f"{title} (error)"
        if len(kinds) > 1:
            found[title] = kinds[-1]
    return found


def entered(history: list[StateRun], status: str) -> dict[str, str]:
    found = classes(coloured(marks(history, status), ways(history)))
    return {name: kind for name, kind in found.items() if kind != "idle" and "->" not in name}


@pytest.mark.parametrize("ending", ENDINGS)
def test_states_are_coloured_by_outcome(ending: str) -> None:
    status, steps, otherwise = ENDINGS[ending]
    names = [step if isinstance(step, str) else step[0] for step in steps]
    expected = dict.fromkeys(names, "succeeded") | otherwise
    assert entered(visited(*steps), status) == expected


def test_every_state_of_the_definition_has_a_place() -> None:
    states = load()["States"]
    inner = states["Write Chunks"]["ItemProcessor"]["States"]
    drawn = classes(coloured({}, set()))
    assert {name for name in drawn if "->" not in name} == {*states, *inner}


def test_the_arrows_that_were_followed_are_marked() -> None:
    history = visited(*VALIDATED, ("Split File", DENIED), "Split File Failed", "Describe Failure")
    found = classes(coloured(marks(history, "FAILED"), ways(history)))
    assert {name for name, kind in found.items() if kind == "taken"} == {
        "Start->Validate File",
        "Validate File->File Accepted?",
        "File Accepted?->Split File",
        "Split File->Split File Failed (error)",
        "Split File Failed->Describe Failure",
    }


def test_an_error_is_told_apart_from_success_where_both_lead_to_the_same_state() -> None:
    for special, taken, idle in (
        ({}, "Announce Success->Loaded", "Announce Success->Loaded (error)"),
        (DENIED, "Announce Success->Loaded (error)", "Announce Success->Loaded"),
    ):
        history = visited(("Announce Success", special), "Loaded")
        found = classes(coloured(marks(history, "SUCCEEDED"), ways(history)))
        assert (found[taken], found[idle]) == ("taken", "idle")


def test_durations_tries_and_visits_stand_at_the_states() -> None:
    history = visited(
        ("Take Turn", {"attempts": 4}), "Whose Turn?", "Wait For Turn", "Take Turn", "Whose Turn?"
    )
    found = marks(history, "RUNNING")
    assert found["Take Turn"] == Mark("succeeded", 2.0, 4, 2)
    assert found["Take Turn"].note == "✓ 2.0 s, 2 times"
    assert Mark("failed", 1.0, tries=3).note == "✗ 1.0 s, 3 tries"
    svg = coloured(found, set())
    assert "✓ 2.0 s, 2 times" in svg
    assert "Take Turn: succeeded, 2.0 s, 2 times" in svg


def test_a_state_of_an_earlier_definition_is_left_out() -> None:
    found = coloured({"Write Everything": Mark("succeeded"), "Loaded": Mark("succeeded")}, set())
    assert classes(found)["Loaded"] == "succeeded"
