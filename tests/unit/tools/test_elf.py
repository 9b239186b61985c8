"""Faults planted in libraries, each of them found."""

from pathlib import Path
from typing import Any

import pytest

from tests.support.elf_files import X86_64, elf_file
from tools import elf


def problems(path: Path, content: bytes) -> list[str]:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return elf.problems(path, "arm64")


@pytest.mark.parametrize(
    "made",
    [
        {"needed": [], "versions": ["GLIBC_2.34"]},
        {"needed": ["libc.so.6", "libz.so.1", "ld-linux-aarch64.so.1"]},
        {"versions": ["GLIBC_2.4", "GLIBC_2.3.4", "GLIBC_2.9", "ZLIB_9.9"]},
        {"rpath": "/opt/none:$ORIGIN/../fast.libs", "needed": ["libbundled.so.1"]},
        {"runpath": "$ORIGIN/../fast.libs", "needed": ["libbundled.so.1"]},
    ],
)
def test_a_library_that_the_runtime_can_load_has_no_problem(tmp_path: Path, made: Any) -> None:
    (tmp_path / "fast.libs").mkdir()
    (tmp_path / "fast.libs" / "libbundled.so.1").write_bytes(elf_file())
    assert problems(tmp_path / "fast" / "_native.so", elf_file(**made)) == []


@pytest.mark.parametrize(
    ("made", "found"),
    [
        ({"machine": X86_64}, ["is not built for arm64"]),
        (
            {"versions": ["GLIBC_2.17", "GLIBC_2.38", "GLIBC_2.35"]},
            [
                "needs GLIBC_2.35, and the runtime has glibc 2.34",
                "needs GLIBC_2.38, and the runtime has glibc 2.34",
            ],
        ),
        ({"versions": ["GLIBC_3.0"]}, ["needs GLIBC_3.0, and the runtime has glibc 2.34"]),
        (
            {"versions": ["GLIBC_PRIVATE"]},
            ["needs GLIBC_PRIVATE, and the runtime has glibc 2.34"],
        ),
        (
            {"needed": ["libc.so.6", "libcurl.so.4"]},
            ["needs libcurl.so.4, which is neither bundled nor part of the runtime"],
        ),
        (
            {"needed": ["libelsewhere.so.1"], "rpath": "$ORIGIN/../fast.libs"},
            ["needs libelsewhere.so.1, which is neither bundled nor part of the runtime"],
        ),
        (
            {"needed": ["libcurl.so.4"], "has_sections": False},
            ["has no section headers, so that its libraries can't be checked"],
        ),
    ],
)
def test_a_library_that_the_runtime_cannot_load_is_found(
    tmp_path: Path, made: Any, found: list[str]
) -> None:
    # A library of that name exists, but not in a folder that the loader searches.
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "libelsewhere.so.1").write_bytes(elf_file())
    assert problems(tmp_path / "fast" / "_native.so", elf_file(**made)) == found


def test_a_damaged_library_is_found(tmp_path: Path) -> None:
    [found] = problems(tmp_path / "_native.so", elf_file()[:40])
    assert found.startswith("is not a readable ELF file: ")


def test_only_files_of_machine_code_are_taken_for_such(tmp_path: Path) -> None:
    for content, is_elf in [(elf_file(), True), (b"ELF of course", False), (b"", False)]:
        (tmp_path / "file").write_bytes(content)
        assert elf.is_elf(tmp_path / "file") is is_elf
