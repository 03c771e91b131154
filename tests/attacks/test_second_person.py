"""One person who passes for two: by a name, a forged or borrowed signature, or one key twice."""

import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from tests.keys import BOB, EVE, Person
from tests.registry import disk

import holdfast
from holdfast import Policy, Registry, signing
from holdfast.core import entry as entries
from holdfast.core.entry import Stamp
from holdfast.core.events import Approved
from holdfast.signing.keys import KeyFiles

JOURNAL = Path("models/iris/journal")


@pytest.fixture(scope="module")
def ana(tmp_path_factory: pytest.TempPathFactory) -> KeyFiles:
    return signing.create("ana", tmp_path_factory.mktemp("ana"))


@pytest.fixture
def registry(tmp_path: Path, ana: KeyFiles) -> Registry:
    """Return a registry that demands a signed approval; Ana's key registered iris 1.0.0."""
    opened = holdfast.open(tmp_path / "store", by="ana", signing_key=ana.private)
    signers = {"ana": ana.signer, "bob": BOB.signer}
    opened.set_policy("iris", Policy(signers=signers, approvals=1, approval="signed"), reason="x")
    (tmp_path / "iris.txt").write_text("iris")
    opened.register("iris", tmp_path / "iris.txt")
    return opened


def forged(store: Path, by: str, pen: Person | None) -> Path:
    """Write an approval by hand, chain and checksum right."""
    tail = max((store / JOURNAL).glob("0*.json"))
    seq, at = int(tail.stem) + 1, json.loads(tail.read_bytes())["at"]
    stamp = Stamp(datetime.fromisoformat(at), by, "e" * 32, None, None, pen)
    event = Approved(version="1.0.0")
    later = entries.next_time(stamp.at, at)
    raw, _ = entries.write("iris", seq, entries.digest(tail.read_bytes()), later, stamp, event)
    path = store / JOURNAL / f"{seq:010}.json"
    path.write_bytes(raw)
    return path


def wrong(path: Path) -> None:
    """Put another signature of the same key in an entry's place."""
    raw = path.read_bytes()
    value = json.loads(raw)["signature"]["value"]
    path.write_bytes(disk.sealed(raw.replace(value.encode(), BOB.sign(b"another").encode())))


ATTACKS: dict[str, Callable[[Path], object]] = {
    "a name": lambda store: forged(store, "bob", None),
    "a name with a key of nobody's": lambda store: forged(store, "bob", EVE),
    "a listed key in another name": lambda store: forged(store, "ben", BOB),
    "a listed key's name with a signature of something else": lambda store: wrong(
        forged(store, "bob", BOB)
    ),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS.keys())
def test_nobody_passes_for_a_second_person(
    registry: Registry, tmp_path: Path, attack: Callable[[Path], object]
) -> None:
    attack(tmp_path / "store")
    again = holdfast.open(tmp_path / "store", by="zoe")
    info = again.resolve("iris@1.0.0")

    assert info.claimed == info.approvals != ()
    assert "approvals: 0 of 1" in "; ".join(registry.judge("iris@1.0.0").reasons)


def test_an_approval_by_a_listed_key_counts(registry: Registry, tmp_path: Path) -> None:
    forged(tmp_path / "store", "bob", BOB)

    assert registry.judge("iris@1.0.0").passed
