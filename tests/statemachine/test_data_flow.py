"""No path of the definition can be missing, whatever its tasks answer.

On AWS a JSONPath that is not there ends the execution with States.Runtime, which no Catch catches;
the embedded engine yields null instead and shows nothing.
"""

import copy
import re

import pytest

from tests.support.every_way import every_way
from tests.support.payload_templates import MissingPath
from tests.support.state_machine import Visit, handler_of
from tests.support.states import all_states, targets
from tests.support.task_answers import Answers
from tools import definition

STATES = all_states(definition.load())
SELECTED = {
    handler_of(name): {
        key.removesuffix(".$") for key in state["ResultSelector"] if key.endswith(".$")
    }
    for name, state in STATES.items()
    if "ResultSelector" in state
}
# What Write Chunk answers for its log alone.
LOGGED = {"write_chunk": {"index", "throttles"}}


def test_every_way_through_the_definition_finds_its_paths(visits: list[Visit]) -> None:
    """No path leads into the execution's input, and no transition was left out."""
    arrows = {(name, target) for name, state in STATES.items() for target in targets(state)}
    assert {(visit.state, visit.target) for visit in visits if visit.target} == arrows


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("handler", "field"),
    [(handler, key) for handler in SELECTED for key in sorted(SELECTED[handler])],
)
def test_a_field_that_a_handler_no_longer_answers_with_is_missed(
    answers: Answers, handler: str, field: str
) -> None:
    fewer = copy.deepcopy(answers)
    for answer in fewer[handler].values():
        del answer[field]
    with pytest.raises(MissingPath, match=rf"^\$\.Payload\.{field}$"):
        every_way(fewer, {})


@pytest.mark.parametrize("handler", SELECTED)
def test_a_handler_answers_with_what_is_selected_and_no_more(
    answers: Answers, handler: str
) -> None:
    for answer in answers[handler].values():
        assert answer.keys() == SELECTED[handler] | LOGGED.get(handler, set())


def test_paths_are_written_as_the_engine_reads_them() -> None:
    """No JSONata, no variables, no brackets: none of them works on the embedded engine, which
    would not say so."""
    text = definition.DEFINITION.read_text(encoding="utf-8")
    assert not re.search(r'"(QueryLanguage|Assign|Arguments|Output|Condition)"', text)
    assert not re.search(r'"\$\$?\.?\[', text)
