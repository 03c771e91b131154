"""Where many models stand, those that ask for a look first."""

from collections.abc import Callable

import pytest

from holdfast.core.fleet import Lagging, Serving
from holdfast.core.standing import damaged, standing, worst_first
from holdfast.core.state import State

Play = Callable[..., State]

LIVE = ("register 1.0.0", "promote 1.0.0")
ROLLOUT = (*LIVE, "register 1.1.0", "rollout start 1.1.0")
FORCED = (
    *("register 1.0.0 auc=0.9", "promote 1.0.0"),
    *("register 1.1.0 auc=0.5", "promote 1.1.0 force"),
)


def test_a_calm_model_tells_what_is_live_and_what_was_before(play: Play) -> None:
    summary = standing(play(*LIVE, "register 1.1.0", "promote 1.1.0"), None)

    assert (summary.production, summary.previous, summary.latest) == ("1.1.0", "1.0.0", "1.1.0")
    assert (summary.concerns, summary.gravity) == ((), 9)
    assert summary.since is not None


@pytest.mark.parametrize(
    ("script", "serving", "concern"),
    [
        (("register 1.0.0",), None, "nothing is live"),
        (FORCED, None, "promoted by force"),
        ((*ROLLOUT, "rollout halt error_rate"), None, "rollout of 1.1.0 halted"),
        (ROLLOUT, None, "rollout of 1.1.0 running at 0%"),
        ((*ROLLOUT, "rollout pause"), None, "rollout of 1.1.0 paused at 0%"),
        ((*ROLLOUT, "rollout judge hold few"), None, "rollout of 1.1.0 is held at 0%"),
        (LIVE, Serving("1.0.0", 2, (Lagging("a", "on nothing"),)), "serving 1/2 on 1.0.0"),
    ],
)
def test_what_asks_for_a_look_is_said(
    play: Play, script: tuple[str, ...], serving: Serving | None, concern: str
) -> None:
    summary = standing(play(*script), serving)

    assert summary.concerns == (concern,)
    assert summary.gravity < 9


def test_an_empty_model_and_whole_servers_ask_for_none(play: Play) -> None:
    assert standing(play(), None).concerns == ()
    assert standing(play(*LIVE), Serving("1.0.0", 2)).concerns == ()


def test_the_worst_comes_first(play: Play) -> None:
    calm = standing(play(*LIVE), None)
    empty = standing(play("register 1.0.0"), None)
    broken = damaged("zebra", "entry 3 is missing")

    assert worst_first([calm, empty, broken]) == [broken, empty, calm]
    assert broken.concerns == ("entry 3 is missing",)
