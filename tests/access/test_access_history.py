"""Each entry of the access journal as a sentence, with names for ids."""

from tests.access.conftest import Server
from tests.golden.write_access import wishes

from holdfast.access.access_events import ACCESS_OPERATIONS, SettingChanged
from holdfast.access.access_history import lines
from holdfast.store import BlobStore


def test_every_operation_has_a_sentence_in_which_ids_are_names(store: BlobStore) -> None:
    server = Server(store)
    for wish in wishes():
        server.commit(wish)
    server.commit(lambda _state, _stamp: SettingChanged(setting="banner", value=None))

    told = list(lines(server.journal.audit()))

    assert {line.op for line in told} == set(ACCESS_OPERATIONS)
    assert not [line.what for line in told if "u_" in line.what or "s_" in line.what]
    assert [line.what for line in told[-4:]] == [
        "set banner to hello",
        "disable cy and revoke their tokens",
        "enable cy",
        "set banner to its default",
    ]
    assert {line.key for line in told} == {told[0].key}
    assert [line.seq for line in told] == list(range(1, len(told) + 1))
