"""Makes shared libraries without code: an ELF header, and what the loader reads first."""

import struct
from collections.abc import Sequence

AARCH64, X86_64 = 183, 62
_TYPE_DYNAMIC, _TYPE_STRINGS, _TYPE_VERSIONS = 6, 3, 0x6FFFFFFE
_NEEDED, _RPATH, _RUNPATH = 1, 15, 29
_HEADER, _SECTION, _SEGMENT = 64, 64, 56  # sizes in bytes


def elf_file(
    machine: int = AARCH64,
    needed: Sequence[str] = ("libc.so.6",),
    versions: Sequence[str] = ("GLIBC_2.17",),
    rpath: str = "",
    runpath: str = "",
    has_sections: bool = True,
) -> bytes:
    """Returns a 64-bit, little-endian shared library.

    needed: the libraries that it needs.
    versions: the symbol versions that it needs of libc.so.6.
    has_sections: False leaves out the section headers, as `strip --strip-section-headers` does.
    """
    strings = bytearray(b"\0")

    def text(value: str) -> int:
        strings.extend(value.encode() + b"\0")
        return len(strings) - len(value) - 1

    tags = [(_NEEDED, text(name)) for name in needed]
    tags += [(tag, text(path)) for tag, path in ((_RPATH, rpath), (_RUNPATH, runpath)) if path]
    dynamic = b"".join(struct.pack("<QQ", *tag) for tag in [*tags, (0, 0)])
    # One Verneed record for libc.so.6, followed by a Vernaux record per version.
    verneed = struct.pack("<HHIII", 1, len(versions), text("libc.so.6"), 16, 0)
    for number, name in enumerate(versions, 1):
        is_last = number == len(versions)
        verneed += struct.pack("<IHHII", 0, 0, number + 1, text(name), 0 if is_last else 16)
    names = text(".dynstr"), text(".dynamic"), text(".gnu.version_r")

    parts = bytes(strings), dynamic, verneed
    offsets = [_HEADER + _SEGMENT + sum(map(len, parts[:number])) for number in range(4)]
    types = _TYPE_STRINGS, _TYPE_DYNAMIC, _TYPE_VERSIONS
    infos, sizes = (0, 0, 1), (0, 16, 0)
    sections = [bytes(_SECTION)]
    for number in range(3):
        link = 0 if number == 0 else 1  # the strings of the other two are in the first
        place = 0, 0, offsets[number], len(parts[number]), link, infos[number]
        sections.append(
            struct.pack("<IIQQQQIIQQ", names[number], types[number], *place, 1, sizes[number])
        )
    segment = struct.pack("<IIQQQQQQ", 2, 4, offsets[1], 0, 0, len(dynamic), len(dynamic), 8)
    count = len(sections) if has_sections else 0
    header = b"\x7fELF" + bytes([2, 1, 1]) + bytes(9)
    header += struct.pack("<HHIQQQI", 3, machine, 1, 0, _HEADER, offsets[3] if count else 0, 0)
    header += struct.pack("<HHHHHH", _HEADER, _SEGMENT, 1, _SECTION, count, 1 if count else 0)
    return header + segment + b"".join(parts) + b"".join(sections[:count])
