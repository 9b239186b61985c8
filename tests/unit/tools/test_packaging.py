import hashlib
import io
import json
import os
import zipfile
from pathlib import Path

import pytest

from tickets.local.packaging import PackagingError, package, zip_code

TEMPLATE = """
Globals:
  Function:
    CodeUri: functions/
Resources:
  Shared: {Type: AWS::Serverless::Function, Properties: {Role: !GetAtt R.Arn}}
  Own: {Type: AWS::Serverless::Function, Properties: {CodeUri: functions}}
  Elsewhere: {Type: AWS::Serverless::Function, Properties: {CodeUri: s3://bucket/key}}
  Machine:
    Type: AWS::Serverless::StateMachine
    Properties: {DefinitionUri: machine.asl.json}
  R: {Type: AWS::IAM::Role, Properties: {Policy: {Version: 2012-10-17, X: !Sub "${A}-b"}}}
"""


class Uploads:
    """Stands in for the S3 client: keeps what is put."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}

    def put_object(self, Bucket: str, Key: str, Body: bytes) -> None:
        assert Bucket == "artifacts"
        self.objects[Key] = Body


@pytest.fixture
def project(tmp_path: Path) -> Path:
    code = tmp_path / "functions"
    (code / "handlers" / "__pycache__").mkdir(parents=True)
    (code / "handlers" / "b.py").write_text("b = 1")
    (code / "a.py").write_text("a = 1")
    (code / "requirements.txt").write_text("")
    (code / "notes.md").write_text("stays here")
    (code / "handlers" / "__pycache__" / "b.py").write_text("stays here")
    (tmp_path / "machine.asl.json").write_text('{"N": ${N}}')
    (tmp_path / "template.yaml").write_text(TEMPLATE)
    return tmp_path


def test_the_zip_holds_code_only_and_depends_on_nothing_but_its_content(project: Path) -> None:
    first = zip_code(project / "functions")
    names = zipfile.ZipFile(io.BytesIO(first)).namelist()
    assert names == ["a.py", "handlers/b.py", "requirements.txt"]
    os.utime(project / "functions" / "a.py", (1, 1))
    (project / "functions" / "a.py").chmod(0o600)
    assert zip_code(project / "functions") == first
    (project / "functions" / "a.py").write_text("a = 2")
    assert zip_code(project / "functions") != first


def test_local_files_become_objects_named_by_their_content(project: Path) -> None:
    s3 = Uploads()
    template = json.loads(package(project / "template.yaml", s3, "artifacts"))
    code = template["Globals"]["Function"]["CodeUri"]
    body = zip_code(project / "functions")
    assert code == {
        "Bucket": "artifacts",
        "Key": f"functions/{hashlib.sha256(body).hexdigest()}.zip",
    }
    resources = template["Resources"]
    assert resources["Own"]["Properties"]["CodeUri"] == code
    assert resources["Elsewhere"]["Properties"]["CodeUri"] == "s3://bucket/key"
    definition = resources["Machine"]["Properties"]["DefinitionUri"]
    assert s3.objects == {code["Key"]: body, definition["Key"]: b'{"N": ${N}}'}
    assert definition["Key"].endswith(".asl.json")


def test_intrinsics_and_dates_survive(project: Path) -> None:
    template = json.loads(package(project / "template.yaml", Uploads(), "artifacts"))
    assert template["Resources"]["Shared"]["Properties"]["Role"] == {"Fn::GetAtt": ["R", "Arn"]}
    policy = template["Resources"]["R"]["Properties"]["Policy"]
    assert policy == {"Version": "2012-10-17", "X": {"Fn::Sub": "${A}-b"}}


@pytest.mark.parametrize(
    ("template", "complaint"),
    [
        ("Resources: {F: {Type: AWS::Serverless::Function, Properties: {CodeUri: no/}}}", "no/"),
        ("Resources: {F: {Type: AWS::Serverless::Function, Properties: {CodeUri: .}}}", "no code"),
        ("Resources: [", "not valid YAML"),
        ("Parameters: {}", "no Resources"),
    ],
)
def test_what_cannot_be_packaged_is_named(tmp_path: Path, template: str, complaint: str) -> None:
    (tmp_path / "template.yaml").write_text(template)
    with pytest.raises(PackagingError, match=complaint):
        package(tmp_path / "template.yaml", Uploads(), "artifacts")


def test_an_absent_template_is_named(tmp_path: Path) -> None:
    with pytest.raises(PackagingError, match=r"template\.yaml can't be read"):
        package(tmp_path / "template.yaml", Uploads(), "artifacts")
