"""Templates and what they say things with."""

import functools
import math
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from itertools import islice
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from holdfast import __version__
from holdfast.core import auth, wording
from holdfast.core.clocks import seconds_between
from holdfast.core.events import OPERATIONS, Past
from holdfast.core.fleet import Serving
from holdfast.core.period import Period
from holdfast.core.rollout.rollout_state import PREPARING, Rollout
from holdfast.core.rollout.step_verdict import StatisticalTest
from holdfast.core.wording import share
from holdfast.web.pages.page_paths import model_url, version_url

STATIC: Final = "/static"
_FIRST: Final = ("layout", "macros", "sprite", "front", "model", "sign_in")
_DIGEST: Final = 12
_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_MONTH: Final = 61 * _DAY
_HUNDRED, _LARGE = 100, 1e6
_MOST_SHOWN: Final = 120
_MOST_INNER: Final = 10
_WHOLE_DIGEST: Final = re.compile("sha256:[0-9a-f]{64}")


def when(at: str, now: str) -> str:
    """Say a time as people do: `22:41 today`, `6 days ago`; to the minute where it is ahead."""
    moment, present = datetime.fromisoformat(at), datetime.fromisoformat(now)
    age_s = (present - moment).total_seconds()
    if age_s < -_MINUTE:
        return wording.moment(at)
    if age_s < _HOUR:
        return "just now" if age_s < _MINUTE else f"{int(age_s // _MINUTE)} min ago"
    if moment.date() == present.date():
        return f"{moment:%H:%M} today"
    if moment.date() == (present - timedelta(days=1)).date():
        return f"{moment:%H:%M} yesterday"
    if age_s < _MONTH:
        days = int(age_s // _DAY) or 1
        return f"{wording.count(days, 'day')} ago"
    return f"{moment.day} {moment:%b %Y}"


def fact(value: object) -> str:
    """Show a value of a card in a line."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        text = ", ".join(map(_inner, islice(value, _MOST_INNER)))
    elif isinstance(value, Mapping):
        text = ", ".join(
            f"{name} {_inner(inner)}" for name, inner in islice(value.items(), _MOST_INNER)
        )
    elif isinstance(value, str) and _WHOLE_DIGEST.fullmatch(value):
        text = f"sha256:{digest(value)}"
    else:
        text = wording.number(value) if isinstance(value, float) else str(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 1]}…"


def _inner(value: object) -> str:
    return "…" if isinstance(value, Mapping | list | tuple) else fact(value)


def digest(text: str | None) -> str:
    """Show the first digits of a digest."""
    return "" if text is None else text.removeprefix("sha256:")[:_DIGEST]


def standing(rollout: Rollout) -> str:
    """Say where a running rollout stands: `25 % · step 2 of 4`."""
    if rollout.step == PREPARING:
        return "preparing, no traffic yet"
    return f"{share(rollout.weight)} · step {rollout.step + 1} of {len(rollout.plan.steps)}"


def _short(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}"


def _signed(value: float | None) -> str:
    return "–" if value is None else f"{value:+.4g}".replace("-", "\N{MINUS SIGN}")


def _percent(rate: float) -> str:
    return f"{100 * rate:.2g} %" if rate < 0.995 else "100 %"  # noqa: PLR2004 - not 1e+02


def _evidence(value: float) -> str:
    if value >= _LARGE:
        return "over 1,000,000"
    return f"{value:,.0f}" if value >= _HUNDRED else f"{value:.3g}"


def _reach(test: StatisticalTest) -> float:
    """Return how far evidence has come to what it must be, from 0 to 1, as its logarithm goes."""
    if test.evidence <= 1 or test.needed <= 1:
        return float(test.evidence >= test.needed)
    return min(math.log(test.evidence) / math.log(test.needed), 1.0)


def _lasted(period: Period, now: str) -> str:
    return wording.span(max(0.0, seconds_between(period.since, period.until or now)))


def _known_by(line: Past) -> str:
    return "said so" if line.auth is None else auth.known_by(line.auth)


def _ready(serving: Serving) -> str:
    return str(serving).partition(" ")[0]


def _options_whole(command: str) -> Markup:
    """Let a command go on in a next line between its words, and not within `--option`."""
    whole = Markup('<span class="keep">{}</span>')
    return Markup(" ").join(
        whole.format(inert(word)) if word.startswith("--") else Markup.escape(inert(word))
        for word in command.split(" ")
    )


def inert(value: object) -> object:
    """Show text from elsewhere without characters that would hide or turn around what is beside."""
    if type(value) is not str or value.isprintable():  # most are, and that is known at once
        return value
    return wording.inert(value)


@functools.cache
def templates() -> Environment:
    """Return the templates; each is compiled once."""
    environment = Environment(
        loader=PackageLoader("holdfast.web.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=inert,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "when": when,
        "fact": fact,
        "digest": digest,
        "signed": _signed,
        "percent": _percent,
        "evidence": _evidence,
        "reach": _reach,
        "known_by": _known_by,
        "lasted": _lasted,
        "ready": _ready,
        "share": share,
        "short": _short,
        "standing": standing,
        "number": wording.number,
        "options_whole": _options_whole,
        "size": wording.size,
        "span": wording.span,
        "moment": wording.moment,
        "model_url": model_url,
        "version_url": version_url,
    }
    names = " ".join(sorted(OPERATIONS))
    environment.globals |= {"static": STATIC, "release": __version__, "event_names": names}
    return environment


def prepare() -> None:
    """Compile what is looked at first, so that the first visitor need not wait for it."""
    for name in _FIRST:
        templates().get_template(f"{name}.html")


def draw(template: str, values: dict[str, Any]) -> str:
    """Draw a page."""
    return templates().get_template(f"{template}.html").render(values)


def markup(drawing: str) -> Markup:
    """Mark a picture of ours, whose texts are escaped, as one."""
    return Markup(drawing)  # noqa: S704 - made by `core.drawing` alone
