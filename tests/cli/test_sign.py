"""Commands for keys, signatures and heads."""

import json
import os
import re
import stat
from pathlib import Path
from typing import Any

import pytest

HEAD = re.compile(r"^  head  (\d+:[0-9a-f]{64})$", re.MULTILINE)


@pytest.fixture
def signed(churn: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The store of churn, with a key of ana's, and a policy that demands her signature."""
    assert churn("key", "new", "ana").status == 0
    monkeypatch.setitem(os.environ, "HOLDFAST_KEY", "ana.key")
    listed = ("policy", "set", "churn", "--signer", "ana=ana.pub", "--require-signature")
    assert churn(*listed).status == 0
    return churn


def test_a_new_key_is_told_with_its_ids(holdfast: Any, tmp_path: Path) -> None:
    done = holdfast("key", "new", "ana", "--output", "keys", "--json")
    shown = holdfast("key", "show", "keys/ana.pub")

    assert stat.S_IMODE((tmp_path / "keys" / "ana.key").stat().st_mode) == 0o600
    assert (done.data["private"], done.data["public"]) == ("keys/ana.key", "keys/ana.pub")
    assert shown.out == f"entries   {done.data['entries']}\nversions  {done.data['versions']}\n"


def test_a_new_key_is_told_in_words(holdfast: Any) -> None:
    done = holdfast("key", "new", "ana")

    assert done.out.startswith("ana.key signs; keep it secret\n")
    assert holdfast("key", "new", "ana").status == 2


def test_a_private_key_is_not_shown(holdfast: Any) -> None:
    holdfast("key", "new", "ana")

    done = holdfast("key", "show", "ana.key")

    assert done.status == 2
    assert "is not a public key; give the .pub file" in done.err


def test_a_passphrase_comes_from_the_environment(
    churn: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "HOLDFAST_KEY_PASSPHRASE", "open sesame")
    churn("key", "new", "ana", "--passphrase")
    assert churn("note", "churn@1.0.0", "seen", "--key-file", "ana.key").status == 0
    monkeypatch.delitem(os.environ, "HOLDFAST_KEY_PASSPHRASE")

    done = churn("note", "churn@1.0.0", "again", "--key-file", "ana.key")

    assert done.status == 2
    assert "needs its passphrase; set HOLDFAST_KEY_PASSPHRASE" in done.err


def test_a_key_is_not_read_where_nothing_is_written(
    churn: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, "HOLDFAST_KEY", "none.key")

    assert churn("status", "churn").status == 0
    assert churn("note", "churn@1.0.0", "seen").status == 2


def test_a_version_is_signed_promoted_and_verified(signed: Any) -> None:
    refused = signed("promote", "churn@1.0.0")
    assert refused.status == 4
    assert "signature: no listed signer (ana) signed this version" in refused.err

    assert signed("sign", "churn@1.0.0").out.startswith("sign 1.0.0 with the key ")
    assert signed("promote", "churn@1.0.0").status == 0

    assert signed("verify", "churn@1.0.0", "--signed-by", "ana").status == 0
    assert signed("verify", "churn@1.0.0", "--signed-by", "ana.pub").status == 0
    assert "signed by ana" in signed("status", "churn").out
    assert signed("show", "churn@1.0.0", "--json").data["signed_by"] == ["ana"]


def test_a_version_that_was_not_signed_is_told(signed: Any) -> None:
    done = signed("verify", "churn@1.1.0", "--signed-by", "ana")

    assert done.status == 6
    assert "damaged: churn@1.1.0 signature: is missing: ana (key " in done.out


def test_a_signature_of_a_checked_out_folder_is_taken_in(signed: Any) -> None:
    signed("sign", "churn@1.0.0")
    signed("checkout", "churn@1.0.0", "out")
    signed("export", "churn@1.0.0", "churn.tar")
    signed("import", "churn.tar", "--store", "other")

    done = signed(
        "sign", "churn@1.0.0", "--store", "other",
        "--attach", "out/model.sig", "--signed-by", "ana.pub",
    )  # fmt: skip

    assert done.status == 0, done.err
    assert signed("verify", "churn@1.0.0", "--signed-by", "ana.pub", "--store", "other").status == 0


@pytest.mark.parametrize("words", [("--attach", "x.sig"), ("--signed-by", "ana")])
def test_a_signature_is_attached_with_its_signer(signed: Any, words: tuple[str, str]) -> None:
    done = signed("sign", "churn@1.0.0", *words)

    assert done.status == 2
    assert "needs --attach and --signed-by together" in done.err


def test_without_the_key_a_promotion_is_refused(
    signed: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    signed("sign", "churn@1.0.0")
    monkeypatch.delitem(os.environ, "HOLDFAST_KEY")

    done = signed("promote", "churn@1.0.0")

    assert done.status == 4
    assert "require_signature refused churn: the entry 'promoted' is not signed" in done.err
    assert "sign with --key-file FILE" in done.err


def test_a_forged_entry_is_damage(signed: Any, tmp_path: Path) -> None:
    from tests.registry import disk

    last = max((tmp_path / "store" / "models" / "churn" / "journal").glob("0*.json"))
    disk.overwrite(last, disk.sealed(last.read_bytes().replace(b'"by":"ana"', b'"by":"eve"')))
    (tmp_path / "store" / "models" / "churn" / "active_version.json").unlink()

    done = signed("verify", "--json")

    assert done.status == 6
    assert "has a signature that its key" in done.data["damages"][0]["problem"]


def test_history_marks_who_signed(signed: Any) -> None:
    signed("key", "new", "bob")
    signed("note", "churn@1.0.0", "seen", "--by", "bob", "--key-file", "bob.key")

    lines = signed("history", "churn", "--limit", "3").out.splitlines()[1:]
    entries = signed("history", "churn", "--limit", "3", "--json").data

    assert re.search(r"bob \(key [0-9a-f]{12}, not listed\)", lines[0])
    assert " ana ✔ " in lines[1]
    assert " ana  " in lines[2]
    assert [(past["signer"], past["key"] is None) for past in entries] == [
        (None, False),
        ("ana", False),
        (None, True),
    ]


def test_signers_come_and_go(signed: Any) -> None:
    signed("key", "new", "bob")

    both = signed(
        "policy", "set", "churn", "--signer", "bob=bob.pub", "--reason", "new", "--json"
    ).data
    result = signed("policy", "set", "churn", "--drop-signer", "bob", "--code", "signed", "--json")

    assert list(both["signers"]) == ["ana", "bob"]
    assert list(result.data["signers"]) == ["ana"]
    assert result.data["code"] == "signed"
    assert signed("policy", "set", "churn", "--drop-signer", "anna").status == 3
    assert signed("policy", "set", "churn", "--signer", "bob").status == 2


def test_the_last_signer_cannot_go_while_signatures_are_demanded(signed: Any) -> None:
    done = signed("policy", "set", "churn", "--drop-signer", "ana")

    assert done.status == 2
    assert "nobody is listed" in done.err
    both = ("--drop-signer", "ana", "--no-require-signature", "--reason", "keys are lost")
    assert signed("policy", "set", "churn", *both).status == 0


def test_a_policy_with_signers_goes_through_a_file(signed: Any, tmp_path: Path) -> None:
    shown = signed("policy", "show", "churn", "--json").out
    (tmp_path / "policy.json").write_text(shown)

    done = signed("policy", "set", "churn", "--file", "policy.json")

    assert done.out.startswith("the policy already says this")
    assert json.loads(shown)["data"]["require_signature"] is True


def test_each_move_prints_the_head_that_head_prints(churn: Any) -> None:
    promoted = HEAD.findall(churn("promote", "churn@1.0.0").out)
    rolled = HEAD.findall(churn("rollback", "churn", "--reason", "errors").out)
    printed = churn("head", "churn").out.split()

    assert promoted[0].startswith("6:")
    assert rolled == printed
    assert churn("head").out == f"churn {printed[0]}\n"
    assert churn("head", "--json").data == [
        {"model": "churn", "seq": 7, "sha256": printed[0].partition(":")[2]}
    ]
    assert churn("head", "chum").status == 3


def test_a_head_is_held_against_the_journal(churn: Any) -> None:
    head = churn("head", "churn").out.strip()
    churn("rollback", "churn", "--reason", "errors")

    assert churn("verify", "churn", "--head", head).status == 0
    wrong = churn("verify", "churn", "--head", head.replace("5:", "4:"))
    ahead = churn("verify", "churn", "--head", head.replace("5:", "9:"))
    assert (wrong.status, ahead.status) == (6, 6)
    assert "0000000004.json: is sha256:" in wrong.out
    assert "journal of churn: ends at entry 6, but the head 9:" in ahead.out
    assert churn("verify", "--head", head).status == 2
    assert churn("verify", "churn", "--head", "newest").status == 2
