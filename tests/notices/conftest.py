"""A registry whose models move, a receiver, and somebody who carries notices between them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.notices.receiver import Receiver, listening

import holdfast
from holdfast import Registry
from holdfast.notices.courier import Courier
from holdfast.notices.targets import DEFAULT_EVENTS, Configuration, Target

Carry = Callable[..., Courier]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Return a receiver that takes everything until it is told otherwise."""
    with listening() as running:
        yield running


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """Return a registry with `iris@1.0.0` and `iris@1.1.0`, nothing live."""
    registry = holdfast.open(tmp_path / "store", by="ann")
    for content in ("one", "two"):
        register(registry, "iris", content)
    return registry


def register(registry: Registry, name: str, content: str) -> str:
    file = Path(str(registry.location)).parent / f"{content}.txt"
    file.write_text(content)
    return registry.register(name, file).ref


@pytest.fixture
def carry(registry: Registry, receiver: Receiver, tmp_path: Path) -> Carry:
    """Make a courier to the receiver, as a new process would; options are the target's."""

    def made(**options: Any) -> Courier:
        fields = {"name": "ops", "kind": "webhook", "url": receiver.url} | options
        targets = (Target(**{"events": DEFAULT_EVENTS, **fields}),)
        return Courier(registry, Configuration(tmp_path / "outbox", targets))

    return made
