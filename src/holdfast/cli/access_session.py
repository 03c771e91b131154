"""What the commands about access share: the store, the server's key, and what they print."""

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from holdfast.cli.context import Context, passphrase, seconds
from holdfast.errors import InvalidInputError

if TYPE_CHECKING:
    from holdfast.access.access_history import AccessLine
    from holdfast.access.access_journal import AccessJournal, Decide
    from holdfast.access.access_state import AccessState
    from holdfast.access.refusals import AccessReport
    from holdfast.access.tokens import NewToken, TokenKind
    from holdfast.registry import Registry
    from holdfast.signing import SigningKey

server_key = click.option(
    "--server-key",
    metavar="FILE",
    help="Sign with this server's key, which changes need [HOLDFAST_SERVER_KEY].",
)


believe_key = click.option(
    "--believe-key",
    multiple=True,
    metavar="FILE.pub",
    help="Believe this public key too: of another server, or from before a change of keys.",
)


def opened(ctx: Context, key_file: str | None, believed: tuple[str, ...]) -> "AccessSession":
    """Open the access journal of the store."""
    path = key_file or os.environ.get("HOLDFAST_SERVER_KEY")
    paths = tuple(map(Path, believed))
    return AccessSession(ctx, ctx.registry(), Path(path) if path else None, paths)


@dataclass(frozen=True, slots=True)
class AccessSession:
    """One call of a command about access.

    Attributes:
        key_file: The server's private key; `None` only looks.
        believed: Files of public keys that are believed beside its own.
    """

    ctx: Context
    registry: "Registry"
    key_file: Path | None
    believed: tuple[Path, ...] = ()

    def make_key(self) -> None:
        """Make the server's key if its file is not there.

        Raises:
            InvalidInputError: If no file is named, or it would be in the store.
        """
        from holdfast import signing

        path = self.key_file
        if path is None:
            raise InvalidInputError(
                "access journal",
                "needs a server's key, a file outside the store",
                "give --server-key FILE.key, or set HOLDFAST_SERVER_KEY",
            )
        where = self.registry.location
        if isinstance(where, Path) and path.resolve().is_relative_to(where.resolve()):
            raise InvalidInputError(
                f"key file {str(path)!r}",
                "must not be in the store: whoever can write there could sign",
                "name another folder",
            )
        if not path.exists():
            if path.suffix != ".key":
                raise InvalidInputError(
                    f"key file {str(path)!r}", "must end in .key to be made", "name it so"
                )
            signing.create(path.stem, path.parent, passphrase())

    def _key(self) -> "SigningKey | None":
        from holdfast import signing

        return signing.load(self.key_file, passphrase()) if self.key_file is not None else None

    def _journal(self, key: "SigningKey | None") -> "AccessJournal":
        from holdfast import signing
        from holdfast.access.access_journal import NO_KEYS, AccessKeys

        believed = {signing.public(path).ed25519 or "" for path in self.believed}
        if key is not None:
            believed.add(key.key)
        keys = AccessKeys(frozenset(believed), key) if believed else NO_KEYS
        return self.registry.access(keys)

    def state(self, at: str | None = None) -> "AccessState":
        """Return who may do what, now or at a time that people wrote."""
        journal = self._journal(self._key())
        return journal.state(max_age_s=0) if at is None else journal.state_at(at)

    def log(self) -> "list[AccessLine]":
        """Return all changes, oldest first."""
        from holdfast.access.access_history import lines

        return list(lines(self._journal(self._key()).audit()))

    def refusals(self, day: str) -> "list[AccessReport]":
        """Return who was refused what on a day."""
        return self.registry.refusals(day)

    def mint(self, kind: "TokenKind") -> "NewToken":
        """Make a token."""
        from holdfast.access import tokens

        return tokens.mint(kind, os.urandom(tokens.RANDOM_BYTES))

    def expiry(self, span: str | None) -> str:
        """Return when a token ends that is made now."""
        from holdfast.access import changes

        days = seconds("--expires", span) / 86_400 if span else None
        return changes.expiry(datetime.now(UTC), days)

    def commit(
        self, decide: "Decide", reason: str | None, *, begin: bool = False, quiet: bool = False
    ) -> None:
        """Write one entry and say what it did.

        Args:
            decide: What to write.
            reason: Kept with it.
            begin: The store is made if it is not there, and nothing is printed.
            quiet: Print nothing.
        """
        from holdfast.access.access_history import lines
        from holdfast.core.entry import Stamp
        from holdfast.registry.author import author

        by = self.ctx.by or author()
        if begin:
            self.registry.init()
        journal = self._journal(self._key())
        change = journal.commit(
            decide, lambda: Stamp(datetime.now(UTC), by, os.urandom(16).hex(), reason)
        )
        if begin or quiet:
            return
        line = list(lines(journal.audit()))[-1] if change.entry is not None else None
        self.ctx.emit(line, [line.what if line else "nothing to do: it is so already"])

    def emit_token(self, what: str, new: "NewToken", expires_at: str) -> None:
        """Print a token, for the only time."""
        document = {"id": new.id, "token": new.secret, "expires_at": expires_at}
        lines = [
            what,
            f"  token    {new.secret}",
            f"  id       {new.id}",
            f"  expires  {expires_at[:10]}",
            "keep the token now: it is not shown again",
        ]
        self.ctx.emit(document, lines)

    def subject(self, state: "AccessState", subject: str) -> str:
        """Name the subject of a grant for people."""
        kind, _, rest = subject.partition(":")
        return state.users[rest].name if kind == "user" else subject
