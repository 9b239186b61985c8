"""Draws statemachine.svg from the definition itself.

Graphviz lays the states out: the way to `Loaded` runs straight down, what goes wrong stands to the
right of it. Every state and every arrow of the definition becomes one SVG group whose `<title>`
says which one it is, so that a test can hold the picture to the definition without drawing it:

    <g class="node task"><title>Validate File</title>             a state; class: its type
    <g class="cluster map"><title>Write Chunks</title>            a Map, the box around its states
    <g class="edge next"><title>Validate File->File Accepted?</title>
                                                    class: start, next, choice, default or catch
"""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

FONT = "Helvetica,Arial,sans-serif"
INK, MUTED, PURPLE = "#24292f", "#6e7781", "#8250df"
GREEN, RED, BLUE, AMBER = "#1a7f37", "#cf222e", "#0969da", "#9a6700"

NODE_STYLES = {
    "Task": {"shape": "box", "style": "rounded,filled", "fillcolor": "#ddf4ff", "color": BLUE},
    "Choice": {"shape": "diamond", "style": "filled", "fillcolor": "#fff8c5", "color": AMBER},
    "Pass": {"shape": "box", "style": "filled", "fillcolor": "#f6f8fa", "color": MUTED},
    "Wait": {"shape": "box", "style": "rounded,filled", "fillcolor": "#f6f8fa", "color": MUTED},
    "Succeed": {"shape": "box", "style": "rounded,filled", "fillcolor": "#dafbe1", "color": GREEN},
    "Fail": {"shape": "octagon", "style": "filled", "fillcolor": "#ffebe9", "color": RED},
}
MARGINS = {"Choice": "0,0.02", "Fail": "0.05,0.05"}  # these shapes are roomy by themselves
START_STYLE = {
    "shape": "circle",
    "style": "filled",
    "fillcolor": INK,
    "color": INK,
    "width": "0.2",
    "height": "0.2",
    "fixedsize": "true",
}


@dataclass(frozen=True)
class Arrow:
    """One arrow of the definition. `source` is a state's name, or for kind `start` the name of
    the Map whose states begin there ("" for the state machine's own start)."""

    source: str
    target: str
    kind: str  # start, next, choice, default or catch
    label: str = ""

    @property
    def title(self) -> str:
        return f"{self.source or 'Start'}->{self.target}"


@dataclass
class Graph:
    """DOT text being written, and what is known of it so far."""

    definition: dict[str, Any]
    lines: list[str] = field(default_factory=list)
    # SVG id -> the title of the Map or arrow it stands for
    titles: dict[str, str] = field(default_factory=dict)
    # Map -> the nodes in its box from its start mark to its end. Graphviz can't tie an arrow to a
    # box, only to a node in it, and cut it off at the box's border.
    maps: dict[str, list[str]] = field(default_factory=dict)

    def statement(self, subject: str, attributes: dict[str, str]) -> None:
        written = ", ".join(f"{name}={quote(value)}" for name, value in attributes.items())
        self.lines.append(f"{subject} [{written}];")


def draw(definition: dict[str, Any], target: Path) -> None:
    """Writes the picture of `definition` (a state machine as parsed JSON) to `target` as SVG.

    Raises FileNotFoundError where Graphviz' `dot` is not installed.
    """
    graph = Graph(definition)
    source = dot_source(graph)
    drawn = subprocess.run(
        [shutil.which("dot") or "dot", "-Tsvg"],
        input=source,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=True,
    )
    target.write_text(readable_titles(drawn.stdout, graph.titles), encoding="utf-8")


def dot_source(graph: Graph) -> str:
    """The whole picture in Graphviz' language; fills `graph.titles` on the way."""
    text = f"fontname={quote(FONT)}, fontcolor={quote(INK)}"
    graph.lines += [
        'digraph "Load of one file" {',
        "compound=true; newrank=true; nodesep=0.45; ranksep=0.42; pad=0.15; bgcolor=white;",
        f"graph [{text}, fontsize=13];",
        f'node [{text}, fontsize=14, penwidth=1.5, height=0.5, margin="0.2,0.08"];',
        f"edge [{text}, fontsize=13, color={quote(INK)}, penwidth=1.3, arrowsize=0.8];",
    ]
    add_states(graph, graph.definition, "")
    add_arrows(graph, graph.definition, "")
    add_legend(graph)
    graph.lines.append("}")
    return "\n".join(graph.lines)


def add_states(graph: Graph, machine: dict[str, Any], owner: str) -> None:
    """The states of the state machine, or of the Map named `owner`, with their start mark."""
    happy = happy_path(machine)
    mark = {"label": "", "class": "start", "group": "happy", **START_STYLE}
    graph.statement(quote(start_mark(owner)), mark)
    for name, state in machine["States"].items():
        if state["Type"] == "Map":
            add_map(graph, name, state)
            continue
        if state["Type"] not in NODE_STYLES:
            raise ValueError(f"diagram/statemachine.py can't draw {name}: type {state['Type']}")
        attributes = {
            **NODE_STYLES[state["Type"]],
            "label": wrapped(name, state["Type"]),
            "class": state["Type"].lower(),
        }
        if state["Type"] in MARGINS:
            attributes["margin"] = MARGINS[state["Type"]]
        if name in happy:
            attributes["group"] = "happy"
        graph.statement(quote(name), attributes)


def add_map(graph: Graph, name: str, state: dict[str, Any]) -> None:
    """A Map is a box around its states."""
    inner = state["ItemProcessor"]
    identifier = f"map{len(graph.maps)}"
    graph.titles[identifier] = name
    graph.maps[name] = [start_mark(name), *happy_path(inner)]
    graph.lines.append(f"subgraph {quote('cluster_' + name)} {{")
    graph.lines.append(
        f"id={quote(identifier)}; class=map; label={map_label(name)}; labeljust=l;"
        ' style="rounded,filled"; fillcolor="#fbfaff";'
        f' color="{PURPLE}"; penwidth=1.5; margin=14;'
    )
    add_states(graph, inner, name)
    graph.lines.append("}")


def add_arrows(graph: Graph, machine: dict[str, Any], owner: str) -> None:
    happy = happy_path(machine)
    way = [owner, *happy]
    for arrow in arrows(machine, owner):
        both = arrow.source in way and arrow.target in way
        step = way.index(arrow.target) - way.index(arrow.source) if both else 0
        add_arrow(graph, arrow, on_happy_path=step == 1, goes_back=step < 0)
    for row in rows(machine, happy):
        graph.lines.append("{rank=same; " + " ".join(quote(name) + ";" for name in row) + "}")
    for name, state in machine["States"].items():
        if state["Type"] == "Map":
            add_arrows(graph, state["ItemProcessor"], name)


def add_arrow(graph: Graph, arrow: Arrow, *, on_happy_path: bool, goes_back: bool) -> None:
    identifier = f"arrow{len(graph.titles)}"
    graph.titles[identifier] = arrow.title
    attributes = {"id": identifier, "class": arrow.kind}
    if arrow.label:
        attributes["label"] = f" {arrow.label} "
    if arrow.kind == "catch":
        attributes |= {"style": "dashed", "color": RED, "tailport": "e"}
    if on_happy_path:
        attributes["weight"] = "20"
    if goes_back:
        attributes |= {"constraint": "false", "tailport": "e", "headport": "e"}

    tail, head = arrow.source, arrow.target
    if arrow.kind == "start":
        tail = start_mark(arrow.source)
    elif tail in graph.maps:
        attributes["ltail"] = f"cluster_{tail}"
        tail = graph.maps[tail][1 if arrow.kind == "catch" else -1]
    if head in graph.maps:
        attributes["lhead"] = f"cluster_{head}"
        head = graph.maps[head][0]
    graph.statement(f"{quote(tail)} -> {quote(head)}", attributes)


def arrows(machine: dict[str, Any], owner: str) -> list[Arrow]:
    """All arrows between the states of one level, in the definition's order."""
    found = [Arrow(owner, machine["StartAt"], "start")]
    for name, state in machine["States"].items():
        rules = state.get("Choices", [])
        yes_or_no = len(rules) == 1
        for rule in rules:
            label = answer(rule) if yes_or_no else condition(rule)
            found.append(Arrow(name, rule["Next"], "choice", label))
        if "Default" in state:
            label = {"yes": "no", "no": "yes"}[answer(rules[0])] if yes_or_no else "otherwise"
            found.append(Arrow(name, state["Default"], "default", label))
        if "Next" in state:
            found.append(Arrow(name, state["Next"], "next"))
        for catcher in state.get("Catch", []):
            found.append(Arrow(name, catcher["Next"], "catch"))
    return found


def answer(rule: dict[str, Any]) -> str:
    """What the only rule of a Choice answers: Choices are questions."""
    return "no" if rule.get("BooleanEquals") is False else "yes"


def condition(rule: dict[str, Any]) -> str:
    """One rule of several, in words."""
    operator = next((key for key in rule if key not in ("Variable", "Next", "Comment")), "")
    expected = rule.get(operator)
    if operator == "StringEquals":
        return str(expected).replace("_", " ")
    if operator == "BooleanEquals":
        name = rule["Variable"].rpartition(".")[2].replace("_", " ")
        return name if expected else f"not {name}"
    words = re.sub(r"(?<!^)(?=[A-Z])", " ", operator).lower()
    return f"{words} {expected}" if isinstance(expected, str | int | float) else words


def happy_path(machine: dict[str, Any]) -> list[str]:
    """The states passed when the first rule of every Choice holds, from StartAt to the end."""
    path: list[str] = []
    name: str | None = machine["StartAt"]
    while name and name not in path:
        path.append(name)
        state = machine["States"][name]
        name = state["Choices"][0]["Next"] if "Choices" in state else state.get("Next")
    return path


def rows(machine: dict[str, Any], happy: list[str]) -> list[list[str]]:
    """States off the happy path that lead to the same state stand side by side, and a state that
    waits stands beside the one that it comes from."""
    found: dict[str, list[str]] = {}
    for name, state in machine["States"].items():
        if name not in happy and "Next" in state:
            row = [name] if state["Type"] != "Wait" else [name, *sources(machine, name)]
            found.setdefault(state["Next"], []).extend(row)
    return [row for row in found.values() if len(row) > 1]


def sources(machine: dict[str, Any], target: str) -> list[str]:
    """The states from which an arrow leads to `target`."""
    return [arrow.source for arrow in arrows(machine, "") if arrow.target == target]


def start_mark(owner: str) -> str:
    return f"{owner} start".strip()


def wrapped(name: str, state_type: str) -> str:
    """A diamond holds little on a line; a long name elsewhere takes two."""
    words = name.split()
    limit = 12 if state_type == "Choice" else 20
    if len(name) <= limit or len(words) == 1:
        return name
    middle = min(
        range(1, len(words)),
        key=lambda at: abs(len(" ".join(words[:at])) - len(name) / 2),
    )
    return " ".join(words[:middle]) + "\n" + " ".join(words[middle:])


def map_label(name: str) -> str:
    return (
        f'<<font point-size="14"><b>{html.escape(name)}</b></font>'
        f'<br align="left"/><font point-size="12" color="{MUTED}">'
        'Map: one execution a chunk, in parallel</font><br align="left"/>>'
    )


def add_legend(graph: Graph) -> None:
    """The picture's key, as the graph's own label."""
    keys = [
        (BLUE, "work: a function, an event, the queue"),
        (AMBER, "question"),
        (MUTED, "waits, or words the failure"),
        (GREEN, "success"),
        (RED, "failure"),
    ]
    squares = "&#8195;".join(
        f'<font color="{color}">&#9632;&#8194;</font>{words}' for color, words in keys
    )
    dashes = f'<font color="{RED}">- - -&#8194;</font>an error that outlived its retries'
    graph.lines.append(f"label=<<br/>{squares}<br/><br/>{dashes}>; labelloc=b;")


def readable_titles(svg: str, titles: dict[str, str]) -> str:
    """Names the groups with an id of ours after the Map or arrow they stand for (Graphviz names an
    arrow after the nodes it is tied to, and those may be inside a Map's box), and leaves out the
    comments, which tell the release of Graphviz."""
    svg = re.sub(r"<!--.*?-->\n?", "", svg, flags=re.DOTALL)
    for identifier, title in titles.items():
        svg, count = re.subn(
            rf'(<g id="{identifier}" [^>]*>\s*<title>)[^<]*',
            # In a replacement only a backslash means something, and no state's name has one.
            rf"\g<1>{html.escape(title)}",
            svg,
        )
        if count != 1:
            raise ValueError(f"Graphviz drew {title} {count} times")
    return svg


def quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
