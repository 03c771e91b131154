"""Requests of the Hub's clients: which call each is, who may make it, and how it is refused."""

import asyncio
import functools
import hmac
import os
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import msgspec

from holdfast.core import strict_json
from holdfast.core.state import Record, State
from holdfast.errors import AmbiguousRefError, ForbiddenError, InvalidInputError, NotFoundError
from holdfast.gateways.hf import hub_paths, hub_revisions
from holdfast.gateways.hf.hub_paths import HubTarget
from holdfast.gateways.hf.hub_tree import TreeFile, files_of
from holdfast.http.problems import Problem
from holdfast.registry.session import Session
from holdfast.web.below import session_of
from holdfast.web.checked_blobs import CheckedBlobs
from holdfast.web.desk import Desk
from holdfast.web.exchange import Answer, Request, Stream
from holdfast.web.oci import oci_sign_in

__all__ = ["Call", "HubFace", "missing"]

Handler: TypeAlias = "Callable[[HubFace, Request, HubTarget], Any]"
_CODE: Final = "X-Error-Code"
_MOST_EMPTY: Final = 1000
_LONGEST_MESSAGE: Final = 500
_GONE: Final = 410
_WITH_PASSWORDS: Final = frozenset(("lfs-batch", "lfs-verify", "lfs-file", "resolve"))
"""Calls of Git LFS and DVC, whose clients send a name and a password: the password is the token."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call of the API.

    Attributes:
        handler: Answers it: on a thread, or on the event loop if it is a coroutine function.
        access: What whoever asks must be allowed of the model; `None` for nothing but a token.
        writes: Whether it may change anything.
        is_open: Whether it brings its own proof, and no token.
    """

    handler: Handler
    access: str | None = "read"
    writes: bool = False
    is_open: bool = False


class HubFace:
    """Answers the Hub's clients for one server.

    Attributes:
        desk: The server's parts.
        blobs: Hands out bytes that are what they should be.
        key: Signs addresses to which bytes may be sent.
    """

    def __init__(self, desk: Desk, calls: Mapping[tuple[str, str], Call]) -> None:
        self.desk = desk
        self.blobs = CheckedBlobs(desk)
        self.key = _key(desk)
        self._empty: OrderedDict[str, None] = OrderedDict()
        self._calls = calls

    async def answer(self, request: Request) -> Answer | Stream:
        """Answer a request."""
        target = hub_paths.parse(request.raw_path)
        request.route = target.template
        request.values = {"model": target.model} if target.model else {}
        asked = "GET" if request.method == "HEAD" else request.method
        if target.verb in _WITH_PASSWORDS:
            oci_sign_in.present(request)
        call = self._calls.get((asked, target.verb))
        if call is None:
            await self.desk.work.do(lambda: self.desk.guard.enter(request, writes=False))
            raise _unsupported(target, asked)
        if not call.is_open:
            await self.desk.work.do(functools.partial(self._admit, call, request, target))
        if asyncio.iscoroutinefunction(call.handler):
            waited: Awaitable[Answer | Stream] = call.handler(self, request, target)
            return await waited
        answer: Answer = await self.desk.work.do(lambda: call.handler(self, request, target))
        return answer

    def _admit(self, call: Call, request: Request, target: HubTarget) -> None:
        request.rights = self.desk.guard.enter(request, writes=call.writes)
        if call.writes:
            self.check_writable()
        if call.access is not None:
            request.operation = call.access
            request.rights.require(call.access, target.model or None)

    def check_writable(self) -> None:
        """Refuse where the server only reads."""
        if self.desk.settings.read_only:
            raise Problem(403, "read_only", "this server only reads; ask one that writes")

    def refused(self, request: Request, problem: Answer) -> Answer:
        """Say what went wrong where the Hub's clients look for it."""
        document: Mapping[str, Any] = strict_json.decode(problem.content)
        detail = str(document.get("detail", "the request failed"))
        about_model = request.values.get("model") is not None
        if problem.status in (401, 404) and about_model:  # a bare one is not understood over http
            problem.headers.setdefault(_CODE, "RepoNotFound")
        content = msgspec.json.encode({"error": detail, **document})
        if detail.isascii() and detail.isprintable() and len(detail) <= _LONGEST_MESSAGE:
            problem.headers["X-Error-Message"] = detail  # clients read the content otherwise
        is_lost = (
            request.route.endswith(("/resolve", "/lfs-file")) and document.get("code") == "damaged"
        )
        status = _GONE if is_lost else problem.status  # clients repeat what 500 answers for long
        return Answer(status, content, headers=problem.headers)

    # What calls share

    @property
    def session(self) -> Session:
        """The registry, to read it."""
        return session_of(self.desk.registry)

    def state(self, model: str) -> State | None:
        """Return a model's state; `None` if it has no versions yet, but was announced.

        Raises:
            NotFoundError: If there is no such model.
        """
        session = self.session
        state = session.ledger(model).state() if session.exists else None
        if state is not None and state.exists:
            return state
        if model in self._empty:
            return None
        return session.state(model)

    def announce(self, model: str) -> None:
        """Remember a model that is to have versions soon: clients look at it before."""
        self._empty[model] = None
        if len(self._empty) > _MOST_EMPTY:
            self._empty.popitem(last=False)

    def record(self, state: State | None, target: HubTarget) -> tuple[State, Record]:
        """Return the version that a request is about.

        Raises:
            Problem: 404 if there is none.
        """
        if state is None:
            raise missing("Revision", f"{target.model} has no versions yet")
        try:
            return state, hub_revisions.resolve(state, target.revision)
        except (NotFoundError, InvalidInputError, AmbiguousRefError) as error:
            raise missing("Revision", str(error)) from error

    def files(self, record: Record) -> dict[str, TreeFile]:
        """Return the files of a version."""
        return files_of(self.session.manifest(record), record.manifest)

    def alone(self, model: str) -> AbstractAsyncContextManager[None]:
        """Let one writer at a time change a model through this face: others would begin again."""
        return self.desk.registering.of(model)


def _key(desk: Desk) -> bytes:
    """Return what signs addresses, which is the same in all servers that have one key."""
    file = desk.settings.server_key
    secret = os.urandom(32) if file is None else file.read_bytes()
    return hmac.digest(secret, b"addresses to which files are sent", "sha256")


def missing(kind: str, detail: str, **headers: str) -> Problem:
    """Return the answer that a `Repo`, `Revision` or `Entry` is not there."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Problem(404, "not_found", detail, {_CODE: f"{kind}NotFound", **named})


def _unsupported(target: HubTarget, method: str) -> Exception:
    if target.verb == "discussions" or target.verb in ("settings", "move-repo"):
        detail = f"{target.verb} is not supported here; use `holdfast` for what the Hub lacks"
        return ForbiddenError("this server", f"does not support {target.verb}", (), detail)
    return Problem(405, "method_not_allowed", f"{method} is not supported here")
