"""Notices through apprise: chats, mail, pagers, by an address of each service (extra `notify`)."""

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

from holdfast.errors import MissingLibraryError
from holdfast.notices.notice import Notice
from holdfast.notices.targets import Target
from holdfast.notices.webhook import Failure


def send(target: Target, notice: Notice) -> Failure | None:
    """Send one notice and return why it was not taken, `None` if it was."""
    apprise = _library()
    with _silent():
        service = apprise.Apprise()
        if not service.add(target.url):
            return Failure(f"{target.place} is not an address that apprise knows", lasting=True)
        title = f"Holdfast: {notice.event} {notice.subject}"
        sent = service.notify(title=title, body=notice.sentence, body_format="text")
    return None if sent else Failure(f"apprise could not deliver to {target.place}")


def _library() -> Any:
    try:
        import apprise
    except ImportError as error:
        raise MissingLibraryError("apprise", "notify", "targets of this kind need it") from error
    return apprise


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Keep what the library logs of addresses, which hold tokens, out of every log."""
    log = logging.getLogger("apprise")
    before, log.disabled = log.disabled, True
    try:
        yield
    finally:
        log.disabled = before
