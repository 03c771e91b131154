"""Commands that make a store, give bytes up and clean up."""

from pathlib import Path
from typing import Any


def test_init_makes_a_store_and_tells_what_its_disk_keeps(holdfast: Any, tmp_path: Path) -> None:
    done = holdfast("init", "registry")

    assert done.status == 0
    assert done.out.startswith("registry is a store (hard links")
    assert (tmp_path / "registry" / "holdfast.json").exists()


def test_purge_plans_with_a_reason_for_every_version(churn: Any) -> None:
    churn("archive", "churn@1.2.0")
    plan = churn("purge", "churn", "--keep", "0", "--dry-run").out.splitlines()
    done = churn("purge", "churn", "--keep", "0", "--grace", "0")

    assert [line.split()[:2] for line in plan[1:]] == [
        ["1.0.0", "keep"],
        ["1.1.0", "keep"],
        ["1.2.0", "purge"],
    ]
    assert plan[1].endswith("rollback target")
    assert plan[2].endswith("live")
    assert done.out.splitlines()[: len(plan)] == plan
    assert "freed 20 B (1 file)" in done.out
    assert churn("load", "churn@1.2.0").status == 5
    assert churn("show", "churn@1.2.0").status == 0


def test_young_bytes_wait_for_their_grace_time(churn: Any) -> None:
    churn("archive", "churn@1.2.0")
    done = churn("purge", "churn@1.2.0")
    later = churn("gc", "--grace", "0")

    assert "wait for their grace time" in done.out
    assert "freed 20 B (1 file)" in later.out


def test_purge_by_policy_says_when_nothing_goes(churn: Any) -> None:
    done = churn("purge", "churn", "--policy", "--dry-run")

    assert done.out.splitlines()[-1] == "nothing would be purged"


def test_purge_wants_to_know_what(churn: Any) -> None:
    assert churn("purge", "churn").status == 2
    assert churn("purge", "churn@1.0.0", "--keep", "1").status == 2


def test_a_live_version_is_not_purged_by_name(churn: Any) -> None:
    plan = churn("purge", "churn@1.1.0", "--json", "--dry-run").data
    done = churn("purge", "churn@1.1.0", "--grace", "0")

    assert not any(row["purge"] for row in plan["rows"])
    assert done.status == 4
    assert done.err == "holdfast: purge refused churn@1.1.0: live\n"
    assert churn("load", "churn@1.1.0").status == 0


def test_a_span_that_is_none_is_refused(churn: Any) -> None:
    assert churn("gc", "--grace", "soon").status == 2


def test_delete_names_what_stands_against_it(churn: Any) -> None:
    refused = churn("delete", "churn", "--reason", "over")
    forced = churn("delete", "churn", "--reason", "over", "--force")

    assert refused.status == 4
    assert "1.1.0 is live" in refused.err
    assert forced.status == 0
    assert churn("status", "churn").status == 3


def test_a_deleted_model_goes_on_in_its_journal(churn: Any, model: Any) -> None:
    churn("delete", "churn", "--reason", "over", "--force")
    done = churn("register", "churn", model("again"))

    assert "churn@1.3.0 (v4)" in done.out
