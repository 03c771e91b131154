"""Prometheus as a source of counts: what serving workers export, read back as raw samples.

Two counters are needed, each with the labels `model`, `rollout`, `step` and `role`:
`holdfast_rollout_requests_total` and `holdfast_rollout_failures_total`; with a label `quantile` as
well, `holdfast_rollout_slower_total` gives latencies. A series begins with the step it counts, so
that its first sample counts in full and no request is put down to another step.

What is exact: everything that was scraped. What is not: requests after the last scrape of a worker
that stopped; those since the last scrape of one that runs come with the next. A worker that started
again under the same labels and counted past its old value between two scrapes is not noticed.
"""

import json
import logging
import math
import ssl
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from itertools import pairwise
from typing import Final
from urllib.parse import urlencode

from msgspec import Struct

from holdfast.core import strict_json
from holdfast.core.entry import format_time
from holdfast.core.fleet import Counts, Sides, StepCounts
from holdfast.core.rollout.outcomes import Outcomes
from holdfast.core.rollout.rollout_state import Rollout
from holdfast.errors import UnsupportedError
from holdfast.notices.targets import check_url

_log = logging.getLogger(__name__)

REQUESTS: Final = "holdfast_rollout_requests_total"
FAILURES: Final = "holdfast_rollout_failures_total"
SLOWER: Final = "holdfast_rollout_slower_total"

_MOST_BYTES: Final = 1 << 28
_MOST_COUNTED: Final = 1 << 53
"""The largest number that a float counts to by ones."""

_EARLIER_S: Final = 60
"""Seconds before the rollout that are asked for as well: clocks differ."""

_Side = tuple[int, str]
"""Step and role."""


class _Series(Struct, frozen=True):
    metric: dict[str, str]
    values: tuple[tuple[float, str], ...] = ()


class _Data(Struct, frozen=True):
    result: tuple[_Series, ...] = ()


class _Answer(Struct, frozen=True):
    status: str
    data: _Data = _Data()
    error: str = ""


class _AbsentError(Exception):
    """It cannot be told what was counted; the message says why."""


@dataclass(frozen=True, slots=True)
class Prometheus:
    """Counts of one model's rollouts, as a Prometheus server has them.

    Attributes:
        url: Of the server, with its path prefix: `http://prometheus:9090`.
        model: The registered model.
        timeout_s: Longest wait for an answer.
        clock: Tells the present time, aware.
    """

    url: str
    model: str
    timeout_s: float = 10.0
    clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def proved(self, counts: list[Counts]) -> list[Counts]:
        """Return all: what was scraped is not in the store, and whoever drives chose it."""
        return counts

    def outcomes(self, rollout: Rollout, now: datetime) -> Outcomes | None:
        """Return nothing: counters do not tell what became of a key."""
        del rollout, now
        return None

    def counts(self, rollout: Rollout) -> list[Counts]:
        """Return what all workers together counted of *rollout*.

        Nothing where the server does not answer or has not both counters for every side: then the
        rollout holds, and the log says why. What is absent is never taken for 0.

        Raises:
            UnsupportedError: If the rollout needs what counters cannot tell: which keys failed, or
                the pairs of a shadow.
        """
        if rollout.sticky is not None or rollout.plan.strategy == "shadow":
            raise UnsupportedError(
                f"rollout {rollout.number} of {self.model}",
                "cannot be counted by Prometheus: sticky routing and shadows need keys or pairs",
                "leave --prometheus out, as the servers' own counts have them",
            )
        now = self.clock()
        try:
            steps = self._steps(rollout, now)
            measured = {quantile for step in steps for quantile, _ in step.slower}
        except _AbsentError as error:
            _log.warning("rollout %s of %s is not counted: %s", rollout.number, self.model, error)
            return []
        bounds = rollout.baseline.slower_than_us if rollout.baseline else ()
        unmeasured = tuple(quantile for quantile, _ in bounds if quantile not in measured)
        at = format_time(now)
        return [Counts(self.model, rollout.number, "prometheus", at, steps, unmeasured)]

    def _steps(self, rollout: Rollout, now: datetime) -> tuple[StepCounts, ...]:
        started = datetime.fromisoformat(rollout.started_at)
        seconds = math.ceil(max(0.0, (now - started).total_seconds())) + _EARLIER_S
        requests = _sums(self._ask(REQUESTS, rollout, seconds))
        failures = _sums(self._ask(FAILURES, rollout, seconds))
        if not requests:
            raise _AbsentError(f"{self.url} has no {REQUESTS} of it")
        lacking = sorted(requests.keys() - failures.keys())
        if lacking:
            step, role = lacking[0]
            raise _AbsentError(f"{self.url} has no {FAILURES} of step {step}, {role}")
        slower = self._slower(rollout, seconds, requests)
        return tuple(
            StepCounts(
                step,
                rollout.plan.steps[step],
                _sides(requests, step),
                _sides(failures, step),
                slower=tuple((quantile, _sides(sums, step)) for quantile, sums in slower),
            )
            for step in sorted({step for step, _ in requests})
            if step < len(rollout.plan.steps)
        )

    def _slower(
        self, rollout: Rollout, seconds: int, requests: Counter[_Side]
    ) -> list[tuple[float, Counter[_Side]]]:
        """Return the counts of each quantile that was exported for every side."""
        bounds = rollout.baseline.slower_than_us if rollout.baseline else ()
        series = self._ask(SLOWER, rollout, seconds) if bounds else ()
        counts = []
        for quantile, _ in bounds:
            sums = _sums(
                time_series
                for time_series in series
                if _number(time_series, "quantile") == quantile
            )
            if requests.keys() <= sums.keys():
                counts.append((quantile, sums))
        return counts

    def _ask(self, metric: str, rollout: Rollout, seconds: int) -> tuple[_Series, ...]:
        """Return the raw samples of a metric since the rollout began, series by series."""
        model = json.dumps(self.model, ensure_ascii=False)
        query = f'{metric}{{model={model},rollout="{rollout.number}"}}[{seconds}s]'
        try:
            raw = self._get(f"/api/v1/query?{urlencode({'query': query})}")
            answer = strict_json.decode(raw, _Answer)
        except (OSError, HTTPException) as error:
            raise _AbsentError(f"{self.url} does not answer: {error}") from error
        except ValueError as error:
            raise _AbsentError(f"{self.url} is not a Prometheus server: {error}") from error
        if answer.status != "success":
            raise _AbsentError(f"{self.url} refuses: {answer.error}")
        return answer.data.result

    def _get(self, path: str) -> bytes:
        parts = check_url("prometheus", self.url)
        host = parts.hostname or ""
        if parts.scheme == "https":
            context = ssl.create_default_context()
            connection: HTTPConnection = HTTPSConnection(
                host, parts.port, timeout=self.timeout_s, context=context
            )
        else:
            connection = HTTPConnection(host, parts.port, timeout=self.timeout_s)
        try:
            connection.request("GET", parts.path.rstrip("/") + path)
            response = connection.getresponse()
            raw = response.read(_MOST_BYTES)
        finally:
            connection.close()
        if response.status != HTTPStatus.OK and not raw.startswith(b"{"):
            raise _AbsentError(f"{self.url} answers {response.status}")
        return raw


def _sums(series: Iterable[_Series]) -> Counter[_Side]:
    """Add up series by step and role; one that counts nothing is there with 0."""
    sums = Counter[_Side]()
    for time_series in series:
        step = _number(time_series, "step")
        role = time_series.metric.get("role", "")
        if step is not None and step >= 0 and role in ("canary", "active"):
            sums[int(step), role] += _total([_sample(text) for _, text in time_series.values])
    return sums


def _total(samples: list[float]) -> int:
    """Return how much a counter that began at 0 counted, however often it began again."""
    grown = sum(after - before if after >= before else after for before, after in pairwise(samples))
    return round(sum(samples[:1]) + grown)


def _sample(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number <= _MOST_COUNTED:
        raise _AbsentError(f"a counter is {text}")
    return number


def _number(series: _Series, label: str) -> float | None:
    try:
        number = float(series.metric[label])
    except (KeyError, ValueError):
        return None
    return number if math.isfinite(number) else None


def _sides(sums: Counter[_Side], step: int) -> Sides:
    return Sides(sums[step, "canary"], sums[step, "active"])
