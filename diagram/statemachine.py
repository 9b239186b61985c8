"""Draws statemachine.svg from the definition.

Graphviz places the states: the path to `Loaded` runs straight down, failures are to the right of
it. Every state and every arrow of the definition is one SVG group with a `<title>`. So a test can
compare the picture with the definition without drawing it, and the report page can colour it:

    <g id="state_validate_file" class="node task"><title>Validate File</title>
                                                    a state; class: its type
    <g id="state_write_chunks" class="cluster map"><title>Write Chunks</title>
                                                    a Map, the box around its states
    <g class="edge next"><title>Validate File->File Accepted?</title>
                                                    class: start, next, choice, default or catch

States that take time are larger than their names need: the report page adds their durations.
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
TIMED = ("Task", "Wait")
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
    """One arrow of the definition.

    `source` is the name of a state. For kind `start` it is the name of the Map whose states begin
    there, or "" for the start of the state machine.
    """

    source: str
    target: str
    kind: str  # start, next, choice, default or catch
    label: str = ""

    @property
    def title(self) -> str:
        return f"{self.source or 'Start'}->{self.target}"


@dataclass
class Graph:
    """The DOT source under construction."""

    definition: dict[str, Any]
    lines: list[str] = field(default_factory=list)
    # SVG id -> title of its Map or arrow
    titles: dict[str, str] = field(default_factory=dict)
    # Map -> the nodes in its box, from its start mark to its end. Graphviz can't connect an arrow
    # to a box, only to a node inside, and clip the arrow at the border of the box.
    maps: dict[str, list[str]] = field(default_factory=dict)

    def statement(self, subject: str, attributes: dict[str, str]) -> None:
        written = ", ".join(f"{name}={quote(value)}" for name, value in attributes.items())
        self.lines.append(f"{subject} [{written}];")


def draw(definition: dict[str, Any], target: Path) -> None:
    """Writes the picture of `definition` (a parsed state machine) to `target` as SVG.

    Raises FileNotFoundError if Graphviz' `dot` is not installed.
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
    """Returns the picture in Graphviz' language and fills `graph.titles`."""
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
    """Adds the states of the state machine, or of the Map named `owner`, and their start mark."""
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
            "id": state_id(name),
        }
        if state["Type"] in MARGINS:
            attributes["margin"] = MARGINS[state["Type"]]
        if state["Type"] in TIMED:
            attributes["height"] = "0.8" if "\n" in attributes["label"] else "0.62"
            attributes["width"] = "2.2"
        if name in happy:
            attributes["group"] = "happy"
        graph.statement(quote(name), attributes)


def add_map(graph: Graph, name: str, state: dict[str, Any]) -> None:
    """Adds a Map as a box around its states."""
    inner = state["ItemProcessor"]
    identifier = state_id(name)
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
    """Returns the arrows between the states of one level, in the definition's order."""
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
    """Returns the label of a Choice's only rule: yes or no, because its name is a question."""
    return "no" if rule.get("BooleanEquals") is False else "yes"


def condition(rule: dict[str, Any]) -> str:
    """Returns the label of one of several rules."""
    if "And" in rule:
        return ", ".join(condition(one) for one in rule["And"])
    operator = next((key for key in rule if key not in ("Variable", "Next", "Comment")), "")
    expected = rule.get(operator)
    name = rule.get("Variable", "").rpartition(".")[2].replace("_", " ")
    if operator == "StringEquals":
        return str(expected).replace("_", " ")
    if operator == "BooleanEquals":
        return name if expected else f"not {name}"
    if operator == "IsNull":
        return f"no {name}" if expected else name
    if operator == "NumericGreaterThan":
        return f"{name} > {expected}"
    words = re.sub(r"(?<!^)(?=[A-Z])", " ", operator).lower()
    return f"{words} {expected}" if isinstance(expected, str | int | float) else words


def happy_path(machine: dict[str, Any]) -> list[str]:
    """Returns the states from StartAt to the end, if the first rule of every Choice applies."""
    path: list[str] = []
    name: str | None = machine["StartAt"]
    while name and name not in path:
        path.append(name)
        state = machine["States"][name]
        name = state["Choices"][0]["Next"] if "Choices" in state else state.get("Next")
    return path


def rows(machine: dict[str, Any], happy: list[str]) -> list[list[str]]:
    """Returns groups of states to be drawn side by side: states off the happy path with the same
    next state, and a Wait with the state that leads to it."""
    found: dict[str, list[str]] = {}
    for name, state in machine["States"].items():
        if name not in happy and "Next" in state:
            row = [name] if state["Type"] != "Wait" else [name, *sources(machine, name)]
            found.setdefault(state["Next"], []).extend(row)
    return [row for row in found.values() if len(row) > 1]


def sources(machine: dict[str, Any], target: str) -> list[str]:
    """Returns the states from which an arrow leads to `target`."""
    return [arrow.source for arrow in arrows(machine, "") if arrow.target == target]


def state_id(name: str) -> str:
    """Returns `state_file_accepted` for `File Accepted?`."""
    return "_".join(["state", *re.findall(r"[a-z0-9]+", name.lower())])


def start_mark(owner: str) -> str:
    return f"{owner} start".strip()


def wrapped(name: str, state_type: str) -> str:
    """Splits a long name into two lines; a diamond has less room than a box."""
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
        'Map: one execution per chunk, in parallel</font><br align="left"/>>'
    )


def add_legend(graph: Graph) -> None:
    """Adds the legend as the label of the graph."""
    keys = [
        (BLUE, "task: a function, an event, a message"),
        (AMBER, "choice"),
        (MUTED, "wait, or description of the failure"),
        (GREEN, "success"),
        (RED, "failure"),
    ]
    squares = "&#8195;".join(
        f'<font color="{color}">&#9632;&#8194;</font>{words}' for color, words in keys
    )
    dashes = f'<font color="{RED}">- - -&#8194;</font>an error after the last retry'
    graph.lines.append(f"label=<<br/>{squares}<br/><br/>{dashes}>; labelloc=b;")


def readable_titles(svg: str, titles: dict[str, str]) -> str:
    """Sets the titles of Maps and arrows, and removes comments and numbers.

    Graphviz names an arrow after the nodes that it connects, which may be inside a Map's box. Its
    comments contain its version. A state that is added would change the numbers of others.
    """
    svg = re.sub(r"<!--.*?-->\n?", "", svg, flags=re.DOTALL)
    svg = re.sub(r'<g id="node\d+"', "<g", svg)
    for identifier, title in titles.items():
        svg, count = re.subn(
            rf'(<g id="{identifier}" [^>]*>\s*<title>)[^<]*',
            # Only a backslash is special in a replacement, and no name of a state contains one.
            rf"\g<1>{html.escape(title)}",
            svg,
        )
        if count != 1:
            raise ValueError(f"Graphviz drew {title} {count} times")
    return re.sub(r'<g id="arrow\d+"', "<g", svg)


def quote(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
