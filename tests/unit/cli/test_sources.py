"""What `tickets ingest` loads: the keys of uploads, and addresses of objects."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import assert_sentence, lines, tickets
from tickets.errors import CommandError
from tickets.runs.ingest import LocalFile, StoredObject, local_file, read_sources, stored_object
from tickets.runs.stack import Stack

pytestmark = pytest.mark.usefixtures("alone")


@pytest.fixture(autouse=True)
def files(alone: None) -> None:
    for name in ("a/day.csv", "b/day.csv", "a/b/x.CSV", "a/notes.txt", "a/day", "day.csv.gz"):
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")


@pytest.mark.parametrize(
    ("path", "options", "key"),
    [
        ("a/day.csv", {}, "day.csv"),
        ("a/day.csv", {"keep_path": True}, "a/day.csv"),
        ("./a/b/../b/x.CSV", {}, "x.CSV"),
        ("./a/b/x.CSV", {"keep_path": True}, "a/b/x.CSV"),
        ("a/notes.txt", {"keep_path": True}, "a/notes.txt.csv"),
        ("day.csv.gz", {"prefix": "shops/lyon"}, "shops/lyon/day.csv.gz"),
        ("a/day.csv", {"prefix": "/shops/"}, "shops/day.csv"),
        ("a/day.csv", {"prefix": "shops", "keep_path": True}, "shops/a/day.csv"),
        ("a/day.csv", {"key": "z/other.csv"}, "z/other.csv"),
    ],
)
def test_the_key_of_an_upload(path: str, options: dict[str, Any], key: str) -> None:
    assert local_file(Path(path), **options).key == key


@pytest.mark.parametrize("path", ["a/../a/day.csv", "../{here}/a/day.csv", "{absolute}/a/day.csv"])
def test_a_path_that_leads_out_of_the_current_folder_is_not_kept(path: str) -> None:
    path = path.format(here=Path().resolve().name, absolute=Path().resolve())
    with pytest.raises(CommandError, match="--keep-path needs a path below the current folder"):
        local_file(Path(path), keep_path=True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["a/day.csv", "b/day.csv"], "a/day.csv and b/day.csv have the same key, day.csv"),
        (["a/day.csv", "a/day"], "the same key, day.csv"),
        (["a/day.csv", "b/day.csv", "--prefix", "x"], "the same key, x/day.csv"),
        (["a/day.csv", "a/day", "--keep-path"], "the same key, a/day.csv"),
        (["a/day.csv", "./a/day.csv"], "a/day.csv is named twice"),
        (["day.csv.gz", "missing.csv"], "missing.csv does not exist"),
        (["a/day.csv", "--prefix", "/"], "--prefix is empty"),
        (["a/day.csv", "--key", "a.csv", "--prefix", "x"], "--key is the whole key"),
        (["a/day.csv", "--key", "a.csv", "--keep-path"], "--key is the whole key"),
        (["s3://b/a.csv", "--prefix", "x"], "are for uploads"),
    ],
)
def test_nothing_is_uploaded_if_anything_is_wrong(
    stack: Stack, arguments: list[str], words: str
) -> None:
    count = len(versions(stack))
    assert_sentence(tickets("ingest", *arguments), words)
    assert len(versions(stack)) == count


def versions(stack: Stack) -> list[object]:
    answer = stack.client("s3").list_object_versions(Bucket="uploads")
    return list(answer.get("Versions", []))


def test_files_of_one_name_are_uploaded_under_their_paths(stack: Stack) -> None:
    arguments = ["a/day.csv", "b/day.csv", "--keep-path", "--prefix", "shops"]
    assert len(lines(tickets("ingest", *arguments, "--json"))) == 2
    for key in ("shops/a/day.csv", "shops/b/day.csv"):
        assert stack.client("s3").head_object(Bucket="uploads", Key=key)["ContentLength"] == 1


@pytest.mark.parametrize(
    ("address", "key", "version_id"),
    [
        ("s3://b/q.csv", "q.csv", None),
        ("s3://b/q.csv?versionId=v1", "q.csv", "v1"),
        ("s3://b/q.csv?versionId=", "q.csv", None),
        ("s3://b/q.csv?versionId=null", "q.csv", "null"),
        ("s3://b/q?versionId=x.csv", "q?versionId=x.csv", None),
        ("s3://b/q?versionId=x.csv.gz", "q?versionId=x.csv.gz", None),
        ("s3://b/q?versionId=x.csv?versionId=v1", "q?versionId=x.csv", "v1"),
        ("s3://b/q?versionId=1/day.txt", "q?versionId=1/day.txt", None),
        ("s3://b/q?versionId=x.txt?versionId=", "q?versionId=x.txt", None),
        ("s3://b/q?version=x.csv", "q?version=x.csv", None),
    ],
)
def test_a_key_may_look_like_an_address_with_a_version(
    address: str, key: str, version_id: str | None
) -> None:
    assert stored_object(address) == StoredObject("b", key, version_id)


def test_one_object_may_be_loaded_in_several_versions() -> None:
    sources = ["s3://b/a.csv?versionId=v1", "s3://b/a.csv?versionId=v2", "a/day.csv"]
    assert read_sources(sources) == [
        StoredObject("b", "a.csv", "v1"),
        StoredObject("b", "a.csv", "v2"),
        LocalFile(Path("a/day.csv"), "day.csv"),
    ]
