"""Guarantees of the roles: each function and the state machine may do exactly this, and no more.

A new permission needs a new line in these tables, so that a person reviews it.
"""

import json
from fnmatch import fnmatchcase
from importlib.resources import files
from typing import Any

import pytest

from tests.support.deployed import ACCOUNT, REGION, Stack, as_list, deploy, statements
from tools import definition

UPLOADS = f"arn:aws:s3:::ticket-uploads-{ACCOUNT}-0a1b2c3d"
WORK = f"arn:aws:s3:::ticket-work-{ACCOUNT}-0a1b2c3d"
TABLE = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/Tickets"
LEDGER = f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/LedgerTable"
STATE_MACHINE = f"arn:aws:states:{REGION}:{ACCOUNT}:stateMachine:Ingest"
EXECUTIONS = f"arn:aws:states:{REGION}:{ACCOUNT}:execution:Ingest"
UPLOAD_QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:ticket-uploads-0a1b2c3d"
REPORT_PAGES_QUEUE = f"arn:aws:sqs:{REGION}:{ACCOUNT}:ticket-report-pages-0a1b2c3d"
NOT_STARTED = f"arn:aws:sqs:{REGION}:{ACCOUNT}:UploadDeadLetterQueue"
BUSES = f"arn:aws:events:{REGION}:{ACCOUNT}:event-bus"

Grants = set[tuple[str, str]]  # (action, resource)

READ_UPLOADS: Grants = {
    ("s3:GetObject", f"{UPLOADS}/*"),
    ("s3:GetObjectVersion", f"{UPLOADS}/*"),
    ("s3:ListBucket", UPLOADS),  # or S3 says 403 for an object that is not there
}
ORDER_VERSIONS: Grants = {("s3:ListBucketVersions", UPLOADS)}
FUNCTIONS: dict[str, Grants] = {
    "WriteReportPage": {
        ("sqs:ReceiveMessage", REPORT_PAGES_QUEUE),
        ("sqs:DeleteMessage", REPORT_PAGES_QUEUE),
        ("sqs:GetQueueAttributes", REPORT_PAGES_QUEUE),
        ("states:DescribeExecution", f"{EXECUTIONS}:*"),
        ("states:GetExecutionHistory", f"{EXECUTIONS}:*"),
        ("dynamodb:BatchGetItem", LEDGER),  # all executions of the load
        ("dynamodb:GetItem", LEDGER),
        ("dynamodb:PutItem", LEDGER),  # how a stopped execution ended
        ("dynamodb:Query", LEDGER),
        ("s3:GetObject", f"{WORK}/refused-rows/*"),
        ("s3:GetObject", f"{WORK}/equal-keys/*"),
        ("s3:GetObject", f"{WORK}/reports/*"),
        ("s3:PutObject", f"{WORK}/reports/*"),
        ("s3:ListBucket", WORK),  # or S3 says 403 for a report that has expired
    },
    "StartExecution": {
        ("states:StartExecution", STATE_MACHINE),
        # What Lambda needs to poll the queue (Developer Guide, Using Lambda with Amazon SQS).
        ("sqs:ReceiveMessage", UPLOAD_QUEUE),
        ("sqs:DeleteMessage", UPLOAD_QUEUE),
        ("sqs:GetQueueAttributes", UPLOAD_QUEUE),
        ("sqs:SendMessage", NOT_STARTED),
    },
    "ValidateFile": READ_UPLOADS
    | ORDER_VERSIONS
    | {
        ("dynamodb:DescribeTable", TABLE),
        ("dynamodb:GetItem", LEDGER),
        ("dynamodb:PutItem", LEDGER),  # the claim
        ("dynamodb:Query", LEDGER),  # the leases of the object's writers
        ("dynamodb:UpdateItem", LEDGER),
    },
    "SplitFile": READ_UPLOADS
    | {
        ("s3:GetObject", f"{WORK}/plans/*"),
        ("s3:PutObject", f"{WORK}/plans/*"),
        ("s3:GetObject", f"{WORK}/unpacked/*"),
        ("s3:PutObject", f"{WORK}/unpacked/*"),
        ("s3:AbortMultipartUpload", f"{WORK}/unpacked/*"),
        ("s3:ListBucket", WORK),
        ("dynamodb:UpdateItem", LEDGER),
    },
    "TakeTurn": ORDER_VERSIONS
    | {
        ("states:DescribeExecution", f"{EXECUTIONS}:*"),  # whether a slot's load still runs
        ("dynamodb:DeleteItem", LEDGER),  # a place in the line
        ("dynamodb:GetItem", LEDGER),
        ("dynamodb:PutItem", LEDGER),
        ("dynamodb:Query", LEDGER),
        ("dynamodb:UpdateItem", LEDGER),
    },
    "WriteChunk": READ_UPLOADS
    | {
        ("dynamodb:DescribeTable", TABLE),
        ("dynamodb:BatchWriteItem", TABLE),
        ("s3:GetObject", f"{WORK}/unpacked/*"),
        ("s3:GetObject", f"{WORK}/refused-rows/*"),  # those of the chunk's earlier rounds
        ("s3:PutObject", f"{WORK}/refused-rows/*"),
        ("s3:PutObject", f"{WORK}/digests/*"),
        ("s3:AbortMultipartUpload", f"{WORK}/digests/*"),
        ("dynamodb:GetItem", LEDGER),
        ("dynamodb:PutItem", LEDGER),
        ("dynamodb:DeleteItem", LEDGER),  # a lease that is given back
        ("dynamodb:Query", LEDGER),  # whether another chunk's rows were accepted
    },
    "SettleEqualKeys": READ_UPLOADS
    | {
        ("s3:ListBucket", WORK),
        ("s3:GetObject", f"{WORK}/plans/*"),
        ("s3:GetObject", f"{WORK}/unpacked/*"),
        ("s3:GetObject", f"{WORK}/refused-rows/*"),
        *(
            (f"s3:{action}", f"{WORK}/{prefix}/*")
            for action in ("GetObject", "PutObject", "AbortMultipartUpload")
            for prefix in ("digests", "equal-keys")
        ),
        ("dynamodb:DescribeTable", TABLE),
        ("dynamodb:BatchWriteItem", TABLE),  # the rows that win
        ("dynamodb:GetItem", LEDGER),
        ("dynamodb:PutItem", LEDGER),
        ("dynamodb:DeleteItem", LEDGER),
        ("dynamodb:Query", LEDGER),
    },
    "Reconcile": {
        ("s3:GetObject", f"{WORK}/refused-rows/*"),
        ("s3:PutObject", f"{WORK}/refused-rows/*"),
        ("s3:AbortMultipartUpload", f"{WORK}/refused-rows/*"),
        ("s3:GetObject", f"{WORK}/equal-keys/*"),
        ("s3:PutObject", f"{WORK}/reports/*"),
        ("dynamodb:DescribeTable", TABLE),
        ("dynamodb:GetItem", LEDGER),
        ("dynamodb:Query", LEDGER),
        ("dynamodb:UpdateItem", LEDGER),
        ("dynamodb:DeleteItem", LEDGER),  # the load's slot
    },
}

BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
TRACING = "arn:aws:iam::aws:policy/AWSXrayWriteOnlyAccess"
# SAM attaches these for logs and traces. docs/security.md lists them.
MANAGED_POLICIES = {
    "StartExecutionRole": {BASIC, TRACING},
    "ValidateFileRole": {BASIC, TRACING},
    "SplitFileRole": {BASIC, TRACING},
    "TakeTurnRole": {BASIC, TRACING},
    "WriteChunkRole": {BASIC, TRACING},
    "SettleEqualKeysRole": {BASIC, TRACING},
    "ReconcileRole": {BASIC, TRACING},
    "WriteReportPageRole": {BASIC, TRACING},
    "IngestRole": {TRACING},
}

# Delivery of the state machine's log. None of these actions has a resource type to name.
WITHOUT_RESOURCE_TYPE = {
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
}


def grants(stack: Stack, role: str) -> Grants:
    """Every (action, resource) that the role allows."""
    return {
        (action, resource)
        for statement in statements(stack, role)
        for action in as_list(statement["Action"])
        for resource in as_list(statement["Resource"])
    }


def all_statements(stack: Stack) -> list[tuple[str, dict[str, Any]]]:
    return [
        (role, one) for role in stack.of_type("AWS::IAM::Role") for one in statements(stack, role)
    ]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_may_do_exactly_this(stack: Stack, function: str) -> None:
    assert grants(stack, f"{function}Role") == FUNCTIONS[function]


def called_by_the_definition(stack: Stack) -> Grants:
    """What the state machine needs, told from its definition."""
    substitutions = stack.properties("Ingest")["DefinitionSubstitutions"]
    machine = definition.load(substitutions)
    queues = {stack.ref(name): stack.arn(name) for name in stack.of_type("AWS::SQS::Queue")}
    found: Grants = set()

    def walk(states: dict[str, Any]) -> None:
        for state in states.values():
            if state["Type"] == "Map":
                prefix = f"{state['ResultWriter']['Parameters']['Prefix']}/*"
                bucket = f"arn:aws:s3:::{state['ResultWriter']['Parameters']['Bucket']}"
                found.update(
                    (f"s3:{action}", f"{bucket}/{prefix}")
                    for action in (
                        "GetObject",
                        "PutObject",
                        "ListMultipartUploadParts",
                        "AbortMultipartUpload",
                    )
                )
                # The plan is where split_file may write it.
                found.add(("s3:GetObject", f"{WORK}/plans/*"))
                found.update(
                    {
                        ("states:StartExecution", STATE_MACHINE),
                        ("states:DescribeExecution", f"{EXECUTIONS}:*"),
                        ("states:StopExecution", f"{EXECUTIONS}:*"),
                        ("states:RedriveExecution", f"{EXECUTIONS}/{state['Label']}:*"),
                    }
                )
                walk(state["ItemProcessor"]["States"])
            elif state["Type"] == "Task":
                if state["Resource"].endswith(":states:::lambda:invoke"):
                    found.add(("lambda:InvokeFunction", state["Parameters"]["FunctionName"]))
                elif state["Resource"].endswith(":states:::sqs:sendMessage"):
                    found.add(("sqs:SendMessage", queues[state["Parameters"]["QueueUrl"]]))
                elif state["Resource"].endswith(":states:::events:putEvents"):
                    buses = {one["EventBusName"] for one in state["Parameters"]["Entries"]}
                    found.update(("events:PutEvents", f"{BUSES}/{bus}") for bus in buses)
                else:
                    pytest.fail(f"Say here what {state['Resource']} needs.")

    walk(machine["States"])
    return found


def test_the_state_machine_may_do_what_its_definition_calls_and_no_more(stack: Stack) -> None:
    logs = {(action, "*") for action in WITHOUT_RESOURCE_TYPE}
    assert grants(stack, "IngestRole") == called_by_the_definition(stack) | logs


def test_every_function_and_the_state_machine_has_a_role_of_its_own(stack: Stack) -> None:
    roles = {
        **{n: one["Role"] for n, one in stack.of_type("AWS::Lambda::Function").items()},
        **{
            n: one["RoleArn"]
            for n, one in stack.of_type("AWS::StepFunctions::StateMachine").items()
        },
    }
    assert roles == {name: stack.arn(f"{name}Role") for name in roles}
    assert sorted(stack.of_type("AWS::IAM::Role")) == sorted(f"{name}Role" for name in roles)
    assert roles.keys() == {*FUNCTIONS, "Ingest"}


def test_a_role_can_be_assumed_only_by_the_service_that_runs_it(stack: Stack) -> None:
    for name, role in stack.of_type("AWS::IAM::Role").items():
        service = "states" if name == "IngestRole" else "lambda"
        [statement] = role["AssumeRolePolicyDocument"]["Statement"]
        assert as_list(statement["Action"]) == ["sts:AssumeRole"]
        assert statement["Principal"] == {"Service": [f"{service}.amazonaws.com"]}


def test_roles_use_only_the_accepted_managed_policies(stack: Stack) -> None:
    used = {
        name: set(role.get("ManagedPolicyArns", []))
        for name, role in stack.of_type("AWS::IAM::Role").items()
    }
    assert used == MANAGED_POLICIES
    assert not stack.of_type("AWS::IAM::ManagedPolicy")


def test_policies_are_attached_to_roles_of_the_stack_only(stack: Stack) -> None:
    for policy in stack.of_type("AWS::IAM::Policy").values():
        assert set(policy["Roles"]) <= MANAGED_POLICIES.keys()
        assert not policy.get("Users")
        assert not policy.get("Groups")


def test_no_action_is_a_wildcard(stack: Stack) -> None:
    for role, statement in all_statements(stack):
        assert "NotAction" not in statement, role
        for action in as_list(statement["Action"]):
            assert "*" not in action, f"{role} allows {action}"
            assert "?" not in action, f"{role} allows {action}"


def test_every_statement_allows_and_says_what_for(stack: Stack) -> None:
    for role, statement in all_statements(stack):
        assert statement["Effect"] == "Allow", role
        assert statement["Sid"], role


def test_resource_star_is_only_for_the_listed_actions_without_a_resource_type(
    stack: Stack,
) -> None:
    for role, statement in all_statements(stack):
        assert "NotResource" not in statement, role
        for resource in as_list(statement["Resource"]):
            if fnmatchcase("arn:aws:service:region:account:anything", resource):
                assert set(as_list(statement["Action"])) <= WITHOUT_RESOURCE_TYPE, role


def test_resources_are_named_down_to_the_bucket_table_queue_function_or_state_machine(
    stack: Stack,
) -> None:
    """A wildcard stands only at the end: all objects below a prefix, all executions."""
    for role, statement in all_statements(stack):
        for resource in as_list(statement["Resource"]):
            if resource != "*":
                assert "*" not in resource.removesuffix("*"), f"{role}: {resource}"
                assert resource.count(":") >= 5, f"{role}: {resource}"
                assert not resource.endswith(":::*"), f"{role}: {resource}"


def known_actions() -> dict[str, dict[str, Any]]:
    """AWS's list of actions and their resource types, as cfn-lint ships it: {"s3:getobject": {}}"""
    path = files("cfnlint").joinpath("data/AdditionalSpecs/Policies.json")
    services = json.loads(path.read_text(encoding="utf-8"))
    return {
        f"{service}:{action}".lower(): about
        for service, one in services.items()
        for action, about in one["Actions"].items()
    }


def test_the_listed_actions_have_no_resource_type() -> None:
    known = known_actions()
    assert known["s3:getobject"]["Resources"]  # the list would say if there were one
    for action in WITHOUT_RESOURCE_TYPE:
        assert not known[action.lower()].get("Resources"), action


def test_every_action_exists(stack: Stack) -> None:
    known = known_actions()
    for role, statement in all_statements(stack):
        for action in as_list(statement["Action"]):
            assert action.lower() in known, f"{role}: AWS has no {action}"


def test_no_arn_is_bound_to_one_partition() -> None:
    """The stack also deploys where ARNs begin with arn:aws-us-gov or arn:aws-cn."""
    gov = deploy({"AWS::Partition": "aws-us-gov"})
    for role, statement in all_statements(gov):
        for resource in as_list(statement["Resource"]):
            assert not resource.startswith("arn:aws:"), f"{role}: {resource}"
    substitutions = gov.properties("Ingest")["DefinitionSubstitutions"]
    assert '"arn:aws:' not in json.dumps(definition.load(substitutions))
    assert "arn:aws:" not in json.dumps(gov.of_type("AWS::SQS::QueuePolicy"))
