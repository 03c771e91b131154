"""Approvals: claimed where nothing proves whose they are, signed where the policy demands it."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.registry.conftest import Clock, Grow

import holdfast
from holdfast import Policy, Registry, signing
from holdfast.core.history import past
from holdfast.core.signers import Signer
from holdfast.errors import InvalidInputError, RefusedError
from holdfast.signing.keys import KeyFiles

People = dict[str, KeyFiles]
As = Callable[..., Registry]
NAMES = ("ana", "bob", "eve")


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> People:
    return {name: signing.create(name, tmp_path_factory.mktemp(name)) for name in NAMES}


@pytest.fixture
def as_(store: Path, clock: Clock, people: People) -> As:
    """Open the store in a name, with the key of that name or of somebody else, or none."""

    def opened(by: str, key: str | None = None) -> Registry:
        private = people[key].private if key else None
        return holdfast.open(store, by=by, clock=clock, signing_key=private)

    return opened


def signed(people: People, **rules: object) -> Policy:
    listed: dict[str, Signer] = {name: made.signer for name, made in people.items()}
    return Policy(signers=listed, approval="signed", max_regression=None, **rules)  # type: ignore[arg-type]


@pytest.fixture
def iris(as_: As, people: People, grow: Grow, tmp_path: Path) -> Registry:
    """Return Ana's registry, which demands a signed approval; she signed registering 1.1.0."""
    grow(1)
    ana = as_("ana", "ana")
    ana.set_policy("iris", signed(people, approvals=1, protected_aliases=("eu",)), reason="audit")
    (tmp_path / "iris.txt").write_text("two")
    ana.register("iris", tmp_path / "iris.txt")
    return ana


def reasons(registry: Registry, ref: str = "iris@1.1.0") -> str:
    return "; ".join(registry.judge(ref).reasons)


def test_a_name_alone_is_told_as_claimed_wherever_it_is_shown(
    as_: As, grow: Grow, registry: Registry
) -> None:
    grow(1)
    done = as_("bob").approve("iris@1.0.0")
    info = registry.resolve("iris@1.0.0")

    assert done.note == "approve 1.0.0 (claimed)"
    assert (info.approvals, info.claimed, info.approved_by) == (
        ("bob",),
        ("bob",),
        ("bob (claimed)",),
    )
    assert registry.history("iris")[-1].what == "approve 1.0.0 (claimed)"
    assert registry.status("iris").moves[0].what == "approve 1.0.0 (claimed)"
    assert "| Approved by | bob (claimed) |" in str(registry.card("iris@1.0.0", "markdown"))
    assert "'bob (claimed)'" in str(registry.card("iris@1.0.0", "cyclonedx"))
    assert "bob (claimed)" in info._repr_html_()


def test_where_a_listed_key_signed_nothing_is_claimed(as_: As, iris: Registry) -> None:
    done = as_("bob", "bob").approve("iris@1.1.0")
    info = iris.resolve("iris@1.1.0")

    assert done.note == "approve 1.1.0"
    assert (info.approvals, info.claimed, info.approved_by) == (("bob",), (), ("bob",))
    assert (iris.history("iris")[-1].what, iris.history("iris")[-1].signer) == (
        "approve 1.1.0",
        "bob",
    )
    assert iris.status("iris").moves[0].what == "approve 1.1.0"
    assert "| Approved by | bob |" in str(iris.card("iris@1.1.0", "markdown"))


def test_a_name_alone_lets_nothing_pass_where_signed_approvals_are_demanded(
    as_: As, iris: Registry
) -> None:
    as_("bob").approve("iris@1.1.0")

    assert reasons(iris) == (
        "approvals: 0 of 1 (so far nobody; bob is claimed, not signed by a listed key; "
        "the promoter does not count)"
    )
    with pytest.raises(RefusedError, match="approvals: 0 of 1"):
        iris.promote("iris@1.1.0")
    as_("bob", "bob").approve("iris@1.1.0")
    assert iris.resolve("iris@1.1.0").claimed == ()
    assert iris.promote("iris@1.1.0").changed
    assert not as_("bob", "bob").approve("iris@1.1.0").changed


def test_a_listed_key_in_another_name_is_no_proof(as_: As, iris: Registry) -> None:
    as_("bob", "eve").approve("iris@1.1.0")
    as_("zoe", "eve").approve("iris@1.1.0")

    assert iris.resolve("iris@1.1.0").claimed == ("bob", "zoe")
    assert "approvals: 0 of 1" in reasons(iris)


def test_whoever_registered_or_promotes_is_no_second_person(as_: As, iris: Registry) -> None:
    iris.approve("iris@1.1.0")

    assert "ana registered it" in reasons(as_("bob", "bob"))
    as_("bob", "bob").approve("iris@1.1.0")
    assert "approvals: 0 of 1" in reasons(as_("bob", "bob"))
    assert "bob has the key of whoever promotes" in reasons(as_("zoe", "bob"))
    assert as_("eve", "eve").judge("iris@1.1.0").passed


def test_where_neither_is_known_the_approver_could_be_both(as_: As, iris: Registry) -> None:
    as_("bob", "bob").approve("iris@1.0.0")  # which zoe registered without a key

    assert "bob may be the one who promotes, who is not known" in reasons(as_("zoe"), "iris@1.0.0")
    assert iris.judge("iris@1.0.0").passed


def test_two_approvals_of_one_key_are_one_person(as_: As, iris: Registry, people: People) -> None:
    bob = people["bob"].signer
    as_("bob", "bob").approve("iris@1.1.0")
    listed = {"ana": people["ana"].signer, "rob": bob}
    two = Policy(signers=listed, approval="signed", approvals=2, max_regression=None)
    iris.set_policy("iris", two, reason="bob is rob")
    as_("rob", "bob").approve("iris@1.1.0")

    assert "approvals: 1 of 2 (so far rob; bob is claimed" in reasons(iris)


def test_a_key_that_is_not_listed_any_more_proves_nothing(
    as_: As, iris: Registry, people: People
) -> None:
    as_("bob", "bob").approve("iris@1.1.0")
    assert iris.judge("iris@1.1.0").passed
    left = {name: people[name].signer for name in ("ana", "eve")}
    iris.set_policy(
        "iris",
        Policy(signers=left, approval="signed", approvals=1, max_regression=None),
        reason="stolen",
    )

    assert "bob is claimed" in reasons(iris)


def test_a_protected_alias_asks_for_the_same(as_: As, iris: Registry) -> None:
    as_("bob").approve("iris@1.1.0")
    with pytest.raises(
        RefusedError, match=r"no second person has approved 1\.1\.0 with a listed key"
    ):
        iris.alias("iris@1.1.0", "eu")
    as_("bob", "bob").approve("iris@1.1.0")

    assert iris.alias("iris@1.1.0", "eu").changed


CUSTOM = "import pickle, sys, wave; pickle.dump(wave.Error('x'), open(sys.argv[1], 'wb'))"


@pytest.mark.parametrize("rule", [{"code": "approved"}, {"clean_scan": True}])
def test_every_rule_that_asks_for_a_second_person_asks_for_a_signed_one(
    as_: As, people: People, tmp_path: Path, rule: dict[str, object]
) -> None:
    ana = as_("ana", "ana")
    subprocess.run([sys.executable, "-c", CUSTOM, str(tmp_path / "m.pkl")], check=True)
    ana.set_policy("code", signed(people, **rule), reason="audit")
    ana.register("code", tmp_path / "m.pkl", trust="reviewed")
    as_("bob").approve("code@1.0.0")
    claimed = ana.judge("code@1.0.0")
    as_("bob", "bob").approve("code@1.0.0")

    assert "a second person must approve it" in "; ".join(claimed.reasons)
    assert ana.judge("code@1.0.0").passed


def test_a_demand_that_nobody_could_meet_is_refused(iris: Registry) -> None:
    with pytest.raises(InvalidInputError, match=r"approval signed.*nobody is listed"):
        iris.set_policy("iris", Policy(approval="signed"), reason="no keys")


def test_going_back_to_claims_lowers_the_gate(iris: Registry) -> None:
    lax = Policy(signers=iris.policy("iris").signers, approvals=1, max_regression=None)
    with pytest.raises(InvalidInputError, match=r"approval signed → claimed.*--reason"):
        iris.set_policy("iris", lax)
    done = iris.set_policy("iris", lax, reason="no keys at hand")

    assert "approval signed → claimed" in done.note


def test_an_import_of_the_journal_keeps_what_was_proved(
    as_: As, iris: Registry, tmp_path: Path, clock: Clock
) -> None:
    as_("bob", "bob").approve("iris@1.1.0")
    as_("eve").approve("iris@1.1.0")
    iris.alias("iris@1.1.0", "eu")
    iris.export("iris", tmp_path / "iris.tar")
    other = holdfast.open(tmp_path / "other", by="ana", clock=clock)
    other.import_(tmp_path / "iris.tar")

    assert other.resolve("iris@1.1.0").claimed == ("eve",)


WITHOUT = """
import sys, json
sys.modules["cryptography"] = None
import holdfast
info = holdfast.open(sys.argv[1], by="ana").resolve("iris@1.1.0")
print(json.dumps([info.approvals, info.claimed]))
"""


def test_without_the_library_nothing_is_proved_and_all_is_read(
    as_: As, iris: Registry, store: Path
) -> None:
    as_("bob", "bob").approve("iris@1.1.0")
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, str(store)], check=True, capture_output=True, text=True
    )

    assert json.loads(done.stdout) == [["bob"], ["bob"]]
    assert iris.resolve("iris@1.1.0").claimed == ()


def test_an_entry_signed_by_nobody_listed_is_claimed_in_its_line(as_: As, iris: Registry) -> None:
    as_("bob", "bob").approve("iris@1.1.0")
    entry = iris.entries("iris")[-1]

    assert past(entry, ()).what == "approve 1.1.0 (claimed)"
    assert past(entry, (), "eve").what == "approve 1.1.0 (claimed)"
    assert past(entry, (), "bob").what == "approve 1.1.0"
