"""A registry behind a real server: each verb as on a folder, and what only a server does."""

import hashlib
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import msgspec
import pytest
from tests.registry import behind_server
from tests.registry.conftest import Clock, Text
from tests.servers.running import Endpoint

import holdfast
from holdfast import Policy, Registry, signing
from holdfast.core import rollout_commands
from holdfast.core.rollout.rollout_state import Baseline, Terms
from holdfast.core.rollout.step_verdict import StepVerdict
from holdfast.errors import (
    ConflictError,
    DamagedError,
    InvalidInputError,
    NotFoundError,
    RefusedError,
    StoreError,
    UnsupportedError,
    UntrustedError,
)
from holdfast.store import remote_uploads


@pytest.fixture
def url(store: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("HOLDFAST_TOKEN", behind_server.token_of("ann"))
    with behind_server.served(store, clock) as address:
        yield address


@pytest.fixture
def remote(url: str, clock: Clock) -> Registry:
    return holdfast.open(url, clock=clock)


@pytest.fixture
def beside(store: Path, clock: Clock) -> Registry:
    """Return the same store as its administrator opens it."""
    return holdfast.open(store, by="root", clock=clock)


def test_a_version_goes_all_the_way(remote: Registry, beside: Registry, text: Text) -> None:
    done = remote.register("iris", text("one"), metrics={"auc": 0.9}, reason="first")
    remote.promote(done, reason="release")

    assert beside.verify().whole
    assert [past.by for past in beside.history("iris")] == ["ann", "ann"]
    assert beside.load("iris@production").ref == remote.load("iris@production").ref == "iris@1.0.0"
    assert remote.paths("iris@production")["model"].read_text() == "one"


def test_what_is_read_is_what_a_folder_reads(
    remote: Registry, beside: Registry, text: Text
) -> None:
    for number in range(3):
        remote.promote(remote.register("iris", text(f"{number}"), metrics={"auc": number}))
    remote.alias("iris@1.0.0", "first")
    remote.set_policy("iris", msgspec.structs.replace(Policy(), approvals=1), reason="careful")
    remote.register("rose", text("rose"))
    remote.delete("rose", reason="not a model", force=True)

    assert remote.models() == beside.models()
    assert remote.versions("iris") == beside.versions("iris")
    assert remote.history("iris") == beside.history("iris")
    assert remote.served("iris") == beside.served("iris")
    assert remote.heads() == beside.heads()
    assert remote.policy("iris") == beside.policy("iris")
    assert remote.manifest("iris@first") == beside.manifest("iris@first")
    assert remote.card("iris@first") == beside.card("iris@first")
    assert remote.compare("iris@first", "iris@latest") == beside.compare("iris@1.0.0", "iris@1.2.0")
    assert remote.verify().whole
    assert remote.verify().entries == beside.verify().entries
    assert remote.identity == beside.identity


def test_whoever_asks_is_the_author_whatever_they_say(url: str, text: Text) -> None:
    registry = holdfast.open(url, by="the boss")
    registry.register("iris", text("one"))

    assert registry.history("iris")[0].by == "ann"
    assert registry.manifest("iris@1.0.0").registered_by == "ann"


def test_losses_go_with_an_evaluation(remote: Registry, text: Text) -> None:
    digest = "sha256:" + "a" * 64
    remote.register("iris", text("one"), losses={"mae": [1.0, 2.0]}, evaluation_set=digest)
    remote.evaluate("iris@1.0.0", {"auc": 0.9}, losses={"mse": [4.0, 5.0]}, evaluation_set=digest)

    assert remote.resolve("iris@1.0.0").metrics == {"mae": 1.5, "auc": 0.9, "mse": 4.5}
    assert remote.verify().whole


def test_a_pickle_that_is_not_allowed_needs_trust(remote: Registry, tmp_path: Path) -> None:
    path = tmp_path / "model.pkl"
    path.write_bytes(b"\x80\x04\x8c\x05posix\x8c\x06system\x93\x8c\x04true\x85R.")
    with pytest.raises(UntrustedError):
        remote.register("iris", path)
    assert remote.models() == []

    remote.register("iris", path, trust="our own")

    assert remote.manifest("iris@1.0.0").scan["model"].trusted == "our own"


def test_bytes_are_sent_once(remote: Registry, text: Text) -> None:
    path = text("the same")
    remote.register("iris", path)

    again = remote.register("iris", path, version="1.0.0")

    assert (again.created, again.version.version) == (False, "1.0.0")
    with pytest.raises(ConflictError):
        remote.register("iris", text("others"), version="1.0.0")


def test_a_large_file_is_sent_in_parts_and_from_where_it_broke_off(
    remote: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(remote_uploads, "RESUMABLE", 1 << 20)
    monkeypatch.setattr(remote_uploads, "_PART", 1 << 19)
    path = tmp_path / "model.bin"
    path.write_bytes(os.urandom(3 << 20))
    seen: list[tuple[int, int]] = []

    remote.register("big", path, progress=lambda done, whole: seen.append((done, whole)))

    assert seen[-1][0] == seen[-1][1] == 3 << 20
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    assert remote.manifest("big@latest").files[0].sha256 == sha256
    assert remote.verify().whole


def test_models_are_copied_to_a_folder_and_back(
    remote: Registry, tmp_path: Path, text: Text, clock: Clock
) -> None:
    remote.promote(remote.register("iris", text("one")), reason="release")
    copy = holdfast.open(tmp_path / "copy", clock=clock)

    there = remote.copy(copy)
    other = tmp_path / "other"
    with behind_server.served(other, clock) as address:
        target = holdfast.open(address, clock=clock)
        back = copy.copy(target)
        nothing = copy.copy(target)

        assert (there.models, back.models) == (("iris",), ("iris",))
        assert (back.entries, nothing.entries) == (2, 0)
        assert target.heads() == remote.heads()
        assert target.verify().whole
        copy.note("iris@1.0.0", "went on in the copy")
        assert copy.copy(target).entries == 1
        assert target.heads() == copy.heads()


def test_models_are_copied_between_a_server_and_a_bucket(
    remote: Registry, moto: Endpoint, tmp_path: Path, text: Text, clock: Clock
) -> None:
    remote.promote(remote.register("iris", text("one")), reason="release")
    url, cache = f"s3://{moto.make_bucket()}/x", tmp_path / "cache"
    bucket = holdfast.open(url, options=moto.options, cache=cache, clock=clock)
    there = remote.copy(bucket)
    other = f"s3://{moto.make_bucket()}/y"
    opened = partial(holdfast.open, other, options=moto.options, cache=cache, clock=clock)
    with behind_server.serving(opened) as address:
        target = holdfast.open(address, clock=clock)
        back = bucket.copy(target)
        again = target.copy(bucket)

        assert (there.entries, back.entries, again.entries) == (2, 2, 0)
        assert remote.heads() == bucket.heads() == target.heads()
        assert target.paths("iris@production")["model"].read_text() == "one"
        assert target.verify().whole


def test_a_copy_onto_another_history_is_refused(
    remote: Registry, tmp_path: Path, text: Text
) -> None:
    remote.register("iris", text("one"))
    other = holdfast.open(tmp_path / "other")
    other.register("iris", text("two"))

    with pytest.raises(ConflictError, match="different history"):
        other.copy(remote)


def test_a_bundle_is_sent_and_imported(remote: Registry, tmp_path: Path, text: Text) -> None:
    source = holdfast.open(tmp_path / "source")
    source.register("iris", text("one"))
    source.export("iris@1.0.0", tmp_path / "iris.tar")

    done = remote.import_(tmp_path / "iris.tar", reason="from the lab")

    assert (done.model, done.versions, done.created) == ("iris", ("1.0.0",), True)
    assert remote.resolve("iris@1.0.0").size_bytes == 3
    with pytest.raises(InvalidInputError, match="is not a file"):
        remote.import_(tmp_path / "missing.tar")


def test_what_runs_beside_the_server_says_so(remote: Registry, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedError, match="does not collect bytes for a client"):
        remote.gc()
    with pytest.raises(UnsupportedError, match="does not take a copy to repair from"):
        remote.repair(source=tmp_path)


def test_a_backup_is_made_from_a_server_and_not_onto_one(
    remote: Registry, tmp_path: Path, text: Text
) -> None:
    remote.register("iris", text("one"))
    backup = holdfast.open(tmp_path / "backup")

    assert remote.backup(backup).whole
    assert (backup.identity, backup.heads()) == (remote.identity, remote.heads())
    other = holdfast.open(tmp_path / "other")
    other.register("iris", text("two"))
    with pytest.raises(ConflictError, match="is another store"):
        other.backup(remote)


def test_repair_is_the_servers(remote: Registry, store: Path, text: Text) -> None:
    remote.register("iris", text("one"))
    (store / "models/iris/active_version.json").unlink()

    assert [mend.subject for mend in remote.repair_plan("iris").mends]
    assert remote.repair("iris").whole
    assert (store / "models/iris/active_version.json").exists()


def test_a_model_that_is_not_there_is_not_found_with_its_nearest(
    remote: Registry, text: Text
) -> None:
    remote.register("iris", text("one"))

    with pytest.raises(NotFoundError, match="nearest: iris"):
        remote.promote("irsi@1.0.0")


def test_a_server_that_is_gone_is_told(store: Path, clock: Clock) -> None:
    with behind_server.served(store, clock) as url:
        pass
    with pytest.raises(StoreError, match="cannot be reached"):
        holdfast.open(url).models()


def test_purged_bytes_are_gone_for_the_client_too(remote: Registry, text: Text) -> None:
    for number in range(3):
        remote.register("iris", text(f"{number}"))
    done = remote.purge("iris", versions=["1.0.0"], grace_s=0, reason="space")

    assert done.purged == ("1.0.0",)
    assert remote.resolve("iris@1.0.0").status == "purged"
    again = remote.register("iris", text("0"))
    assert again.version.version == "1.3.0"


def test_a_rollout_is_driven_through_a_server(remote: Registry, text: Text) -> None:
    remote.promote(remote.register("iris", text("one")))
    remote.register("iris", text("two"))
    remote.rollouts.start("iris@1.1.0", reason="try it")
    remote.rollouts.pause("iris")
    remote.rollouts.resume("iris")

    rollout = remote.rollout("iris")
    assert rollout is not None
    assert rollout.version == "1.1.0"
    assert remote.rollouts.abort("iris", reason="enough").changed


def test_every_step_of_a_rollout_is_the_servers(remote: Registry, text: Text) -> None:
    remote.promote(remote.register("iris", text("one")))
    remote.register("iris", text("two"))
    remote.rollouts.start("iris@1.1.0", idempotency_key="run 7")
    assert not remote.rollouts.start("iris@1.1.0", idempotency_key="run 7").changed
    terms = Terms(sticky="header:X-User-Id")
    with pytest.raises(ConflictError, match="with other terms"):
        remote.rollouts.start("iris@1.1.0", idempotency_key="run 7", terms=terms)
    assert remote.rollouts.advance("iris", reason="looks well").changed
    remote.rollouts.abort("iris", reason="enough")
    assert remote.rollouts.retry("iris").changed
    done = remote.rollouts.promote("iris", reason="good enough", force=True)

    assert (done.version, done.was) == ("1.1.0", "1.0.0")


def test_a_driver_writes_through_the_server(remote: Registry, text: Text) -> None:
    remote.promote(remote.register("iris", text("one")))
    remote.register("iris", text("two"))
    remote.rollouts.start("iris@1.1.0")
    rollout = remote.rollout("iris")
    assert rollout is not None
    place = rollout_commands.place_of(rollout)
    hold = StepVerdict("hold", conclusive=False, weight=rollout.weight, reasons=(), readings=(),
                       canary=None, active=None)  # fmt: skip
    baseline = Baseline(2_000, ((0.5, 100), (0.9, 100), (0.99, 100)))

    assert remote.rollouts.calibrate("iris", rollout.number, baseline).changed
    assert remote.rollouts.record_verdict("iris", place, hold).changed
    halt = msgspec.structs.replace(hold, outcome="halt", conclusive=True)
    assert remote.rollouts.halt("iris", place, halt).changed
    with pytest.raises(ConflictError):
        remote.rollouts.step("iris", place, None)
    for late in (remote.rollouts.pass_, remote.rollouts.finish):
        with pytest.raises(ConflictError):
            late("iris", place, hold)


def test_each_waits_for_what_servers_report(remote: Registry, text: Text) -> None:
    remote.promote(remote.register("iris", text("one")))

    assert not remote.wait("iris", timeout_s=0).workers


def test_damage_at_the_server_is_told_by_verify(remote: Registry, store: Path, text: Text) -> None:
    remote.register("iris", text("one"))
    sha256 = remote.manifest("iris@1.0.0").files[0].sha256
    blob = store / "blobs/sha256" / sha256
    blob.chmod(0o644)
    blob.write_text("0ne")

    assert [damage.problem for damage in remote.verify().damages]
    with pytest.raises(DamagedError):
        holdfast.open(remote.location, cache=store.parent / "new-cache").fetch("iris@1.0.0")


@pytest.fixture
def strict(store: Path, tmp_path: Path, text: Text) -> Path:
    """Make a store whose model demands signatures of Ann's; return her key's file."""
    keys = signing.create("ann", tmp_path)
    owner = holdfast.open(store, by="ann", signing_key=keys.private)
    for number in range(2):
        owner.sign(owner.register("iris", text(f"{number}")))
    signers = {"ann": signing.public(keys.public)}
    policy = msgspec.structs.replace(Policy(), signers=signers, require_signature=True)
    owner.set_policy("iris", policy, reason="sign what serves")
    return keys.private


def test_an_entry_is_signed_here_and_written_there(
    strict: Path, store: Path, text: Text, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOLDFAST_TOKEN", behind_server.token_of("ann"))
    with behind_server.served(store, lambda: datetime.now(UTC)) as url:
        with pytest.raises(RefusedError):
            holdfast.open(url).promote("iris@1.0.0", reason="unsigned")
        signer = holdfast.open(url, signing_key=strict)
        done = signer.promote("iris@1.0.0", reason="release", idempotency_key="run 7")
        again = signer.promote("iris@1.0.0", reason="release", idempotency_key="run 7")
        signer.promote("iris@1.1.0", reason="next")
        back = signer.rollback("iris", reason="back")
        fresh = signer.register("iris", text("fresh"))
        signer.sign(fresh)

        registered = [past for past in signer.history("iris") if past.op == "registered"]
        assert registered[0].signer == registered[-1].signer == "ann"
        assert (done.changed, again.changed) == (True, False)
        assert (back.version, back.was) == ("1.0.0", "1.1.0")
        moves = [past for past in signer.history("iris") if past.op in ("promoted", "rolled_back")]
        assert [past.signer for past in moves] == ["ann"] * 3
        assert signer.verify().whole
        assert signer.resolve(fresh).signed_by == ("ann",)
        assert signer.verify(fresh.ref, signed_by="ann").whole


def test_an_evaluation_is_measured_here_and_recorded_there(
    remote: Registry, beside: Registry, tmp_path: Path
) -> None:
    from tests.registry.evaluated_models import SCHEMA, Threshold

    data = tmp_path / "june.csv"
    lines = [f"{20 + row % 40},{row % 9},{int(row % 40 > 18)}" for row in range(200)]
    data.write_text("\n".join(["age,visits,churned", *lines]))
    remote.set_policy("churn", Policy(clean_scan=False, required_evaluations=("june",)), reason="x")
    live = remote.register("churn", Threshold(45.0), input_schema=SCHEMA, trust="mine")
    remote.promote(live, reason="first", force=True)
    challenger = remote.register("churn", Threshold(39.0), input_schema=SCHEMA, trust="mine")
    done = remote.evaluate(challenger, data=data, label="churned")
    past = beside.resolve(challenger).evaluations[0]

    assert (past.by, past.metrics) == ("ann", done.evaluation.metrics)
    assert beside.resolve(live).metrics["accuracy"] < past.metrics["accuracy"] == 1.0
    assert beside.verify().whole
    assert remote.judge(challenger).passed
    assert remote.promote(challenger).changed


def test_a_server_that_is_too_old_for_it_is_told(
    remote: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.registry.evaluated_models import SCHEMA, Threshold

    from holdfast.web import verb_bodies

    class Older(verb_bodies.OfVersion, frozen=True, forbid_unknown_fields=True, kw_only=True):
        """What an older server takes."""

        metrics: dict[str, float]

    data = tmp_path / "june.csv"
    data.write_text("age,visits,churned\n50,1,1\n20,1,0\n")
    remote.set_policy("churn", Policy(clean_scan=False), reason="x")
    ref = remote.register("churn", Threshold(45.0), input_schema=SCHEMA, trust="mine").ref
    monkeypatch.setitem(verb_bodies.BODIES, "evaluate", Older)

    with pytest.raises(UnsupportedError, match="it is of an older Holdfast; update the server"):
        remote.evaluate(ref, data=data, label="churned")


def test_lineage_is_told_through_a_server(remote: Registry, text: Text, tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a,b\n1,x\n")
    rows = tmp_path / "rows.csv"
    first = remote.register("iris", text("one"), data={"train": rows}).ref
    child = remote.register("iris", text("two"), lineage={"parents": [first]}).ref
    remote.promote(first)

    tree = remote.lineage.of(first)
    assert [node.kind for node in tree.became] == ["child", "live"]
    assert tree.manifest.lineage.used_data["train"].rows is not None
    digest = tree.manifest.lineage.used_data["train"].digest or ""
    assert [user.info.ref for user in remote.lineage.users_of_data(digest).versions] == [first]
    assert [user.info.ref for user in remote.lineage.children(first).versions] == [child]
