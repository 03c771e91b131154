"""Asking some questions at the same time, and answering in their order."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from concurrent.futures import Future

Question = TypeVar("Question")
Answer = TypeVar("Answer")


def map_ordered(
    ask: Callable[[Question], Answer], questions: Iterable[Question], at_once: int
) -> Iterator[Answer]:
    """Go through the answers; no more than *at_once* are held, so that memory stays bounded.

    One at a time needs no thread.
    """
    if at_once == 1:
        yield from map(ask, questions)
        return
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - slow to import

    under_way: deque[Future[Answer]] = deque()
    threads = ThreadPoolExecutor(at_once)
    try:
        for question in questions:
            under_way.append(threads.submit(ask, question))
            if len(under_way) == at_once:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        threads.shutdown(cancel_futures=True)
