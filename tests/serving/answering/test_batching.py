"""The way to one version: joined calls, its thread, and the event loop."""

import asyncio
import itertools
import re
import threading
from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
from tests.serving.facing import NUMBERS, Does, made, until

from holdfast.rows.loaded_version import Loaded
from holdfast.rows.refusal import Refusal
from holdfast.serving.answering.batching import MOST_STUCK, ModelQueue
from holdfast.serving.answering.call_watchdog import CallWatchdog
from holdfast.serving.answering.contention import Contention
from holdfast.serving.answering.pending_jobs import JobResult, Outcome
from holdfast.serving.server_limits import ServerLimits


class Notes:
    """Answers with its rows; notes how many came in each call, and on which thread."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, bool]] = []

    def predict(self, rows: Any) -> Any:
        here = threading.current_thread() is threading.main_thread()
        self.calls.append((len(rows), here))
        return [str(row) for row in np.asarray(rows).tolist()]


def queue_of(model: object, limits: ServerLimits | None = None, **facts: Any) -> ModelQueue:
    return ModelQueue(made(model, **facts), limits or ServerLimits())


def threads_of(loaded: Loaded) -> list[threading.Thread]:
    name = f"{loaded.model}@{loaded.version}"
    return [thread for thread in threading.enumerate() if thread.name == name]


def asked(model_queue: ModelQueue, rows: Any) -> "asyncio.Future[JobResult]":
    """Have rows answered; a refusal is raised by what is returned."""
    future: asyncio.Future[JobResult] = asyncio.get_running_loop().create_future()

    def done(outcome: Outcome) -> None:
        if isinstance(outcome, Refusal):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)

    model_queue.submit(rows, done)
    return future


async def sent(model_queue: ModelQueue, *requests: Any) -> list[JobResult]:
    return await asyncio.gather(*(asked(model_queue, model_queue.check(rows)) for rows in requests))


class Scaled(Notes):
    """Multiplies rows by a parameter."""

    call_params = MappingProxyType({"by": {"type": "number"}})

    def predict(self, rows: Any, params: Any = None) -> Any:
        super().predict(rows)
        return np.asarray(rows)[:, 0] * (params or {"by": 1})["by"]


def test_requests_are_joined_with_those_of_the_same_parameters() -> None:
    scaled = Scaled()
    model_queue = queue_of(scaled, input_schema=NUMBERS)

    async def ask() -> list[JobResult]:
        wanted = [(1, None), (2, {"by": 3}), (3, {"by": 3}), (4, None), (5, {"by": 7})]
        futures = []
        for value, params in wanted:
            futures.append(asyncio.get_running_loop().create_future())
            rows = model_queue.check([[value, 0]])
            model_queue.submit(rows, futures[-1].set_result, model_queue.check_params(params))
        return list(await asyncio.gather(*futures))

    answers = asyncio.run(ask())
    model_queue.close()

    assert [answer.values for answer in answers] == [[1.0], [6.0], [9.0], [4.0], [35.0]]
    assert [count for count, _ in scaled.calls] == [2, 2, 1]


def test_requests_of_one_kind_are_joined_and_others_called_apart() -> None:
    notes = Notes()
    model_queue = queue_of(notes)
    answers = asyncio.run(
        sent(model_queue, [[1, 2]], [[1]], [[3, 4]], [{"a": 7}], ["text"], [{"a": 2}])
    )
    model_queue.close()

    assert [count for count, _ in notes.calls] == [2, 1, 2, 1]
    assert [answer.batch for answer in answers] == [2, 1, 2, 2, 1, 2]
    assert len({str(answer.output) for answer in answers}) == 6


def test_a_call_has_so_many_rows_at_most_and_a_larger_request_goes_alone() -> None:
    notes = Notes()
    model_queue = queue_of(notes, ServerLimits(batch=3), input_schema=NUMBERS)
    asyncio.run(sent(model_queue, [[1, 1]] * 2, [[1, 1]] * 2, [[1, 1]] * 9, [[1, 1]], [[1, 1]]))
    model_queue.close()

    assert [count for count, _ in notes.calls] == [2, 2, 9, 2]


def test_requests_of_a_model_that_sees_rows_together_are_not_joined() -> None:
    notes = Notes()
    model_queue = queue_of(notes, framework=None)
    asyncio.run(sent(model_queue, [[1, 2]], [[3, 4]]))
    model_queue.close()

    assert [count for count, _ in notes.calls] == [1, 1]


def test_a_request_whose_time_is_up_is_told_so_and_not_called_for() -> None:
    go, notes = threading.Event(), Notes()
    answers: list[str] = []

    def slow(rows: Any) -> Any:
        go.wait(20)
        answers.extend(notes.predict(rows))
        return answers[-len(rows) :]

    model_queue = queue_of(Does(slow), ServerLimits(timeout_s=0.5), framework=None)

    async def ask() -> list[Any]:
        first, second = asked(model_queue, [[1, 2]]), asked(model_queue, [[3, 4]])
        late = await asyncio.gather(first, second, return_exceptions=True)
        third = asked(model_queue, [[5, 6]])
        go.set()
        return [*late, await third]

    *late, third = asyncio.run(ask())
    model_queue.close()

    assert [(refusal.status, "0.5 s" in refusal.message) for refusal in late] == [(504, True)] * 2
    assert third.output == ["[5, 6]"]
    assert (
        "[3, 4]" not in answers
    )  # the first may be: its call had begun, or a busy machine was slow


def test_a_call_is_told_what_it_may_have_left_to_one_beside_it() -> None:
    """By clocks of the test's own: no thread ever runs, so all time beside another is waited."""
    ticks, both = itertools.count(step=1_000_000_000_000), threading.Barrier(2)
    contention = Contention(now_ns=lambda: next(ticks), ran_ns=lambda: 0)

    def beside(rows: Any) -> Any:
        both.wait(20)
        return [0] * len(rows)

    def queue_beside(predict: Callable[[Any], Any]) -> ModelQueue:
        loaded = made(Does(predict), framework=None)
        return ModelQueue(loaded, ServerLimits(), contention=contention)

    alone, first, second = (
        queue_beside(predict) for predict in (lambda rows: [0] * len(rows), beside, beside)
    )

    async def ask() -> list[JobResult]:
        lone = await asked(alone, [[1, 2]])
        return [lone, *await asyncio.gather(asked(first, [[1, 2]]), asked(second, [[1, 2]]))]

    lone, *pair = asyncio.run(ask())
    for model_queue in (alone, first, second):
        model_queue.close()

    assert lone.waited_us == 0
    assert [result.waited_us for result in pair] == [result.us for result in pair]  # and no more
    assert all(result.us > 0 for result in pair)


def test_requests_are_answered_on_the_loop_once_their_version_is_known_to_be_quick() -> None:
    notes = Notes()
    model_queue = queue_of(notes, ServerLimits(inline_us=10_000_000))

    async def after(count: int) -> None:
        for _ in range(count):
            await asked(model_queue, [[1, 2]])

    async def ask() -> None:
        await after(30)
        await sent(model_queue, [[1, 2]], [[3, 4]])
        model_queue.aside = True
        await after(1)

    asyncio.run(ask())
    model_queue.close()

    assert [here for _, here in notes.calls] == [False] * 20 + [True] * 11 + [False]


def test_requests_that_wait_take_turns_with_the_loop() -> None:
    model_queue = queue_of(Notes(), ServerLimits(inline_us=10_000_000))

    async def ask() -> list[JobResult]:
        for _ in range(20):
            await asked(model_queue, [[1, 2]])
        return await sent(model_queue, [[1]], [[1, 2]], [[1, 2, 3]])

    answers = asyncio.run(ask())
    model_queue.close()

    assert [answer.batch for answer in answers] == [1, 1, 1]


class Panic(BaseException):
    """As pyo3 raises where Rust panics; this one cannot even say what it is."""

    def __str__(self) -> str:
        raise Panic


@pytest.mark.parametrize("inline", [True, False])
@pytest.mark.parametrize(
    ("error", "message"),
    [
        (Panic(), "failed: Panic$"),
        (SystemExit(3), "failed: SystemExit: 3"),
        (KeyboardInterrupt(), "failed: KeyboardInterrupt"),
        (GeneratorExit(), "failed: GeneratorExit"),
        (asyncio.CancelledError("gone"), "failed: CancelledError: gone"),
    ],
)
def test_whatever_a_model_raises_fails_the_request_and_nothing_else(
    error: BaseException,
    message: str,
    inline: bool,  # noqa: FBT001 - a parameter of a test
) -> None:
    def ends(rows: Any) -> Any:
        if rows[0][0] == 0:
            raise error
        return rows

    model_queue = queue_of(Does(ends), ServerLimits(inline_us=10_000_000 if inline else 0))

    async def ask() -> list[JobResult | BaseException]:
        for _ in range(20):  # quick enough for the loop now
            await asked(model_queue, [[1, 2]])
        both = [
            asked(model_queue, [[0, 0]]),
            asked(model_queue, [[1, 2]]),
            asked(model_queue, [[3, 4]]),
        ]
        return [
            *await asyncio.gather(*both, return_exceptions=True),
            await asked(model_queue, [[5, 6]]),
        ]

    failed, *well = asyncio.run(ask())
    model_queue.close()
    until(lambda: threads_of(model_queue.loaded) == [])

    assert isinstance(failed, Refusal)
    assert failed.status == 500
    assert re.search(message, failed.message)
    assert [getattr(answer, "values", None) for answer in well] == [[[1, 2]], [[3, 4]], [[5, 6]]]
    assert model_queue.waiting == 0


class Whole(list[Any]):
    """A list that cannot be cut."""

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            raise KeyboardInterrupt
        return super().__getitem__(index)


def test_an_output_that_cannot_be_cut_up_is_asked_for_row_by_row() -> None:
    model_queue = queue_of(Does(Whole))
    answers = asyncio.run(sent(model_queue, [[1, 2]], [[3, 4]]))
    model_queue.close()

    assert [(answer.values, answer.batch) for answer in answers] == [([[1, 2]], 1), ([[3, 4]], 1)]


def test_closing_ends_the_thread_after_what_waits() -> None:
    go = threading.Event()
    model_queue = queue_of(Does(lambda rows: go.wait(20) and rows))

    async def close_while_busy() -> JobResult:
        future = asked(model_queue, [[1, 2]])
        await asyncio.sleep(0)
        model_queue.close()
        go.set()
        return await future

    answer = asyncio.run(close_while_busy())

    assert answer.output.tolist() == [[1, 2]]
    until(lambda: threads_of(model_queue.loaded) == [])
    assert model_queue.waiting == 0


def test_a_loop_that_is_gone_is_not_told() -> None:
    go, called = threading.Event(), threading.Event()

    def waits(rows: Any) -> Any:
        called.set()
        go.wait(20)
        return rows

    model_queue = queue_of(Does(waits), version="7.7.7")

    async def leave() -> None:
        asked(model_queue, [[1, 2]])
        await asyncio.to_thread(called.wait, 20)

    asyncio.run(leave())
    go.set()

    until(lambda: threads_of(model_queue.loaded) == [])
    assert called.is_set()


@pytest.mark.parametrize(
    ("mine", "other"),
    [
        ([[2**53 + 1]], [[0.5]]),
        ([[2**63 - 1]], [[2**63 + 1]]),
        ([[True]], [[2]]),
        ([[1]], [["a"]]),
        ([[1, "a"]], [["b", 2]]),
        ([{"n": 2**53 + 1}], [{"n": 0.5}]),
        ([{"n": 2**53 + 1}], [{"n": 1}, {"n": 0.5}]),
        ([{"n": 2**53 + 1}], [{"n": None}]),
        ([{"n": 2**53 + 1}], [{"n": 2**64}]),
        ([{"n": 2**53 + 1}], [{"n": 1}, {"m": 1}]),
        ([{"n": {"a": 1}}], [{"n": {"a": 0.5}}]),
        (["a"], [1]),
        (np.array([[1, "a"]], object), np.array([["b", 2]], object)),
        (np.array([[2**53 + 1]]), np.array([[0.5]])),
    ],
)
def test_what_a_model_is_fed_does_not_depend_on_who_asks_beside(mine: Any, other: Any) -> None:
    def seen(*requests: Any) -> list[Any]:
        fed: list[str] = []

        def predict(rows: Any) -> Any:
            listed = rows.to_dict("records") if hasattr(rows, "columns") else list(rows)
            fed.extend(f"{getattr(rows, 'dtype', '')} {row!r}" for row in listed)
            return [0] * len(rows)

        model_queue = queue_of(Does(predict))
        asyncio.run(sent(model_queue, *requests))
        model_queue.close()
        return sorted(fed)

    alone = sorted([*seen(mine), *seen(other)])

    assert seen(mine, other) == seen(other, mine) == alone


def test_requests_whose_rows_are_typed_alike_share_a_call() -> None:
    notes = Notes()
    model_queue = queue_of(notes)
    asyncio.run(sent(model_queue, [{"n": 1}], [{"n": 2}, {"n": 3}], [[1, 0.5]], [[0.5, 2.0]]))
    model_queue.close()

    assert [count for count, _ in notes.calls] == [3, 2]


def test_a_day_is_read_the_same_whoever_asks_beside() -> None:
    fed: list[Any] = []

    def predict(frame: Any) -> Any:
        fed.extend(frame["day"].tolist())
        return [0] * len(frame)

    words = {
        "type": "object",
        "properties": {"day": {"type": "string", "dtype": "datetime64[ns]"}},
        "required": ["day"],
    }
    model_queue = queue_of(Does(predict), input_schema=words)
    days = ([{"day": "2026-01-13"}], [{"day": "2026-02-01 10:30"}])
    answers = asyncio.run(sent(model_queue, *days))
    model_queue.close()

    assert [answer.batch for answer in answers] == [2, 2]
    assert [str(day) for day in fed] == ["2026-01-13 00:00:00", "2026-02-01 10:30:00"]


def test_others_are_answered_beside_a_call_that_does_not_end() -> None:
    go, known = threading.Event(), Notes()

    def predict(rows: Any) -> Any:
        if rows[0][0] == 0:
            go.wait(20)
        return known.predict(rows)

    model_queue = queue_of(
        Does(predict), ServerLimits(inline_us=0, overtake_s=0.02), framework=None
    )

    async def ask() -> tuple[list[str], str]:
        for _ in range(20):
            await asked(model_queue, [[1, 2]])
        hangs = asked(model_queue, [[0, 0]])
        others = [(await asked(model_queue, [[turn, 2]])).output[0] for turn in (1, 2)]
        pending = not hangs.done()
        go.set()
        assert pending
        return others, (await hangs).output[0]

    others, late = asyncio.run(ask())
    model_queue.close()
    until(lambda: threads_of(model_queue.loaded) == [])

    assert (others, late) == (["[1, 2]", "[2, 2]"], "[0, 0]")
    assert model_queue.stuck == 0


def test_so_many_calls_that_do_not_end_are_passed_and_then_told_as_stuck() -> None:
    go = threading.Event()

    def predict(rows: Any) -> Any:
        if rows[0][0] == 0:
            go.wait(20)
        return [0] * len(rows)

    limits = ServerLimits(inline_us=0, overtake_s=0.01, timeout_s=0.2)
    model_queue = queue_of(Does(predict), limits, framework=None)

    async def ask() -> list[Any]:
        for _ in range(20):
            await asked(model_queue, [[1, 2]])
        hang = [asked(model_queue, [[0, 0]]) for _ in range(MOST_STUCK + 1)]
        return await asyncio.gather(*hang, asked(model_queue, [[1, 2]]), return_exceptions=True)

    refused = asyncio.run(ask())
    stuck = model_queue.stuck
    model_queue.close()
    go.set()

    assert [getattr(refusal, "status", None) for refusal in refused] == [504] * (MOST_STUCK + 2)
    assert stuck == MOST_STUCK


def test_a_call_on_the_loop_that_does_not_end_is_made_again_on_a_thread() -> None:
    notes, watchdog = Notes(), CallWatchdog()
    go = threading.Event()

    def predict(rows: Any) -> Any:
        if rows[0][0] == 0 and threading.current_thread() is threading.main_thread():
            while not go.is_set():
                pass
        return notes.predict(rows)

    loaded = made(Does(predict))
    model_queue = ModelQueue(loaded, ServerLimits(inline_us=10_000_000), watchdog)

    async def ask() -> list[str]:
        for _ in range(22):
            await asked(model_queue, [[1, 2]])
        answers = await sent(model_queue, [[0, 0]], [[3, 4]], [[1, 2]])
        return [answer.output[0] for answer in [*answers, await asked(model_queue, [[5, 6]])]]

    watchdog.begin(0.01)
    try:
        outputs = asyncio.run(ask())
    finally:
        watchdog.stop()
        go.set()
    model_queue.close()

    assert outputs == ["[0, 0]", "[3, 4]", "[1, 2]", "[5, 6]"]
    assert [here for _, here in notes.calls][-3:] == [True, False, False]


@pytest.mark.parametrize("error", [ValueError("text"), TypeError("text"), KeyError("text")])
def test_rows_that_a_version_without_a_schema_does_not_take_are_the_callers(
    error: Exception,
) -> None:
    def predict(rows: Any) -> Any:
        if rows[0][0] == 0:
            raise error
        return [1] * len(rows)

    def outcome(*values: int, **facts: Any) -> tuple[int, str | None]:
        model_queue = queue_of(Does(predict), ServerLimits(inline_us=0), **facts)

        async def ask() -> Any:
            answers = [
                (await asyncio.gather(asked(model_queue, [[value, 1]]), return_exceptions=True))[0]
                for value in values
            ]
            return answers[-1]

        refused = asyncio.run(ask())
        model_queue.close()
        return refused.status, refused.cause

    name = type(error).__name__
    assert outcome(1, 0) == (422, name)
    assert outcome(0) == (500, name)  # it never answered: nothing tells that it can
    assert outcome(1, 0, input_schema=NUMBERS) == (500, name)


def test_what_is_no_fault_of_rows_stays_the_versions() -> None:
    def predict(rows: Any) -> Any:
        if rows[0][0] == 0:
            raise RuntimeError("out of memory")
        return [1] * len(rows)

    model_queue = queue_of(Does(predict), ServerLimits(inline_us=0))

    async def ask() -> int:
        await asked(model_queue, [[1, 1]])
        with pytest.raises(Refusal) as caught:
            await asked(model_queue, [[0, 1]])
        return caught.value.status

    assert asyncio.run(ask()) == 500
    model_queue.close()
