"""The token for a server: HOLDFAST_TOKEN, else a file that this user alone can read.

The file is `~/.config/holdfast/credentials.toml`, one table for each server by its address:

```toml
["https://models.example.com"]
token = "hft_p_…"
```
"""

import contextlib
import os
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from holdfast import named_files
from holdfast.errors import InvalidInputError, StoreError
from holdfast.store import durable
from holdfast.store.remote.server_address import ServerAddress

VARIABLE: Final = "HOLDFAST_TOKEN"
_MOST_BYTES: Final = 1 << 20
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/=-]{8,4096}")
_OTHERS: Final = 0o077


def path() -> Path:
    """Return where the file is, whether it is there or not."""
    return Path.home() / ".config" / "holdfast" / "credentials.toml"


def token_for(address: ServerAddress) -> str | None:
    """Return the token for a server, `None` if there is none.

    Raises:
        InvalidInputError: If it cannot be a token; it is not shown.
        StoreError: If others can read the file, or it cannot be read.
    """
    secret = os.environ.get(VARIABLE)
    if secret:
        return check(secret, VARIABLE)
    entry = _read().get(address.url)
    secret = entry.get("token") if isinstance(entry, dict) else None
    return None if secret is None else check(secret, f"token for {address.url} in {path()}")


def check(secret: object, subject: str) -> str:
    """Return *secret* if it can be sent as a token; surrounding spaces are dropped.

    Raises:
        InvalidInputError: If it has other characters than tokens have; it is not shown.
    """
    text = secret.strip() if isinstance(secret, str) else ""
    if not _TOKEN.fullmatch(text):
        raise InvalidInputError(subject, "is not a token", "give what `holdfast access token` gave")
    return text


def keep(address: ServerAddress, secret: str) -> Path:
    """Write the token for a server into the file, in place of the one before."""
    entries = dict(_read())
    entries[address.url] = {"token": secret}
    return _write(entries)


def forget(address: ServerAddress) -> bool:
    """Take the token for a server out of the file; tell whether there was one."""
    entries = dict(_read())
    if entries.pop(address.url, None) is None:
        return False
    _write(entries)
    return True


def _read() -> Mapping[str, Any]:
    where = path()
    try:
        with named_files.opened(where) as file:
            about = os.fstat(file.fileno())
            raw = file.read(_MOST_BYTES)
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise StoreError(
            where, f"cannot be read: {error.strerror}", "check it, or run `holdfast login` again"
        ) from error
    if hasattr(os, "getuid") and (about.st_mode & _OTHERS or about.st_uid != os.getuid()):
        raise StoreError(
            where,
            "holds tokens and can be read by others or belongs to somebody else",
            f"run `chmod 600 {where}` and replace the tokens in it",
        )
    try:
        return tomllib.loads(raw.decode())
    except (ValueError, RecursionError):  # quoting it could show a token
        failure = StoreError(where, "is not valid TOML", "fix it, or remove it and log in again")
    raise failure


def _write(entries: Mapping[str, Any]) -> Path:
    """Replace the file; it is never readable by others, not even for a moment."""
    where = path()
    target = Path(os.path.realpath(where))
    draft = target.with_name(f".{target.name}.{os.urandom(8).hex()}")
    with durable.translate_errors(str(where)):
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(_toml(entries))
                file.flush()
                os.fsync(file.fileno())
            draft.replace(target)
        finally:
            with contextlib.suppress(FileNotFoundError):
                draft.unlink()
    return where


def _toml(entries: Mapping[str, Any]) -> str:
    """Write the tables; addresses and tokens have no character that TOML would have escaped."""
    tables = []
    for url, entry in sorted(entries.items()):
        secret = entry.get("token") if isinstance(entry, dict) else None
        if re.search(r'["\\\x00-\x1f\x7f]', url) or not isinstance(secret, str):
            continue  # nothing that this file's readers could use
        tables.append(f'["{url}"]\ntoken = "{check(secret, f"token for {url}")}"\n')
    return "\n".join(tables)
