"""Refs through the registry: each form names one version, now and as it was."""

import itertools
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.registry.conftest import Clock, Grow, Text

import holdfast
from holdfast import Registry
from holdfast.core.manifest import digest_of, encode
from holdfast.errors import AmbiguousRefError, InvalidInputError, NotFoundError


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """Return a registry with one model in every state, one entry a day from 2026-03-01."""
    folder = tmp_path_factory.mktemp("furnished")
    clock = Clock()
    registry = holdfast.open(folder / "store", by="ann", clock=clock)
    days = (f"2026-03-{day:02}T12:00" for day in range(1, 32))
    for version in ("1.0.0", "1.1.0", "1.2.0", "1.2.5", "2.0.0-rc.1", "2.0.0", "2.1.0"):
        clock.on(next(days))
        (folder / "model.txt").write_text(version)
        registry.register("iris", folder / "model.txt", version=version)
    for verb, ref in (
        (registry.promote, "iris@1.0.0"),
        (registry.promote, "iris@1.2.0"),
        (registry.stage, "iris@2.0.0"),
    ):
        clock.on(next(days))
        verb(ref)
    clock.on(next(days))
    registry.alias("iris@1.1.0", "eu")
    clock.on(next(days))
    registry.purge("iris", versions=["1.2.5"], grace_s=0)
    return registry


@pytest.mark.parametrize(
    ("selector", "version"),
    [
        ("1.0.0", "1.0.0"),
        ("v1.1.0", "1.1.0"),
        ("v3", "1.2.0"),
        ("v4", "1.2.5"),
        ("1.2.5", "1.2.5"),
        ("2.0.0-rc.1", "2.0.0-rc.1"),
        ("production", "1.2.0"),
        ("previous", "1.0.0"),
        ("staging", "2.0.0"),
        ("latest", "2.1.0"),
        ("eu", "1.1.0"),
        ("^1.0", "1.2.0"),
        ("^1.2", "1.2.0"),
        ("~1.1.0", "1.1.0"),
        ("1.x", "1.2.0"),
        ("*", "2.1.0"),
        (">=1.0 <1.2", "1.1.0"),
        ("1.0.0 - 1.1", "1.1.0"),
        ("^3 || ~1.0", "1.0.0"),
        ("~2.0.0-rc", "2.0.0"),
        ("<2.0.0 >=2.0.0-rc.0", "2.0.0-rc.1"),
    ],
)
def test_each_form_of_ref_names_one_version(
    furnished: Registry, selector: str, version: str
) -> None:
    assert furnished.resolve(f"iris@{selector}").version == version


def test_a_digest_names_its_version_by_any_beginning_that_is_long_enough(
    furnished: Registry,
) -> None:
    for info in furnished.versions("iris"):
        for length in (len("sha256:") + 12, len(info.digest)):
            assert furnished.resolve(f"iris@{info.digest[:length]}") == info


@pytest.mark.parametrize(
    ("at", "selector", "version"),
    [
        ("2026-03-02", "latest", "1.1.0"),
        ("2026-03-06T12:00:00", "latest", "1.2.5"),
        ("2026-03-06 12:00:01", "latest", "2.0.0"),
        ("2026-03-08", "production", "1.0.0"),
        ("2026-03-09T12:00:00+00:00", "production", "1.0.0"),
        ("2026-03-09T13:00:01+01:00", "production", "1.2.0"),
        ("2026-03-11", "v4", "1.2.5"),
        ("2026-03-11", "^1", "1.2.5"),
        ("2026-03-12", "^1", "1.2.0"),
        ("2026-03-12", "eu", "1.1.0"),
        ("9999-12-31", "production", "1.2.0"),
    ],
)
def test_a_ref_can_be_asked_for_as_it_stood_at_a_time(
    furnished: Registry, at: str, selector: str, version: str
) -> None:
    assert furnished.resolve(f"iris@{selector}", at=at).version == version
    assert furnished.manifest(f"iris@{selector}", at=at).version == version


@pytest.mark.parametrize(
    ("at", "selector"),
    [("2026-03-07", "production"), ("2026-03-10", "eu"), ("2026-03-08", "previous")],
)
def test_a_name_that_named_nothing_at_the_time_is_not_found(
    furnished: Registry, at: str, selector: str
) -> None:
    with pytest.raises(NotFoundError):
        furnished.resolve(f"iris@{selector}", at=at)


@pytest.mark.parametrize("at", ["2026-02-28", "0999-12-31"])
def test_before_a_model_was_registered_there_was_none(furnished: Registry, at: str) -> None:
    with pytest.raises(NotFoundError, match="registered later"):
        furnished.resolve("iris@latest", at=at)


@pytest.mark.parametrize(
    "at", ["yesterday", "", "2026-13-01", "12:00", "2026-03-02T25:00", "0001-01-01T00:00+14:00"]
)
def test_what_is_no_time_is_refused(furnished: Registry, at: str) -> None:
    with pytest.raises(InvalidInputError, match="not a date or time"):
        furnished.resolve("iris@latest", at=at)


@pytest.mark.parametrize(
    ("ref", "nearest"),
    [
        ("iris@prodution", "production"),
        ("iris@eu1", "eu"),
        ("iris@1.2.1", "1.2.0"),
        ("iriss@1.0.0", "iris"),
        ("irs@production", "iris"),
        ("IRIS@production", "iris"),
    ],
)
def test_the_nearest_names_are_told_when_none_fits(
    furnished: Registry, ref: str, nearest: str
) -> None:
    with pytest.raises(NotFoundError) as caught:
        furnished.resolve(ref)

    assert nearest in caught.value.nearest
    assert nearest in str(caught.value)


def test_a_model_far_from_every_name_shows_what_there_is(furnished: Registry) -> None:
    with pytest.raises(NotFoundError, match="there are iris"):
        furnished.resolve("zebra@latest")


def test_a_number_beyond_the_last_shows_which_there_are(furnished: Registry) -> None:
    with pytest.raises(NotFoundError, match="the numbers run from v1 to v7"):
        furnished.resolve("iris@v8")


def test_names_that_name_nothing_say_what_to_do(registry: Registry, grow: Grow) -> None:
    grow(1)
    advice = {}
    for selector in ("production", "staging", "previous"):
        with pytest.raises(NotFoundError) as caught:
            registry.resolve(f"iris@{selector}")
        advice[selector] = str(caught.value)

    assert "promote" in advice["production"]
    assert "stage" in advice["staging"]
    assert "nothing that could serve was live before" in advice["previous"]


def test_a_range_and_latest_pass_over_purged_versions(registry: Registry, grow: Grow) -> None:
    grow(3)

    registry.purge("iris", versions=["1.2.0"], grace_s=0)

    assert registry.resolve("iris@latest").version == "1.1.0"
    assert registry.resolve("iris@^1").version == "1.1.0"
    assert registry.resolve("iris@1.2.0").status == "purged"


def test_a_digest_that_fits_several_versions_is_refused_with_all_of_them(
    registry: Registry, tmp_path: Path, clock: Clock, text: Text
) -> None:
    begin = registry.register("iris", text("same")).version.digest[:11]
    clock.on("2026-03-03")
    trial = holdfast.open(tmp_path / "trial", by="ann", clock=clock)
    trial.register("iris", text("other"))
    clock.on("2026-03-04")
    tried = trial.manifest(trial.register("iris", text("same"), description=""))
    description = next(
        words
        for words in map(str, itertools.count())
        if digest_of(encode(replace(tried, description=words))).startswith(begin[7:])
    )
    clock.on("2026-03-04")
    registry.register("iris", text("same"), description=description)

    with pytest.raises(AmbiguousRefError, match="give more characters") as caught:
        registry.resolve(f"iris@{begin}")

    assert [candidate.split()[0] for candidate in caught.value.candidates] == ["1.0.0", "1.1.0"]


@pytest.mark.parametrize(
    "ref",
    ["iris@", "iris@sha256:abc", "iris@sha256:XYZW", "iris@1.0.0@2", "@1.0.0", "iris@a b"],
)
def test_what_is_no_ref_is_refused(furnished: Registry, ref: str) -> None:
    with pytest.raises(InvalidInputError):
        furnished.resolve(ref)


def test_a_model_without_a_version_is_no_ref(furnished: Registry) -> None:
    with pytest.raises(InvalidInputError, match="names a model but no version"):
        furnished.load("iris")
