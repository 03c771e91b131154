"""A full manifest, a bare one, and strategies for every other."""

import hashlib

import msgspec
import pytest
from hypothesis import strategies as st

from holdfast.core.cards import Today
from holdfast.core.lineage_record import Lineage
from holdfast.core.manifest import (
    Artifact,
    Environment,
    File,
    Manifest,
    Scan,
    digest_of,
    encode,
)

NASTY = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[click](javascript:alert(1))",
    "![x](javascript:alert(1))",
    "<javascript:alert(1)>",
    "[ref]: javascript:alert(1)",
    "&lt;script&gt; &#x3c;b&#x3e;",
    "\n---\n",
    "---\nlicense: evil\n---\n# Owned",
    "```\n<b>out</b>\n```",
    "~~~",
    "a | b |\n| --- |",
    "# heading",
    "Setext\n===",
    "- item\n1. one\n> quote",
    "    code\n\tcode",
    "+ plus\n+",
    "column\n:-\n:-:\ncell",
    "\\",
    "\\|",
    "*em* _em_ __strong__ `code` ~~gone~~ $x$",
    "key: value #comment",
    "'\"quotes\"'",
    "null",
    "1e-05",
    "\u2028\u2029\x85\x00\x1b[31m\ufeff",
    "\U0001f600 Düsseldorf 東京 \u202e",
)

texts = st.one_of(st.sampled_from(NASTY), st.text(max_size=20))
digests = st.integers(0, 2**32).map(lambda seed: hashlib.sha256(str(seed).encode()).hexdigest())
plain_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(texts, plain_json, max_size=3)
metrics_by_name = st.dictionaries(
    texts, st.floats(allow_nan=False, allow_infinity=False), max_size=3
)
files = st.builds(File, path=texts, sha256=digests, size_bytes=st.integers(0, 2**40))
artifacts_by_role = st.dictionaries(
    st.sampled_from(("model", "preprocessor", "tokenizer")) | texts,
    st.builds(Artifact, path=texts, format=texts, files=st.lists(files, max_size=2).map(tuple)),
    max_size=3,
)
open_keys = st.dictionaries(
    st.sampled_from(
        (
            "license",
            "language",
            "datasets",
            "tags",
            "task",
            "pipeline_tag",
            "base_model",
            "intended_use",
            "evaluation_data",
        )
    )
    | texts,
    plain_json,
    max_size=4,
)
schemas = st.none() | st.builds(
    lambda words, extra: {**words, **extra},
    st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(("array", "object", "number")) | plain_json,
            "items": plain_json | st.fixed_dictionaries({"properties": objects}),
            "properties": plain_json,
            "dtype": plain_json,
            "shape": plain_json,
        },
    ),
    objects,
)
maybe = st.none() | texts
many = st.lists(texts, max_size=3).map(tuple)
every_manifest = st.builds(
    Manifest,
    name=texts,
    version=texts,
    number=st.integers(1, 10**6),
    registered_at=texts,
    registered_by=texts,
    description=maybe,
    author=maybe,
    framework=st.sampled_from((None, "scikit-learn")) | texts,
    algorithm=maybe,
    artifacts=artifacts_by_role,
    metrics=metrics_by_name,
    hyperparameters=objects,
    training_data=objects | st.fixed_dictionaries({"source": plain_json}),
    input_schema=schemas,
    output_schema=schemas,
    input_example=plain_json,
    limitations=many,
    lineage=st.builds(
        Lineage,
        git_commit=maybe,
        git_dirty=st.none() | st.booleans(),
        code_version=maybe,
        data_window=maybe,
        parents=many,
        run_id=maybe,
    ),
    environment=st.builds(
        Environment,
        python=maybe,
        packages=st.dictionaries(
            st.sampled_from(("scikit_learn", "Scikit.Learn", "numpy")) | texts, texts, max_size=3
        ),
    ),
    metadata=open_keys,
    scan=st.dictionaries(
        texts,
        st.builds(Scan, kind=texts, executes_code=st.booleans(), trusted=maybe),
        max_size=2,
    ),
).map(  # as it would come back from a store, were it not held against the rules there
    lambda manifest: msgspec.json.decode(encode(manifest), type=Manifest)
)
every_today = st.builds(
    Today,
    status=st.sampled_from(("registered", "staging", "production", "archived", "purged")),
    updated_at=st.datetimes().map(lambda at: f"{at:%Y-%m-%dT%H:%M:%S.%f}Z".zfill(27)),
    metrics=metrics_by_name,
    tags=st.dictionaries(texts, texts, max_size=3),
    aliases=many,
    notes=many,
    digest=digests,
)


@pytest.fixture(scope="session")
def manifests() -> st.SearchStrategy[Manifest]:
    """Draw any manifest, hostile text included, even one that no store would hand out."""
    return every_manifest


@pytest.fixture(scope="session")
def todays() -> st.SearchStrategy[Today]:
    """Draw anything a journal may know of a version."""
    return every_today


@pytest.fixture(scope="session")
def typed() -> st.SearchStrategy[str]:
    """Draw what people, or attackers, type."""
    return texts


@pytest.fixture(scope="session")
def iris() -> Manifest:
    """Return the version that the guide shows, every fact filled."""
    return Manifest(
        name="iris",
        version="1.2.0",
        number=3,
        registered_at="2026-06-02T15:30:00.000000Z",
        registered_by="ana",
        description="Tells three species of iris apart by their petals.",
        author="Botany team",
        framework="scikit-learn",
        algorithm="RandomForestClassifier",
        artifacts={
            "model": _lone_file("model.joblib", 177_312),
            "preprocessor": _lone_file("preprocessor.joblib", 1_011),
        },
        metrics={"accuracy": 0.973, "log_loss": 1e-05},
        hyperparameters={"max_depth": None, "n_estimators": 100},
        training_data={"samples": 150, "source": "UCI Machine Learning Repository"},
        input_schema={
            "type": "object",
            "properties": {
                "petal_length": {"type": "number", "dtype": "float64", "unit": "cm"},
                "petal_width": {"type": ["number", "null"]},
            },
            "required": ["petal_length", "petal_width"],
        },
        output_schema={"type": "integer", "enum": [0, 1, 2]},
        input_example=[{"petal_length": 1.4, "petal_width": 0.2}],
        limitations=("Knows no other species.", "Takes no missing values."),
        lineage=Lineage(
            git_commit="0123456789abcdef0123456789abcdef01234567",
            git_dirty=False,
            data_window="last_90_days",
            parents=("iris@1.1.0",),
        ),
        environment=Environment(
            python="3.11.9", packages={"scikit_learn": "1.5.0", "ruamel.yaml": "0.18+local"}
        ),
        metadata={
            "license": "Apache-2.0",
            "intended_use": "Teaching and demonstrations.",
            "pipeline_tag": "tabular-classification",
            "datasets": ["scikit-learn/iris"],
            "tags": ["botany"],
        },
        scan={"model": Scan(kind="pickle", executes_code=True)},
    )


def _lone_file(path: str, size_bytes: int) -> Artifact:
    digest = hashlib.sha256(path.encode()).hexdigest()
    return Artifact(path=path, format="joblib", files=(File(path, digest, size_bytes),))


@pytest.fixture(scope="session")
def iris_today(iris: Manifest) -> Today:
    """Return the same version's standing: in production, evaluated once more."""
    return Today(
        status="production",
        updated_at="2026-06-09T08:00:00.000000Z",
        metrics={**iris.metrics, "accuracy": 0.968},
        tags={"team": "botany", "reviewed": ""},
        aliases=("champion",),
        notes=("Evaluated again on the flowers of May.",),
        digest=digest_of(encode(iris)),
    )


@pytest.fixture(scope="session")
def bare() -> Manifest:
    """Return a version of which nothing is known but its bytes."""
    return Manifest(
        name="bare",
        version="1.0.0",
        number=1,
        registered_at="2026-06-02T15:30:00.000000Z",
        registered_by="ana",
        artifacts={"model": _lone_file("model.bin", 1)},
    )


@pytest.fixture(scope="session")
def bare_today(bare: Manifest) -> Today:
    """Return that version's standing: just registered."""
    return Today(
        status="registered",
        updated_at=bare.registered_at,
        metrics={},
        tags={},
        aliases=(),
        notes=(),
        digest=digest_of(encode(bare)),
    )
