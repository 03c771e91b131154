"""A worker whose successor answers: no new connections, and a last answer on each open one."""

from tests.serving.facing import routing_table, running, served, sums
from tests.serving.web.test_direct import GET, Caller, post


def test_each_connection_is_closed_after_its_next_answer() -> None:
    with running(served(routing_table(sums()))) as server:
        callers = [Caller(server.port) for _ in range(2)]
        before = []
        for caller, request in zip(callers, (post(), GET), strict=True):
            caller.send(request)
            before.append(caller.answer())
        server.app.leaves = True
        after = []
        for caller, request in zip(callers, (post(), GET), strict=True):
            caller.send(request)
            after.append(caller.answer())
        closed = [caller.is_closed() for caller in callers]
        for caller in callers:
            caller.close()

    assert [status for status, *_ in before + after] == [200] * 4
    assert not any(b"connection: close" in head.lower() for _, head, _ in before)
    assert all(b"connection: close" in head.lower() for _, head, _ in after)
    assert closed == [True, True]
