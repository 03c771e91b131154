"""What is shown or recorded of addresses and texts of others: never what lets somebody in.

An `@` where none belongs may be part of a password that was not escaped, so that nobody can tell
where it ends: then nothing of the address is given away but its kind.
"""

import re
from typing import Final

__all__ = ["recordable", "shown_address", "without_credentials"]

_ADDRESS: Final = re.compile(r"([A-Za-z][\w+.-]*)://([^/?#]*)([^?#]*)(.*)", re.DOTALL)
# Each begins where a word does, or a long word would be tried from each of its letters.
_IN_TEXT: Final = r"(?<![\w+.-])[A-Za-z][\w+.-]*://[^\s'\"]+"
_HOST: Final = re.compile(r"(?:\[[0-9A-Fa-f:.%]+\]|[^\[\]:@]*)(?::[0-9]{0,5})?")
_OF_SHELL: Final = re.compile(r"(?:[^/@\s]+@)?([\w.-]+):(?!/)(\S*)")
"""`git@host:path`, as ssh takes it."""
_BEARER: Final = r"(?i)(\b(?:bearer|basic)\s+)[\w.~+/=-]{8,}"
_ASSIGNED: Final = (
    r"(?i)((?<![\w-])[\w-]*(?:password|passwd|pwd|secret|token|api[_-]?key|access[_-]?key"
    r"|secret[_-]?key)['\"]?\s*[=:]\s*)(?:'[^']*'|\"[^\"]*\"|[^\s'\",;&)}\]]+)"
)


def _bare(address: str) -> str:
    """Return an address without user, password and query; empty if it cannot be told what is."""
    match = _ADDRESS.fullmatch(address)
    if match is None:
        return ""
    scheme, authority, path, rest = match.groups()
    host = authority.rpartition("@")[2]
    is_told = "@" not in path and "@" not in rest and _HOST.fullmatch(host) is not None
    return f"{scheme}://{host}{path}" if is_told else ""


def recordable(address: str) -> str:
    """Return an address as it may be recorded; empty if it cannot be told what is secret in it.

    `https://ann:token@host/team/repo?key=1` is `https://host/team/repo`; `git@host:team/repo` is
    `host:team/repo`.
    """
    text = address.strip()
    if "::" in text.partition("://")[0] or any(character.isspace() for character in text):
        return ""  # a program with its arguments
    if "://" in text:
        return _bare(text)
    match = _OF_SHELL.fullmatch(text)
    if match is not None:
        return f"{match[1]}:{match[2]}"
    return "" if "@" in text else text


def shown_address(location: str) -> str:
    """Show where something is: a path as it is, of an address what gives no access."""
    if "://" not in location:
        return location
    return _bare(location) or f"{location.partition('://')[0]}://…"


def without_credentials(text: str) -> str:
    """Show text without what gives access.

    That is user and password in addresses, and their queries; what follows `password=`, `token:`
    and the like; and what a header calls `Bearer`.
    """
    text = re.sub(_IN_TEXT, lambda match: shown_address(match[0]), text)
    text = re.sub(_BEARER, r"\1…", text)
    return re.sub(_ASSIGNED, r"\1…", text)
