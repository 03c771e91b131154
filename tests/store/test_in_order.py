"""Questions asked at the same time are answered in their order, and no more are held than said."""

import threading

import pytest

from holdfast.store import in_order


def test_answers_come_in_the_order_of_the_questions() -> None:
    late = threading.Event()

    def ask(number: int) -> int:
        if number == 0:
            assert late.wait(60)
        if number == 3:
            late.set()
        return number * number

    assert list(in_order.answers(ask, range(40), 4)) == [number * number for number in range(40)]


def test_no_question_is_asked_before_there_is_room() -> None:
    asked: list[int] = []
    next(in_order.answers(asked.append, range(40), 4))

    assert len(asked) <= 4


def test_what_a_question_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        list(in_order.answers(lambda number: 1 / number, [1, 0], 2))
