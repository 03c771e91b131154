"""Commands that make a store, give bytes up and clean up."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def test_init_makes_a_store_and_tells_what_its_disk_keeps(holdfast: Any, tmp_path: Path) -> None:
    done = holdfast("init", "registry")

    assert done.status == 0
    assert done.out.startswith("registry is a store (hard links")
    assert (tmp_path / "registry" / "holdfast.json").exists()


def test_purge_plans_with_a_reason_for_every_version(churn: Any) -> None:
    churn("archive", "churn@1.2.0")
    plan = churn("purge", "churn", "--keep", "0", "--dry-run").out.splitlines()
    done = churn("purge", "churn", "--keep", "0", "--grace", "0", "--yes")

    assert [line.split()[:2] for line in plan[1:]] == [
        ["1.0.0", "keep"],
        ["1.1.0", "keep"],
        ["1.2.0", "purge"],
    ]
    assert plan[1].endswith("rollback target")
    assert plan[2].endswith("live")
    assert done.out.splitlines()[: len(plan)] == plan
    assert "purged churn@1.2.0" in done.out
    assert "freed 20 B (1 file)" in done.out
    assert churn("load", "churn@1.2.0").status == 5
    assert churn("show", "churn@1.2.0").status == 0


@pytest.mark.parametrize(
    "words",
    [
        ("purge", "churn@1.2.0"),
        ("purge", "churn", "--keep", "0"),
        ("purge", "churn", "--keep", "0", "--json"),
        ("delete", "churn", "--reason", "over", "--force"),
    ],
)
def test_nothing_is_lost_where_nobody_can_be_asked(churn: Any, words: tuple[str, ...]) -> None:
    churn("archive", "churn@1.2.0")
    refused = churn(*words)

    assert refused.status == 2
    assert "add --yes" in refused.err
    assert churn("load", "churn@1.2.0").status == 0


@pytest.mark.parametrize("answer", ["n", "y"])
def test_a_person_at_a_terminal_is_asked(churn: Any, answer: str) -> None:
    churn("archive", "churn@1.2.0")
    inside, outside = pytest.importorskip("pty").openpty()
    words = [sys.executable, "-m", "holdfast", "purge", "churn@1.2.0"]
    asked = subprocess.Popen(words, stdin=outside, stdout=subprocess.PIPE, stderr=outside)
    os.close(outside)
    shown = b""
    while b"[y/N]" not in shown:
        shown += os.read(inside, 1024)
    os.write(inside, f"{answer}\n".encode())
    printed, _ = asked.communicate(timeout=60)
    os.close(inside)

    assert b"purge 1 version of churn?" in shown
    assert (b"purged churn@1.2.0" in printed) is (answer == "y")
    assert churn("load", "churn@1.2.0").status == (0 if answer == "n" else 5)


def test_young_bytes_wait_for_their_grace_time(churn: Any) -> None:
    churn("archive", "churn@1.2.0")
    done = churn("purge", "churn@1.2.0", "--yes")
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
    refused = churn("delete", "churn", "--reason", "over", "--yes")
    forced = churn("delete", "churn", "--reason", "over", "--force", "--yes")

    assert refused.status == 4
    assert "1.1.0 is live" in refused.err
    assert forced.status == 0
    assert churn("status", "churn").status == 3


def test_a_deleted_model_goes_on_in_its_journal(churn: Any, model: Any) -> None:
    churn("delete", "churn", "--reason", "over", "--force", "--yes")
    done = churn("register", "churn", model("again"))

    assert "churn@1.3.0 (v4)" in done.out


def test_repair_makes_anew_what_is_derived_as_verify_says(churn: Any, tmp_path: Path) -> None:
    manifest = tmp_path / "store" / "models" / "churn" / "versions" / "1.0.0" / "manifest.json"
    manifest.write_text("{}")
    verification = churn("verify", "churn")
    mended = churn("repair", "churn")

    assert verification.status == 6
    assert "`holdfast repair`" in verification.out
    assert mended.status == 0
    assert mended.out.splitlines()[1].split()[:2] == [
        "rebuild",
        "models/churn/versions/1.0.0/manifest.json",
    ]
    assert mended.out.splitlines()[-1] == "1 file repaired, 0 left"
    assert json.loads(manifest.read_text())["status"] == "archived"


def _rot(store: Path, content: str) -> None:
    for blob in (store / "blobs" / "sha256").iterdir():
        if blob.read_text() == content:
            blob.chmod(0o644)
            blob.write_text("rotten")


def test_repair_fetches_bytes_from_another_store_or_a_folder(churn: Any, tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "store", tmp_path / "backup")
    (tmp_path / "laptop" / "trained").mkdir(parents=True)
    (tmp_path / "laptop" / "trained" / "weights").write_text('{"weights": "two"}')
    _rot(tmp_path / "store", '{"weights": "one"}')
    _rot(tmp_path / "store", '{"weights": "two"}')
    plan = churn("repair", "--from", "backup", "--dry-run")
    untouched = churn("verify")
    from_folder = churn("repair", "--from", "laptop")
    from_store = churn("repair", "--from", "backup", "--json")

    assert (plan.status, untouched.status) == (0, 6)
    assert plan.out.splitlines()[-1].endswith("files would be repaired, 0 left")
    assert from_folder.status == 6
    assert "left: blobs/sha256/" in from_folder.out
    assert from_store.status == 0
    assert [fix["action"] for fix in from_store.data["mends"]].count("fetch") == 1
    assert churn("verify").status == 0


def test_repair_refuses_a_source_that_is_none(churn: Any) -> None:
    assert churn("repair", "--from", "nowhere").status == 2
    assert churn("repair", "--from", "store").status == 2
    assert churn("repair", "tulip").status == 3


@pytest.mark.parametrize("verb", ["gc", "purge"])
def test_the_help_of_the_grace_time_says_what_0_does(holdfast: Any, verb: str) -> None:
    help_text = " ".join(holdfast(verb, "--help").out.split())

    assert "How long bytes that no version names any more are kept" in help_text
    assert "With 0 they go at once, beyond recall" in help_text
    assert "[default: 7d]" in help_text


def test_a_store_without_its_configuration_says_how_to_make_another(
    churn: Any, tmp_path: Path
) -> None:
    before = churn("ls", "churn").out
    (tmp_path / "store" / "holdfast.json").unlink()

    for words in (("verify",), ("register", "churn", "one.json"), ("init", "store")):
        refused = churn(*words)
        assert refused.status != 0
        assert (
            "holdfast.json is lost; put it back with `holdfast repair --from` a backup"
            in refused.err
        )
    steps = churn("repair").err.partition("with a new id: ")[2].strip().split("; ")

    assert [step.split()[0] for step in steps] == ["holdfast", "mv", "rmdir", "holdfast"]
    assert churn(*steps[0].split()[1:]).status == 0
    for step in steps[1:3]:
        subprocess.run(step.split(), check=True)
    assert churn(*steps[3].split()[1:]).status == 0
    assert churn("ls", "churn").out == before
    assert churn("promote", "churn@1.2.0", "--force", "--reason", "it is whole").status == 0


def test_a_copy_gives_a_store_its_lost_configuration_back(churn: Any, tmp_path: Path) -> None:
    config = tmp_path / "store" / "holdfast.json"
    kept = json.loads(config.read_bytes())
    before = churn("ls", "churn").out
    assert churn("backup", "copy").status == 0
    assert churn("init", "other").status == 0
    assert churn("register", "churn", "one.json", "--new", "--store", "other").status == 0
    config.unlink()

    refused = churn("repair", "--from", "other")
    assert (refused.status, "their journals begin differently" in refused.err) == (2, True)
    assert churn("repair", "--from", "copy", "--dry-run").status != 0
    assert not config.exists()

    done = churn("repair", "--from", "copy")
    assert (done.status, "holdfast.json was lost and is put back" in done.out) == (0, True)
    assert json.loads(config.read_bytes())["id"] == kept["id"]
    assert churn("ls", "churn").out == before
    assert churn("verify").status == 0
    assert "put back" not in churn("repair", "--from", "copy").out
