"""Checks the tables and buckets, and how they are encrypted and backed up."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ingestion.dynamodb.table_schema import Mismatch, TableSchema, read_table_schema
from ingestion.tasks.target_table import mismatches
from tickets.doctor.deployment import Deployment
from tickets.doctor.findings import UNDO, Verdict, failed, ok, unknown, verdict, warning
from tickets.runs.sources import find_sources

TABLE = "docs/operations.md#the-table"
_TABLES = "AWS::DynamoDB::Table"
_BUCKETS = "AWS::S3::Bucket"
_QUEUES = "AWS::SQS::Queue"


def table(deployment: Deployment) -> Verdict:
    """Whether the table exists, takes writes, has a key and indexes that the rows of every source
    fit, and has the indexes of the template if the stack created it."""
    name = deployment.stack.table
    schema = read_table_schema(deployment.client("dynamodb"), name)
    sources = find_sources()
    found = mismatches(name, schema, sources.built_in)
    if schema is None or (found and not sources.declared):
        return failed(_in_one_sentence(found), TABLE)
    for source in sources.declared:
        if problems := mismatches(name, schema, source):
            return failed(f"source {source.name}: {_in_one_sentence(problems)}", TABLE)
    if found:
        return warning(f"files of no declared source are refused: {_in_one_sentence(found)}", TABLE)
    # A table that the stack didn't create is expected to have none.
    expected = deployment.template.properties("Table").get("GlobalSecondaryIndexes", [])
    missing = ", ".join(_missing_indexes(schema, expected))
    if missing:
        return failed(f"{name} lacks the index {missing}, which `tickets query` reads", UNDO)
    key = ", ".join(schema.key_names)
    indexes = ", ".join(one.name for one in schema.indexes) or "none"
    return ok(f"{name} is {schema.status}; key: {key}; indexes: {indexes}")


def ledger(deployment: Deployment) -> Verdict:
    """Whether the ledger exists and has the key, the index and the time to live of the template."""
    name = deployment.stack.ledger_table
    dynamodb = deployment.client("dynamodb")
    schema = read_table_schema(dynamodb, name)
    if schema is None:
        return failed(f"there is no table {name}", UNDO)
    expected = deployment.template.properties("LedgerTable")
    problems = []
    if schema.status not in ("ACTIVE", "UPDATING"):
        problems.append(f"its status is {schema.status}")
    if schema.key_names != _names(expected["KeySchema"]):
        problems.append(f"its key is {', '.join(schema.key_names)}")
    problems += [
        f"it lacks the index {index}, which `tickets loads` reads"
        for index in _missing_indexes(schema, expected["GlobalSecondaryIndexes"])
    ]
    if not deployment.is_local:  # the engine has no time to live
        attribute = expected["TimeToLiveSpecification"]["AttributeName"]
        found = dynamodb.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
        if found.get("AttributeName") != attribute:
            problems.append(f"items don't expire by {attribute}")
    good = f"{name} is {schema.status}, with its key and its index"
    return verdict(problems, good, UNDO)


def backups(deployment: Deployment) -> Verdict:
    """Whether the stack's tables have point-in-time recovery, and the upload bucket keeps versions,
    which loads read."""
    bucket = deployment.stack.upload_bucket
    versioning = deployment.client("s3").get_bucket_versioning(Bucket=bucket)
    if versioning.get("Status") != "Enabled":
        # The template switches them on in a bucket that the stack creates.
        existing = deployment.template.parameter("ExistingUploadBucket")
        report = warning if existing else failed
        return report(
            f"{bucket} keeps no versions, so a file that is replaced while it waits isn't loaded",
            f"aws s3api put-bucket-versioning --bucket {bucket} "
            "--versioning-configuration Status=Enabled",
        )
    if deployment.is_local:
        return unknown(f"{bucket} keeps versions; the engine ignores point-in-time recovery")
    dynamodb = deployment.client("dynamodb")
    names = [deployment.template.physical(one) for one in deployment.template.names_of(_TABLES)]
    for name in names:
        found = dynamodb.describe_continuous_backups(TableName=name)
        recovery = found["ContinuousBackupsDescription"].get("PointInTimeRecoveryDescription", {})
        if recovery.get("PointInTimeRecoveryStatus") != "ENABLED":
            return failed(
                f"{name} has no point-in-time recovery",
                f"aws dynamodb update-continuous-backups --table-name {name} "
                "--point-in-time-recovery-specification PointInTimeRecoveryEnabled=true",
            )
    return ok(f"{bucket} keeps versions, and {len(names)} tables have point-in-time recovery")


def encryption(deployment: Deployment) -> Verdict:
    """Whether the stack's tables, buckets and queues are encrypted with the keys of the template,
    and its own key can be used."""
    if deployment.is_local:
        return unknown("the engine encrypts nothing")
    template = deployment.template
    problems = []
    if template.parameter("EmbeddedEngine") == "true":
        problems.append("EmbeddedEngine is true, so buckets and queues accept requests without TLS")
    customer_key = template.names_of("AWS::KMS::Key")
    for name in customer_key:
        found = deployment.client("kms").describe_key(KeyId=template.physical(name))["KeyMetadata"]
        if found["KeyState"] != "Enabled":
            problems.append(f"the stack's key is {found['KeyState']}")
    for name in template.names_of(_TABLES):
        problems += _table_problems(deployment, name)
    for name in template.names_of(_BUCKETS):
        problems += _bucket_problems(deployment, name)
    for name in template.names_of(_QUEUES):
        problems += _queue_problems(deployment, name)
    whose = "the stack's key" if customer_key else "keys of AWS"
    good = f"tables, buckets and queues are encrypted with {whose}"
    return verdict(problems, good, UNDO)


def _table_problems(deployment: Deployment, name: str) -> Iterator[str]:
    expected = deployment.template.properties(name)["SSESpecification"]
    physical = deployment.template.physical(name)
    answer = deployment.client("dynamodb").describe_table(TableName=physical)
    found = answer["Table"].get("SSEDescription", {})
    if found.get("Status") not in ("ENABLED", "UPDATING") or found.get("SSEType") != "KMS":
        yield f"{physical} isn't encrypted with KMS"
    elif expected.get("KMSMasterKeyId") not in (None, found.get("KMSMasterKeyArn")):
        yield f"{physical} is encrypted with another key"


def _bucket_problems(deployment: Deployment, name: str) -> Iterator[str]:
    [rule] = deployment.template.properties(name)["BucketEncryption"][
        "ServerSideEncryptionConfiguration"
    ]
    expected = rule["ServerSideEncryptionByDefault"]
    physical = deployment.template.physical(name)
    answer = deployment.client("s3").get_bucket_encryption(Bucket=physical)
    rules = answer["ServerSideEncryptionConfiguration"]["Rules"]
    found: Mapping[str, Any] = rules[0].get("ApplyServerSideEncryptionByDefault", {})
    if any(found.get(setting) != value for setting, value in expected.items()):
        yield f"{physical} isn't encrypted as template.yaml says"


def _queue_problems(deployment: Deployment, name: str) -> Iterator[str]:
    expected = deployment.template.properties(name)
    url = deployment.template.physical(name)
    names = ["SqsManagedSseEnabled", "KmsMasterKeyId"]
    answer = deployment.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=names)
    found = answer.get("Attributes", {})
    wanted = expected.get("KmsMasterKeyId")
    if wanted:
        if found.get("KmsMasterKeyId") != wanted:
            yield f"{name} isn't encrypted with the stack's key"
    elif found.get("SqsManagedSseEnabled") != "true":
        yield f"{name} isn't encrypted"


def _in_one_sentence(found: Sequence[Mismatch]) -> str:
    return "; ".join(one.detail.rstrip(".") for one in found)


def _missing_indexes(schema: TableSchema, expected: Sequence[Mapping[str, Any]]) -> list[str]:
    """The names of the expected indexes that the table lacks, or has with another key."""
    found = {one.name: tuple(part.name for part in one.key) for one in schema.indexes}
    return [
        one["IndexName"]
        for one in expected
        if found.get(one["IndexName"]) != _names(one["KeySchema"])
    ]


def _names(key_schema: list[dict[str, str]]) -> tuple[str, ...]:
    return tuple(one["AttributeName"] for one in key_schema)
