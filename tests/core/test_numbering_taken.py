"""Registration under a number that is taken: a repetition, or a refusal with both digests."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from holdfast.core.idempotency import Unchanged
from holdfast.core.manifest import Artifact, Environment, File, Manifest, Scan
from holdfast.core.numbering import again, taken_by
from holdfast.core.state import State
from holdfast.core.version import parse
from holdfast.errors import ConflictError, VersionTakenError

Make = Callable[..., Manifest]
Play = Callable[..., State]


def test_a_bump_is_never_taken(play: Play) -> None:
    assert taken_by(play("register 1.0.0"), "patch") is None


def test_an_exact_number_is_taken_by_its_bearer(play: Play) -> None:
    state = play("register 1.0.0", "register 1.1.0", "purge 1.1.0")

    assert taken_by(state, parse("1.0.0")) == state.record("1.0.0")
    assert taken_by(state, parse("1.1.0")) == state.record("1.1.0")
    assert taken_by(state, parse("1.2.0")) is None


@pytest.mark.parametrize(
    ("there", "asked"), [("1.0.0", "1.0.0+gpu"), ("1.0.0+cpu", "1.0.0"), ("1.0.0+a", "1.0.0+b")]
)
def test_versions_that_differ_in_build_metadata_alone_are_refused(
    play: Play, there: str, asked: str
) -> None:
    with pytest.raises(ConflictError, match="build metadata, which has no order"):
        taken_by(play(f"register {there}"), parse(asked))


def test_the_same_build_metadata_is_the_same_version(play: Play) -> None:
    state = play("register 1.0.0+cpu")

    assert taken_by(state, parse("1.0.0+cpu")) == state.record("1.0.0+cpu")


@pytest.fixture
def state(play: Play) -> State:
    """Return a model with version 1.0.0."""
    return play("register 1.0.0")


def test_the_same_content_under_the_same_number_changes_nothing(
    make_manifest: Make, state: State
) -> None:
    existing = make_manifest("1.0.0")
    elsewhere = make_manifest(
        "", registered_by="eve", environment=Environment("3.13"), scan={"model": Scan("zip")}
    )
    elsewhere = replace(elsewhere, artifacts=existing.artifacts)

    assert again(state, state.record("1.0.0"), existing, elsewhere) == Unchanged(
        "the same bytes and facts are registered as iris@1.0.0", "1.0.0"
    )


def test_other_bytes_under_the_same_number_are_refused_with_both_digests(
    make_manifest: Make, state: State
) -> None:
    existing, draft = make_manifest("1.0.0"), make_manifest("other")

    with pytest.raises(VersionTakenError) as refusal:
        again(state, state.record("1.0.0"), existing, draft)

    assert refusal.value.theirs == f"sha256:{existing.artifacts['model'].digest}"
    assert refusal.value.ours == f"sha256:{draft.artifacts['model'].digest}"
    assert str(refusal.value).startswith("iris@1.0.0 exists with other bytes of model: ")


@pytest.mark.parametrize(
    ("existing", "draft", "theirs", "ours"),
    [
        ("model", "model preprocessor", "nothing", "b"),
        ("model preprocessor", "model", "b", "nothing"),
    ],
)
def test_a_role_too_many_or_too_few_is_refused(
    make_manifest: Make, state: State, existing: str, draft: str, theirs: str, ours: str
) -> None:
    roles = {
        "model": Artifact("model.bin", "file", (File("model.bin", "a" * 64, 1),)),
        "preprocessor": Artifact("pre.bin", "file", (File("pre.bin", "b" * 64, 1),)),
    }

    def having(names: str) -> Manifest:
        return make_manifest("1.0.0", artifacts={name: roles[name] for name in names.split()})

    with pytest.raises(VersionTakenError, match="bytes of preprocessor") as refusal:
        again(state, state.record("1.0.0"), having(existing), having(draft))

    shown = {"nothing": "nothing", "b": f"sha256:{'b' * 64}"}
    assert (refusal.value.theirs, refusal.value.ours) == (shown[theirs], shown[ours])


def test_other_facts_under_the_same_number_are_refused_by_name(
    make_manifest: Make, state: State
) -> None:
    existing = make_manifest("1.0.0")
    draft = replace(existing, version="", number=0, metrics={"auc": 0.9}, description="new")

    with pytest.raises(VersionTakenError) as refusal:
        again(state, state.record("1.0.0"), existing, draft)

    assert "other facts (description, metrics)" in str(refusal.value)
    assert refusal.value.theirs == f"sha256:{state.record('1.0.0').manifest}"
    assert refusal.value.ours not in {refusal.value.theirs, "sha256:"}


def test_a_purged_number_is_never_used_again(make_manifest: Make, play: Play) -> None:
    state = play("register 1.0.0", "purge 1.0.0")
    existing = make_manifest("1.0.0")

    with pytest.raises(ConflictError, match="was purged, and a version is never used twice"):
        again(state, state.record("1.0.0"), existing, existing)
