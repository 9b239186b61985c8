"""Draws architecture.png: the resources of template.yaml and the data that flows between them.

Every element has a fixed position, in inches from the lower left corner. There are three rows:
storage at the top, the path of a file in the middle, failures and report pages at the bottom.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from diagrams import Diagram, Edge, Node
from diagrams.aws.compute import Lambda
from diagrams.aws.database import Dynamodb
from diagrams.aws.general import GenericOfficeBuilding, User
from diagrams.aws.integration import SQS, Eventbridge, StepFunctions
from diagrams.aws.storage import S3

FONT = "Helvetica,Arial,sans-serif"
INK, MUTED, RED, PINK, PURPLE = "#24292f", "#57606a", "#cf222e", "#bf4080", "#8250df"

STORED, FILES, FAILED = 4.75, 2.75, 0.75  # y of the three rows
SOURCE, UPLOADS, START = 0.75, 2.55, 4.3  # x of the columns
VALIDATE, SPLIT, TURN, WRITE, RECONCILE, SETTLE = 6.15, 7.6, 8.95, 10.5, 12.15, 13.9
ANNOUNCED = 16.55

ICON = 0.78  # width and height of an icon


def draw(target: Path) -> None:
    """Writes the picture to `target` as PNG. Raises graphviz.ExecutableNotFound without `dot`."""
    with tempfile.TemporaryDirectory() as folder:
        with Diagram(
            filename=str(Path(folder) / target.stem),
            outformat="png",
            show=False,
            graph_attr={
                "layout": "neato",
                "splines": "line",
                "dpi": "144",
                "pad": "0.15",
                "bgcolor": "white",
            },
            node_attr={"fontname": FONT, "fontsize": "14", "fontcolor": INK},
            edge_attr={"color": INK, "penwidth": "1.6", "arrowsize": "0.9"},
        ):
            add_everything()
        target.write_bytes((Path(folder) / target.name).read_bytes())


def add_everything() -> None:
    left, right, top, bottom = 5.3, 14.9, FILES + 0.95, FILES - 1.0
    box((left, bottom), (right, top), fill="#fdf4f8", color=PINK)
    box(
        (WRITE - 0.78, bottom + 0.12),
        (WRITE + 0.78, top - 0.4),
        fill="#ffffff",
        color=PURPLE,
    )
    icon(StepFunctions, left + 0.28, top - 0.26, size=0.36)
    text(
        "Step Functions: one execution per file",
        left + 0.56,
        top - 0.26,
        bold=True,
        align="l",
    )

    source = icon(GenericOfficeBuilding, SOURCE, STORED)
    caption("Retail system", SOURCE, STORED)
    uploads = icon(S3, UPLOADS, STORED)
    caption("Upload bucket", UPLOADS, STORED, "versioned", above=True)
    queue = icon(SQS, UPLOADS, FILES)
    text("Upload queue", UPLOADS - ICON / 2 - 0.08, FILES, align="r", bold=True)
    unstarted = icon(SQS, UPLOADS, FAILED)
    caption("Upload dead-letter queue", UPLOADS, FAILED)
    start = icon(Lambda, START, FILES)
    caption("start_execution", START, FILES)

    validate = icon(Lambda, VALIDATE, FILES)
    caption("validate_file", VALIDATE, FILES)
    split = icon(Lambda, SPLIT, FILES)
    caption("split_file", SPLIT, FILES)
    turn = icon(Lambda, TURN, FILES)
    caption("take_turn", TURN, FILES)
    for step in (0.12, 0.06):  # a stack of icons: many run in parallel
        icon(Lambda, WRITE + step, FILES + step)
    icon(Lambda, WRITE, FILES)
    caption("write_chunk", WRITE, FILES, "Map, in parallel")
    reconcile = icon(Lambda, RECONCILE, FILES)
    caption("reconcile", RECONCILE, FILES)
    settle = icon(Lambda, SETTLE, FILES)
    caption("settle_equal_keys", SETTLE, FILES, "if several chunks")

    work = icon(S3, SPLIT, STORED)
    caption("Work bucket", SPLIT, STORED, above=True)
    tickets = icon(Dynamodb, WRITE, STORED)
    caption("Tickets", WRITE, STORED, "DynamoDB table", above=True)
    ledger = icon(Dynamodb, RECONCILE, STORED)
    caption("Ledger", RECONCILE, STORED, "DynamoDB table", above=True)

    operator = icon(User, VALIDATE, FAILED)
    caption("Operator", VALIDATE, FAILED, "tickets command")
    failed = icon(SQS, (SPLIT + WRITE) / 2, FAILED)
    caption("Failed executions", (SPLIT + WRITE) / 2, FAILED, "dead-letter queue")
    rule = icon(Eventbridge, RECONCILE, FAILED)
    caption("EventBridge rule", RECONCILE, FAILED)
    page = icon(Lambda, SETTLE, FAILED)
    caption("write_report_page", SETTLE, FAILED, "to the work bucket")

    bus = icon(Eventbridge, ANNOUNCED, FILES)
    caption("Event bus", ANNOUNCED, FILES, "for other systems")

    # The path of a file.
    arrow(source, uploads)
    text("CSV file", (SOURCE + UPLOADS) / 2, STORED + 0.16)
    arrow(uploads, queue)
    text("S3 event", UPLOADS + 0.1, (STORED + FILES) / 2, align="l")
    arrow(queue, start)
    arrow(start, point(left, FILES))
    arrow(validate, split)
    arrow(split, turn)
    arrow(turn, point(WRITE - 0.78, FILES))
    arrow(point(WRITE + 0.78, FILES), reconcile)
    arrow(reconcile, settle, both=True)
    arrow(point(right, FILES), bus)
    text("loaded\nor failed", (right + ANNOUNCED - ICON / 2) / 2, FILES + 0.3)
    arrow(point(SETTLE, bottom), page)
    text("any ending", SETTLE + 0.1, 1.48, align="l")

    # What is read and written.
    corner = point(VALIDATE, STORED)
    arrow(uploads, corner, bare=True)
    arrow(corner, point(VALIDATE, top))
    text("byte ranges of the file", (UPLOADS + VALIDATE) / 2, STORED + 0.16)
    arrow(point(SPLIT, top), work, both=True)
    text("plans, refused\nrows, reports", SPLIT + 0.1, top + 0.32, align="l")
    arrow(point(WRITE, FILES + ICON / 2 + 0.12), tickets)
    text("rows", WRITE + 0.1, top + 0.32, align="l")
    arrow(point(RECONCILE, top), ledger, both=True)
    text("counts,\nclaims", RECONCILE + 0.1, top + 0.32, align="l")

    # Failures.
    arrow(queue, unstarted, error=True)
    text("no execution\nstarted", UPLOADS + 0.1, 1.8, align="l", color=RED)
    arrow(unstarted, operator, error=True)
    text("read", (UPLOADS + VALIDATE) / 2, FAILED + 0.16)
    arrow(point((SPLIT + WRITE) / 2, bottom), failed, error=True)
    text(
        "error, refused file\nor missing row",
        (SPLIT + WRITE) / 2 + 0.1,
        1.48,
        align="l",
        color=RED,
    )
    arrow(point(RECONCILE, bottom), rule, error=True)
    text("timed out\nor aborted", RECONCILE + 0.1, 1.48, align="l", color=RED)
    arrow(rule, failed, error=True)
    arrow(failed, operator, error=True)
    text("read", (VALIDATE + (SPLIT + WRITE) / 2) / 2, FAILED + 0.16)
    arrow(operator, point(VALIDATE, bottom))
    text("replay", VALIDATE - 0.1, 1.48, align="r")


def icon(kind: type[Node], x: float, y: float, size: float = ICON) -> Node:
    side = str(size)
    return kind(
        "",
        pos=f"{x},{y}!",
        width=side,
        height=side,
        fixedsize="true",
        imagescale="true",
    )


def point(x: float, y: float) -> Node:
    """An invisible node at which an arrow begins, ends or bends."""
    return Node("", pos=f"{x},{y}!", shape="point", width="0", height="0", style="invis")


def caption(name: str, x: float, y: float, detail: str = "", *, above: bool = False) -> None:
    """Puts the name of the icon at (x, y) above or below it."""
    lines = 2 if detail else 1
    offset = ICON / 2 + 0.05 + 0.11 * lines
    small = f'<br/><font point-size="12" color="{MUTED}">{detail}</font>' if detail else ""
    label(f"<b>{name}</b>{small}", x, y + offset if above else y - offset)


def text(
    words: str,
    x: float,
    y: float,
    *,
    align: str = "c",
    bold: bool = False,
    color: str = MUTED,
) -> None:
    """Puts text beside an arrow: centred ("c"), left-aligned ("l") or right-aligned ("r") at x."""
    width = 0.1 * max(map(len, words.splitlines()))  # slightly wider than text of 13 points
    side = {"c": "center", "l": "left", "r": "right"}[align]
    body = f'<br align="{side}"/>'.join(words.split("\n")) + f'<br align="{side}"/>'
    if bold:
        body = f"<b>{body}</b>"
    label(
        f'<table border="0" cellborder="0" cellpadding="0" cellspacing="0"><tr>'
        f'<td width="{width * 72:.0f}" align="{side}" balign="{side}">'
        f'<font point-size="13" color="{INK if bold else color}">{body}</font></td></tr></table>',
        x + {"c": 0.0, "l": width / 2, "r": -width / 2}[align],
        y,
    )


def label(body: str, x: float, y: float) -> None:
    Node(f"<{body}>", pos=f"{x},{y}!", shape="plain", labelloc="c", fixedsize="false")


def box(
    corner: tuple[float, float], opposite: tuple[float, float], *, fill: str, color: str
) -> None:
    (x1, y1), (x2, y2) = corner, opposite
    Node(
        "",
        pos=f"{(x1 + x2) / 2},{(y1 + y2) / 2}!",
        width=str(x2 - x1),
        height=str(y2 - y1),
        fixedsize="true",
        shape="box",
        style="rounded,filled",
        fillcolor=fill,
        color=color,
    )


def arrow(
    tail: Node,
    head: Node,
    *,
    error: bool = False,
    both: bool = False,
    bare: bool = False,
) -> None:
    line = Edge(color=RED, style="dashed") if error else Edge()
    if bare:
        tail - line - head
    elif both:
        tail << line >> head
    else:
        tail >> line >> head
