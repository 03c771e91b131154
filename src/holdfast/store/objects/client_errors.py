"""What an object store's refusals mean: obstore's errors turned into ours.

obstore's messages quote requests and answers whole: signed addresses, key ids, strings to sign. So
nothing of them is passed on but the status and the service's one-word code.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from holdfast.errors import NotAStoreError, ReadOnlyStoreError, StoreError, UnfitStoreError
from holdfast.store import AbsentError, InDoubtError, TakenError

_STATUS: Final = re.compile(r"status code: (\d{3})")
_CODE: Final = re.compile(r"<Code>(\w{1,64})</Code>")
_KIND: Final = re.compile(r"kind: (Connect|Timeout|Interrupted|Decode|Request|Unknown),")
_PROVIDER: Final = re.compile(r"type: <class '(?:\w+\.)*(\w{1,64})'>")
_NO_BUCKET: Final = {"NoSuchBucket", "ContainerNotFound", "ContainerBeingDeleted"}
_BAD_KEYS: Final = {
    "AuthenticationFailed",
    "ExpiredToken",
    "InvalidAccessKeyId",
    "InvalidAuthenticationInfo",
    "InvalidToken",
    "SignatureDoesNotMatch",
}
_ELSEWHERE: Final = {"AuthorizationHeaderMalformed", "PermanentRedirect", "TemporaryRedirect"}
_KEY_SERVERS: Final = (
    "/latest/api/token",
    "/latest/meta-data",
    "169.254.170.2",
    "/computeMetadata/",
    "/metadata/identity",
)
_KEYS: Final = "check the credentials (`docs/object-stores.md` says where they are looked for)"
_UNAUTHENTICATED: Final = 401
_FORBIDDEN: Final = 403
_FIRST_SERVER_ERROR: Final = 500
_NOT_IMPLEMENTED: Final = 501


class ConditionError(Exception):
    """The object is not the one that the request was to replace."""


@dataclass(frozen=True, slots=True)
class _Answer:
    """What an error of obstore says, without what it quotes."""

    kind: str
    status: int
    code: str
    text: str

    @property
    def shown(self) -> str:
        words = [str(self.status) if self.status else "", self.code]
        return " ".join(word for word in words if word) or "no answer"


def translate_error(error: Exception, address: str) -> Exception:
    """Return the error of ours that stands for *error*, met at *address*; it holds no secret."""
    text = str(error)
    status, code = _STATUS.search(text), _CODE.search(text)
    answer = _Answer(
        kind=type(error).__name__,
        status=int(status[1]) if status else 0,
        code=code[1] if code else "",
        text=text,
    )
    return _BY_KIND.get(answer.kind, _other)(answer, address)


def _absent(answer: _Answer, address: str) -> Exception:
    if answer.code in _NO_BUCKET:
        return _no_bucket(address)
    return AbsentError(address)


def _no_bucket(address: str) -> StoreError:
    return NotAStoreError(
        address, "does not exist", "make the bucket first, or check its name, account and region"
    )


def _denied(answer: _Answer, address: str) -> Exception:
    if answer.code in _BAD_KEYS:
        return _unknown_caller(answer, address)
    return ReadOnlyStoreError(
        address,
        f"denied permission ({answer.shown})",
        "ask for a role that may do this; `docs/object-stores.md` lists the least permissions",
    )


def _unknown_caller(answer: _Answer, address: str) -> Exception:
    if "LookupError" in answer.text:
        return _no_keys(address)
    provider = _PROVIDER.search(answer.text)
    if provider:
        problem = f"got no credentials ({provider[1]})"
        return StoreError(address, problem, "log in to the cloud again, then repeat")
    return StoreError(address, f"refused the credentials ({answer.shown})", _KEYS)


def _no_keys(address: str) -> StoreError:
    return StoreError(address, "has no credentials to use", _KEYS)


def _other(answer: _Answer, address: str) -> Exception:
    """Judge what obstore has no class for: whether it may have been done is what matters."""
    if any(server in answer.text for server in _KEY_SERVERS):
        return _no_keys(address)
    if "BadScheme" in answer.text:
        return StoreError(
            address, "has an endpoint of http://, not https://", "set `allow_http` if you want that"
        )
    if answer.code in _NO_BUCKET:
        return _no_bucket(address)
    if answer.code in _ELSEWHERE or "Received redirect" in answer.text:
        return StoreError(address, "is in another region", "name its region")
    if answer.status == _UNAUTHENTICATED:  # what a listing meets has no class of its own
        return _unknown_caller(answer, address)
    if answer.status == _FORBIDDEN:
        return _denied(answer, address)
    if answer.status == _NOT_IMPLEMENTED or answer.kind == "NotSupportedError":
        return UnfitStoreError(
            address, f"does not offer this ({answer.shown})", "use another service"
        )
    if answer.status and answer.status < _FIRST_SERVER_ERROR:
        return StoreError(address, f"refused the request ({answer.shown})")
    if answer.status:
        return InDoubtError(address, f"failed to answer ({answer.shown})", "try again later")
    return _unanswered(answer, address)


def _unanswered(answer: _Answer, address: str) -> Exception:
    kind = _KIND.search(answer.text)
    match kind[1] if kind else "":
        case "Connect":
            return StoreError(address, "cannot be reached", "check the network and the endpoint")
        case "Timeout":
            return InDoubtError(address, "did not answer in time", "try again later")
        case _:
            return InDoubtError(address, "broke the connection", "try again later")


_BY_KIND: Final[dict[str, Callable[[_Answer, str], Exception]]] = {
    "AlreadyExistsError": lambda _answer, address: TakenError(address),
    "FileNotFoundError": _absent,
    "NotFoundError": _absent,
    "PermissionDeniedError": _denied,
    "PreconditionError": lambda _answer, address: ConditionError(address),
    "UnauthenticatedError": _unknown_caller,
}
