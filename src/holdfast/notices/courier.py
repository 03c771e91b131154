"""The courier: follows the journals, fills the outbox, delivers, and tries again."""

import logging
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from holdfast.core.entry import Entry, format_time
from holdfast.core.fleet import LoadedVersion, Report
from holdfast.errors import HoldfastError
from holdfast.notices import notice as notices
from holdfast.notices import services, webhook
from holdfast.notices.notice import Notice
from holdfast.notices.outbox import Letter, Outbox, TargetState
from holdfast.notices.targets import Configuration, Target
from holdfast.notices.webhook import Failure
from holdfast.registry import Registry
from holdfast.stop_signal import Stop

_log = logging.getLogger(__name__)

_UNREAD: Final = -1
_LONGEST_PAUSE_S: Final = 300.0


class Round(Struct, frozen=True):
    """What one round did.

    Attributes:
        delivered: Notices taken by their targets.
        waiting: Notices that wait still.
        given_up: Notices put aside in this round.
        problems: What it met, each once.
    """

    delivered: int = 0
    waiting: int = 0
    given_up: int = 0
    problems: tuple[str, ...] = ()


class Courier:
    """Tells the targets of one registry.

    Args:
        registry: Whose journals and servers are followed.
        configuration: Who is told of what.
    """

    def __init__(self, registry: Registry, configuration: Configuration) -> None:
        self._registry = registry
        self._targets = configuration.targets
        self._outbox = Outbox(configuration.outbox)

    @property
    def outbox(self) -> Outbox:
        """Where notices wait."""
        return self._outbox

    def begin(self) -> None:
        """Have new targets told of what happens from now on, not of the past.

        A target is new until this was done once; what an entry says that is written afterwards is
        never lost.
        """
        with self._outbox.alone() as is_held:
            if is_held:
                self._begin()

    def _begin(self) -> None:
        for target in self._targets:
            if self._outbox.standing(target.name) is None:
                heads = {model: self._seq(model) for model in self._models()}
                self._outbox.stand(target.name, TargetState(heads))

    def round(self, budget_s: float | None = None) -> Round | None:
        """Collect what is new and try every target that is due, once.

        Args:
            budget_s: Seconds after which nothing more is begun.

        Returns:
            What was done; `None` if another process is at it.
        """
        with self._outbox.alone() as is_held:
            if not is_held:
                return None
            problems = self._collect()
            return self._deliver(self._due(), problems, _deadline(budget_s))

    def insist(self, attempts: int = 3, pause_s: float = 0.5) -> Round | None:
        """Collect what is new and try every target, due or not, up to *attempts* times."""
        with self._outbox.alone() as is_held:
            if not is_held:
                return None
            problems, total = self._collect(), Round()
            for attempt in range(attempts):
                done = self._deliver(self._targets, problems, None)
                total = replace(
                    done,
                    delivered=total.delivered + done.delivered,
                    given_up=total.given_up + done.given_up,
                )
                if not done.waiting or attempt + 1 == attempts:
                    break
                time.sleep(pause_s * 2**attempt)
            return total

    def follow(self, stop: Stop, every_s: float) -> Iterator[Round]:
        """Go on until *stop* is set, a round every so many seconds; yield what each did."""
        while not stop.is_set():
            try:
                done = self.round()
            except (HoldfastError, OSError) as error:  # the next one may succeed
                done = Round(problems=(str(error),))
            if done is not None:
                yield done
            stop.wait(every_s)

    def test(self) -> Round:
        """Send a notice of nothing to every target at once, past what waits."""
        notice = notices.of_test(self._source(), _now())
        failures = {
            target.name: _send(target, notice, target.timeout_s) for target in self._targets
        }
        problems = tuple(
            f"{name}: {failure.problem}" for name, failure in failures.items() if failure
        )
        return Round(delivered=len(failures) - len(problems), problems=problems)

    # Collecting

    def _collect(self) -> list[str]:
        """Let all that is new wait; return what could not be read."""
        self._begin()
        problems: list[str] = []
        self._take_in()
        try:
            source = self._source()
        except HoldfastError as error:  # the store is not there yet
            return [str(error)]
        stands = {receiver.name: self._outbox.standing(receiver.name) for receiver in self._targets}
        known = {model for stand in stands.values() if stand for model in stand.heads}
        for model in sorted(known | set(self._models())):
            try:
                numbered_notices, seq = self._told(source, model, stands.values())
                reports = self._registry.fleet.servers(model)
            except HoldfastError as error:
                problems.append(str(error))
                continue
            for target in self._targets:
                stand = stands[target.name] or TargetState({})
                stand = self._queue(target, stand, (model, seq), numbered_notices)
                stands[target.name] = self._queue_failures(target, stand, source, model, reports)
        for target in self._targets:
            now, before = stands[target.name], self._outbox.standing(target.name)
            if now is not None and now != before:
                self._outbox.stand(target.name, now)  # after all that it says was queued
        return problems

    def _told(
        self, source: str, model: str, stands: Iterable[TargetState | None]
    ) -> tuple[list[tuple[int, Notice]], int]:
        """Return the notices of a model's new entries with their numbers, and the last number."""
        cursors = [stand.heads.get(model, 0) for stand in stands if stand is not None]
        read = [cursor for cursor in cursors if cursor != _UNREAD]
        if not read:
            return [], self._seq(model)
        first = min(read)
        new = self._registry.entries(model, after=first)
        started = self._registry.rollout_entries(model)
        numbered_notices = [
            (entry.seq, notice)
            for entry in new
            for notice in notices.of_entry(source, entry, started, self._candidate(model, entry))
        ]
        return numbered_notices, new[-1].seq if new else first

    def _candidate(self, model: str, entry: Entry) -> str | None:
        """Return the version whose rollout an entry ends."""
        seq = getattr(entry.event, "rollout", None)
        if not isinstance(seq, int):
            return None
        started = self._registry.entries(model, after=seq - 1)[0]
        return next(iter(started.event.versions()), None)

    def _queue(
        self,
        target: Target,
        stand: TargetState,
        upto: tuple[str, int],
        numbered_notices: list[tuple[int, Notice]],
    ) -> TargetState:
        model, seq = upto
        after = stand.heads.get(model, 0)
        for number, notice in numbered_notices if after != _UNREAD else ():
            if number > after and target.wants(notice):
                self._outbox.add(target.name, Letter(notice, time.time()))
        return replace(stand, heads=stand.heads | {model: max(after, seq)})

    def _queue_failures(
        self, target: Target, stand: TargetState, source: str, model: str, reports: list[Report]
    ) -> TargetState:
        """Tell of versions that servers fail to load, once until no server does any more."""
        failing = {
            version: at
            for version, at in stand.failing.items()
            if version.rpartition("@")[0] != model
        }
        for report, version_status in _failures(reports):
            ref = f"{model}@{version_status.version}"
            if ref in failing:
                continue
            failing[ref] = stand.failing.get(ref, report.at)
            notice = notices.of_failure(source, report, version_status, failing[ref])
            if ref not in stand.failing and target.wants(notice):
                self._outbox.add(target.name, Letter(notice, time.time()))
        return replace(stand, failing=failing)

    def _take_in(self) -> None:
        for path, notice in self._outbox.incoming():
            for target in self._targets:
                if target.wants(notice):
                    self._outbox.add(target.name, Letter(notice, time.time()))
            self._outbox.remove(path)

    # Delivering

    def _due(self) -> list[Target]:
        now = time.time()
        stands = ((target, self._outbox.standing(target.name)) for target in self._targets)
        return [target for target, stand in stands if stand is None or stand.retry_at <= now]

    def _deliver(
        self, targets: Iterable[Target], problems: Iterable[str], deadline: float | None
    ) -> Round:
        delivered = given_up = 0
        all_problems = list(problems)
        for target in targets:
            taken, put_aside, failure = self._empty(target, deadline)
            delivered, given_up = delivered + taken, given_up + put_aside
            all_problems += [f"{target.name}: {failure.problem}"] if failure else []
        waiting = sum(1 for target in self._targets for _ in self._outbox.waiting(target.name))
        return Round(delivered, waiting, given_up, tuple(dict.fromkeys(all_problems)))

    def _empty(self, target: Target, deadline: float | None) -> tuple[int, int, Failure | None]:
        """Deliver in order until something is not taken; return how many were, and were not."""
        taken = put_aside = 0
        failure = None
        for path, letter in self._outbox.waiting(target.name):
            left = target.timeout_s if deadline is None else deadline - time.monotonic()
            if left <= 0:
                break
            failure = _send(target, letter.notice, min(left, target.timeout_s))
            if failure is None:
                self._outbox.remove(path)
                taken += 1
            elif failure.lasting or time.time() - letter.queued_at > target.give_up_s:
                self._outbox.give_up(target.name, path, replace(letter, problem=failure.problem))
                put_aside += 1
            else:
                break
        self._note(target, failure)
        return taken, put_aside, failure

    def _note(self, target: Target, failure: Failure | None) -> None:
        """Remember when to try again."""
        stand = self._outbox.standing(target.name)
        if stand is None:
            return
        tries = stand.tries + 1 if failure else 0
        pause = min(_LONGEST_PAUSE_S, 2.0 ** min(tries, 16)) if failure else 0.0
        new = replace(
            stand,
            tries=tries,
            retry_at=time.time() + pause if failure else 0.0,
            problem=failure.problem if failure else None,
        )
        if failure or stand.tries:
            self._outbox.stand(target.name, new)

    # The registry

    def _models(self) -> list[str]:
        return [info.model for info in self._registry.models()]

    def _seq(self, model: str) -> int:
        try:
            return max((head.seq for head in self._registry.heads(model)), default=0)
        except HoldfastError as error:
            _log.warning("notices of %s cannot be made yet: %s", model, error)
            return _UNREAD

    def _source(self) -> str:
        """Name the registry; there is none before its first entry."""
        return f"urn:holdfast:{self._registry.identity}"


def _failures(reports: Iterable[Report]) -> Iterator[tuple[Report, LoadedVersion]]:
    now = datetime.now(UTC)
    for report in reports:
        if report.is_fresh(now):
            yield from (
                (report, version_status)
                for version_status in report.versions
                if version_status.state == "failed"
            )


def _send(target: Target, notice: Notice, timeout_s: float) -> Failure | None:
    if target.kind == "apprise":
        return services.send(target, notice)
    return webhook.send(target, notice.id, notices.encode(notice), timeout_s)


def _deadline(budget_s: float | None) -> float | None:
    return None if budget_s is None else time.monotonic() + budget_s


def _now() -> str:
    return format_time(datetime.now(UTC))
