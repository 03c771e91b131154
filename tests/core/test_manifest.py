"""The manifest: canonical bytes, identity, sameness, and what callers' facts become."""

import datetime as dt
import hashlib
import json
import math
from collections import OrderedDict
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from holdfast.core.lineage_record import Lineage
from holdfast.core.manifest import (
    CIRCUMSTANCES,
    FORMAT,
    Artifact,
    Environment,
    File,
    Manifest,
    Scan,
    clean_metrics,
    decode,
    differing_fields,
    digest_of,
    encode,
    plain,
    same_content,
)
from holdfast.errors import DamagedError, InvalidInputError, NewerFormatError

Make = Callable[..., Manifest]

plain_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=3), inner, max_size=3)
    ),
    max_leaves=8,
)
anything = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.complex_numbers()
    | st.binary(max_size=3)
    | st.decimals()
    | st.fractions()
    | st.dates()
    | st.text(st.characters(codec="utf-8"), max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.integers() | st.booleans() | st.text("ab"), inner, max_size=3)
    ),
    max_leaves=8,
)


def artifact(*files: tuple[str, str], path: str = "model") -> Artifact:
    return Artifact(path, "folder", tuple(File(name, digest, 10) for name, digest in files))


FULL: dict[str, Any] = {
    "description": "Sorts flowers",
    "author": "Ada",
    "framework": "scikit-learn",
    "algorithm": "LogisticRegression",
    "metrics": {"auc": 0.9},
    "hyperparameters": {"C": 1.0, "nested": {"depth": [1, 2]}},
    "training_data": {"source": "flowers.csv", "samples": 150},
    "input_schema": {"type": "object"},
    "output_schema": {"type": "integer"},
    "input_example": [[5.1, 3.5]],
    "limitations": ("Three species only",),
    "lineage": Lineage("a" * 40, git_dirty=True, parents=("iris@1.0.0",)),
    "environment": Environment("3.11.9", {"scikit-learn": "1.5"}),
    "metadata": {"ticket": "X-1"},
    "scan": {"model": Scan("pickle", executes_code=True, globals=("a.b",))},
}


def test_a_reference_has_no_files(make_manifest: Make) -> None:
    alone = make_manifest(artifacts={}, reference="s3://bucket/flowers")
    raw = encode(alone)

    assert decode(raw, digest_of(raw)) == alone
    assert b"reference" not in encode(make_manifest())

    beside = encode(make_manifest(reference="s3://bucket/flowers"))
    with pytest.raises(DamagedError, match="reference is given beside files"):
        decode(beside, digest_of(beside))


def test_a_manifest_survives_the_wire(make_manifest: Make) -> None:
    manifest = make_manifest("1.2.0", **FULL)
    raw = encode(manifest)

    assert decode(raw, digest_of(raw)) == manifest


@given(st.dictionaries(st.sampled_from("abc"), plain_json, max_size=3))
def test_free_facts_survive_the_wire(make_manifest: Make, metadata: dict[str, Any]) -> None:
    raw = encode(make_manifest(metadata=metadata))

    assert decode(raw, digest_of(raw)).metadata == metadata


def test_the_bytes_are_sorted_compact_json_and_one_newline(make_manifest: Make) -> None:
    raw = encode(make_manifest(**FULL))
    document = json.loads(raw)

    assert (
        raw
        == (
            json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"
        ).encode()
    )


def test_facts_beyond_what_a_reader_takes_are_refused(make_manifest: Make) -> None:
    with pytest.raises(InvalidInputError, match="more than 67,108,864; put them into a separate"):
        encode(make_manifest(metadata={"rows": "x" * (64 << 20)}))


def test_the_order_in_which_facts_were_given_does_not_change_the_bytes(
    make_manifest: Make,
) -> None:
    first = make_manifest(metadata={"a": 1, "b": {"c": 2, "d": 3}})
    other = make_manifest(metadata={"b": {"d": 3, "c": 2}, "a": 1})

    assert encode(first) == encode(other)


def test_the_bytes_of_a_known_manifest_never_change(make_manifest: Make) -> None:
    assert encode(make_manifest("1.0.0", metrics={"auc": 0.5})) == (
        b'{"algorithm":null,"artifacts":{"model":{"files":[{"path":"model.joblib","sha256":'
        b'"92521fc3cbd964bdc9f584a991b89fddaa5754ed1cc96d6d42445338669c1305","size_bytes":1000}],'
        b'"format":"joblib","path":"model.joblib"}},"author":null,"description":null,'
        b'"environment":{"packages":{},"python":null},"format":1,"framework":null,'
        b'"hyperparameters":{},"input_example":null,"input_schema":null,"limitations":[],'
        b'"lineage":{"code_version":null,"data_window":null,"git_commit":null,"git_dirty":null,'
        b'"parents":[],"run_id":null},"metadata":{},"metrics":{"auc":0.5},"name":"iris",'
        b'"number":1,"output_schema":null,"registered_at":"2026-03-01T12:00:00.000000Z",'
        b'"registered_by":"ada","scan":{},"training_data":{},"version":"1.0.0"}\n'
    )


def test_the_digest_is_the_sha256_of_the_bytes() -> None:
    assert digest_of(b"abc") == hashlib.sha256(b"abc").hexdigest()


def test_facts_of_a_later_release_are_passed_over(make_manifest: Make) -> None:
    raw = encode(make_manifest())
    later = raw.replace(b'{"algorithm"', b'{"aaa_new":1,"algorithm"')

    assert decode(later, digest_of(later)) == decode(raw, digest_of(raw))


def test_a_manifest_of_a_newer_format_is_refused(make_manifest: Make) -> None:
    raw = encode(replace(make_manifest(), format=FORMAT + 1))

    with pytest.raises(NewerFormatError, match=f"manifest format {FORMAT + 1}"):
        decode(raw, digest_of(raw))


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"{}", b"null", b'{"format":1}', b'{"format":"1"}', b"\xff", b"{" * 99]
)
def test_what_is_no_manifest_is_damage(raw: bytes) -> None:
    with pytest.raises(DamagedError, match=f"manifest sha256:{digest_of(raw)[:12]}"):
        decode(raw, digest_of(raw))


def test_a_lone_file_gives_its_artifact_its_own_digest() -> None:
    digest = "a" * 64

    assert Artifact("model.bin", "file", (File("model.bin", digest, 1),)).digest == digest


def test_a_folder_digest_changes_with_any_byte_or_path() -> None:
    original = artifact(("model/a", "a" * 64), ("model/b", "b" * 64))
    others = (
        artifact(("model/a", "c" * 64), ("model/b", "b" * 64)),
        artifact(("model/a", "a" * 64), ("model/c", "b" * 64)),
        artifact(("model/a", "b" * 64), ("model/b", "a" * 64)),
        artifact(("model/a", "a" * 64)),
    )

    assert len({original.digest, *(other.digest for other in others)}) == 5


def test_a_folder_digest_is_that_of_its_sha256sum_listing() -> None:
    folder = artifact(("model/a", "a" * 64), ("model/b", "b" * 64))
    listing = f"{'a' * 64}  model/a\n{'b' * 64}  model/b\n"

    assert folder.digest == hashlib.sha256(listing.encode()).hexdigest()


def test_sizes_add_up(make_manifest: Make) -> None:
    folder = artifact(("model/a", "a" * 64), ("model/b", "b" * 64))
    manifest = make_manifest(artifacts={"model": folder, "tokenizer": folder})

    assert (folder.size_bytes, manifest.size_bytes) == (20, 40)


def test_the_files_of_a_version_are_those_of_all_its_artifacts(make_manifest: Make) -> None:
    model, other = artifact(("model/a", "a" * 64)), artifact(("pre/b", "b" * 64), path="pre")
    manifest = make_manifest(artifacts={"model": model, "preprocessor": other})

    assert manifest.files == model.files + other.files


def test_a_version_executes_code_if_any_of_its_artifacts_does(make_manifest: Make) -> None:
    data, code = Scan("onnx"), Scan("pickle", executes_code=True)

    assert make_manifest(scan={"model": data, "preprocessor": code}).executes_code
    assert not make_manifest(scan={"model": data}).executes_code


@pytest.mark.parametrize("field", CIRCUMSTANCES)
def test_circumstances_do_not_make_a_version_another(make_manifest: Make, field: str) -> None:
    other: dict[str, Any] = {
        "version": "9.9.9",
        "number": 9,
        "registered_at": "2027-01-01T00:00:00.000000Z",
        "registered_by": "eve",
        "environment": Environment("3.13"),
        "scan": {"model": Scan("zip")},
    }

    assert same_content(make_manifest(), replace(make_manifest(), **{field: other[field]}))


@pytest.mark.parametrize(
    "field", [field for field in Manifest.__struct_fields__ if field not in CIRCUMSTANCES]
)
def test_every_other_fact_makes_a_version_another(make_manifest: Make, field: str) -> None:
    full = FULL | {
        "reference": "s3://bucket/flowers",
        "name": "wine",
        "format": FORMAT + 1,
        "artifacts": {"model": artifact(("model/a", "a" * 64))},
    }
    other = replace(make_manifest(), **{field: full[field]})

    assert differing_fields(make_manifest(), other) == (field,)
    assert not same_content(make_manifest(), other)


def test_the_commit_of_the_training_code_does_not_make_a_version_another(
    make_manifest: Make,
) -> None:
    first = make_manifest(lineage=Lineage("a" * 40, git_dirty=False, run_id="7"))
    other = make_manifest(lineage=Lineage("b" * 40, git_dirty=True, run_id="7"))

    assert same_content(first, other)


def test_metrics_become_plain_numbers_sorted_by_name() -> None:
    metrics = clean_metrics(
        {"b": np.float32(0.5), "a": np.int64(3), "c": Fraction(1, 4), "d": 2, "e": 0.1}
    )

    assert metrics == {"a": 3, "b": 0.5, "c": 0.25, "d": 2, "e": 0.1}
    assert list(metrics) == ["a", "b", "c", "d", "e"]
    assert {type(value) for value in metrics.values()} == {int, float}


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, np.longdouble, float])
def test_a_metric_of_any_precision_is_the_number_as_it_is_written(kind: Any) -> None:
    assert clean_metrics({"auc": kind(0.9)}) == {"auc": 0.9}


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float64("nan")])
def test_a_metric_must_be_finite(value: float) -> None:
    with pytest.raises(InvalidInputError, match=r"metric 'auc' must be a finite number, not"):
        clean_metrics({"auc": value})


@pytest.mark.parametrize("value", [None, "0.9", True, 1j, [0.9], np.array([0.9]), Decimal("0.9")])
def test_a_metric_must_be_a_number(value: object) -> None:
    with pytest.raises(InvalidInputError, match="must be a finite number"):
        clean_metrics({"auc": value})


@pytest.mark.parametrize("metrics", [None, [0.9], "auc", 5])
def test_metrics_are_a_mapping(metrics: Any) -> None:
    with pytest.raises(InvalidInputError, match="must map names to numbers"):
        clean_metrics(metrics)


@pytest.mark.parametrize("name", ["", "a\nb", "\x00", "\ud800", 5, None])
def test_the_name_of_a_metric_must_be_printable(name: Any) -> None:
    with pytest.raises(InvalidInputError, match="is not a valid name"):
        clean_metrics({name: 0.9})


def test_a_number_beyond_every_float_is_no_metric() -> None:
    with pytest.raises(InvalidInputError):
        clean_metrics({"parameters": 10**400})


@given(anything)
def test_whatever_is_given_becomes_json_that_reads_back_the_same(value: object) -> None:
    plain_value = plain(value)

    assert msgspec.json.decode(msgspec.json.encode(plain_value)) == plain_value


@given(plain_json)
def test_what_is_plain_already_stays_as_it_is(value: object) -> None:
    assert plain(value) == value


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (math.nan, "nan"),
        (-math.inf, "-inf"),
        (np.int64(3), 3),
        (np.float32(0.1), 0.1),
        (np.float16(65504), 65504.0),
        (np.int8(-3), -3),
        (np.float64("nan"), "nan"),
        (np.bool_(True), True),  # noqa: FBT003
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        (Fraction(1, 2), 0.5),
        ((1, (2, 3)), [1, [2, 3]]),
        ({"b", "a"}, ["a", "b"]),
        (frozenset([2, 1]), [1, 2]),
        (OrderedDict([("a", {1: None})]), {"a": {"1": None}}),
        (dt.date(2026, 3, 1), "datetime.date(2026, 3, 1)"),
        (int, "<class 'int'>"),
    ],
)
def test_what_json_cannot_hold_becomes_what_it_can(value: object, expected: object) -> None:
    assert plain(value) == expected


def test_the_parameters_of_a_pipeline_are_all_kept() -> None:
    parameters = make_pipeline(StandardScaler(), LogisticRegression(C=0.5)).get_params()
    plain_parameters = plain(parameters)

    assert plain_parameters.keys() == parameters.keys()
    assert plain_parameters["logisticregression__C"] == 0.5
    assert plain_parameters["logisticregression"] == "LogisticRegression(C=0.5)"


def test_a_number_beyond_every_float_becomes_text() -> None:
    assert isinstance(plain({"big": Fraction(10**400)})["big"], str)


def test_text_that_is_not_unicode_is_refused(make_manifest: Make) -> None:
    with pytest.raises(InvalidInputError):
        encode(make_manifest(description="caf\udce9"))  # as a shell in Latin-1 hands it over


def test_what_holds_itself_becomes_its_representation() -> None:
    parameters: dict[str, object] = {"depth": 4}
    parameters["self"] = parameters

    assert plain(parameters) == "{'depth': 4, 'self': {...}}"
