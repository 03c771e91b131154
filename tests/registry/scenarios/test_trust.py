"""Entries that must be signed: no writer gets past it, and no reader believes one who did."""

import base64
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.keys import BOB, EVE, Person
from tests.registry import disk
from tests.registry.conftest import Clock, Grow, Text
from tests.servers.running import Endpoint

import holdfast
from holdfast import Policy, Registry, signing
from holdfast.core import entry as entries
from holdfast.core.entry import Stamp
from holdfast.core.events import AnyEvent, Approved, PolicySet, Promoted, Registered, Tagged
from holdfast.core.state import State, empty, fold
from holdfast.errors import DamagedError, RefusedError
from holdfast.registry import folds
from holdfast.signing.keys import KeyFiles
from holdfast.store.local import LocalStore
from holdfast.store.objects.object_store import ObjectStore

JOURNAL = "models/iris/journal"
_EVERY = LocalStore.traits.fold_every
EVIL = Promoted(version="1.1.0", was="1.0.0")


@pytest.fixture(scope="module")
def ana(tmp_path_factory: pytest.TempPathFactory) -> KeyFiles:
    return signing.create("ana", tmp_path_factory.mktemp("ana"))


@pytest.fixture
def strict(store: Path, clock: Clock, ana: KeyFiles, grow: Grow) -> Registry:
    """Ana's registry: signatures are demanded, 1.0.0 is signed and live, 1.1.0 is neither."""
    grow(2)
    registry = holdfast.open(store, by="ana", clock=clock, signing_key=ana.private)
    registry.set_policy(
        "iris", Policy(signers={"ana": ana.signer, "bob": BOB.signer}, require_signature=True)
    )
    registry.sign("iris@1.0.0")
    registry.promote("iris@1.0.0")
    return registry


def _state(store: Path) -> State:
    """Fold a journal by hand."""
    state = empty("iris")
    for path in sorted((store / JOURNAL).glob("0*.json")):
        entry = entries.read(path.read_bytes(), "iris", state.seq + 1, state.head)
        state = fold(state, [(entry, entries.digest(path.read_bytes()))], genuine=signing.genuine)
    return state


def forge(store: Path, event: AnyEvent, by: str = "ana", pen: Person | None = None) -> Path:
    """Write the next entry by hand: chain and checksum are right."""
    journal = store / JOURNAL
    tail = max(journal.glob("0*.json"))
    seq, at = int(tail.stem) + 1, json.loads(tail.read_bytes())["at"]
    stamp = Stamp(Clock()(), by, "e" * 32, None, None, pen)
    later = entries.next_time(stamp.at, at)
    raw, _ = entries.write("iris", seq, entries.digest(tail.read_bytes()), later, stamp, event)
    path = journal / f"{seq:010}.json"
    path.write_bytes(raw)
    return path


Forge = Callable[[Path], object]
FORGED: dict[str, Forge] = {
    "unsigned": lambda store: forge(store, EVIL),
    "by a stranger": lambda store: forge(store, EVIL, "eve", EVE),
    "by a stranger in a signer's name": lambda store: forge(store, EVIL, "ana", EVE),
    "by one signer in another's name": lambda store: forge(store, EVIL, "ana", BOB),
    "the demand taken back": lambda store: forge(store, PolicySet(policy=Policy())),
    "an approval": lambda store: forge(store, Approved(version="1.1.0"), "bob"),
}


@pytest.mark.parametrize("deed", FORGED.values(), ids=FORGED)
def test_a_forged_entry_is_refused_by_every_reader(
    strict: Registry, store: Path, tmp_path: Path, deed: Forge
) -> None:
    deed(store)
    readers: list[Callable[[Registry], object]] = [
        lambda registry: registry.status("iris"),
        lambda registry: registry.load("iris@production"),
        lambda registry: registry.history("iris"),
        lambda registry: registry.versions("iris"),
        lambda registry: registry.promote("iris@1.0.0"),
        lambda registry: registry.export("iris", tmp_path / "iris.tar"),
    ]

    for opened in (strict, *(holdfast.open(store) for _ in readers)):
        for read in readers:
            with pytest.raises(DamagedError, match="entry 6 of iris"):
                read(opened)
    damages = holdfast.open(store).verify().damages
    assert ["entry 6 of iris" in damage.problem for damage in damages] == [True]


def test_the_live_version_is_not_registered_anew(strict: Registry, store: Path) -> None:
    evil = strict._session.state("iris").versions["1.1.0"].manifest
    again = Registered(version="1.0.0", number=1, manifest=evil, size_bytes=1, metrics={}, why="")
    forge(store, again, "eve")

    for opened in (strict, holdfast.open(store)):
        with pytest.raises(DamagedError, match=r"entry 6 of iris registers 1\.0\.0 as v1"):
            opened.load("iris@production")
    assert [damage.version for damage in holdfast.open(store).verify().damages] == [None]


def test_the_damage_names_the_key(strict: Registry, store: Path) -> None:
    forge(store, EVIL, "eve", EVE)

    with pytest.raises(
        DamagedError, match=r"signed with the key [0-9a-f]{12}, which belongs to none"
    ):
        strict.status("iris")


def test_a_stolen_signature_is_refused(strict: Registry, store: Path) -> None:
    path = forge(store, EVIL, "bob", BOB)
    raw = path.read_bytes()
    signature = json.loads(raw)["signature"]["value"]
    path.write_bytes(disk.sealed(raw.replace(signature.encode(), BOB.sign(b"x").encode())))

    with pytest.raises(DamagedError, match="has a signature that its key"):
        strict.status("iris")


def test_what_a_signer_wrote_is_believed(strict: Registry, store: Path) -> None:
    forge(store, EVIL, "bob", BOB)

    status = strict.status("iris")

    assert status.live is not None
    assert (status.live.version, status.by) == ("1.1.0", "bob")


def test_what_moves_nothing_is_believed_of_everybody(strict: Registry, store: Path) -> None:
    forge(store, Tagged(version="1.1.0", tags={"team": "risk"}), "eve")

    assert strict.resolve("iris@1.1.0").tags == {"team": "risk"}
    assert holdfast.open(store).resolve("iris@1.1.0").tags == {"team": "risk"}


Verb = Callable[[Registry], object]
VERBS: dict[str, Verb] = {
    "promote": lambda one: one.promote("iris@1.1.0", force=True, reason="now"),
    "alias": lambda one: one.alias("iris@1.1.0", "eu"),
    "approve": lambda one: one.approve("iris@1.1.0"),
    "evaluate": lambda one: one.evaluate("iris@1.1.0", {"auc": 1.0}),
    "hold": lambda one: one.hold("iris@1.1.0", reason="audit"),
    "policy": lambda one: one.set_policy("iris", Policy(), reason="done"),
    "purge": lambda one: one.purge("iris", versions=["1.1.0"], grace_s=0),
    "delete": lambda one: one.delete("iris", reason="done", force=True),
}


@pytest.mark.parametrize("verb", VERBS.values(), ids=VERBS)
def test_without_a_listed_key_a_verb_is_refused_and_nothing_is_written(
    strict: Registry, store: Path, tmp_path: Path, ana: KeyFiles, verb: Verb
) -> None:
    eve = signing.create("eve", tmp_path / "eve")
    before = disk.journals(store)
    for by, key, message in (
        ("ana", None, "is not signed; the policy demands the signature of ana, bob"),
        ("eve", eve.private, "which belongs to none of ana, bob"),
        ("bob", ana.private, "of ana, in the name of bob"),
    ):
        with pytest.raises(RefusedError, match=message) as caught:
            verb(holdfast.open(store, by=by, signing_key=key))
        assert caught.value.by == "require_signature"

    assert disk.journals(store) == before
    assert strict.verify().whole


def test_a_rollback_needs_a_signer(strict: Registry, store: Path) -> None:
    strict.sign("iris@1.1.0")
    strict.promote("iris@1.1.0")

    with pytest.raises(RefusedError, match="'rolled_back' is not signed"):
        holdfast.open(store, by="ana").rollback("iris")
    assert strict.rollback("iris").version == "1.0.0"


def test_history_says_whose_key_signed_what(strict: Registry, store: Path) -> None:
    forge(store, Tagged(version="1.1.0", tags={}), "eve", EVE)

    lines = strict.history("iris")
    assert all(strict.history("iris", last=n) == lines[len(lines) - n :] for n in range(len(lines)))
    events = [(past.op, past.signer, past.key is not None) for past in lines]

    assert events == [
        ("registered", None, False),
        ("registered", None, False),
        ("policy_set", "ana", True),
        ("signed", "ana", True),
        ("promoted", "ana", True),
        ("tagged", None, True),
    ]


def test_the_state_at_a_time_is_held_to_the_same(strict: Registry, store: Path) -> None:
    assert strict.status("iris", at="2030-01-01").live is not None
    forge(store, EVIL)

    with pytest.raises(DamagedError, match="entry 6 of iris"):
        strict.status("iris", at="2030-01-01")


def _plant(store: Path, state: State) -> Path:
    """Write a snapshot as stores of old have them, sound by itself."""
    path = store / "models" / "iris" / "snapshots" / f"{state.seq:010}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(_snapshot(state))
    return path


def _snapshot(state: State) -> bytes:
    encoded = msgspec.json.encode(state)
    return b'{"format":1,"sum":"%s","state":%s}\n' % (entries.digest(encoded).encode(), encoded)


SEALS: dict[str, Callable[[Path], object]] = {"there": lambda _mark: None, **disk.HURTS}


@pytest.mark.usefixtures("strict")
@pytest.mark.parametrize("hurt", SEALS.values(), ids=SEALS)
@pytest.mark.parametrize("reader", ["the same user", "somebody new"])
def test_no_snapshot_is_a_way_around_the_policy(
    store: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    hurt: Callable[[Path], object],
    reader: str,
) -> None:
    if reader == "somebody new":
        monkeypatch.setenv("HOME", str(tmp_path / "home"))
    state = _state(store)
    hurt(store / JOURNAL / "signed.json")
    forge(store, PolicySet(policy=Policy()), "eve")
    last = forge(store, EVIL, "eve")
    state.policy, state.production = Policy(), "1.1.0"
    state.seq, state.head = int(last.stem), entries.digest(last.read_bytes())
    assert _plant(store, state).exists()

    with pytest.raises(DamagedError, match="entry 6 of iris"):
        holdfast.open(store).status("iris")
    assert '"1.1.0"' not in (store / "models/iris/active_version.json").read_text()


def test_no_snapshot_of_a_state_that_never_was_is_believed(strict: Registry, store: Path) -> None:
    state = _state(store)
    state.production = "1.1.0"
    assert _plant(store, state).exists()

    status = holdfast.open(store).status("iris")

    assert status.live is not None
    assert status.live.version == "1.0.0"
    assert strict.verify().whole


@pytest.mark.parametrize("trick", ["open to all", "a link", "of another journal", "rotten"])
def test_a_fold_counts_only_as_this_users_own_of_this_journal(
    strict: Registry, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trick: str
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    state = _state(store)
    state.production = "1.1.0"
    if trick == "of another journal":
        state.head = "0" * 64
    folds.keep(strict.identity, state)
    folder = tmp_path / ".cache" / "holdfast-checked" / "folds"
    (fold_path,) = folder.iterdir()
    if trick == "open to all":
        folder.chmod(0o777)
    elif trick == "a link":
        folder.rename(tmp_path / "planted")
        folder.symlink_to(tmp_path / "planted")
    elif trick == "rotten":
        disk.flip(fold_path)

    status = holdfast.open(store).status("iris")

    assert status.live is not None
    assert status.live.version == "1.0.0"


def test_a_long_journal_is_read_from_the_users_own_fold(
    strict: Registry, store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for turn in range(_EVERY):
        strict.tag("iris@1.0.0", {"turn": str(turn)})
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / ".cache" / "holdfast-checked" / "folds"
    holdfast.open(store).status("iris")  # reads all, and keeps what it found
    assert len(list(folder.iterdir())) == 1

    assert holdfast.open(store).resolve("iris@1.0.0").tags["turn"] == str(_EVERY - 1)


@pytest.mark.parametrize("hurt", disk.HURTS.values(), ids=disk.HURTS)
def test_a_lost_mark_is_found_and_made_anew(strict: Registry, store: Path, hurt: disk.Hurt) -> None:
    mark = store / JOURNAL / "signed.json"
    hurt(mark)

    damages = strict.verify().damages
    assert [damage.subject for damage in damages] == [f"{JOURNAL}/signed.json"]
    assert strict.repair("iris").whole

    assert strict.verify().whole


def test_without_the_demand_there_is_no_mark(registry: Registry, store: Path, grow: Grow) -> None:
    grow(1)
    registry.set_policy("iris", Policy(approvals=1))

    assert sorted(path.name for path in (store / JOURNAL).iterdir()) == [
        "0000000001.json",
        "0000000002.json",
    ]


def test_a_signed_journal_goes_into_another_store_with_its_mark(
    strict: Registry, tmp_path: Path
) -> None:
    strict.export("iris", tmp_path / "iris.tar")
    elsewhere = holdfast.open(tmp_path / "elsewhere", by="zoe")

    elsewhere.import_(tmp_path / "iris.tar")

    assert (tmp_path / "elsewhere" / JOURNAL / "signed.json").exists()
    assert elsewhere.verify().whole
    with pytest.raises(RefusedError, match="require_signature"):
        elsewhere.approve("iris@1.1.0")


def test_a_signed_entry_that_was_changed_is_damage_where_nobody_demands_one(
    store: Path, clock: Clock, ana: KeyFiles, grow: Grow
) -> None:
    grow(1)
    registry: Registry = holdfast.open(store, by="ana", clock=clock, signing_key=ana.private)
    registry.note("iris@1.0.0", "sound")
    path = store / JOURNAL / "0000000002.json"
    disk.overwrite(path, disk.sealed(path.read_bytes().replace(b'"sound"', b'"found"')))
    (store / "models" / "iris" / "active_version.json").unlink()

    again: Any = holdfast.open(store)

    assert "has a signature that its key" in again.verify().damages[0].problem


def test_a_signed_bundle_with_a_changed_entry_is_refused(
    store: Path, clock: Clock, ana: KeyFiles, grow: Grow, tmp_path: Path
) -> None:
    grow(1)
    registry = holdfast.open(store, by="ana", clock=clock, signing_key=ana.private)
    registry.note("iris@1.0.0", "sound")
    path = store / JOURNAL / "0000000002.json"
    disk.overwrite(path, disk.sealed(path.read_bytes().replace(b'"sound"', b'"found"')))
    (store / "models" / "iris" / "active_version.json").unlink()
    holdfast.open(store).export("iris", tmp_path / "iris.tar")

    with pytest.raises(DamagedError, match="has a signature that its key"):
        holdfast.open(tmp_path / "elsewhere").import_(tmp_path / "iris.tar")
    assert not (tmp_path / "elsewhere" / JOURNAL).exists()


def test_a_copy_of_a_signed_journal_is_held_to_the_same(strict: Registry, tmp_path: Path) -> None:
    elsewhere = holdfast.open(tmp_path / "elsewhere", by="zoe")
    strict.copy(elsewhere)
    forge(tmp_path / "elsewhere", EVIL)

    with pytest.raises(DamagedError, match="entry 6 of iris"):
        holdfast.open(tmp_path / "elsewhere").status("iris")
    assert not strict.repair_plan("iris", source=tmp_path / "elsewhere").mends
    assert strict.verify().whole


def test_a_forged_entry_is_not_repaired_away_and_is_told(strict: Registry, store: Path) -> None:
    forge(store, EVIL)

    left = strict.repair("iris").left

    assert ["entry 6 of iris" in damage.problem for damage in left] == [True]


def test_in_a_bucket_no_snapshot_is_a_way_around_the_policy(
    moto: Endpoint, tmp_path: Path, ana: KeyFiles, text: Text
) -> None:
    bucket = moto.make_bucket()

    def opened(by: str, key: Path | None = None) -> Registry:
        cache = tmp_path / f"cache-{by}"
        return holdfast.open(
            f"s3://{bucket}/x",
            by=by,
            signing_key=key,
            options=moto.options,
            cache=cache,
            clock=Clock(),
        )

    mine = opened("ana", ana.private)
    mine.register("iris", text("iris"))
    for turn in range(ObjectStore.traits.fold_every):
        mine.tag("iris@1.0.0", {"turn": str(turn)})
    mine.set_policy("iris", Policy(signers={"ana": ana.signer}, require_signature=True))
    mine.sign("iris@1.0.0")
    mine.promote("iris@1.0.0")
    state = mine._session.state("iris")
    state.production = None
    key = f"models/iris/snapshots/{state.seq:010}.json"
    mine._session.open_store.store.create(key, _snapshot(state))

    mine._session.open_store.store.delete("models/iris/journal/signed.json")

    status = opened("zoe").status("iris")

    assert status.live is not None


def _signed(store: Path, event: AnyEvent, by: str = "ana", pen: Person | None = None) -> bytes:
    """Return an entry that fits the end of the journal, and leave the journal as it was."""
    path = forge(store, event, by, pen)
    raw = path.read_bytes()
    path.unlink()
    return raw


def _put(store: Path, raw: bytes) -> None:
    tail = max((store / JOURNAL).glob("0*.json"))
    document = json.loads(raw)
    now = {"seq": int(tail.stem) + 1, "prev": entries.digest(tail.read_bytes())}
    for name in now:
        before, after = (json.dumps(one[name]).encode() for one in (document, now))
        raw = raw.replace(b'"%s":%s' % (name.encode(), before), b'"%s":%s' % (name.encode(), after))
    (store / JOURNAL / f"{now['seq']:010}.json").write_bytes(disk.sealed(raw))


def _last(store: Path, model: str = "iris") -> bytes:
    journal = store / "models" / model / "journal"
    return max(journal.glob("0*.json")).read_bytes()


def _an_older_one(registry: Registry, store: Path) -> bytes:
    own = _last(store)
    registry.promote("iris@1.1.0", force=True, reason="a try")
    registry.rollback("iris", reason="it was none")
    return own


def _of_another_model(registry: Registry, store: Path) -> bytes:
    for content in ("one", "two"):
        (store.parent / "rose.txt").write_text(content)
        registry.register("rose", store.parent / "rose.txt")
    registry.promote("rose@1.0.0")
    registry.promote("rose@1.1.0", force=True, reason="a try")
    return _last(store, "rose")


def _without_its_signature(_: Registry, store: Path) -> bytes:
    raw = _last(store)
    return raw[: raw.index(b',"signature"')] + raw[raw.rindex(b',"sum"') :]


def _with_two(_: Registry, store: Path) -> bytes:
    raw = _last(store)
    start, end = raw.index(b',"signature"'), raw.rindex(b',"sum"')
    return raw[:end] + raw[start:end] + raw[end:]


def _with_the_key_of_another(_: Registry, store: Path) -> bytes:
    raw = _signed(store, EVIL, "ana", EVE)
    ours = json.loads(_last(store))["signature"]["key"]
    return raw.replace(EVE.key.encode(), ours.encode())


def _with_a_key_for_versions(_: Registry, store: Path) -> bytes:
    assert BOB.signer.ec is not None
    point = base64.b64encode(base64.b64decode(BOB.signer.ec)[-32:])
    return _signed(store, EVIL, "bob", BOB).replace(BOB.key.encode(), point)


REPLAYED: dict[str, Callable[[Registry, Path], bytes]] = {
    "an older one of this model": _an_older_one,
    "one of another model": _of_another_model,
    "one without its signature": _without_its_signature,
    "one with two signatures": _with_two,
    "one under another's key": _with_the_key_of_another,
    "one under a key of another algorithm": _with_a_key_for_versions,
}


@pytest.mark.parametrize("replayed", REPLAYED.values(), ids=REPLAYED)
def test_a_signed_entry_counts_at_its_own_place_alone(
    strict: Registry, store: Path, replayed: Callable[[Registry, Path], bytes]
) -> None:
    raw = replayed(strict, store)
    strict.tag("iris@1.0.0", {"seen": "yes"})

    _put(store, raw)

    for opened in (strict, holdfast.open(store)):
        with pytest.raises(DamagedError):
            opened.load("iris@production")
    assert not holdfast.open(store).verify().whole


def test_a_signer_who_was_taken_off_the_list_signs_no_more(
    strict: Registry, store: Path, ana: KeyFiles
) -> None:
    ready = _signed(store, EVIL, "bob", BOB)
    strict.set_policy("iris", Policy(signers={"ana": ana.signer}, require_signature=True))

    for raw in (ready, _signed(store, EVIL, "bob", BOB)):
        _put(store, raw)
        with pytest.raises(DamagedError, match="entry 7 of iris"):
            holdfast.open(store).status("iris")


@pytest.mark.usefixtures("strict")
def test_what_a_signer_signs_in_a_copy_can_be_put_into_the_original(
    store: Path, tmp_path: Path, ana: KeyFiles
) -> None:
    shutil.copytree(store, tmp_path / "copy")
    holdfast.open(tmp_path / "copy", by="ana", signing_key=ana.private).promote(
        "iris@1.1.0", force=True, reason="a try"
    )
    tried = max((tmp_path / "copy" / JOURNAL).glob("0*.json"))

    shutil.copy(tried, store / JOURNAL)

    live = holdfast.open(store).status("iris").live  # one history: the guide says so
    assert live is not None
    assert live.version == "1.1.0"
