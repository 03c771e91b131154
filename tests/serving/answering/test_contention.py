"""What calls beside each other may have kept each other waiting."""

from dataclasses import dataclass, field

import pytest

from holdfast.serving.answering.contention import Contention


@dataclass
class Machine:
    """Time as it passes, and threads that run in it or wait."""

    now_us: int = 1_000
    ran_us: dict[str, int] = field(default_factory=dict)
    thread: str = ""

    def __post_init__(self) -> None:
        self.contention = Contention(
            lambda: 1000 * self.now_us, lambda: 1000 * self.ran_us.get(self.thread, 0)
        )

    def on(self, thread: str) -> Contention:
        self.thread = thread
        return self.contention

    def goes(self, us: int, *running: str) -> None:
        self.now_us += us
        for thread in running:
            self.ran_us[thread] = self.ran_us.get(thread, 0) + us


@pytest.mark.parametrize("running", [(), ("a",)])
def test_a_call_alone_waits_for_nobody(running: tuple[str, ...]) -> None:
    machine = Machine()
    mark = machine.on("a").begin()
    machine.goes(500, *running)

    assert machine.on("a").end(mark) == 0


def test_of_two_calls_that_share_the_interpreter_each_waits_half_the_time() -> None:
    machine = Machine()
    canary, active = machine.on("a").begin(), machine.on("b").begin()
    machine.goes(400, "a")
    machine.goes(400, "b")

    assert machine.on("a").end(canary) == 400
    assert machine.on("b").end(active) == 400


def test_calls_that_run_side_by_side_keep_nobody_waiting() -> None:
    machine = Machine()
    canary, active = machine.on("a").begin(), machine.on("b").begin()
    machine.goes(800, "a", "b")

    assert machine.on("a").end(canary) == machine.on("b").end(active) == 0


def test_a_call_that_waits_for_something_else_is_slow_all_the_same() -> None:
    machine = Machine()
    canary, active = machine.on("a").begin(), machine.on("b").begin()
    machine.goes(300, "b")
    machine.on("b").end(active)
    machine.goes(700)

    assert machine.on("a").end(canary) == 150  # half of what it had beside it, of 1,000


def test_only_the_time_beside_others_counts() -> None:
    machine = Machine()
    first = machine.on("a").begin()
    machine.goes(1_000)
    second, third = machine.on("b").begin(), machine.on("c").begin()
    machine.goes(300)
    ended = [machine.on("b").end(second), machine.on("c").end(third)]
    machine.goes(1_000)

    assert ended == [200, 200]
    assert machine.on("a").end(first) == 200
