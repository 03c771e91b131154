"""The verbs of lineage: of one version, both ways; and of all that used some data or commit."""

from holdfast.registry import data_users
from holdfast.registry.data_users import VersionsUsing
from holdfast.registry.lineage_tree import LineageTree, lineage_tree
from holdfast.registry.session import Session

__all__ = ["Lineages"]


class Lineages:
    """What can be asked about where versions come from."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def of(self, ref: str) -> LineageTree:
        """Return what a version was made from, and what became of it."""
        return lineage_tree(self._session, ref, lambda _model: True, lambda *_place: "")

    def users_of_data(self, data: str) -> VersionsUsing:
        """Find the versions of all models that used data: a digest, `sales`, or `sales@v3`."""
        return data_users.of_data(self._session, data)

    def users_of_commit(self, commit: str) -> VersionsUsing:
        """Find the versions of all models that the code of a commit made."""
        return data_users.of_commit(self._session, commit)

    def children(self, ref: str) -> VersionsUsing:
        """Find the versions of all models that were made from a version."""
        return data_users.children(self._session, ref)
