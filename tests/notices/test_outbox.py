"""The outbox: files in order, none twice, none that stops the others."""

from pathlib import Path

from holdfast.notices.notice import Notice
from holdfast.notices.outbox import Letter, Outbox


def letter(number: int) -> Letter:
    return Letter(Notice(f"iris/{number}", "urn:x", "dev.holdfast.x", "iris", "", {}), 0.0)


def ids(outbox: Outbox) -> list[str]:
    return [waiting_letter.notice.id for _path, waiting_letter in outbox.waiting("ops")]


def test_notices_wait_in_the_order_they_came(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path)
    for number in (7, 3, 12):
        outbox.add("ops", letter(number))

    assert ids(outbox) == ["iris/7", "iris/3", "iris/12"]
    assert ids(Outbox(tmp_path)) == ids(outbox)


def test_a_notice_waits_once_and_not_again_once_it_was_given_up(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path)
    for number in (1, 2, 1):
        outbox.add("ops", letter(number))
    path, first = next(outbox.waiting("ops"))
    outbox.give_up("ops", path, first)
    outbox.add("ops", letter(1))

    assert ids(outbox) == ["iris/2"]
    assert [failed_letter.notice.id for failed_letter in outbox.failed("ops")] == ["iris/1"]


def test_a_new_notice_comes_behind_those_given_up_too(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path)
    outbox.add("ops", letter(1))
    path, first = next(outbox.waiting("ops"))
    outbox.give_up("ops", path, first)
    outbox.add("ops", letter(2))

    assert [path.name[:10] for path, _ in outbox.waiting("ops")] == ["0000000002"]


def test_a_file_that_is_no_notice_is_put_aside(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path)
    for number in (1, 2):
        outbox.add("ops", letter(number))
    next(outbox.waiting("ops"))[0].write_bytes(b"{")
    outbox.drop(letter(3).notice)
    (tmp_path / "incoming" / "x.json").write_bytes(b"[]")

    assert ids(outbox) == ["iris/2"]
    assert outbox.failed("ops") == []
    assert [notice.id for _path, notice in outbox.incoming()] == ["iris/3"]
    assert (tmp_path / "failed" / "x.json").exists()


def test_a_file_taken_meanwhile_is_passed_by(tmp_path: Path) -> None:
    outbox = Outbox(tmp_path)
    for number in (1, 2):
        outbox.add("ops", letter(number))
    going = outbox.waiting("ops")
    first, _ = next(going)
    for path in first.parent.iterdir():
        outbox.remove(path)

    assert list(going) == []


def test_a_second_holder_is_told_so(tmp_path: Path) -> None:
    with Outbox(tmp_path).alone() as first, Outbox(tmp_path).alone() as second:
        assert (first, second) == (True, False)
    with Outbox(tmp_path).alone() as again:
        assert again
