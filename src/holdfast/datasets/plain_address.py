"""Addresses without what lets somebody in: no user, no password, no query."""

import re
from typing import Final
from urllib.parse import urlsplit

__all__ = ["recordable"]

_OF_SHELL: Final = re.compile(r"(?:[^/@\s]+@)?([\w.-]+):(?!/)(\S*)")
"""`git@host:path`, as ssh takes it."""


def recordable(address: str) -> str:
    """Return an address as it may be recorded; empty if it cannot be told what is secret in it.

    `https://ann:token@host/team/repo?key=1` is `https://host/team/repo`; `git@host:team/repo` is
    `host:team/repo`.
    """
    text = address.strip()
    if "::" in text.partition("://")[0] or any(character.isspace() for character in text):
        return ""  # a program with its arguments
    if "://" not in text:
        match = _OF_SHELL.fullmatch(text)
        if match is not None:
            return f"{match[1]}:{match[2]}"
        return "" if "@" in text else text
    try:
        parts = urlsplit(text)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    host = parts.hostname or ""
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}{port}{parts.path}"
