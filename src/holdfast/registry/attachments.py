"""The verb `attach`: artifacts that others made are kept beside the version that they refer to."""

from msgspec import Struct

from holdfast.core import attachment_commands
from holdfast.core.events import AnyEvent, Attached
from holdfast.core.idempotency import Unchanged
from holdfast.core.manifest import digest_of
from holdfast.core.state import Record, State
from holdfast.core.views import Moved
from holdfast.registry import presence
from holdfast.registry.commits import commit_on_version
from holdfast.registry.session import CommitOptions, Session


class Attachment(Struct, frozen=True):
    """An artifact as it was pushed.

    Attributes:
        manifest: Its bytes.
        kind: What it says it is.
        blobs: Digests of what it names, whose bytes are stored.
    """

    manifest: bytes
    kind: str
    blobs: tuple[str, ...]


def attach(session: Session, ref: str, artifact: Attachment, options: CommitOptions) -> Moved:
    """Keep an artifact beside a version; nothing that it says is believed.

    Raises:
        InvalidInputError: If it has no type, or there is too much of it.
    """
    store, digest = session.writable(), digest_of(artifact.manifest)

    def stored() -> str:
        return store.blobs.add_bytes(artifact.manifest)

    def decide(state: State, record: Record) -> AnyEvent | Unchanged:
        store.rescue([stored(), *artifact.blobs])
        event = Attached(
            version=record.version, manifest=digest, kind=artifact.kind, blobs=artifact.blobs
        )
        return attachment_commands.attach(state, record, event)

    done = commit_on_version(session, ref, decide, Attached, options)
    presence.ensure(store, [digest, *artifact.blobs], stored)
    return done
