"""Stores of earlier releases in which signatures are demanded."""

from pathlib import Path

import pytest
from tests.registry import disk

import holdfast
from holdfast import Registry
from holdfast.errors import DamagedError, RefusedError

KEPT = sorted(Path(__file__).parent.glob("signed-*.tar.xz"))


@pytest.fixture
def registry(store: Path) -> Registry:
    """Return the registry of such a store, without a key."""
    return holdfast.open(store, by="cid")


def test_there_are_stores_to_open() -> None:
    assert "signed-1.tar.xz" in {path.name for path in KEPT}


def test_it_is_whole_and_its_signatures_hold(registry: Registry) -> None:
    verification = registry.verify()

    assert verification.damages == ()
    assert (verification.models, verification.versions, verification.entries) == (1, 2, 10)
    assert registry.verify("iris@1.1.0", signed_by="bob").whole


def test_who_signed_is_known(registry: Registry) -> None:
    history = [(past.op, past.by, past.signer) for past in registry.history("iris")]

    assert history == [
        ("registered", "zoe", None),
        ("registered", "zoe", None),
        ("policy_set", "ann", None),
        ("signed", "ann", "ann"),
        ("promoted", "ann", "ann"),
        ("noted", "zoe", None),
        ("signed", "bob", "bob"),
        ("promoted", "bob", "bob"),
        ("rolled_back", "ann", "ann"),
        ("policy_set", "bob", "bob"),
    ]


def test_it_is_gone_on_with_by_its_signers_alone(registry: Registry, tmp_path: Path) -> None:
    (tmp_path / "model.txt").write_text("iris 2\n")
    assert registry.register("iris", tmp_path / "model.txt").ref == "iris@1.2.0"

    with pytest.raises(RefusedError, match="the policy demands the signature of bob"):
        registry.promote("iris@1.1.0", force=True, reason="now")


@pytest.mark.parametrize("seq", range(1, 11))
def test_a_byte_changed_in_any_entry_is_found(store: Path, seq: int) -> None:
    path = store / "models" / "iris" / "journal" / f"{seq:010}.json"
    raw = path.read_bytes()
    disk.overwrite(path, disk.sealed(raw.replace(b'"reason":', b'"reason" :')))

    with pytest.raises(DamagedError):
        holdfast.open(store).status("iris")
