"""Targets of apprise, through its plainest service: JSON to a receiver of ours."""

import logging
import sys

import pytest
from tests.notices.conftest import Carry
from tests.notices.receiver import Receiver

from holdfast.errors import MissingLibraryError
from holdfast.notices import notice as notices
from holdfast.notices import services
from holdfast.notices.courier import Round
from holdfast.notices.targets import Target

TOKEN = "token-of-mine"

pytestmark = pytest.mark.filterwarnings("ignore:.*imghdr.*:DeprecationWarning")


def address(receiver: Receiver) -> str:
    return receiver.url.replace("http://", "json://").partition("?")[0]


def test_a_service_is_told_the_sentence(receiver: Receiver, carry: Carry) -> None:
    done = carry(kind="apprise", url=address(receiver)).test()

    assert done == Round(delivered=1)
    assert receiver.posts[0].event["message"] == "Holdfast: a test; nothing happened"


def test_a_service_that_does_not_take_it_is_a_failure(receiver: Receiver) -> None:
    receiver.usual = 500
    target = Target("chat", "apprise", address(receiver))

    failed = services.send(target, notices.of_test("urn:x", ""))

    assert failed is not None
    assert failed.problem == "apprise could not deliver to json"


def test_an_address_of_no_service_is_not_shown_anywhere(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    target = Target("chat", "apprise", f"nothing-like-it://{TOKEN}")

    with caplog.at_level(logging.DEBUG):
        failed = services.send(target, notices.of_test("urn:x", ""))

    assert failed is not None
    assert failed.lasting
    assert TOKEN not in failed.problem + caplog.text + "".join(capfd.readouterr())
    assert not logging.getLogger("apprise").disabled


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)

    with pytest.raises(MissingLibraryError, match=r"holdfast\[notify\]"):
        services.send(Target("chat", "apprise", "json://x"), notices.of_test("urn:x", ""))
