"""Guarantees of the functions: their runtime, their variables, and their logs.

The embedded engine drops log retention and reserved concurrency, so this is where they are proved.
"""

import ast
import json
import re
from pathlib import Path

import pytest

from tests.support.deployed import REGION, ROOT, Stack, deploy, source

CODE = ROOT / "functions"
HANDLERS = sorted(path.stem for path in (CODE / "handlers").glob("*.py") if path.stem != "__init__")
LONGEST_HANDLER = 40  # lines
# A handler must name a default for exactly these, since they may be missing where it runs.
DEFAULTS = {"DYNAMODB_TABLE": "Tickets"}


def logical_id(handler: str) -> str:
    """split_file -> SplitFile"""
    return handler.title().replace("_", "")


def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def is_environ(node: ast.AST) -> bool:
    return ast.unparse(node) in {"os.environ", "environ"}


def variables_read(handler: str) -> tuple[set[str], dict[str, object]]:
    """Environment variables that a handler must have, and those it has a default for."""
    required, defaults, mentions = [], {}, 0
    for node in ast.walk(tree(CODE / "handlers" / f"{handler}.py")):
        mentions += is_environ(node)
        if isinstance(node, ast.Subscript) and is_environ(node.value):
            required.append(ast.literal_eval(node.slice))
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "os.environ.get":
            name, default = node.args
            defaults[ast.literal_eval(name)] = ast.literal_eval(default)
    assert mentions == len(required) + len(defaults), f"{handler} reads variables in another way"
    return set(required), defaults


def test_every_handler_file_has_its_function_and_every_function_its_handler_file(
    stack: Stack,
) -> None:
    handlers = {
        name: one["Handler"] for name, one in stack.of_type("AWS::Lambda::Function").items()
    }
    assert handlers == {logical_id(name): f"handlers.{name}.handler" for name in HANDLERS}


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_handler_file_defines_its_handler(handler: str) -> None:
    found = [
        node
        for node in tree(CODE / "handlers" / f"{handler}.py").body
        if isinstance(node, ast.FunctionDef) and node.name == "handler"
    ]
    assert len(found) == 1
    assert len(found[0].args.args) == 2


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_handler_file_has_at_most_40_lines(handler: str) -> None:
    text = (CODE / "handlers" / f"{handler}.py").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LONGEST_HANDLER


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_function_gets_exactly_the_variables_that_its_handler_reads(
    stack: Stack, handler: str
) -> None:
    required, defaults = variables_read(handler)
    given = stack.properties(logical_id(handler))["Environment"]["Variables"]
    assert given.keys() == required | defaults.keys()
    assert defaults.items() <= DEFAULTS.items()


def test_the_domain_reads_no_environment_variables() -> None:
    """Only handlers do, so that the test above sees all."""
    for path in (CODE / "ingestion").rglob("*.py"):
        names = {ast.unparse(node) for node in ast.walk(tree(path))}
        assert not names & {"os.environ", "os.getenv", "environ", "getenv"}, path.name


def test_the_variables_name_what_the_stack_deploys() -> None:
    stack = deploy(
        ChunkSizeBytes=65536,
        LoadsAtATime=5,
        MapConcurrency=7,
        BatchesInFlight=3,
        MaxRowsPerSecond=900,
        TableName="Purchases",
        LineageAttribute="from",
        MaxRefusedPercent=2.5,
        MaxSupersededPercent=75,
    )
    expected = {
        "STATE_MACHINE_ARN": stack.arn("Ingest"),
        "UPLOAD_DEAD_LETTER_QUEUE_URL": stack.ref("UploadDeadLetterQueue"),
        "LEDGER_TABLE": stack.ref("LedgerTable"),
        "WORK_BUCKET": stack.ref("WorkBucket"),
        "CHUNK_SIZE_BYTES": 65536,
        "BATCHES_IN_FLIGHT": 3,
        "LOADS_AT_A_TIME": 5,
        "MAP_CONCURRENCY": 7,
        "MAX_ROWS_PER_SECOND": 900,
        "DYNAMODB_TABLE": "Purchases",
        "LINEAGE_ATTRIBUTE": "from",
        "MAX_REFUSED_PERCENT": 2.5,
        "MAX_SUPERSEDED_PERCENT": 75,
        "STACK_NAME": "Tickets-Prod",
        "STACK": json.dumps(
            {
                "Stack": "Tickets-Prod",
                "Code version": "0.2.0",
                "Region": REGION,
                "Table": "Purchases",
                "MaxRefusedPercent": "2.5",
                "MaxSupersededPercent": "75",
                "ChunkSizeBytes": "65536",
                "MapConcurrency": "7",
                "BatchesInFlight": "3",
                "LoadsAtATime": "5",
            }
        ),
    }
    for name, one in stack.of_type("AWS::Lambda::Function").items():
        variables = one["Environment"]["Variables"]
        assert variables.items() <= expected.items(), name


def test_no_secret_is_in_an_environment_variable() -> None:
    """Every value is a reference to a resource or to a parameter that is shown in plain text, so
    there is no literal that could be a secret, whatever the variable's name is."""
    template = source()
    for name, resource in template["Resources"].items():
        variables = resource["Properties"].get("Environment", {}).get("Variables", {})
        for variable, value in variables.items():
            assert isinstance(value, dict), f"{name}: {variable} is a literal"
            [(function, target)] = value.items()
            assert function in {"Ref", "Fn::GetAtt", "Fn::Sub"}, f"{name}: {variable}"
            names = re.findall(r"\$\{(\w+)\}", target) if function == "Fn::Sub" else [target]
            for parameter in names if function != "Fn::GetAtt" else []:
                declared = template["Parameters"].get(parameter, {})
                assert not declared.get("NoEcho"), f"{name}: {variable} is a secret parameter"
    assert "{{resolve:" not in (ROOT / "template.yaml").read_text(encoding="utf-8")


def test_all_functions_run_python_3_13_on_arm64(stack: Stack) -> None:
    for name, one in stack.of_type("AWS::Lambda::Function").items():
        assert one["Runtime"] == "python3.13", name
        assert one["Architectures"] == ["arm64"], name


def test_all_functions_ship_the_same_code() -> None:
    template = source()
    assert template["Globals"]["Function"]["CodeUri"] == "functions/"
    for name, resource in template["Resources"].items():
        assert "CodeUri" not in resource.get("Properties", {}), name
        assert "InlineCode" not in resource.get("Properties", {}), name


def test_every_function_says_what_it_is_for(stack: Stack) -> None:
    for name, one in stack.of_type("AWS::Lambda::Function").items():
        assert one["Description"].endswith("."), name


def test_every_function_is_traced(stack: Stack) -> None:
    for name, one in stack.of_type("AWS::Lambda::Function").items():
        assert one["TracingConfig"] == {"Mode": "Active"}, name


def test_every_function_logs_from_info_on(stack: Stack) -> None:
    """A step's one line is INFO; DEBUG is botocore's."""
    for name, one in stack.of_type("AWS::Lambda::Function").items():
        assert one["LoggingConfig"]["ApplicationLogLevel"] == "INFO", name


def test_every_function_logs_json_to_a_log_group_of_its_own(stack: Stack) -> None:
    groups = {}
    for name, one in stack.of_type("AWS::Lambda::Function").items():
        assert one["LoggingConfig"]["LogFormat"] == "JSON"
        groups[name] = one["LoggingConfig"]["LogGroup"]
    assert groups == {logical_id(name): f"/aws/lambda/Tickets-Prod/{name}" for name in HANDLERS}
    made = {stack.ref(name) for name in stack.of_type("AWS::Logs::LogGroup")}
    assert made >= set(groups.values())


def test_every_log_group_keeps_logs_as_long_as_the_parameter_says() -> None:
    groups = deploy(LogRetentionDays=7).of_type("AWS::Logs::LogGroup")
    assert {name: one["RetentionInDays"] for name, one in groups.items()} == dict.fromkeys(
        groups, 7
    )
    # One per function, and one for the state machine.
    assert len(groups) == len(HANDLERS) + 1


def test_write_chunk_has_reserved_concurrency_as_the_bound_over_all_loads() -> None:
    stack = deploy(WriteChunkConcurrency=17)
    assert stack.properties("WriteChunk")["ReservedConcurrentExecutions"] == 17


@pytest.mark.parametrize("zero", [0, "0"])
def test_write_chunk_concurrency_0_reserves_none(zero: object) -> None:
    """Reserving 0 would stop the function instead."""
    stack = deploy(WriteChunkConcurrency=zero)
    assert "ReservedConcurrentExecutions" not in stack.properties("WriteChunk")


def test_no_other_function_reserves_concurrency() -> None:
    stack = deploy(WriteChunkConcurrency=17)
    reserving = {
        name
        for name, one in stack.of_type("AWS::Lambda::Function").items()
        if "ReservedConcurrentExecutions" in one
    }
    assert reserving == {"WriteChunk"}


def test_functions_that_read_whole_objects_have_a_whole_vcpu_and_all_the_time_there_is(
    stack: Stack,
) -> None:
    for name in ("SplitFile", "WriteChunk"):
        assert stack.properties(name)["MemorySize"] >= 1769
        assert stack.properties(name)["Timeout"] == 900
