"""A retraining whose store is a team's server: the lease is kept and the run judged there."""

import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from tests.retraining.entries import GOOD, PLAIN, WORSE
from tests.web.facing import Caller, Served
from tests.web.teams import Team, as_

import holdfast
from holdfast import Policy, Registry, signing
from holdfast.core.events import Retrained
from holdfast.core.retraining.slot_record import SlotRecord
from holdfast.errors import ConflictError, DamagedError, ForbiddenError, RefusedError
from holdfast.registry.losses import Measured
from holdfast.registry.retraining_conclusion import Attempt, ScoredPair
from holdfast.registry.retraining_lease import LeaseHolder
from holdfast.registry.sent_runs import SentRun
from holdfast.retraining import retraining_run
from holdfast.retraining.retraining_run import RunOutcome, RunRequest
from holdfast.signing.keys import KeyFiles
from holdfast.web import retraining_runs
from holdfast.web.retraining_runs import RunMade

SLOTS = tuple(f"2025-12-{day:02}T02:00:00Z" for day in range(1, 9))
Train = Callable[..., RunOutcome]


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Team:
    return Team(tmp_path_factory.mktemp("team"))


@pytest.fixture(scope="module")
def served(team: Team) -> Iterator[Served]:
    with team.served() as served:
        yield served


@pytest.fixture(scope="module")
def mallory(team: Team, served: Served) -> Caller:
    """Return somebody who may retrain, and lies."""
    return as_(served, team.member("mallory", "registrar"))


@pytest.fixture
def as_member(
    team: Team, served: Served, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str, str], Registry]:
    """Open the server's store as somebody with a role."""

    def opened(name: str, role: str) -> Registry:
        monkeypatch.setenv("HOLDFAST_TOKEN", team.member(name, role))
        return holdfast.open(f"http://127.0.0.1:{served.port}")

    return opened


def train(
    registry: Registry, folder: Path, model: str, text: str, slot: str, **facts: Any
) -> RunOutcome:
    (folder / "jobs.py").write_text(text)
    given: dict[str, Any] = {"entry": "jobs:train", "environment": {"PATH": "/usr/bin:/bin"}}
    return retraining_run.run(registry, RunRequest(model, slot, folder, **(given | facts)))


def test_a_run_is_judged_and_staged_by_the_server_in_the_name_of_who_ran_it(
    as_member: Callable[[str, str], Registry], team: Team, tmp_path: Path
) -> None:
    remote, beside = as_member("nightly", "registrar"), team.registry
    first = train(remote, tmp_path, "churn", GOOD, SLOTS[0], seed=1)
    again = train(remote, tmp_path, "churn", GOOD, SLOTS[0], seed=1)
    beside.promote("churn@1.0.0")
    worse = train(remote, tmp_path, "churn", WORSE, SLOTS[1], seed=2)
    broken = train(
        remote, tmp_path, "churn", PLAIN + "def train(context):\n    sys.exit('no rows')", SLOTS[2]
    )

    assert (first.record.outcome, first.record.version) == ("registered", "1.0.0")
    assert (again.ran, again.record) == (False, first.record)
    assert (worse.record.outcome, worse.record.version) == ("blocked", "1.1.0")
    assert broken.record.outcome == "failed"
    entries = [entry for entry in beside.entries("churn") if isinstance(entry.event, Retrained)]
    assert [entry.by for entry in entries] == ["nightly"] * 3
    blocked: Any = entries[1].event
    assert blocked.champion.version == "1.0.0"
    assert {series.name for series in blocked.losses} == {"accuracy", "brier", "log_loss"}
    assert any("log_loss" in reason for reason in blocked.refused)
    state = beside.retrainings.state("churn")
    assert state.record("1.1.0").status == "registered"
    log = team.registry._session.open_store.blobs.read(entries[2].event.log)  # type: ignore[union-attr,arg-type]
    assert b"no rows" in log
    assert beside.retrainings.holder("churn") is None
    assert beside.verify().whole


def test_whoever_may_not_retrain_is_told_before_the_training(
    as_member: Callable[[str, str], Registry], tmp_path: Path
) -> None:
    viewer = as_member("looker", "viewer")

    with pytest.raises(ForbiddenError, match="may not retrain"):
        train(viewer, tmp_path, "other", PLAIN + "def train(context):\n    1 / 0", SLOTS[0])


def test_one_lease_holds_for_those_beside_the_store_and_those_behind_the_server(
    as_member: Callable[[str, str], Registry], team: Team
) -> None:
    remote, holder = as_member("daily", "registrar"), LeaseHolder(SLOTS[0], "ci:7")
    with team.registry.retrainings.lease("lapse", holder):
        assert "by eve (ci:7)" in str(remote.retrainings.holder("lapse"))
        with pytest.raises(ConflictError, match=r"is going on: term 1 by eve"):
            remote.retrainings.lease("lapse", holder)
    with remote.retrainings.lease("lapse", holder) as lease:
        assert lease.term == 2
        lease.require()
        assert "term 2 by daily (ci:7 " in str(team.registry.retrainings.holder("lapse"))
        with pytest.raises(ConflictError, match=r"is going on: term 2 by daily"):
            team.registry.retrainings.lease("lapse", holder)
    assert remote.retrainings.holder("lapse") is None


def test_what_a_slot_came_to_is_remarked_once(
    as_member: Callable[[str, str], Registry], team: Team
) -> None:
    remote = as_member("hourly", "registrar")
    event = Retrained(slot=SLOTS[0], entry="jobs:train", outcome="missed", why="nobody ran it")

    assert [remote.retrainings.remark("marks", event) for _ in range(2)] == [True, False]
    (entry,) = team.registry.entries("marks")
    assert (entry.event, entry.by) == (event, "hourly")


@pytest.fixture(scope="module")
def keys(team: Team, tmp_path_factory: pytest.TempPathFactory) -> KeyFiles:
    """Return the key of Bob, who alone signs what becomes of two models."""
    keys = signing.create("bob", tmp_path_factory.mktemp("keys"))
    signers = {"bob": keys.signer}
    policy = Policy(signers=signers, require_signature=True)
    for model in ("signed", "loved"):
        team.registry.set_policy(model, policy, reason="agreed")
    return keys


@pytest.fixture(scope="module")
def bobs_token(team: Team) -> str:
    return team.member("bob", "promoter")


@pytest.fixture
def signer(
    served: Served, keys: KeyFiles, bobs_token: str, monkeypatch: pytest.MonkeyPatch
) -> Registry:
    monkeypatch.setenv("HOLDFAST_TOKEN", bobs_token)
    return holdfast.open(f"http://127.0.0.1:{served.port}", signing_key=keys.private)


def test_whoever_runs_it_decides_what_the_server_decides_and_signs_that(
    signer: Registry, keys: KeyFiles, team: Team, tmp_path: Path
) -> None:
    first = train(signer, tmp_path, "signed", GOOD, SLOTS[0], seed=1)
    again = train(signer, tmp_path, "signed", GOOD, SLOTS[0], seed=1)
    signer.sign("signed@1.0.0")
    signer.promote("signed@1.0.0", reason="first")
    worse = train(signer, tmp_path, "signed", WORSE, SLOTS[1], seed=2)
    stopped = PLAIN + "def train(context):\n    sys.exit('no rows')"
    broken = train(signer, tmp_path, "signed", stopped, SLOTS[2])
    late = Retrained(slot=SLOTS[3], entry="jobs:train", outcome="missed", why="nobody ran it")
    marked = [signer.retrainings.remark("signed", late) for _ in range(2)]

    outcomes = [outcome.record.outcome for outcome in (first, worse, broken)]
    assert outcomes == ["registered", "blocked", "failed"]
    assert (again.ran, again.record, marked) == (False, first.record, [True, False])
    entries = [entry for entry in team.registry.entries("signed") if type(entry.event) is Retrained]
    pens = [(entry.by, entry.signature and entry.signature.key) for entry in entries]
    assert pens == [("bob", keys.signer.ed25519)] * 4
    blocked: Any = entries[1].event
    assert (blocked.champion.version, blocked.registered.version) == ("1.0.0", "1.1.0")
    assert team.registry.verify().whole


def test_nobody_trains_for_hours_what_they_may_not_sign(
    keys: KeyFiles, signer: Registry, as_member: Callable[[str, str], Registry], tmp_path: Path
) -> None:
    dies = PLAIN + "def train(context):\n    1 / 0"
    without_key = holdfast.open(signer.location)
    other = as_member("weekly", "registrar")
    with_key_of_bob = holdfast.open(other.location, signing_key=keys.private)

    for registry, said in (
        (without_key, "is not signed; the policy demands the signature of bob"),
        (with_key_of_bob, "of bob, in the name of weekly"),
    ):
        with pytest.raises(RefusedError, match=said):
            train(registry, tmp_path, "signed", dies, SLOTS[7])


LIES: dict[str, Callable[[SentRun], SentRun]] = {
    "outcome": lambda run: replace(run, outcome="failed"),
    "losses": lambda run: replace(run, scores=replace(run.scores, kept={})),
    "version": lambda run: replace(run, bump="major"),
}


def test_what_a_server_would_rather_have_written_is_not_signed(
    team: Team, signer: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    losses = {"log_loss": struct.pack("<64d", *[0.25] * 64)}
    scored = ScoredPair(measured=Measured("ab" * 32, losses), metrics={"log_loss": 0.25})
    (tmp_path / "model.txt").write_text("weights")
    team.registry.register("loved", tmp_path / "model.txt", version="0.1.0")
    (tmp_path / "model.txt").write_text("other weights")
    perform = retraining_runs.perform
    before = team.registry.retrainings.state("loved").seq

    def concluded(slot: str) -> SlotRecord:
        attempt = Attempt(slot, "jobs:train", "auto", b"{}\n", b"trained")
        sources = {"model": tmp_path / "model.txt"}
        with signer.retrainings.lease("loved", LeaseHolder(slot, "ci:7")) as lease:
            return signer.retrainings.conclude(
                "loved", attempt, lease, sources, {}, lambda *_: scored
            )

    for named, lie in LIES.items():

        def lying(
            registry: Registry, model: str, body: RunMade, options: Any, do: Any = lie
        ) -> Any:
            return perform(registry, model, replace(body, run=do(body.run)), options)

        monkeypatch.setattr(retraining_runs, "perform", lying)
        with pytest.raises(DamagedError, match=f"with another {named} than is decided here"):
            concluded(SLOTS[4])
    assert team.registry.retrainings.state("loved").seq == before
    monkeypatch.setattr(retraining_runs, "perform", perform)

    assert [concluded(slot).outcome for slot in SLOTS[4:6]] == ["registered", "unchanged"]


def test_a_key_signs_runs_of_models_that_do_not_demand_it(signer: Registry, team: Team) -> None:
    late = Retrained(slot=SLOTS[0], entry="jobs:train", outcome="missed", why="nobody ran it")

    assert signer.retrainings.remark("loose", late)
    assert team.registry.entries("loose")[0].signature is not None


RUN = {"slot": SLOTS[0], "entry": "jobs:train", "outcome": "failed", "term": 1}
GONE = {"run": "ab" * 32, "log": "cd" * 32}


@pytest.mark.parametrize(
    ("verb", "body", "status", "said"),
    [
        ("retrain-lease", {"act": "beat", "term": 10**9}, 409, "has no term 1000000000 of mallory"),
        ("retrain-lease", {"act": "done", "term": 1}, 409, "has no term 1 of mallory"),
        ("retrain-lease", {"act": "steal"}, 422, "Invalid enum value"),
        ("retrained", {"run": RUN}, 409, "has no term 1 of mallory"),
        (
            "retrained",
            {"run": RUN | {"outcome": "made", "draft": {"name": "rose"}}},
            422,
            "another",
        ),
        ("retrained", {"run": RUN | {"trust": "me"}}, 403, "may not force a move"),
        ("retrained", {"run": RUN | {"outcome": "registered"}}, 422, "Invalid enum value"),
        ("retrained", {"run": RUN | {"outcome": "missed"}}, 422, "contradicts its facts"),
        ("retrained", {"run": RUN | {"outcome": "missed", "term": 0, "slot": "../x"}}, 422, "time"),
    ],
)
def test_whoever_lies_to_the_server_about_a_run_changes_nothing(
    team: Team, mallory: Caller, verb: str, body: dict[str, Any], status: int, said: str
) -> None:
    holder = LeaseHolder(SLOTS[0], "ci:7")
    with team.registry.retrainings.lease("iris", holder) as lease:
        body = {"run": body["run"] | {"term": lease.term}} if body.get("run", {}) == RUN else body
        answer = mallory.post(f"/models/iris:{verb}", body)

    assert answer.status == status
    assert said in str(answer.json).replace(f"term {lease.term} of", "term 1 of")
    assert not lease.is_lost
    assert team.registry.retrainings.state("iris").seq == 0


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (GONE, "was not sent"),
        ({"outcome": "made"}, "has no record or no log"),
        ({"slot": "2199-01-01T00:00:00Z"}, "has not come"),
    ],
)
def test_a_run_under_a_lease_of_ones_own_is_held_to_what_was_sent(
    team: Team, mallory: Caller, facts: dict[str, Any], said: str
) -> None:
    holder = {"slot": SLOTS[0], "holder": said}
    taken = [
        mallory.post("/models/rose:retrain-lease", {"act": "take"} | holder).json["result"]["term"]
        for _ in range(2)  # the first answer may have been lost
    ]
    answer = mallory.post("/models/rose:retrained", {"run": RUN | {"term": taken[0]} | facts})
    mallory.post("/models/rose:retrain-lease", {"act": "done", "term": taken[0]})
    late = mallory.post("/models/rose:retrained", {"run": RUN | {"term": taken[0]}})

    assert taken[0] == taken[1]
    assert (answer.status, said in str(answer.json)) == (422, True)
    assert (late.status, "lost the lease" in str(late.json)) == (409, True)
    assert team.registry.retrainings.state("rose").seq == 0
