"""Views: what people are told of versions and models."""

import re
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from holdfast.core.events import Past
from holdfast.core.state import Move, State
from holdfast.core.views import (
    Before,
    Damage,
    ModelInfo,
    Moved,
    Registered,
    Status,
    Verification,
    VersionInfo,
    model_info,
    model_table,
    served_s,
    version_info,
)

Play = Callable[..., State]

TWO = ("register 1.0.0 auc=0.9", "register 1.1.0 auc=0.9", "promote 1.0.0", "promote 1.1.0")
LATER = "2026-03-01T13:00:00.000000Z"


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
    )


def test_a_version_reads_as_its_exact_ref(info: VersionInfo) -> None:
    assert str(info) == info.ref == "iris@1.0.0"


def test_a_registration_reads_as_its_exact_ref(info: VersionInfo) -> None:
    outcome = Registered(info, created=True, why="the first version")

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


def status(play: Play, reason: str | None = None) -> Status:
    """Return the screen of a model with two promotions, the last for *reason*."""
    state = play(*TWO)
    live = version_info(state, state.record("1.1.0"))
    moves = (Past(4, LATER, "eve", "promoted", "promote 1.0.0 → 1.1.0", reason),)
    return Status(
        model="iris",
        at=LATER,
        live=live,
        since=LATER,
        by="eve",
        reason=reason,
        how="promoted",
        forced=False,
        before=Before("1.0.0", 60.0, ()),
        comparison=None,
        staging=None,
        latest="1.1.0",
        versions=2,
        moves=moves,
        command="holdfast rollback iris",
    )


def test_a_notebook_shows_what_is_live_and_how_to_go_back(play: Play) -> None:
    html = status(play, "auc is up")._repr_html_()

    assert "<tr><td>live</td><td>1.1.0</td></tr>" in html
    assert "<tr><td>before it</td><td>1.0.0</td></tr>" in html
    assert "<tr><td>to go back</td><td>holdfast rollback iris</td></tr>" in html
    assert "<td>promote 1.0.0 → 1.1.0</td><td>auc is up</td>" in html


def test_a_notebook_shows_times_to_the_minute(play: Play) -> None:
    seen = status(play, "auc is up")
    html = seen._repr_html_() + (seen.live._repr_html_() if seen.live else "")

    assert re.findall(r"\d\d:\d\d:\d\d|\.\d{6}", html) == []
    assert len(re.findall(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", html)) >= 3
    assert "<caption>iris@1.1.0</caption>" in html


def test_a_notebook_says_that_nothing_is_live(play: Play) -> None:
    html = replace(status(play), live=None, before=None, command=None)._repr_html_()

    assert "<tr><td>live</td><td>nothing</td></tr>" in html
    assert "<tr><td>before it</td><td>–</td></tr>" in html


def test_what_people_wrote_is_inert_in_a_notebook(play: Play) -> None:
    html = status(play, '<img src=x onerror="alert(1)">')._repr_html_()

    assert "<img" not in html
    assert "&lt;img src=x onerror=&quot;alert(1)&quot;&gt;" in html


def test_a_notebook_shows_models_as_a_table() -> None:
    html = model_table([ModelInfo("iris", 2, "1.0.0"), ModelInfo("<b>", damage="entry 3 <gone>")])

    assert "<tr><td>iris</td><td>1.0.0</td><td>–</td><td>2</td><td>–</td></tr>" in html
    assert "<td>&lt;b&gt;</td>" in html
    assert "<td>entry 3 &lt;gone&gt;</td>" in html


@pytest.mark.parametrize(("damages", "whole"), [((), True), ((1,), False)])
def test_a_store_is_whole_where_nothing_is_damaged(
    damages: tuple[int, ...], *, whole: bool
) -> None:
    found = tuple(Damage("iris", "1.0.0", "blobs/x", "missing") for _ in damages)

    assert Verification(1, 1, 1, 1, 1, found).whole is whole


@pytest.mark.parametrize(
    ("script", "version", "seconds"),
    [
        (TWO, "1.0.0", 60.0),
        (TWO, "1.1.0", 57 * 60.0),
        ((*TWO, "rollback"), "1.0.0", 60.0 + 56 * 60.0),
        ((*TWO, "rollback"), "1.1.0", 60.0),
        ((*TWO, "delete force"), "1.1.0", 60.0),
        (TWO, "9.9.9", 0.0),
        (("register 1.0.0",), "1.0.0", 0.0),
    ],
)
def test_the_time_a_version_served_adds_up(
    play: Play, script: tuple[str, ...], version: str, seconds: float
) -> None:
    assert served_s(play(*script).moves, version, LATER) == seconds


@given(st.lists(st.integers(0, 58), min_size=1, max_size=20, unique=True))
def test_all_times_served_add_up_to_the_time_since_the_first_promotion(
    minutes: list[int],
) -> None:
    times = sorted(minutes)
    moves = [
        Move(
            f"1.{minute % 3}.0",
            None,
            1,
            f"2026-03-01T12:{minute:02}:00.000000Z",
            "",
            None,
            "promoted",
        )
        for minute in times
    ]
    served = sum(served_s(moves, f"1.{minor}.0", LATER) for minor in range(3))

    assert served == (60 - times[0]) * 60
