"""What a terminal may be sent."""

# Names of objects and texts of rows come from whoever uploads. A terminal obeys what these begin.
_CONTROLS = {code: 0x2400 + code for code in range(32) if chr(code) not in "\t\n"}
_CONTROLS |= {0x7F: 0x2421} | dict.fromkeys(range(0x80, 0xA0), 0xFFFD)


def sanitize(text: str) -> str:
    """The text with pictures in place of control characters, but for line ends and tabs."""
    return text.translate(_CONTROLS)
