"""Commands that only look."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import holdfast as registries
from holdfast.core.manifest import digest_of
from holdfast.registry.attachments import Attachment, attach
from holdfast.registry.session import CommitOptions


def break_entry() -> None:
    """Cut the third entry of churn in the store of the current folder."""
    entry = Path("store/models/churn/journal/0000000003.json")
    entry.chmod(0o644)
    entry.write_bytes(entry.read_bytes()[:-5])


def test_status_answers_the_questions_of_the_night_on_100_columns(churn: Any) -> None:
    done = churn("status", "churn")
    lines = done.out.splitlines()

    assert done.status == 0
    assert "live 1.1.0  since " in done.out
    assert "promoted by ana" in done.out
    assert '"better"' in done.out
    assert "before it 1.0.0" in done.out
    assert "every byte verified, safe to roll back to" in done.out
    assert "roc_auc 0.81 ▲ +0.01" in done.out
    assert "promote 1.0.0 → 1.1.0" in done.out
    assert lines[-1] == ' next  holdfast rollback churn --expect 1.1.0 --reason "…"   → 1.0.0'
    assert max(map(len, lines)) == 100


def test_the_command_that_status_prints_goes_back(churn: Any) -> None:
    command = churn("status", "churn", "--json").data["command"]
    done = churn(*command.replace('"', "").split()[1:])

    assert done.out.startswith("churn@1.0.0 is live")


def test_status_shows_a_damaged_way_back(churn: Any, tmp_path: Path) -> None:
    manifest = churn("show", "churn@1.0.0", "--json").data
    blob = (
        tmp_path
        / "store"
        / "blobs"
        / "sha256"
        / manifest["artifacts"]["model"]["files"][0]["sha256"]
    )
    blob.chmod(0o644)
    blob.write_bytes(b"rotten")
    done = churn("status", "churn")

    assert "DAMAGED" in done.out
    assert churn("rollback", "churn", "--reason", "bad").status == 6
    assert churn("show", "churn@production", "--json").data["version"] == "1.1.0"


def test_after_a_mistaken_rollback_the_way_forward_is_shown(churn: Any) -> None:
    churn("rollback", "churn", "--reason", "by mistake")
    shown = churn("status", "churn")
    further = churn("rollback", "churn")

    undo = "holdfast rollback churn --to 1.1.0"
    assert f'{undo} --reason "…"   → undoes the rollback' in shown.out
    assert churn("status", "churn", "--json").data["undo"].startswith(undo)
    assert further.status == 3
    assert f"(model churn; {undo} undoes the last rollback)" in further.err
    assert churn("rollback", "churn", "--to", "1.1.0").out.startswith("churn@1.1.0 is live")
    assert churn("status", "churn", "--json").data["undo"].endswith('--to 1.0.0 --reason "…"')


def test_waiting_for_servers_where_none_is_live_is_no_success(churn: Any) -> None:
    done = churn("promote", "churn@1.0.0", "--force", "--reason", "back", "--wait", "1s")

    assert done.status == 1
    assert "no live server to wait for" in done.out
    assert churn("show", "churn@production", "--json").data["version"] == "1.0.0"


def test_status_of_all_models_is_a_line_each_the_worst_first(churn: Any, model: Any) -> None:
    churn("register", "fraud", model("five"))
    header, *lines = churn("status").out.splitlines()
    summaries = churn("status", "--json").data

    assert header.split()[:2] == ["MODEL", "LIVE"]
    assert lines[0].split() == ["fraud", *"––––", "nothing", "is", "live"]
    assert lines[1].split()[:2] == ["churn", "1.1.0"]
    assert lines[1].endswith("better")
    assert [summary["model"] for summary in summaries] == ["fraud", "churn"]
    assert summaries[0]["concerns"] == ["nothing is live"]


def test_status_all_draws_one_screen_each(churn: Any, model: Any) -> None:
    churn("register", "fraud", model("five"))
    done = churn("status", "--all")

    assert "churn ·" in done.out
    assert "nothing is live; newest is 1.0.0" in done.out
    assert len(churn("status", "--all", "--json").data) == 2


def test_a_damaged_model_stands_first_and_hides_no_other(churn: Any, model: Any) -> None:
    churn("register", "fraud", model("five"))
    break_entry()
    lines = churn("status").out.splitlines()

    assert lines[1].startswith("churn  –")
    assert "was truncated or overwritten" in lines[1]
    assert lines[2].startswith("fraud")
    assert "churn: " in churn("status", "--all").out


@pytest.mark.parametrize("words", [("ls",), ("status",), ("head",), ("verify",)])
def test_a_store_that_is_not_there_is_loud(
    holdfast: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    by_default = holdfast(*words)
    by_option = holdfast(*words, "--store", "elsewhere")
    monkeypatch.setitem(os.environ, "HOLDFAST_STORE", "third")
    by_environment = holdfast(*words)

    for done, folder in (
        (by_default, "store"),
        (by_option, "elsewhere"),
        (by_environment, "third"),
    ):
        assert done.status == 7
        assert f"{tmp_path / folder} is not a store yet" in done.err
    if words != ("verify",):
        assert "neither --store nor HOLDFAST_STORE is set" in by_default.err
        assert "--store names it" in by_option.err
        assert "HOLDFAST_STORE names it" in by_environment.err


def test_a_model_that_is_not_there_says_where_it_was_looked_for(
    holdfast: Any, tmp_path: Path
) -> None:
    done = holdfast("status", "fraud")

    assert done.status == 3
    assert f"no models in {tmp_path / 'store'}, which is not a store yet" in done.err


def test_status_as_it_stood_then(churn: Any) -> None:
    past = churn("history", "churn", "--json").data
    first = next(line["at"] for line in past if line["what"] == "promote 1.0.0")
    then = churn("status", "churn", "--at", first, "--json").data

    assert then["live"]["version"] == "1.0.0"
    assert then["command"] is None


def test_ls_shows_models_and_versions_in_semver_order(churn: Any, model: Any) -> None:
    for number in range(3, 12):
        churn("register", "churn", model(f"m{number}"), "--minor")
    models = churn("ls").out.splitlines()
    versions = [line.split()[0] for line in churn("ls", "churn").out.splitlines()]
    staged = churn("ls", "churn", "--status", "archived", "--json").data

    assert models[0].split() == [
        "MODEL",
        "VERSIONS",
        "PRODUCTION",
        "STAGING",
        "LATEST",
        "LAST",
        "CHANGE",
    ]
    assert models[1].split()[:5] == ["churn", "12", "1.1.0", "–", "1.11.0"]
    assert versions[-3:] == ["1.9.0", "1.10.0", "1.11.0"]
    assert [info["version"] for info in staged] == ["1.0.0"]


def test_ls_of_an_empty_place_says_how_to_begin(holdfast: Any) -> None:
    holdfast("init")
    done = holdfast("ls")

    assert done.status == 0
    assert done.out.endswith("store; `holdfast register` makes the first\n")


def test_a_damaged_model_hides_no_other(churn: Any, model: Any) -> None:
    churn("register", "fraud", model("five"))
    break_entry()
    done = churn("ls")

    assert done.status == 0
    assert "fraud" in done.out
    assert "was truncated or overwritten" in done.out
    assert churn("status", "churn").status == 6


def test_show_lists_what_others_pushed(churn: Any, tmp_path: Path) -> None:
    session = registries.open(tmp_path / "store", by="ana")._session
    attach(session, "churn@1.1.0", Attachment(b"{}", "application/spdx+json", ()), CommitOptions())
    digest = f"sha256:{digest_of(b'{}')}"

    told = churn("show", "churn@1.1.0", "--json").data["attachments"]

    assert told == [{"kind": "application/spdx+json", "digest": digest}]
    assert f"  {digest[:19]}  application/spdx+json" in churn("show", "churn@1.1.0").out
    assert "attachments" not in churn("show", "churn@1.0.0").out


def test_show_prints_what_is_recorded(churn: Any) -> None:
    lines = churn("show", "churn@1.1.0").out.splitlines()

    assert any(line.split() == ["version", "1.1.0"] for line in lines)
    assert any(line.split() == ["status", "production"] for line in lines)
    assert any("roc_auc" in line and "0.81" in line for line in lines)
    assert not any(line.endswith(("[]", "null", "{}")) for line in lines if line[0] != " ")


@pytest.mark.parametrize(
    ("ref", "status", "message"),
    [
        ("chrun@1.0.0", 3, "nearest: churn"),
        ("churn@9.9.9", 3, "nearest: "),
        ("churn@productoin", 3, "nearest: production"),
        ("churn@^3", 3, "not found"),
        ("churn@v9", 3, "the numbers run from v1 to v3"),
        ("churn@sha256:ffff", 3, "lists digests"),
        ("churn@sha256:xyz", 2, "is not a digest"),
        ("churn@1.2.3.4", 2, "does not name a version"),
        ("churn", 2, "names a model but no version"),
        ("../churn@1.0.0", 2, "contains '..'"),
        ("churn\x07@1.0.0", 2, "control"),
    ],
)
def test_a_ref_that_names_nothing_says_what_it_may_have_meant(
    churn: Any, ref: str, status: int, message: str
) -> None:
    done = churn("show", ref)

    assert done.status == status
    assert message in done.err


def test_history_tells_when_who_what_and_why(churn: Any) -> None:
    lines = churn("history", "churn", "--limit", "2").out.splitlines()

    assert lines[0].split() == ["ENTRY", "WHEN", "(UTC)", "WHO", "WHAT", "WHY"]
    assert lines[1].startswith("5 ")
    assert "ana" in lines[1]
    assert "promote 1.0.0 → 1.1.0" in lines[1]
    assert lines[1].endswith("better")
    assert len(lines) == 3


def test_history_tells_what_was_live_then(churn: Any) -> None:
    past = churn("history", "churn", "--json").data
    first = next(line["at"] for line in past if line["what"] == "promote 1.0.0")
    done = churn("history", "churn", "--at", first)
    early = churn("history", "churn", "--at", past[-1]["at"])

    assert done.out.splitlines()[0] == f"live at {first}: 1.0.0"
    assert early.out.splitlines()[0].endswith(": nothing")
    assert churn("history", "churn", "--at", "1999-01-01").status == 3


def test_history_lists_what_served(churn: Any) -> None:
    past = churn("history", "churn", "--json").data
    first = next(line["at"] for line in past if line["what"] == "promote 1.0.0")
    lines = churn("history", "churn", "--served").out.splitlines()
    early = churn("history", "churn", "--served", "--at", first, "--json").data

    assert [line.split()[0] for line in lines] == ["VERSION", "1.1.0", "1.0.0"]
    assert " now " in lines[1]
    assert [period["version"] for period in early] == ["1.0.0"]


def test_models_are_listed_as_they_stood_then(churn: Any, model: Any) -> None:
    past = churn("history", "churn", "--json").data
    first = next(line["at"] for line in past if line["what"] == "promote 1.0.0")
    churn("register", "fraud", model("later"))
    then = churn("ls", "--at", first, "--json").data

    assert [(info["model"], info["production"]) for info in then] == [("churn", "1.0.0")]
    assert churn("status", "--at", first, "--all").out.count("since") == 1
    assert churn("ls", "--at", "1999-01-01").out.startswith("no models")


def test_compare_shows_direction_and_share(churn: Any) -> None:
    done = churn("compare", "churn@1.1.0", "churn@1.2.0")

    assert done.status == 0
    assert "-13.58%" in done.out
    assert "▼ worse" in done.out
    assert "model changed" in done.out


def test_compare_shows_a_missing_metric_as_missing(churn: Any, model: Any) -> None:
    churn("register", "churn", model("bare"))
    done = churn("compare", "churn@1.1.0", "churn@latest")

    assert "missing" in done.out
    assert churn("compare", "churn@1.1.0", "churn@latest", "--json").data["metrics"][0]["b"] is None


@pytest.mark.parametrize(
    ("condition", "status"),
    [
        ("roc_auc < -0.5%", 1),
        ("Δroc_auc<-0.005", 1),
        ("roc_auc<-0.005", 2),
        ("roc_auc < 0.75", 1),
        ("roc_auc < 0.65", 0),
        ("roc_auc < -20%", 0),
        ("recall < 0", 1),
        ("roc_auc", 2),
    ],
)
def test_compare_fails_if_a_condition_holds(churn: Any, condition: str, status: int) -> None:
    done = churn("compare", "churn@1.1.0", "churn@1.2.0", "--fail-if", condition)

    assert done.status == status


def test_versions_of_two_models_are_not_compared(churn: Any, model: Any) -> None:
    churn("register", "fraud", model("five"))
    done = churn("compare", "churn@1.0.0", "fraud@1.0.0")

    assert done.status == 2


def test_card_prints_three_forms(churn: Any) -> None:
    classic = json.loads(churn("card", "churn@production").out)
    markdown = churn("card", "churn@production", "--format", "markdown").out
    bom = json.loads(churn("card", "churn@production", "--format", "cyclonedx").out)

    assert classic["performance"] == {"roc_auc": 0.81}
    assert markdown.startswith("---\n")
    assert bom["specVersion"] == "1.6"


def test_verify_says_that_every_byte_is_as_written(churn: Any) -> None:
    done = churn("verify")

    assert done.status == 0
    assert "1 model, 3 versions, 5 entries" in done.out
    assert "every byte is as it was written" in done.out


def test_a_clock_that_was_wrong_is_remarked_on_both_screens(churn: Any, tmp_path: Path) -> None:
    future = datetime(2035, 3, 2, tzinfo=UTC)
    ahead = registries.open(tmp_path / "store", by="bob", clock=lambda: future)
    ahead.rollback("churn", reason="by a clock that is wrong")
    screen = " ".join(churn("status", "churn").out.split())
    verified = churn("verify")

    assert "in the future: a clock was wrong" in screen
    assert "in the future: a clock was wrong" in screen
    assert verified.status == 0
    assert (
        "remark: churn: entry 6 says 2035-03-02T00:00:00.000000Z, which is in the future"
        in verified.out
    )


def test_verify_names_every_damaged_file_and_exits_6(churn: Any, tmp_path: Path) -> None:
    for blob in (tmp_path / "store" / "blobs" / "sha256").iterdir():
        blob.chmod(0o644)
        blob.write_bytes(blob.read_bytes() + b" ")
    done = churn("verify")
    version_result = churn("verify", "churn@1.0.0", "--json")

    assert done.status == 6
    assert done.out.count("damaged: ") >= 3
    assert {damage["version"] for damage in version_result.data["damages"]} == {"1.0.0"}


def test_verify_names_a_damaged_entry_once(churn: Any) -> None:
    break_entry()
    done = churn("verify")

    assert done.status == 6
    assert done.out.splitlines()[0].startswith("damaged: entry 3 of churn: was truncated")


def test_versions_are_listed_by_a_condition(churn: Any, model: Any) -> None:
    churn("register", "fraud", model("other"), "--metric", "roc_auc=0.9", "--new")
    churn("tag", "churn@1.1.0", "team=risk")
    one = churn("ls", "churn", "--where", "roc_auc > 0.75 and tag.team = 'risk'")
    every = churn("ls", "--where", "roc_auc > 0.75", "--order-by", "roc_auc desc")

    assert [line.split()[0] for line in one.out.splitlines()] == ["VERSION", "1.1.0"]
    assert [line.split()[:2] for line in every.out.splitlines()] == [
        ["MODEL", "VERSION"],
        ["fraud", "1.0.0"],
        ["churn", "1.1.0"],
        ["churn", "1.0.0"],
    ]
    assert (one.status, every.status, every.err) == (0, 0, "")


def test_conditions_and_a_status_must_all_hold(churn: Any) -> None:
    found = churn(
        "ls", "--where", "roc_auc < 0.81", "--where", "served = true", "--status", "archived",
        "--json",
    )  # fmt: skip

    assert [info["version"] for info in found.data] == ["1.0.0"]
    assert churn("ls", "--status", "archived", "--json").data == found.data


def test_a_limit_tells_how_many_more_there_are(churn: Any) -> None:
    done = churn("ls", "churn", "--limit", "2", "--json")

    assert [info["version"] for info in done.data] == ["1.0.0", "1.1.0"]
    assert done.err == "2 of 3\n"


def test_a_malformed_condition_is_told_with_its_place(churn: Any) -> None:
    done = churn("ls", "--where", "roc_acu > 0.9")

    assert done.status == 2
    assert "where at character 1 (roc_acu) is neither a field nor a metric" in done.err
    assert "nearest: roc_auc" in done.err


def test_what_could_not_be_searched_is_told_and_the_status_is_that_of_damage(churn: Any) -> None:
    break_entry()
    done = churn("ls", "--where", "metric.roc_auc > 0.1")

    assert done.status == 6
    assert "holdfast: churn could not be searched: entry 3 of churn was truncated" in done.err


def test_a_search_in_a_store_that_is_not_there_is_told(holdfast: Any) -> None:
    assert holdfast("ls", "--where", "recall > 0.9").status == 7
