"""Text of any origin as text that can be printed, and sent: names on disks and in databases are whatever they are.

Owns how odd bytes and controls are escaped, and where what is long is cut. Refuses to know what is said.
"""

LONGEST_TEXT = 4_096
"""Bytes in UTF-8; more than any shown path has."""


def printable(text: str) -> str:
    """What is not printable escaped, bytes that were no text (surrogates, in Python's names) as bytes."""
    return text if text.isprintable() else "".join(map(_escaped, text))


def shown_text(text: str) -> str:
    """The same, with the middle cut if it is long."""
    shown, half = printable(text), LONGEST_TEXT // 2
    raw = shown.encode()
    if len(raw) <= LONGEST_TEXT:
        return shown
    return "…".join(part.decode("utf-8", "ignore") for part in (raw[:half], raw[-half:]))


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    odd = "\udc80" <= character <= "\udcff"
    return f"\\x{ord(character) - 0xDC00:02x}" if odd else ascii(character)[1:-1]
