"""One damaged old entry: what the others prove is told and loaded, read-only."""

import logging
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest
from tests.registry import disk
from tests.registry.conftest import Text

import holdfast
from holdfast import HoldfastError, Policy, Registry, signing
from holdfast.errors import DamagedError

Open = Callable[..., Registry]


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write nine entries: 1.2.0 goes live in the seventh, 1.3.0 is registered in the eighth."""
    root = tmp_path_factory.mktemp("pristine")
    registry, model = holdfast.open(root / "store", by="ann"), root / "model.txt"
    for word in ("one", "two", "three"):
        model.write_text(word)
        registry.register("iris", model)
    registry.promote("iris@1.0.0", reason="first")
    registry.promote("iris@1.1.0", reason="second")
    registry.note("iris@1.0.0", "seen")
    registry.promote("iris@1.2.0", reason="third")
    model.write_text("four")
    registry.register("iris", model)
    registry.note("iris@1.2.0", "well")
    return root / "store"


@pytest.fixture
def history(pristine: Path, store: Path, opened: Open) -> Registry:
    """Open a copy of that store."""
    disk.copy(pristine, store)
    return opened()


def hurt(store: Path, seq: int) -> Path:
    """Change a byte of an entry."""
    path = store / f"models/iris/journal/{seq:010}.json"
    disk.overwrite(path, path.read_bytes().replace(b'"seq"', b'"sEq"'))
    return path


@pytest.mark.parametrize("seq", [1, 2, 4, 5, 6])
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.usefixtures("history")
def test_status_and_load_go_on_behind_one_damaged_entry_and_write_nothing(
    opened: Open,
    store: Path,
    caplog: pytest.LogCaptureFixture,
    seq: int,
    *,
    missing: bool,
) -> None:
    path = hurt(store, seq)
    if missing:
        path.unlink()
    before = disk.truth(store)
    registry = opened()

    with caplog.at_level(logging.WARNING):
        status = registry.status("iris")
        loaded = registry.load("iris@production")

    assert status.live is not None
    assert (status.live.version, status.reason) == ("1.2.0", "third")
    assert f"{seq:010}" in str(status.damage) or f"entry {seq} " in str(status.damage)
    assert "holdfast repair --from" in str(status.damage)
    assert (status.before, status.command) == (None, None)
    assert [past.seq for past in status.moves][:2] == [9, 8]
    assert loaded.model.read_text() == "three"
    assert "is loaded beside a damaged journal" in caplog.text
    assert registry.load("iris@1.3.0").model.read_text() == "four"
    assert registry.load("iris@v4").model.read_text() == "four"
    assert disk.truth(store) == before


@pytest.mark.usefixtures("history")
def test_every_verb_that_writes_refuses(opened: Open, store: Path) -> None:
    hurt(store, 6)
    before, registry = disk.truth(store), opened()

    for deed in (
        lambda: registry.promote("iris@1.3.0"),
        lambda: registry.rollback("iris"),
        lambda: registry.note("iris@1.2.0", "more"),
        lambda: registry.purge("iris", keep=1),
    ):
        with pytest.raises(DamagedError, match="entry 6"):
            deed()

    assert disk.truth(store) == before


@pytest.mark.parametrize(
    ("seq", "ref"),
    [
        (6, "iris@1.1.0"),  # nothing behind it shows that it was not purged by it
        (6, "iris@latest"),
        (6, "iris@previous"),
        (6, "iris@staging"),
        (6, "iris@^1.0"),
        (3, "iris@production"),  # it registered the version that is live
        (3, "iris@v3"),
        (7, "iris@production"),  # it made it live
        (8, "iris@production"),  # it may have made another live
        (8, "iris@1.3.0"),
    ],
)
@pytest.mark.usefixtures("history")
def test_what_the_damaged_entry_may_have_changed_is_not_loaded(
    opened: Open, store: Path, seq: int, ref: str
) -> None:
    hurt(store, seq)

    with pytest.raises(HoldfastError) as refusal:
        opened().load(ref)

    assert refusal.value.code in ("damaged", "not_found")


@pytest.mark.parametrize("seq", [3, 7, 8])
@pytest.mark.usefixtures("history")
def test_what_is_live_is_not_guessed(opened: Open, store: Path, seq: int) -> None:
    hurt(store, seq)

    status = opened().status("iris")

    assert status.live is None
    assert status.damage is not None


@pytest.mark.parametrize("damaged", [(9,), (2, 6), (6, 8)])
@pytest.mark.usefixtures("history")
def test_the_last_entry_or_two_of_them_are_no_old_one(
    opened: Open, store: Path, damaged: tuple[int, ...]
) -> None:
    for seq in damaged:
        hurt(store, seq)

    with pytest.raises(DamagedError):
        opened().status("iris")
    with pytest.raises(DamagedError):
        opened().load("iris@production")


@pytest.mark.usefixtures("history")
def test_a_journal_that_was_cut_as_well_is_not_gone_on_with(opened: Open, store: Path) -> None:
    hurt(store, 4)
    (store / "models/iris/journal/0000000009.json").unlink()

    with pytest.raises(DamagedError):
        opened().load("iris@production")


def test_a_pinned_head_is_not_proven_past_a_damaged_entry(history: Registry, store: Path) -> None:
    (head,) = history.heads("iris")
    hurt(store, 4)

    with pytest.raises(DamagedError):
        holdfast.open(store, by="ann", pins={"iris": f"{head.seq}:{head.sha256}"}).load(
            "iris@production"
        )


def test_a_version_that_was_purged_behind_it_is_not_loaded(
    history: Registry, opened: Open, store: Path
) -> None:
    history.purge("iris", versions=["1.3.0"])
    hurt(store, 4)

    with pytest.raises(HoldfastError):
        opened().load("iris@1.3.0")


def test_a_model_deleted_behind_it_has_nothing_live(
    history: Registry, opened: Open, store: Path, text: Text
) -> None:
    history.delete("iris", reason="gone", force=True)
    history.register("iris", text("five"))
    hurt(store, 4)

    assert opened().status("iris").live is None
    with pytest.raises(HoldfastError):
        opened().load("iris@production")


def test_constructors_that_a_policy_allowed_before_are_not_allowed_past_it(
    registry: Registry, opened: Open, store: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "model.pkl"
    bad.write_bytes(b"cstring\nTemplate\n(Vx\ntR.")
    registry.set_policy("iris", Policy(allowed_globals=("string.Template",)), reason="ours")
    registry.register("iris", bad)
    registry.note("iris@1.0.0", "seen")
    registry.promote("iris@1.0.0")
    registry.note("iris@1.0.0", "well")
    assert opened().load("iris@production").model.template == "x"
    hurt(store, 3)

    with pytest.raises(HoldfastError):
        opened().load("iris@production")


@pytest.mark.parametrize("seq", [2, 5])
def test_where_entries_are_signed_nothing_is_believed_past_a_damaged_one(
    registry: Registry,
    store: Path,
    text: Text,
    tmp_path: Path,
    seq: int,
) -> None:
    """A lost entry could have said whose signatures count, or whose no longer do."""
    ana = signing.create("ana", tmp_path)
    registry = holdfast.open(store, by="ana", signing_key=ana.private)
    registry.register("iris", text("one"))
    policy = Policy(signers={"ana": ana.signer}, require_signature=True)
    registry.set_policy("iris", policy, reason="ours")
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        registry.register("iris", text(version))
        registry.sign(f"iris@{version}")
        registry.promote(f"iris@{version}")
    (store / "models/iris/journal/signed.json").unlink()
    hurt(store, seq)

    with pytest.raises(DamagedError, match=f"entry {seq}"):
        holdfast.open(store, by="bob").load("iris@production")
    with pytest.raises(DamagedError, match=f"entry {seq}"):
        holdfast.open(store, by="bob").status("iris")


@pytest.mark.usefixtures("history")
def test_an_entry_put_behind_a_damaged_one_without_its_digest_is_refused(
    opened: Open, store: Path
) -> None:
    path = store / "models/iris/journal/0000000005.json"
    raw = path.read_bytes()
    start, end = raw.index(b'"prev":'), raw.index(b',"commit"')
    signed = raw[:start] + b'"prev":null' + raw[end : raw.rindex(b',"sum"')]
    disk.overwrite(path, signed + b',"sum":"%s"}\n' % sha256(signed).hexdigest().encode())
    hurt(store, 4)

    with pytest.raises(DamagedError):
        opened().load("iris@production")
