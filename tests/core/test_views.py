"""Views: what people are told of versions and models."""

from collections.abc import Callable

import msgspec
import pytest
from msgspec.structs import replace

from holdfast.core.state import State
from holdfast.core.views import (
    Damage,
    ModelInfo,
    Moved,
    RegistrationResult,
    SearchResult,
    Verification,
    VersionInfo,
    model_info,
    version_info,
)

Play = Callable[..., State]

TWO = ("register 1.0.0 auc=0.9", "register 1.1.0 auc=0.9", "promote 1.0.0", "promote 1.1.0")


@pytest.fixture
def info(play: Play) -> VersionInfo:
    """Return a version about which everything that can be said is said."""
    state = play(
        *TWO,
        "alias us 1.0.0",
        "alias eu 1.0.0",
        "tag 1.0.0 team=risk",
        "note 1.0.0 seen",
        "approve 1.0.0 by=eve",
        "evaluate 1.0.0 auc=0.8",
        "hold 1.0.0 why=audit",
    )
    return version_info(state, state.record("1.0.0"))


def test_a_version_is_shown_as_it_stands(play: Play, info: VersionInfo) -> None:
    digest = play(*TWO).record("1.0.0").manifest

    assert info == VersionInfo(
        model="iris",
        version="1.0.0",
        number=1,
        status="archived",
        digest=f"sha256:{digest}",
        registered_at="2026-03-01T12:00:00.000000Z",
        registered_by="ada",
        size_bytes=1000,
        metrics={"auc": 0.8},
        aliases=("eu", "us"),
        tags={"team": "risk"},
        notes=("seen",),
        approvals=("eve",),
        held="audit",
        served=True,
        claimed=("eve",),
    )


def test_a_version_reads_as_its_exact_ref(info: VersionInfo) -> None:
    assert str(info) == info.ref == "iris@1.0.0"


def test_a_registration_reads_as_its_exact_ref(info: VersionInfo) -> None:
    outcome = RegistrationResult(info, created=True, why="the first version")

    assert str(outcome) == outcome.ref == "iris@1.0.0"


def test_a_move_reads_as_its_exact_ref() -> None:
    moved = Moved("iris", "1.1.0", "1.0.0", changed=True, note="promote 1.0.0 → 1.1.0")

    assert str(moved) == moved.ref == "iris@1.1.0"


def test_a_version_survives_the_wire(info: VersionInfo) -> None:
    assert msgspec.json.decode(msgspec.json.encode(info), type=VersionInfo) == info


def test_a_model_is_shown_with_its_pointers(play: Play) -> None:
    state = play(*TWO, "register 1.2.0", "stage 1.2.0", "register 2.0.0-rc.1")

    assert model_info(state) == ModelInfo(
        model="iris",
        versions=4,
        production="1.1.0",
        staging="1.2.0",
        latest="1.2.0",
        updated_at="2026-03-01T12:06:00.000000Z",
    )


def test_a_model_counts_the_versions_that_have_their_bytes(play: Play) -> None:
    assert model_info(play("register 1.0.0", "register 1.1.0", "purge 1.0.0")).versions == 1


def test_an_empty_model_is_shown_empty() -> None:
    assert model_info(State("iris")) == ModelInfo("iris")


def test_a_notebook_shows_a_version_to_the_minute_and_its_metrics(info: VersionInfo) -> None:
    html = info._repr_html_()

    assert "iris@1.0.0" in html
    assert "<td>2026-03-01 12:00 UTC by ada</td>" in html
    assert "<td>eve (claimed)</td>" in html
    assert '<td>auc</td><td class="n">0.8</td>' in html
    assert "<td>1.0 kB</td>" in html


def test_a_version_without_metrics_has_no_table_of_them(info: VersionInfo) -> None:
    assert "<td>auc</td>" not in replace(info, metrics={})._repr_html_()


def test_a_notebook_shows_a_model_and_its_damage() -> None:
    html = ModelInfo("iris", 2, "1.0.0", damage="entry 3 <gone>")._repr_html_()

    assert "<tr><th>live</th><td>1.0.0</td></tr>" in html
    assert "2 versions" in html
    assert "entry 3 &lt;gone&gt;" in html
    assert 'class="b"' not in ModelInfo("iris")._repr_html_()


def test_a_notebook_shows_what_was_found_and_what_could_not_be_read(info: VersionInfo) -> None:
    damage = Damage("rose", None, "rose", "cannot be read")
    html = SearchResult((info,), 3, (damage,))._repr_html_()

    assert "1 of 3" in html
    assert "rose cannot be read" in html
    assert "<td>iris@1.0.0</td>" in html
    assert "<td>auc 0.8</td>" in html


@pytest.mark.parametrize(("damages", "whole"), [((), True), ((1,), False)])
def test_a_store_is_whole_where_nothing_is_damaged(
    damages: tuple[int, ...], *, whole: bool
) -> None:
    all_damages = tuple(Damage("iris", "1.0.0", "blobs/x", "missing") for _ in damages)

    assert Verification(1, 1, 1, 1, 1, all_damages).whole is whole
