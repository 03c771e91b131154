"""Pickles that do something when they are loaded: they make a folder."""

from pathlib import Path


def payload(marker: Path) -> bytes:
    """Return a pickle that makes the folder *marker* when it is loaded."""
    return b"cos\nmkdir\n(V%s\ntR." % str(marker).encode("raw_unicode_escape")
