"""Data by name behind a server: described here, where it is, and written there."""

from collections.abc import Callable

from msgspec import Struct

from holdfast.datasets.data_journal import DataJournal
from holdfast.datasets.data_records import DataAdded, DataVersion
from holdfast.errors import DamagedError, OutcomeUnknownError, UnsupportedError
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
    the server adds its name to it and nothing else.
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
            UnsupportedError: If the entry was to be signed here.
        """
        if self._session.keyring.open_key is not None:
            advice = "leave out the key, or add it where the store is"
            raise UnsupportedError(f"data {journal.name}", "is not signed by clients", advice)
        arguments = {"description": added.description}
        path = f"{path_of(journal.owner)}:add"
        try:
            told = self._verbs.plan(path, arguments, _Told, CommitOptions(reason))
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
        return version, told.created

    def _denied(self, problem: str) -> DamagedError:
        return DamagedError(f"server {self._verbs.url}", problem, "ask its admin")
