"""The committed picture of the state machine shows the definition as it is, no more and no less.

Needs no Graphviz: the SVG names every state and arrow in the `<title>` of its group, and their
kinds in its class. When a test here fails, draw the picture again with `make diagram`.
"""

from collections import Counter
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tools.definition import load

PICTURE = Path(__file__).parents[2] / "diagram" / "statemachine.svg"
SVG = "{http://www.w3.org/2000/svg}"
DRAW_AGAIN = "diagram/statemachine.svg is not the definition's picture: run `make diagram`"

Found = Counter[tuple[str, str]]  # how often each (name, kind)


def defined(machine: dict[str, Any], owner: str = "Start") -> tuple[Found, Found]:
    """States and arrows of the definition, those inside a Map included."""
    states: Found = Counter()
    arrows: Found = Counter({(f"{owner}->{machine['StartAt']}", "start"): 1})
    for name, state in machine["States"].items():
        states[name, state["Type"].lower()] += 1
        targets = [("next", state.get("Next")), ("default", state.get("Default"))]
        targets += [("choice", rule["Next"]) for rule in state.get("Choices", [])]
        targets += [("catch", catcher["Next"]) for catcher in state.get("Catch", [])]
        arrows.update((f"{name}->{target}", kind) for kind, target in targets if target)
        if "ItemProcessor" in state:
            inner_states, inner_arrows = defined(state["ItemProcessor"], owner=name)
            states += inner_states
            arrows += inner_arrows
    return states, arrows


def groups(shape: str) -> list[tuple[str, str, str]]:
    """(title, kind, visible text) of the picture's groups of a shape: node, cluster or edge."""
    found = []
    for group in ElementTree.parse(PICTURE).iter(f"{SVG}g"):  # noqa: S314 (our own file)
        shape_and_kind = group.get("class", "").split()
        if shape_and_kind[:1] == [shape]:
            words = " ".join("".join(text.itertext()) for text in group.iter(f"{SVG}text"))
            kind = shape_and_kind[1] if shape_and_kind[1:] else "none"
            found.append((group.findtext(f"{SVG}title", ""), kind, words))
    return found


def drawn_states() -> list[tuple[str, str, str]]:
    return [group for group in groups("node") + groups("cluster") if group[1] != "start"]


def test_the_picture_has_exactly_the_states_of_the_definition() -> None:
    states, _ = defined(load())
    assert Counter((name, kind) for name, kind, _ in drawn_states()) == states, DRAW_AGAIN


def test_the_picture_has_exactly_the_arrows_of_the_definition() -> None:
    _, arrows = defined(load())
    assert Counter((name, kind) for name, kind, _ in groups("edge")) == arrows, DRAW_AGAIN


def test_every_state_can_be_read_by_its_name() -> None:
    unreadable = [name for name, _, words in drawn_states() if name not in words]
    assert not unreadable


@pytest.mark.parametrize("kind", ["choice", "default"])
def test_every_answer_of_a_choice_is_written_at_its_arrow(kind: str) -> None:
    answers = {title: words for title, found, words in groups("edge") if found == kind}
    assert answers
    assert all(words.strip() for words in answers.values()), answers
