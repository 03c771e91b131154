"""Whether the files of versions that a rollback goes to are in their place, without reading them.

A screen of many models cannot hash every byte. It asks for each file's length: one that is missing
or cut short shows, one whose bytes changed does not; a model's own page, `status` and the rollback
itself hash. Far away each question is a request, so an answer is believed for a minute.
"""

from collections.abc import Iterable, Iterator
from typing import Final, Literal

from msgspec import Struct

from holdfast.core.manifest import File
from holdfast.errors import HoldfastError
from holdfast.registry.session import Session
from holdfast.store import concurrent

__all__ = ["WayBack", "ways_back"]

MOST_FILES: Final = 1000
"""Of all versions together; those behind it are not looked at."""


class WayBack(Struct, frozen=True):
    """What was seen of the files of a version.

    Attributes:
        state: `there` if each has its length; `unknown` if they were too many to look at.
        problem: What is wrong, with the first file of which something is.
    """

    state: Literal["there", "damaged", "unknown"]
    problem: str = ""


def ways_back(session: Session, manifests: Iterable[str]) -> dict[str, WayBack]:
    """Look for the files of versions.

    Args:
        session: Where they are.
        manifests: The versions, by their manifests' digests.

    Returns:
        What was seen, by these digests.
    """
    ways: dict[str, WayBack] = {}
    asked: list[tuple[str, File]] = []
    digests = list(dict.fromkeys(manifests))
    if not digests:
        return ways
    at_once = session.open_store.store.traits.concurrency

    def files(sha256: str) -> tuple[File, ...] | HoldfastError:
        try:
            return session.open_store.blobs.manifest(sha256).files
        except HoldfastError as error:
            return error

    for sha256, listed in zip(
        digests, concurrent.map_ordered(files, digests, at_once), strict=True
    ):
        if isinstance(listed, HoldfastError):
            ways[sha256] = WayBack("damaged", f"its manifest cannot be read: {listed.code}")
        elif len(asked) + len(listed) > MOST_FILES:
            ways[sha256] = WayBack("unknown")
        else:
            ways[sha256] = WayBack("there")
            asked += ((sha256, file) for file in listed)
    for sha256, problem in _problems(session, asked, at_once):
        if ways[sha256].state == "there":
            ways[sha256] = WayBack("damaged", problem)
    return ways


def _problems(
    session: Session, asked: list[tuple[str, File]], at_once: int
) -> Iterator[tuple[str, str]]:
    """Go through what is wrong with files, each with the digest of its version's manifest."""
    store, lengths = session.open_store.store, session.seen_lengths

    def wrong(pair: tuple[str, File]) -> str:
        file = pair[1]
        try:
            size = lengths.size(store, file.sha256)
        except (HoldfastError, OSError):
            return f"{file.path} cannot be looked at"
        if size is None:
            return f"{file.path} is missing"
        return "" if size == file.size_bytes else f"{file.path} was cut or replaced"

    answers = concurrent.map_ordered(wrong, asked, at_once)
    for (sha256, _), problem in zip(asked, answers, strict=True):
        if problem:
            yield sha256, problem
