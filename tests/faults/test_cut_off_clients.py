"""Clients of a bucket that are cut off before or after any request that changes something."""

import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import Tally
from tests.registry.conftest import Clock
from tests.servers.running import Endpoint

import holdfast
from holdfast import Registry
from holdfast.errors import ConflictError
from holdfast.store.objects.client import Client

DONE = re.compile("was purged|is already live")
CHANGING = {"put", "create", "delete"}
DAY_S = 86_400.0
Verb = Callable[[Registry, Path], object]
VERBS: dict[str, Verb] = {
    "register": lambda one, folder: one.register("iris", folder / "new.txt", version="2.0.0"),
    "promote": lambda one, _folder: one.promote("iris@1.2.0"),
    "rollback": lambda one, _folder: one.rollback("iris", to="1.0.0"),
    "stage": lambda one, _folder: one.stage("iris@1.2.0"),
    "alias": lambda one, _folder: one.alias("iris@1.2.0", "eu"),
    "purge": lambda one, _folder: one.purge("iris", versions=["1.2.0"], grace_s=DAY_S),
    "gc": lambda one, _folder: one.gc(grace_s=DAY_S),
    "import": lambda one, folder: one.import_(folder / "rose.tar"),
}


_SAMPLE = ("promote",)


class CutOffError(Exception):
    """The client is gone."""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with files to register, and a store that buckets are filled from."""
    folder = tmp_path_factory.mktemp("base")
    registry = holdfast.open(folder / "store", by="ann", clock=Clock())
    for words in ("one", "two", "three", "lost"):
        (folder / "model.txt").write_text(words)
        registry.register("iris", folder / "model.txt")
    registry.promote("iris@1.0.0")
    registry.promote("iris@1.1.0")
    other = holdfast.open(folder / "other", by="bob", clock=Clock())
    (folder / "new.txt").write_text("new")
    other.register("rose", folder / "new.txt")
    other.export("rose", folder / "rose.tar")
    return folder


def filled(moto: Endpoint, base: Path, folder: Path) -> Callable[[], Registry]:
    """Copy the store to a bucket of its own; return how a new process opens it."""
    location = f"s3://{moto.make_bucket()}/x"

    def opened() -> Registry:
        return holdfast.open(
            location, by="ann", options=moto.options, cache=folder / "cache", clock=Clock()
        )

    registry = opened()
    holdfast.open(base / "store").copy(registry)
    registry.purge("iris", versions=["1.3.0"], grace_s=DAY_S)
    return opened


def cut(registry: Registry, at: int, *, done: bool) -> Iterator[None]:
    """Cut a client off at its changing request number *at*, before it or once it is *done*."""
    wire: Client = registry._session.site._store.wire  # type: ignore[attr-defined]
    ask = wire._ask
    numbers = itertools.count()
    gone = False

    def asked(verb: str, key: str, request: Callable[[], Any]) -> Any:
        nonlocal gone
        if gone:
            raise CutOffError
        if verb not in CHANGING or next(numbers) != at:
            return ask(verb, key, request)
        gone = True
        if done:
            ask(verb, key, request)
        raise CutOffError

    wire._ask = asked  # type: ignore[method-assign]
    yield
    wire._ask = ask  # type: ignore[method-assign]


def told(registry: Registry) -> dict[str, object]:
    """Return what a registry tells, times aside."""
    return {
        info.model: [
            (info.version, info.status, info.aliases) for info in registry.versions(info.model)
        ]
        for info in registry.models()
    }


@pytest.mark.parametrize(
    "name",
    [
        *_SAMPLE,
        *(pytest.param(name, marks=pytest.mark.sweep) for name in VERBS if name not in _SAMPLE),
    ],
)
def test_a_client_that_is_cut_off_leaves_the_old_or_the_new(
    moto: Endpoint, base: Path, tmp_path: Path, name: str, tally: Tally
) -> None:
    verb = VERBS[name]
    whole = filled(moto, base, tmp_path)
    old = told(whole())
    verb(whole(), base)
    new = told(whole())
    for at in itertools.count():
        reached = False
        for done in (False, True):
            opened = filled(moto, base, tmp_path)
            client = opened()
            cutting = cut(client, at, done=done)
            next(cutting)
            try:
                verb(client, base)
            except CutOffError:
                reached = True
            next(cutting, None)

            assert told(opened()) in (old, new)
            assert opened().verify().whole
            try:
                verb(opened(), base)
            except ConflictError as error:  # the client that is gone has done it
                assert DONE.search(str(error))  # noqa: PT017 - any other is a failure
            assert told(opened()) == new
            tally("clients of a bucket cut off at a request that changes something", 1)
        if not reached:
            break

    assert at > 0
