"""Commands over `--store http://…`: the same words, the same answers, the same exit statuses."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest
from tests.cli.conftest import Holdfast
from tests.registry import behind_server

import holdfast as library


@pytest.fixture
def url(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("HOLDFAST_TOKEN", behind_server.token_of("ana"))
    (tmp_path / "one.txt").write_text("one")
    (tmp_path / "two.txt").write_text("two")
    with behind_server.served(tmp_path / "served", lambda: datetime.now(UTC)) as address:
        yield address


def test_a_day_at_a_server(holdfast: Holdfast, url: str, tmp_path: Path) -> None:
    at = ("--store", url)
    registered = holdfast("register", "iris", "one.txt", "--metric", "auc=0.9", *at)
    assert registered.status == 0
    assert "registered iris@1.0.0" in registered.out
    assert holdfast("promote", "iris@latest", "--reason", "first release", *at).status == 0
    assert holdfast("register", "iris", "two.txt", "--metric", "auc=0.5", *at).status == 0

    refused = holdfast("promote", "iris@latest", "--json", *at)
    assert refused.status == 4
    assert refused.error["code"] == "refused"
    assert any("auc" in reason for reason in refused.error["reasons"])
    forced = holdfast("promote", "iris@latest", "--force", "--reason", "a new feed", *at)
    assert forced.status == 0
    assert "gate overridden" in forced.out
    back = holdfast("rollback", "iris", "--expect", "1.1.0", "--reason", "auc fell", *at)
    assert "iris@1.0.0 is live" in back.out

    status = holdfast("status", "iris", *at)
    assert "live 1.0.0" in status.out
    history = holdfast("history", "iris", "--json", *at).data
    assert {past["by"] for past in history} == {"ana"}
    assert holdfast("verify", *at).status == 0
    assert holdfast("head", "iris", *at).out.split()[-1].startswith("5:")
    assert library.open(tmp_path / "served").verify().whole


def test_a_search_finds_the_same_everywhere(holdfast: Holdfast, url: str, tmp_path: Path) -> None:
    for model, text, recall in (
        ("iris", "one", "0.93"),
        ("iris", "two", "0.8"),
        ("rose", "one", "0.95"),
    ):
        options = ("--metric", f"recall={recall}", "--param", f"depth={recall[-1]}")
        holdfast("register", model, f"{text}.txt", *options, "--store", url)
    holdfast("tag", "iris@1.0.0", "team=risk", "--store", url)
    holdfast("promote", "iris@1.0.0", "--reason", "first", "--store", url)
    places = ("--store", url), ("--store", str(tmp_path / "served"))
    for where, found in (
        ('recall > 0.9 and tag.team = "risk"', ["iris@1.0.0"]),
        ("recall > 0.9", ["iris@1.0.0", "rose@1.0.0"]),
        ("parameter.depth = 5 and registered_by = ana", ["rose@1.0.0"]),
        ("status = production and registered_at > 2020-01-01", ["iris@1.0.0"]),
    ):
        listed = [holdfast("ls", "--where", where, "--json", *place).data for place in places]
        searched = [library.open(place[1]).search(where).versions for place in places]
        asked = f"{url}/api/v1/search?{urlencode({'where': where})}"
        token = {"Authorization": f"Bearer {behind_server.token_of('ana')}"}
        with urlopen(Request(asked, headers=token)) as answer:
            there = json.load(answer)["versions"]

        for items in listed:
            assert [f"{item['model']}@{item['version']}" for item in items] == found
        for versions in searched:
            assert [f"{info.model}@{info.version}" for info in versions] == found
        assert [f"{info['model']}@{info['version']}" for info in there] == found


def test_a_conflict_and_a_missing_model_have_their_statuses(holdfast: Holdfast, url: str) -> None:
    at = ("--store", url)
    holdfast("register", "iris", "one.txt", *at)
    holdfast("promote", "iris@1.0.0", *at)

    assert holdfast("rollback", "iris", "--expect", "9.9.9", *at).status == 5
    assert holdfast("promote", "rose@1.0.0", *at).status == 3
    assert holdfast("gc", *at).status == 8


def test_a_copy_goes_from_a_server_to_a_folder(
    holdfast: Holdfast, url: str, tmp_path: Path
) -> None:
    holdfast("register", "iris", "one.txt", "--store", url)

    done = holdfast("copy", url, str(tmp_path / "copy"), "iris")

    assert done.status == 0
    assert library.open(tmp_path / "copy").resolve("iris@1.0.0").number == 1


def test_a_rollout_ticks_over_a_server(holdfast: Holdfast, url: str, tmp_path: Path) -> None:
    at = ("--store", url)
    holdfast("register", "iris", "one.txt", *at)
    holdfast("promote", "iris@1.0.0", *at)
    holdfast("register", "iris", "two.txt", *at)
    assert holdfast("rollout", "start", "iris@1.1.0", *at).status == 0

    ticked = holdfast("rollout", "tick", "iris", "--json", *at)

    assert ticked.status == 0
    assert json.loads(ticked.out)["data"]
    assert holdfast("rollout", "abort", "iris", "--reason", "enough", *at).status == 0
    assert library.open(tmp_path / "served").rollout("iris") is not None


def test_serve_needs_two_tokens_where_the_registry_is_behind_a_server(
    holdfast: Holdfast, url: str
) -> None:
    holdfast("register", "iris", "one.txt", "--store", url)
    holdfast("promote", "iris@1.0.0", "--store", url)

    refused = holdfast("serve", "iris", "--store", url)

    assert refused.status == 2
    assert "cannot be this server's own token, too" in refused.err


def test_http_to_another_machine_needs_a_setting(
    holdfast: Holdfast, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = holdfast("ls", "--store", "http://registry.invalid")
    assert refused.status == 2
    assert "HOLDFAST_INSECURE_HTTP=1" in refused.err

    monkeypatch.setenv("HOLDFAST_INSECURE_HTTP", "1")
    monkeypatch.setenv("HOLDFAST_TOKEN", behind_server.token_of("ana"))
    unreached = holdfast("ls", "--store", "http://127.0.0.1:1")
    assert unreached.status == 7
