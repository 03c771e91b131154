"""The screen for 11 pm: how long versions served, and how a notebook shows it."""

import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from holdfast.core import history
from holdfast.core.compare import Comparison, MetricRow
from holdfast.core.events import Past
from holdfast.core.fleet import Serving
from holdfast.core.live_status import Before, Status, served_s
from holdfast.core.moves import Move
from holdfast.core.state import State
from holdfast.core.views import Damage, version_info

Play = Callable[..., State]

TWO = ("register 1.0.0 auc=0.9", "register 1.1.0 auc=0.9", "promote 1.0.0", "promote 1.1.0")
ROLLING = (*TWO, "register 1.2.0", "rollout start 1.2.0")
LATER = "2026-03-01T13:00:00.000000Z"
BESIDE = Comparison(
    "iris", "1.0.0", "1.1.0",
    (MetricRow("auc", "higher", 0.9, 0.8, -0.1, -0.1111, "worse"),), (), (), (), (), (),
)  # fmt: skip


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
        served=history.periods(state),
    )


def test_a_notebook_shows_what_is_live_and_how_to_go_back(play: Play) -> None:
    html = status(play, "auc is up")._repr_html_()

    assert "● 1.1.0 live" in html
    assert "<tr><th>before it</th><td>1.0.0, served 1 m 0 s, every byte verified</td></tr>" in html
    assert "<tr><th>to go back</th><td><code>holdfast rollback iris</code></td></tr>" in html
    assert "<td>promote 1.0.0 → 1.1.0</td><td>auc is up</td>" in html


def test_a_notebook_draws_what_served_when(play: Play) -> None:
    shown = status(play)

    assert 'aria-label="Live in order: 1.0.0, 1.1.0"' in shown._repr_html_()
    assert "<svg" not in replace(shown, served=())._repr_html_()


def test_a_notebook_shows_what_the_live_version_changed(play: Play) -> None:
    html = replace(status(play), comparison=BESIDE)._repr_html_()

    assert "against 1.0.0" in html
    assert '<span class="b">worse</span>' in html


def test_a_notebook_shows_times_to_the_minute(play: Play) -> None:
    html = status(play, "auc is up")._repr_html_()

    assert re.findall(r"\d\d:\d\d:\d\d|\.\d{6}", html) == []
    assert len(re.findall(r"\d{4}-\d\d-\d\d \d\d:\d\d UTC", html)) >= 2


def test_a_notebook_says_that_nothing_is_live(play: Play) -> None:
    html = replace(status(play), live=None, before=None, command=None, moves=())._repr_html_()

    assert "nothing live" in html
    assert "before it" not in html
    assert "last moves" not in html


def test_a_notebook_warns_of_damage_and_names_force(play: Play) -> None:
    damage = Damage("iris", "1.0.0", "blobs/x", "is missing")
    shown = replace(
        status(play),
        forced=True,
        before=Before("1.0.0", 60.0, (damage,)),
        remarks=("a clock is wrong",),
        serving=Serving("1.1.0", 3),
    )
    html = shown._repr_html_()

    assert "by eve, by force" in html
    assert "1.0.0, damaged: is missing" in html
    assert "<td>3/3 on 1.1.0</td>" in html
    assert '<span class="b">a clock is wrong</span>' in html


def test_a_notebook_shows_what_is_rolling_out_until_it_ends(play: Play) -> None:
    rolling = replace(status(play), rollout=play(*ROLLING).rollout)
    over = replace(status(play), rollout=play(*ROLLING, "rollout abort").rollout)

    assert '<span class="c">1.2.0, 0 %</span>' in rolling._repr_html_()
    assert "rolling out" not in over._repr_html_()


def test_what_people_wrote_is_inert_in_a_notebook(play: Play) -> None:
    html = status(play, '<img src=x onerror="alert(1)">')._repr_html_()

    assert "<img" not in html
    assert "&lt;img src=x onerror=&quot;alert(1)&quot;&gt;" in html


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
