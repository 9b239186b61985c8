"""Checks the machine code of a build: that Lambda's runtime can load each ELF file.

Sources: the ELF specification and the "Linux Standard Base Core Specification", which describes
symbol versions. docs.aws.amazon.com says that the runtime of Python 3.13 is based on Amazon Linux
2023, which has glibc 2.34.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from elftools.common.exceptions import ELFError
from elftools.elf.dynamic import DynamicSection
from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerNeedSection

# The e_machine of an ELF file for each of Lambda's architectures.
MACHINES = {"arm64": "EM_AARCH64", "x86_64": "EM_X86_64"}
MAX_GLIBC = (2, 34)
# The libraries of the runtime that a build may use: glibc's and zlib.
OF_THE_RUNTIME = {
    *("ld-linux-aarch64.so.1", "ld-linux-x86-64.so.2"),
    *("libc.so.6", "libdl.so.2", "libm.so.6", "libpthread.so.0"),
    *("libresolv.so.2", "librt.so.1", "libutil.so.1", "libz.so.1"),
}


def is_elf(path: Path) -> bool:
    """Whether the file is a program or a library in machine code."""
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def problems(path: Path, architecture: str) -> list[str]:
    """Returns what would keep the runtime from loading this ELF file: another architecture, symbols
    of a newer glibc, or a library that is neither found on the file's own search path nor part of
    the runtime."""
    try:
        with path.open("rb") as file:
            elf = ELFFile(file)
            return [*_machine(elf, architecture), *_versions(elf), *_libraries(elf, path)]
    except ELFError as error:
        return [f"is not a readable ELF file: {error}"]


def _machine(elf: ELFFile, architecture: str) -> Iterator[str]:
    if elf["e_machine"] != MACHINES[architecture]:
        yield f"is not built for {architecture}"


def _versions(elf: ELFFile) -> Iterator[str]:
    """Of glibc's symbol versions, those after MAX_GLIBC and those that have no number, such as
    GLIBC_PRIVATE."""
    needed = {
        version.name
        for section in elf.iter_sections()
        if isinstance(section, GNUVerNeedSection)
        for _, versions in section.iter_versions()
        for version in versions
    }
    for name in sorted(name for name in needed if name.startswith("GLIBC_")):
        number = re.fullmatch(r"GLIBC_(\d+)\.(\d+)(\.\d+)?", name)
        if number is None or (int(number[1]), int(number[2])) > MAX_GLIBC:
            yield f"needs {name}, and the runtime has glibc {MAX_GLIBC[0]}.{MAX_GLIBC[1]}"


def _libraries(elf: ELFFile, path: Path) -> Iterator[str]:
    sections = [one for one in elf.iter_sections() if isinstance(one, DynamicSection)]
    if not sections and any(one["p_type"] == "PT_DYNAMIC" for one in elf.iter_segments()):
        yield "has no section headers, so that its libraries can't be checked"
    tags: list[Any] = [tag for section in sections for tag in section.iter_tags()]
    folders = [
        Path(folder.replace("$ORIGIN", str(path.parent)))
        for tag in tags
        if tag.entry.d_tag in ("DT_RPATH", "DT_RUNPATH")
        for folder in (tag.rpath if tag.entry.d_tag == "DT_RPATH" else tag.runpath).split(":")
    ]
    for tag in tags:
        if (
            tag.entry.d_tag == "DT_NEEDED"
            and tag.needed not in OF_THE_RUNTIME
            and not any((folder / tag.needed).is_file() for folder in folders)
        ):
            yield f"needs {tag.needed}, which is neither bundled nor part of the runtime"
