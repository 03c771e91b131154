"""Questions asked at the same time are answered in their order, and no more are held than said."""

import threading

import pytest

from holdfast.store import concurrent


def test_answers_come_in_the_order_of_the_questions() -> None:
    late = threading.Event()

    def ask(number: int) -> int:
        if number == 0:
            assert late.wait(60)
        if number == 3:
            late.set()
        return number * number

    assert list(concurrent.map_ordered(ask, range(40), 4)) == [
        number * number for number in range(40)
    ]


def test_no_question_is_asked_before_there_is_room() -> None:
    asked: list[int] = []
    next(concurrent.map_ordered(asked.append, range(40), 4))

    assert len(asked) <= 4


def test_what_a_question_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        list(concurrent.map_ordered(lambda number: 1 / number, [1, 0], 2))


def test_one_at_a_time_is_asked_here_and_only_when_it_is_wanted() -> None:
    asked: list[int] = []

    def ask(number: int) -> threading.Thread:
        asked.append(number)
        return threading.current_thread()

    answers = concurrent.map_ordered(ask, range(3), 1)

    assert next(answers) is threading.current_thread()
    assert asked == [0]
    assert list(answers) == [threading.current_thread()] * 2
