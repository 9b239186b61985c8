"""The picture of the states is coloured as the history of the execution says."""

from xml.etree import ElementTree

import pytest

from ingestion.report_page.graph import PICTURE, coloured
from ingestion.report_page.marks import Mark, marks, state_marks, state_ways, ways
from ingestion.report_page.state_words import MEANINGS
from tests.support.known_executions import ENDINGS
from tests.support.visited_states import visited
from tickets import ROOT
from tools.definition import load

SVG = "{http://www.w3.org/2000/svg}"

VALIDATED = ("Validate File", "File Accepted?")
DENIED = {"error": "AccessDenied", "cause": "no", "attempts": 3}

# The endings of tests.support.known_executions, one column each: which states are drawn as
# succeeded (s), failed (f), running (r), stopped (x) and not entered (.).
COLUMNS = (
    "loaded",
    "small",
    "settled",
    "already",
    "waited",
    "overtaken",
    "refused",
    "unpacked",
    "split",
    "chunk",
    "limit",
    "map",
    "reconcile",
    "unreported",
    "running",
    "timed out",
    "stopped, waiting",
    "stopped in a task",
    "no path",
    "history full",
    "too much data",
    "redriven",
)
TABLE = """
Validate File             ssssssssssssssssssssss
File Accepted?            ssssssssssssssssssssss
Already Loaded            ...s..................
Write Small File          .s........s...........
Small File Finished?      .s........s...........
Split File                s.s.ss.sfs.ss.sssxssfs
Anything To Write?        s.s.ss.s.s.ss.sss.ss.s
Take Turn                 s.s.ss...s.ss.sss.ff.s
Whose Turn?               s.s.ss...s.ss.sss..s.s
Wait For Turn             ....s...........x..s..
Overtaken                 ....ss................
Write Chunks              s.s..s...s.fs.rx.....s
Write Chunk               s.s..s...f..s.rx.....s
Chunk Finished?           s.s..s...s..s.ss.....s
Chunk Written             s.s..s...s..s.ss.....s
Chunk Overtaken           .....s................
Table Replaced            ......................
Reconcile                 sss..s...ss.f........s
Everything Written?       sss..s...ss..........s
Settle Equal Keys         ..s...................
Equal Keys Settled?       ..s...................
Wait For Last Writers     ..s...................
Announce Success          sss..................s
Loaded                    sss..................s
Describe Refusal          ......s......s........
Describe Split Refusal    .......s..............
Describe Shortfall        .........ss...........
Validate File Failed      ......................
Split File Failed         ........s.............
Take Turn Failed          ......................
Write Chunks Failed       ...........s..........
Reconcile Failed          ............s.........
Settle Equal Keys Failed  ......................
Describe Failure          ........s..ss.........
Announce Failure          ......ssssssss........
Send To Dead Letter Queue ......sssssssf........
Load Failed               ......fffffff.........
Load Failure Not Reported .............f........
"""
LETTERS = {"s": "succeeded", "f": "failed", "r": "running", "x": "stopped", ".": "idle"}


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


@pytest.mark.parametrize("ending", ENDINGS)
def test_states_are_coloured_by_outcome(ending: str) -> None:
    expected = {}
    for line in TABLE.strip().splitlines():
        name, letters = line[:26].rstrip(), line[26:]
        expected[name] = LETTERS[letters[COLUMNS.index(ending)]]
    known = ENDINGS[ending]
    found = classes(coloured(marks(known), ways(known)))
    assert {name: kind for name, kind in found.items() if "->" not in name} == expected


def test_every_state_of_the_definition_has_a_place() -> None:
    states = load()["States"]
    inner = states["Write Chunks"]["ItemProcessor"]["States"]
    drawn = classes(coloured({}, set()))
    assert {name for name in drawn if "->" not in name} == {*states, *inner}
    assert MEANINGS.keys() == {*states, *inner}


def test_the_picture_is_the_one_that_was_drawn() -> None:
    drawn = ROOT / "diagram" / "statemachine.svg"
    assert PICTURE.read_bytes() == drawn.read_bytes(), "run `make diagram`"


def test_each_state_has_an_id_of_its_own_that_does_not_change() -> None:
    groups = list(ElementTree.fromstring(coloured({}, set())).iter(f"{SVG}g"))  # noqa: S314
    found = {group.get("id"): group.findtext(f"{SVG}title") for group in groups}
    assert found["state_validate_file"] == "Validate File"
    assert found["state_everything_written"] == "Everything Written?"
    assert found["state_write_chunks"] == "Write Chunks"
    named = [name for name in found if name and name.startswith("state_")]
    assert len(named) == len(MEANINGS)


def test_the_arrows_that_were_followed_are_marked() -> None:
    history = visited(*VALIDATED, ("Split File", DENIED), "Split File Failed", "Describe Failure")
    found = classes(coloured(state_marks(history, "FAILED"), state_ways(history)))
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
        found = classes(coloured(state_marks(history, "SUCCEEDED"), state_ways(history)))
        assert (found[taken], found[idle]) == ("taken", "idle")


def test_durations_tries_and_visits_stand_at_the_states() -> None:
    history = visited(
        ("Take Turn", {"attempts": 4}), "Whose Turn?", "Wait For Turn", "Take Turn", "Whose Turn?"
    )
    found = state_marks(history, "RUNNING")
    assert found["Take Turn"] == Mark("succeeded", 2.0, 4, 2)
    assert found["Take Turn"].note == "✓ 2.0 s, 2 times"
    assert Mark("failed", 1.0, tries=3).note == "✗ 1.0 s, 3 tries"
    svg = coloured(found, set())
    assert "✓ 2.0 s, 2 times" in svg
    assert "Take Turn: succeeded, 2.0 s, 2 times" in svg


def test_a_state_of_an_earlier_definition_is_left_out() -> None:
    found = coloured({"Write Everything": Mark("succeeded"), "Loaded": Mark("succeeded")}, set())
    assert classes(found)["Loaded"] == "succeeded"
