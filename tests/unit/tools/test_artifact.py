"""Faults planted in a build, each of them found. The build that SAM makes is looked into by
`make sam-validate` and `make build`."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.elf_files import X86_64, elf_file
from tools import artifact
from tools.artifact import ArtifactError

TEMPLATE = """
Globals:
  Function: {CodeUri: functions/, Architectures: [arm64]}
Resources:
  One: {Type: "AWS::Serverless::Function"}
  Two: {Type: "AWS::Serverless::Function"}
  Bucket: {Type: "AWS::S3::Bucket"}
"""


def put(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)


def distribution(folder: Path, name: str, files: dict[str, bytes], needs: str = "") -> None:
    about = f"{name}-1.0.dist-info"
    for path, content in files.items():
        put(folder / path, content)
    put(folder / about / "METADATA", f"Name: {name}\n{needs}")
    listed = [*files, f"{about}/METADATA", f"{about}/RECORD"]
    put(folder / about / "RECORD", "".join(f"{one},,\n" for one in listed))


@pytest.fixture
def template(tmp_path: Path) -> Path:
    """A template, its code, and a build of it without a fault."""
    put(tmp_path / "template.yaml", TEMPLATE)
    sources = {"handlers/a.py": "a = 1\n", "requirements.txt": "# ours\nfast_thing==1.0\n"}
    put(tmp_path / "functions/handlers/__pycache__/a.pyc", b"compiled")
    put(tmp_path / "functions/notes.md", "not shipped")
    for name, text in sources.items():
        put(tmp_path / "functions" / name, text)
    for function in ("One", "Two"):
        folder = tmp_path / "build" / function
        for name, text in sources.items():
            put(folder / name, text)
        needs = "Requires-Dist: Helper>=1\nRequires-Dist: redis; extra == 'redis'\n"
        distribution(folder, "fast_thing", {"fast/_native.so": elf_file()}, needs)
        distribution(folder, "helper", {"helper.py": b"h = 1\n"})
    return tmp_path / "template.yaml"


def test_a_build_without_a_fault_passes_and_its_size_is_said(template: Path) -> None:
    said = artifact.check(template.parent / "build", template)
    assert said.startswith("Checked 2 functions, arm64: the largest has 0.0 MB unpacked")


@pytest.mark.parametrize(
    ("fault", "found"),
    [
        (
            lambda f: put(f / "handlers/__pycache__/a.pyc", b""),
            "handlers/__pycache__/a.pyc is never needed",
        ),
        (lambda f: put(f / "tests/test_a.py", ""), "tests/test_a.py is neither a source file nor"),
        (lambda f: put(f / "handlers/b.py", ""), "handlers/b.py is neither a source file nor"),
        (lambda f: put(f / "week-47.csv", "T1"), "week-47.csv is never needed"),
        (lambda f: put(f / "handlers/a.py", "a = 2"), "handlers/a.py differs from its source"),
        (lambda f: (f / "handlers/a.py").unlink(), "handlers/a.py is missing"),
        (
            lambda f: put(f / "fast/_native.so", elf_file(X86_64)),
            "fast/_native.so is not built for arm64",
        ),
        (
            lambda f: put(f / "fast/_native.so", elf_file(needed=["libcurl.so.4"])),
            "fast/_native.so needs libcurl.so.4, which is neither bundled nor part of the runtime",
        ),
        (
            lambda f: distribution(f, "pandas", {"pandas/tests/test_x.py": b""}),
            "the distribution pandas is not required",
        ),
        (lambda f: distribution(f, "redis", {"redis.py": b""}), "redis is not required"),
        (
            lambda f: distribution(f, "helper", {"tests/test_helper.py": b""}),
            "tests/test_helper.py is never needed",
        ),
        (
            lambda f: (f / "helper-1.0.dist-info").rename(f / "gone"),
            "the distribution helper is missing",
        ),
    ],
)
def test_a_planted_fault_is_found(
    template: Path, fault: Callable[[Path], object], found: str
) -> None:
    fault(template.parent / "build/Two")
    with pytest.raises(ArtifactError) as raised:
        artifact.check(template.parent / "build", template)
    assert f"Two: {found}" in str(raised.value) or f"Two: the distribution {found}" in str(
        raised.value
    )
    assert "One: " not in str(raised.value)


@pytest.mark.parametrize("bound", ["MAX_UNPACKED", "MAX_ZIPPED"])
def test_a_function_that_has_grown_is_found(
    template: Path, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    monkeypatch.setattr(artifact, bound, 200)
    with pytest.raises(ArtifactError, match=r"One: .* is too large"):
        artifact.check(template.parent / "build", template)


def test_a_function_that_was_not_built_is_found(template: Path) -> None:
    (template.parent / "build/Two").rename(template.parent / "elsewhere")
    with pytest.raises(ArtifactError, match="run `make build`"):
        artifact.check(template.parent / "build", template)
