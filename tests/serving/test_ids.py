"""Ids that rise with time."""

import time
import uuid

from holdfast.serving.ids import uuid7


def test_an_id_is_a_uuid_of_version_7_whose_time_is_now() -> None:
    before = time.time_ns() // 1_000_000
    found = uuid.UUID(uuid7())
    after = time.time_ns() // 1_000_000

    assert (found.version, found.variant) == (7, uuid.RFC_4122)
    assert before <= found.int >> 80 <= after


def test_no_two_ids_are_alike() -> None:
    ids = [uuid7() for _ in range(5000)]

    assert len({*ids}) == 5000
    assert {uuid.UUID(one).version for one in ids} == {7}
