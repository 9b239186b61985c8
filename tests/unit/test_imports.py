"""The allowed imports between the rooms of the code, and from outside the project.

A room is a folder or a module directly below `ingestion` or `tickets`; `handlers` is one room.
"""

import ast
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import TopologicalSorter
from pathlib import Path

from tickets import ROOT

ALLOWED = {
    "handlers": "ingestion.tasks ingestion.dynamodb ingestion.ledger ingestion.s3 "
    "ingestion.telemetry ingestion.metrics ingestion.executions ingestion.contracts "
    "ingestion.errors",
    "ingestion.tasks": "ingestion.sources ingestion.csv_files ingestion.sources ingestion.dynamodb "
    "ingestion.ledger ingestion.s3 ingestion.telemetry ingestion.contracts ingestion.executions "
    "ingestion.generation ingestion.names ingestion.errors ingestion.report_page",
    "ingestion.csv_files": "ingestion.sources ingestion.contracts ingestion.errors",
    "ingestion.dynamodb": "ingestion.contracts ingestion.errors",
    "ingestion.ledger": "ingestion.contracts ingestion.errors ingestion.executions",
    "ingestion.s3": "ingestion.contracts ingestion.names ingestion.errors",
    "ingestion.telemetry": "ingestion.contracts",
    "ingestion.metrics": "ingestion.telemetry",
    "ingestion.report_page": "ingestion.executions ingestion.ledger",
    "tickets.check": "tickets.errors ingestion.tasks ingestion.csv_files ingestion.dynamodb "
    "ingestion.ledger ingestion.sources ingestion.contracts",
    "tickets.cli": "tickets.runs tickets.check tickets.draft tickets.doctor tickets.verify "
    "tickets.local tickets.sample tickets.errors tickets.console ingestion.executions "
    "ingestion.csv_files ingestion.sources ingestion.ledger ingestion.contracts "
    "ingestion.report_page",
    "tickets.console": "tickets.runs tickets.errors ingestion.report_page ingestion.tasks "
    "ingestion.ledger ingestion.executions ingestion.contracts ingestion.csv_files",
    "tickets.definition": "tickets.errors",
    "tickets.doctor": "tickets.runs tickets.local tickets.definition tickets.errors "
    "ingestion.dynamodb ingestion.tasks",
    "tickets.draft": "tickets.errors ingestion.csv_files",
    "tickets.local": "tickets.runs tickets.errors",
    "tickets.runs": "tickets.check tickets.errors ingestion.csv_files ingestion.sources "
    "ingestion.dynamodb ingestion.ledger ingestion.s3 ingestion.tasks ingestion.contracts "
    "ingestion.names ingestion.executions ingestion.errors",
    "tickets.verify": "tickets.runs tickets.errors ingestion.csv_files ingestion.sources "
    "ingestion.dynamodb ingestion.contracts ingestion.executions",
}

ALLOWED_FROM_OUTSIDE = {
    "handlers": "boto3 botocore",
    "ingestion.executions": "boto3 botocore",
    "ingestion.metrics": "aws_lambda_powertools",
    "ingestion.report_page": "jinja2 markupsafe",
    "ingestion.tasks": "boto3 botocore",
    "ingestion.csv_files": "xxhash",
    "ingestion.dynamodb": "boto3 botocore pycurl",
    "ingestion.ledger": "boto3 botocore",
    "ingestion.s3": "boto3 botocore",
    "tickets.check": "botocore",
    "tickets.cli": "botocore rich typer",
    "tickets.console": "botocore hypercorn jinja2 markupsafe starlette",
    "tickets.doctor": "botocore",
    "tickets.local": "boto3 botocore samtranslator",
    "tickets.runs": "boto3 botocore",
    "tickets.verify": "botocore",
}

FOLDERS = {name: ROOT / "functions" / name for name in ("handlers", "ingestion")}
FOLDERS["tickets"] = ROOT / "tickets"


def imported(path: Path) -> Iterator[str]:
    """The modules that a file imports when it runs, not those for type checking only."""
    nodes: list[ast.AST] = [ast.parse(path.read_bytes())]
    while nodes:
        node = nodes.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        nodes += ast.iter_child_nodes(node)
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(module: str) -> str:
    """The room of a module of the project; of any other, its first name."""
    package, _, rest = module.partition(".")
    return (
        package
        if package not in ("ingestion", "tickets")
        else ".".join([package, rest.split(".")[0]])
    )


@cache
def imports() -> dict[tuple[str, str], str]:
    """Each pair of a room and what it imports, with a file in which it does."""
    found = {}
    for package, folder in FOLDERS.items():
        for path in folder.rglob("*.py"):
            place = path.relative_to(folder).with_suffix("")
            if place.name == "__init__" and place.parent == Path():
                continue
            importer = room_of(".".join([package, *place.parts]))
            for module in imported(path):
                room = room_of(module)
                # What `tickets` itself defines, such as ROOT, belongs to no room.
                if room not in ("tickets.ROOT", "tickets.TEMPLATE", importer):
                    found[importer, room] = path.relative_to(ROOT).as_posix()
    return found


def is_ours(room: str) -> bool:
    return room.partition(".")[0] in FOLDERS


def test_no_room_imports_another_one_that_it_may_not() -> None:
    wrong = {
        pair: file
        for pair, file in imports().items()
        if is_ours(pair[1]) and pair[1] not in ALLOWED.get(pair[0], "").split()
    }
    assert wrong == {}


def test_the_allowed_imports_have_no_cycle_and_are_few() -> None:
    graph = {room: set(targets.split()) for room, targets in ALLOWED.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError
    assert sum(len(targets) for room, targets in graph.items() if room != "handlers") < 90


def test_only_some_rooms_import_from_outside() -> None:
    """`csv_files` imports nothing of AWS, and only `cli` prints."""
    wrong = {
        pair: file
        for pair, file in imports().items()
        if not is_ours(pair[1])
        and pair[1] not in sys.stdlib_module_names
        and pair[1] not in ALLOWED_FROM_OUTSIDE.get(pair[0], "").split()
    }
    assert wrong == {}


def test_no_modules_import_each_other_in_a_circle() -> None:
    graph: dict[str, set[str]] = {}
    for package, folder in FOLDERS.items():
        for path in folder.rglob("*.py"):
            place = path.relative_to(folder).with_suffix("")
            names = set(imported(path))
            # `from a.b import c` names either the module a.b.c or something in the module a.b.
            graph[".".join([package, *place.parts])] = names | {n.rpartition(".")[0] for n in names}
    modules = {name: targets & graph.keys() for name, targets in graph.items()}
    TopologicalSorter(modules).prepare()  # raises CycleError
    assert len(modules["tickets.cli.show"]) > 5  # the names are spelled alike
