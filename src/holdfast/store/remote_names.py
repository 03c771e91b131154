"""Whose journals a server has: models, and data by name."""

from typing import Final, TypeVar
from urllib.parse import unquote

from msgspec import Struct

from holdfast.core import names, strict_json
from holdfast.errors import StoreError
from holdfast.store import layout
from holdfast.store.remote.http_client import HttpClient, HttpRequest
from holdfast.store.remote_journal import OF_DATA

__all__ = ["RemoteNames"]

_T = TypeVar("_T")
_MOST_LIST: Final = 64 << 20


class _Model(Struct):
    model: str


class _Models(Struct):
    items: list[_Model]


class _Data(Struct):
    name: str


class _AllData(Struct):
    items: list[_Data]


class RemoteNames:
    """The names that whoever asks may see, and those of the folders of a store.

    Args:
        client: The server.
    """

    def __init__(self, client: HttpClient) -> None:
        self._client = client
        self._names: dict[str, str] = {}  # by folder, those that no folder's name tells

    def models(self) -> list[str]:
        """Ask which models have a journal.

        Raises:
            StoreError: If the answer is not a list of models.
        """
        listed = [item.model for item in self._asked("/journals", _Models, "models").items]
        models = [names.check_model(model) for model in listed]
        self._names |= {layout.model(name): name for name in models}
        return models

    def data(self) -> list[str]:
        """Ask which data has a journal.

        Raises:
            StoreError: If the answer is not a list of data.
        """
        listed = [item.name for item in self._asked("/data", _AllData, "data").items]
        data = [names.check_model(name) for name in listed]
        self._names |= {layout.data(name): OF_DATA + name for name in data}
        return data

    def _asked(self, path: str, kind: type[_T], what: str) -> _T:
        answer = self._client.ask(HttpRequest("GET", path, most_bytes=_MOST_LIST))
        try:
            return strict_json.decode(answer.body, kind)
        except ValueError:
            problem = f"has sent something else than a list of {what}"
            raise StoreError(self._client.address.url, problem, "try again") from None

    def owner(self, kind: str, folder: str) -> str | None:
        """Return whose folder below `models` or `data` it is, as its entries name it.

        The server is asked where the name is cut.
        """
        name, prefix = unquote(folder), f"{kind}/{folder}"
        if kind == layout.MODELS:
            if layout.model(name) == prefix:
                return name
            if prefix not in self._names:
                self.models()
        elif kind == layout.DATA:
            if layout.data(name) == prefix:
                return OF_DATA + name
            if prefix not in self._names:
                self.data()
        return self._names.get(prefix)
