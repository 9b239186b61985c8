"""Colours the picture of the state machine by what an execution did.

`statemachine.svg` is drawn from the definition by `make diagram`. Each state and each arrow is
a group whose title is its name. The groups get classes, which the page's style sheet colours:

    succeeded, failed, running, stopped     states that the execution entered, by outcome
    taken                                   arrows that it followed
    idle                                    all other states and arrows
"""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

from ingestion.report_page.marks import Mark, Way

PICTURE = Path(__file__).with_name("statemachine.svg")

_SVG = "http://www.w3.org/2000/svg"
_LEGEND_HEIGHT = 70.0
"""Of the picture's legend, at its bottom. The page has its own."""
_NOTE_SIZE = 12.0
_NOTE_RISE = 8.0
"""How far a state's name moves up to make room for its duration, in the picture's units."""


def coloured(marks: Mapping[str, Mark], ways: set[Way]) -> str:
    """Returns the picture as an `<svg>` element to be placed in HTML.

    States that it lacks are left out: an execution may have begun under an earlier definition.
    """
    root = ElementTree.fromstring(_picture())  # noqa: S314 - our own file
    nodes = {}
    for group in root.iter(f"{{{_SVG}}}g"):
        shape, *kinds = group.get("class", "").split()
        title = group.find(f"{{{_SVG}}}title")
        if title is None or title.text is None or shape == "graph":
            continue
        if shape == "edge":
            source, _, target = title.text.partition("->")
            taken = (source, target, kinds == ["catch"]) in ways
            group.set("class", f"{shape} {kinds[0]} {'taken' if taken else 'idle'}")
        elif kinds != ["start"]:
            nodes[title.text] = group
            group.set("class", f"{shape} {kinds[0]} idle")
    for name in nodes.keys() & marks.keys():
        _mark(nodes[name], name, marks[name])
    root.set("class", "graph-picture")
    root.set("role", "img")
    root.set("aria-label", "The states of the execution. The table of states says the same.")
    del root.attrib["width"], root.attrib["height"]
    left, top, width, height = map(float, root.get("viewBox", "").split())
    root.set("viewBox", f"{left} {top} {width} {height - _LEGEND_HEIGHT}")
    return ElementTree.tostring(root, encoding="unicode")


@cache
def _picture() -> str:
    ElementTree.register_namespace("", _SVG)
    return PICTURE.read_text(encoding="utf-8")


def _mark(group: ElementTree.Element, name: str, mark: Mark) -> None:
    shape, kind, _ = group.get("class", "").split()
    group.set("class", f"{shape} {kind} {mark.outcome}")
    title = group.find(f"{{{_SVG}}}title")
    if title is not None:
        title.text = f"{name}: {mark.outcome}, {mark.note[2:]}".rstrip(", ")
    texts = group.findall(f"{{{_SVG}}}text")
    if kind == "map":
        beside = ElementTree.SubElement(texts[0], f"{{{_SVG}}}tspan", {"class": "note", "dx": "10"})
        beside.text = mark.note
        return
    if kind not in ("task", "wait"):
        return
    for text in texts:
        text.set("y", f"{float(text.get('y', '0')) - _NOTE_RISE:.2f}")
    last = texts[-1]
    below = ElementTree.SubElement(
        group,
        f"{{{_SVG}}}text",
        {
            "class": "note",
            "text-anchor": "middle",
            "x": last.get("x", "0"),
            "y": f"{float(last.get('y', '0')) + 16:.2f}",
            "font-family": last.get("font-family", ""),
            "font-size": f"{_NOTE_SIZE:.2f}",
        },
    )
    below.text = mark.note
