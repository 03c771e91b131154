"""When a condition holds for a version."""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from holdfast.core.lineage_record import Lineage
from holdfast.core.manifest import Artifact, Environment, File, Manifest
from holdfast.core.search import SearchedVersion, holds, parse, predicates
from holdfast.core.state import Record, State

FILE = File("model.json", "0" * 64, 3)
MANIFEST = Manifest(
    name="iris",
    version="1.2.0",
    number=3,
    registered_at="2026-03-03T14:05:07.500000Z",
    registered_by="ana",
    artifacts={"model": Artifact("model.json", "file", (FILE,))},
    author="bob",
    framework="sklearn",
    hyperparameters={
        "depth": 3,
        "kernel": "rbf",
        "warm": True,
        "sizes": [64, 32],
        "adam": {"lr": 0.1},
        "a.b": 1,
        "none": None,
    },
    input_schema={
        "type": "object",
        "properties": {"age": {"type": "integer"}, "name": {"type": ["string", "integer"]}},
    },
    lineage=Lineage(git_commit="ab" * 20, parents=("iris@1.1.0",)),
    environment=Environment("3.12.1", {"scikit-learn": "1.5.0"}),
    metadata={"owner": {"team": "risk"}},
)
RECORD = Record(
    version="1.2.0",
    number=3,
    manifest="ab" * 32,
    size_bytes=1000,
    metrics={"recall": 0.91, "f1 score": 1, "val.loss": 0.2, "version": 7},
    registered_at="2026-03-03T14:05:07.500000Z",
    registered_by="ana",
    seq=3,
    updated_at="2026-03-04T00:00:00.000000Z",
    status="archived",
    served=True,
    tags={"team": "risk", "a.b": "x"},
    notes=("holds up", "50% better"),
    approvals=("bob",),
)
STATE = State("iris", versions={"1.2.0": RECORD}, aliases={"eu": "1.2.0", "us": "1.2.0"})


def outcome(text: str, manifest: Manifest | None = MANIFEST) -> bool | None:
    return holds(parse(text), SearchedVersion(STATE, RECORD, manifest))


@pytest.mark.parametrize(
    "text",
    [
        "recall > 0.9", "recall >= 0.91", "recall = 0.91", "metric.recall < 1", "recall <= 0.91",
        '"f1 score" = 1', '"f1 score" = 1.0', "val.loss = 0.2", "metric.version = 7",
        "recall in (0.5, 0.91)", "recall not in (0.5)", "recall != 0.9", "not recall > 0.95",
        "tag.team = risk", "tag.team like 'r%k'", "tag.team contains 'is'", "tag.'a.b' = x",
        "tag.a.b = x", "tag.team not like '%x%'", "tag.team not contains 'RISK'",
        "version = 1.2.0", "version >= 1.2.0-rc.1", "version < 1.10.0", "version in (1.2.0)",
        "number = 3", "size_bytes <= 1000", "model = iris", "digest like 'sha256:abab%'",
        "status = archived", "status != production", "stage is null", "served = true",
        "alias = eu", "alias = us", "alias != de", "alias in (de, us)", "not alias is null",
        "registered_at = 2026-03-03", "registered_at >= 2026-03-03", "registered_at <= 2026-03-03",
        "registered_at < 2026-03-04", "registered_at > 2026-03-02", "updated_at != 2026-03-03",
        "registered_at = 2026-03-03T14:05", "registered_at = 2026-03-03T15:05+01:00",
        "registered_at in (2026-03-01, 2026-03-03)", "registered_by = ana", "held is null",
        "note contains '50% better'", "note like 'holds%'", "approved_by = bob",
        "author = bob", "framework in (sklearn, xgboost)", "algorithm is null",
        "parameter.depth = 3", "parameter.depth > 2.5", "parameter.kernel = rbf",
        "parameter.warm = true", "parameter.sizes = 32", "parameter.sizes > 50",
        "parameter.adam.lr = 0.1", "parameter.a.b = 1", 'parameter."a.b" = 1',
        "parameter.none is null", "parameter.depth is not null", "parameter.depth.x is null",
        "parameter.kernel like 'r%'", "metadata.owner.team = risk", "training_data.x is null",
        "package.scikit-learn = 1.5.0", "python like '3.12.%'", "git_commit contains abab",
        "git_dirty is null", "base is null", "parent like 'iris@%'", "role = model",
        "format = file", "executes_code = false", "input = age", "input.age = integer",
        "input.name = string", "input.name = integer", "input.zip is null", "output is null",
        "limitation is null", "code_version is null", "data_window is null", "run_id is null",
        "description is null", "signed_by is null",
    ],
)  # fmt: skip
def test_a_condition_holds_and_its_contrary_does_not(text: str) -> None:
    assert outcome(text) is True
    assert outcome(f"not ({text})") is False


@pytest.mark.parametrize(
    "text",
    [
        "parameter.depth = '3'",
        "parameter.warm = 1",
        "parameter.kernel > 3",
        "parameter.adam = 0.1",
        "parameter.depth like '3'",
        "tag.nobody = risk",
        "tag.nobody like '%'",
        "metric.nobody > 0",
        "input.age = string",
        "alias like 'e%u%u'",
        "alias like 'eu%u'",
        "tag.team like 'risk%k'",
        "tag.team like '%s%r%'",
    ],
)
def test_what_is_of_another_type_or_missing_does_not_match(text: str) -> None:
    assert outcome(text) is False


def test_not_equal_is_the_contrary_of_equal_where_there_is_nothing() -> None:
    assert outcome("tag.nobody != risk") is True
    assert outcome("tag.nobody != risk and tag.nobody is not null") is False


def test_a_stage_is_the_status_of_what_is_served() -> None:
    live = Record(**{name: getattr(RECORD, name) for name in RECORD.__struct_fields__}
                  | {"status": "production"})  # fmt: skip

    assert holds(parse("stage = production"), SearchedVersion(STATE, live)) is True
    assert holds(parse("stage = staging"), SearchedVersion(STATE, live)) is False


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("author = bob", None),
        ("not author = bob", None),
        ("recall > 0.9 and author = bob", None),
        ("author = bob and recall < 0.9", False),
        ("author = bob or recall > 0.9", True),
        ("author = bob or recall < 0.9", None),
        ("author is null", None),
    ],
)
def test_without_the_manifest_only_what_it_cannot_change_is_known(
    text: str, *, expected: bool | None
) -> None:
    assert outcome(text, None) is expected


def test_a_schema_that_cannot_be_read_has_no_columns() -> None:
    odd = Manifest(
        **{name: getattr(MANIFEST, name) for name in MANIFEST.__struct_fields__}
        | {"input_schema": {"type": "object", "properties": 5}}
    )

    assert outcome("input is null", odd) is True


ATOMS: dict[str, bool] = {
    "recall > 0.9": True,
    "tag.team = x": False,
    "served = true": True,
    "parameter.depth > 5": False,
}
Tree = tuple[str, bool]


def _trees(inner: st.SearchStrategy[Tree]) -> st.SearchStrategy[Tree]:
    def joined(word: str, join: Callable[[list[bool]], bool]) -> st.SearchStrategy[Tree]:
        return st.lists(inner, min_size=1, max_size=4).map(
            lambda parts: (
                f" {word} ".join(f"({text})" for text, _ in parts),
                join([truth for _, truth in parts]),
            )
        )

    return st.one_of(
        inner.map(lambda part: (f"not ({part[0]})", not part[1])),
        joined("and", all),
        joined("or", any),
    )


@given(st.recursive(st.sampled_from([*ATOMS.items()]), _trees, max_leaves=12))
def test_conditions_are_joined_as_logic_joins_them(tree: Tree) -> None:
    text, truth = tree
    early = outcome(text, None)

    assert outcome(text) is truth
    assert early in (None, truth)


@given(
    st.text("ab%", max_size=6),
    st.text("ab", max_size=8),
)
def test_like_finds_what_a_search_of_all_divisions_finds(pattern: str, text: str) -> None:
    def fits(pattern: str, text: str) -> bool:
        if not pattern:
            return not text
        if pattern[0] == "%":
            return any(fits(pattern[1:], text[start:]) for start in range(len(text) + 1))
        return text[:1] == pattern[0] and fits(pattern[1:], text[1:])

    record = Record(**{name: getattr(RECORD, name) for name in RECORD.__struct_fields__}
                    | {"tags": {"x": text}})  # fmt: skip
    condition: Any = parse(f"tag.x like '{pattern}'")

    assert holds(condition, SearchedVersion(STATE, record)) is fits(pattern, text)


def test_a_field_of_the_manifest_is_not_read_without_one() -> None:
    (predicate,) = predicates(parse("parameter.depth = 3"))
    with pytest.raises(ValueError, match="the manifest was not read"):
        predicate.field.read(SearchedVersion(STATE, RECORD))


def test_a_quoted_part_may_stand_before_others() -> None:
    (predicate,) = predicates(parse('not parameter."a b".c = 1'))
    assert predicate.field.name == 'parameter."a b".c'
