"""What a server answers beside entries and blobs, and who it says that asks."""

from typing import Final, TypeVar

from msgspec import Struct

from holdfast.core import strict_json
from holdfast.errors import StoreError
from holdfast.store.remote.http_client import HttpClient, HttpRequest

_Result = TypeVar("_Result")
_MOST_WHOAMI: Final = 1 << 20


class _User(Struct):
    id: str
    name: str
    kind: str = "person"
    groups: tuple[str, ...] = ()


class WhoAmI(Struct):
    """What a server says of whoever asks.

    Attributes:
        how: How they are known: a token's id, a session, the machine itself.
        local: True if the server is its user's own and knows no accounts.
    """

    user: _User
    how: str = ""
    local: bool = False
    read_only: bool = False


def ask_whoami(client: HttpClient) -> WhoAmI:
    """Ask a server who it says that asks.

    Raises:
        HoldfastError: If it does not know the token, or cannot be reached.
    """
    answer = client.ask(HttpRequest("GET", "/whoami", most_bytes=_MOST_WHOAMI))
    return decoded(client, answer.body, WhoAmI)


def decoded(client: HttpClient, body: bytes, kind: type[_Result]) -> _Result:
    """Return the body of an answer as *kind*.

    Raises:
        StoreError: If it is not one.
    """
    try:
        return strict_json.decode(body, kind)
    except ValueError:
        raise strange(client.address.url) from None


def strange(url: str) -> StoreError:
    """Return the error for an answer that is not what a server answers."""
    return StoreError(
        url,
        "has given an answer that a Holdfast server does not give",
        "check the address, and whether both are of one release",
    )
