"""A real server of a folder, whose users are whoever their token says, for the registry's tests."""

import contextlib
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Final

from tests.web.facing import listening

import holdfast
from holdfast.access import permissions
from holdfast.web import web_server
from holdfast.web.exchange import Request
from holdfast.web.guard import bearer
from holdfast.web.rights import Rights
from holdfast.web.web_settings import WebSettings

SAMPLE: Final = ("test_promotion", "test_rollback", "test_keys")
"""Modules whose tests run behind a server in the short run, too."""
ALL: Final = frozenset((
    *SAMPLE, "test_adoption", "test_annotations", "test_approvals", "test_bad_input", "test_bases",
    "test_clocks", "test_code", "test_copy_models", "test_deleting", "test_environments",
    "test_evaluating", "test_facts", "test_frozen", "test_lifecycle", "test_loading",
    "test_losses", "test_pins",
    "test_postprocessor", "test_progress", "test_purged_meanwhile", "test_purging",
    "test_queries", "test_refs", "test_registration", "test_rollout_verbs", "test_sign_version",
    "test_trust", "test_verification",
))  # fmt: skip
"""Modules whose tests run behind a server at all: the others are about files, locks, disks, other
processes and what is collected, which are beside the server."""
FOLDERS_OWN: Final = frozenset((
    # damage on the disk, done behind the back of a client that has seen it whole
    "test_an_entry_whose_time_no_calendar_has_is_damage",
    "test_a_version_that_is_not_whole_is_not_loaded",
    "test_bytes_damaged_at_the_source_are_not_carried",
    "test_a_payload_put_in_place_of_a_model_is_never_run",
    "test_a_damaged_journal_hides_no_other_model",
    "test_a_journal_of_a_newer_format_hides_no_other_model",
    "test_without_a_pin_a_cut_tail_is_not_seen_once_its_witness_is_gone",
    "test_registering_the_same_file_again_mends_a_damaged_blob_as_the_message_says",
    # files derived from a journal, which a server writes once it has answered
    "test_every_move_is_seen_in_the_files_derived_from_the_journal",
    "test_a_versions_folder_can_be_used_without_holdfast",
    "test_readers_do_not_wait_for_a_stopped_process",
    # what only a collector beside the store does, or what waits for it
    "test_a_deleted_model_is_gone_and_its_bytes_are_freed",
    "test_bytes_younger_than_the_grace_time_wait_and_are_counted",
    "test_a_collector_keeps_losses_until_their_version_is_purged",
    "test_counts_of_a_rollout_that_goes_on_are_never_swept",
    "test_reports_of_the_far_future_are_swept",
    # reports that workers write beside the store
    "test_the_active_version_is_measured_at_the_start_where_servers_have_answered",
    # a store that is not there yet: a server's is
    "test_a_folder_without_models_is_refused",
    "test_an_answer_that_names_no_file_is_refused",
    "test_the_plan_tells_of_every_file_and_writes_nothing",
    "test_where_a_preprocessor_cannot_be_told_it_is_asked_for_and_nothing_is_written",
    "test_a_live_file_that_is_not_there_is_refused_before_anything_is_written",
    "test_a_hostile_pickle_among_the_files_stops_the_adoption_before_it_begins",
    "test_a_hostile_preprocessor_stops_the_adoption_too",
    "test_a_hostile_file_under_an_innocent_name_is_seen",
    "test_a_name_that_breaks_the_rules_is_refused_before_anything_is_written",
    # a clock that is looked at a known number of times
    "test_retention_takes_what_is_old_never_served_and_beyond_the_newest",
    "test_a_version_that_went_live_meanwhile_is_spared",
    # keys as they are stored: a server's begin with the user
    "test_a_key_that_started_a_rollout_starts_none_on_other_terms",
    "test_every_operation_is_told_in_words",
    # the grace of a collector, among other arguments
    "test_an_argument_of_the_wrong_kind_is_refused_and_the_journal_stays_sound",
    # the address of the store
    "test_a_reader_writes_nothing_where_all_is_up_to_date",
))  # fmt: skip
"""Tests in those modules that are about a folder's own."""
_TOKEN: Final = "hft_p_of-"


def token_of(name: str) -> str:
    """Return the token of a user, spelled so that any name can be one."""
    return _TOKEN + name.encode().hex()


class NamingGuard:
    """Knows everybody by their token, and lets them do everything."""

    is_local = True

    def enter(self, request: Request, *, writes: bool) -> Rights:  # noqa: ARG002
        """Return whose token it is, and all rights."""
        name = bytes.fromhex((bearer(request) or "").removeprefix(_TOKEN)).decode()
        return Rights(*permissions.local(name))

    def note(self, request: Request, what: str, why: str) -> None:
        """Keep nothing."""

    def flush(self) -> None:
        """Have nothing to write."""


@contextlib.contextmanager
def served(store: Path, clock: Callable[[], datetime]) -> Iterator[str]:
    """Run a server of a folder, which is made if it is missing; return its address."""
    with serving(lambda: holdfast.open(store, clock=clock)) as url:
        yield url


@contextlib.contextmanager
def serving(opened: Callable[[], holdfast.Registry]) -> Iterator[str]:
    """Run a server of whatever is opened, a bucket too; return its address."""
    opened().init()
    app = web_server.application(WebSettings(opened), NamingGuard())
    with listening(app) as port:
        yield f"http://127.0.0.1:{port}"
