"""The pictures of docs/pictures, which `make screenshots` takes."""

import re
import struct

from tickets import ROOT

PICTURES = ROOT / "docs" / "pictures"
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAX_BYTES = 1_000_000


def test_the_readme_shows_each_of_them_and_says_what_it_shows() -> None:
    shown = {}
    for image in re.findall(r"<img [^>]*>", README):
        attributes = dict(re.findall(r'(\w+)="([^"]*)"', image))
        shown[attributes["src"]] = attributes.get("alt", "")
    for alt, source in re.findall(r"!\[([^\]]*)\]\(([^)]*)\)", README):
        shown[source] = alt
    for picture in PICTURES.iterdir():
        assert len(shown[f"docs/pictures/{picture.name}"]) > 40


def test_they_are_pictures_and_together_smaller_than_a_megabyte() -> None:
    contents = {path.name: path.read_bytes() for path in PICTURES.iterdir()}
    assert sorted(contents) == ["console.png", "demo.svg", "report-page.png"]
    assert sum(map(len, contents.values())) < MAX_BYTES
    assert b"@keyframes" in contents["demo.svg"]
    for name in ("console.png", "report-page.png"):
        assert contents[name].startswith(b"\x89PNG")
        width, height = struct.unpack(">II", contents[name][16:24])
        assert width >= 1000
        assert height >= 600
