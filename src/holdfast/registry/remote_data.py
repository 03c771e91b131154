"""Data by name behind a server: described here, where it is, and written there."""

from collections.abc import Callable, Mapping
from typing import Any

from msgspec import Struct

from holdfast.core.entry import Entry
from holdfast.datasets.data_journal import DataJournal
from holdfast.datasets.data_records import DataAdded, DataVersion
from holdfast.errors import DamagedError, OutcomeUnknownError
from holdfast.registry.data_verbs import Datasets
from holdfast.registry.server_verbs import ServerVerbs
from holdfast.registry.session import CommitOptions, Session
from holdfast.store import InDoubtError
from holdfast.store.remote_journal import path_of

__all__ = ["RemoteDatasets"]


class _Told(Struct):
    """Which version a server says that it wrote."""

    number: int
    created: bool


class RemoteDatasets(Datasets):
    """What can be done about data of the store of a server.

    A description is sent as the bytes that are hashed, and the entry is read back like any other:
    the server adds its name to it and nothing else. With a key of the caller's, the entry is signed
    here before it is written.
    """

    def __init__(self, session: Session, verbs: ServerVerbs) -> None:
        super().__init__(session)
        self._verbs = verbs

    def _written(
        self,
        journal: DataJournal,
        added: DataAdded,
        blobs: tuple[list[str], Callable[[], object]],  # noqa: ARG002 - the server looks after them
        reason: str | None,
    ) -> tuple[DataVersion, bool]:
        """Have the server write the entry, and hold it against what was asked.

        Raises:
            DamagedError: If it wrote something else.
            OutcomeUnknownError: If it cannot be told whether it wrote.
        """
        try:
            told = self._told(journal, added, reason)
        except InDoubtError as error:
            raise OutcomeUnknownError(
                f"data {journal.name}", f"of description {added.description[:12]}"
            ) from error
        versions = self.versions(journal.name)
        version = versions[told.number - 1] if 0 < told.number <= len(versions) else None
        if version is None or version.added != added:
            raise self._denied(f"says that it wrote data {journal.name}, but wrote something else")
        author = self._verbs.whoami().user.name
        if told.created and (version.by, version.reason) != (author, reason):
            raise self._denied(f"wrote {version.ref} in another name or with another reason")
        key = self._session.keyring.key
        if told.created and key is not None and journal.signer_of(told.number) != key.key:
            raise self._denied(f"wrote {version.ref} without its signature")
        return version, told.created

    def _told(self, journal: DataJournal, added: DataAdded, reason: str | None) -> _Told:
        """Have the entry written, and signed first if there is a key."""
        path, options = f"{path_of(journal.owner)}:", CommitOptions(reason)
        arguments = {"description": added.description}
        if self._session.keyring.open_key is None:
            return self._verbs.plan(f"{path}add", arguments, _Told, options)
        from holdfast.registry import signed_verbs

        author = self._verbs.whoami().user.name
        event: object = added

        def post(name: str, body: Mapping[str, Any]) -> Mapping[str, Any]:
            answer = self._verbs.plan(f"{path}{name}", body, dict[str, Any], options)
            return answer if name == "prepare" else {"result": answer}

        def check(entry: Entry, _prepared: Mapping[str, Any]) -> None:
            if entry.event != event:
                raise self._denied(f"wants something else signed than data {journal.name}")
            if (entry.by, entry.reason) != (author, reason):
                raise self._denied("wants an entry signed in another name or with another reason")

        answer = signed_verbs.ask(self._session, journal.following, arguments, post, check)
        return self._verbs.result(answer["result"], _Told)

    def _denied(self, problem: str) -> DamagedError:
        return DamagedError(f"server {self._verbs.url}", problem, "ask its admin")
