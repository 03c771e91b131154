"""`notices.toml`: read, filled in from the environment, refused where it says nonsense."""

from pathlib import Path

import pytest

from holdfast.errors import InvalidInputError
from holdfast.notices import notice as notices
from holdfast.notices.notice import Notice
from holdfast.notices.targets import DEFAULT_EVENTS, Configuration, Target, read

TOKEN = "token-of-mine"


def configured(tmp_path: Path, text: str, **environment: str) -> Configuration:
    file = tmp_path / "notices.toml"
    file.write_text(text)
    return read(file, environment)


def test_a_target_is_what_its_table_says(tmp_path: Path) -> None:
    configuration = configured(
        tmp_path,
        """
        outbox = "waiting"
        [[targets]]
        name = "ops"
        url = "https://hooks.example.com/x?y=1"
        secret_env = "OPS_SECRET"
        events = ["rollout.*"]
        models = ["fraud"]
        timeout_s = 2.5
        give_up_days = 1
        """,
        OPS_SECRET="s3cret",
    )

    assert configuration.outbox == tmp_path / "waiting"
    assert configuration.targets == (
        Target(
            "ops",
            "webhook",
            "https://hooks.example.com/x?y=1",
            "s3cret",
            ("rollout.*",),
            ("fraud",),
            2.5,
            86_400.0,
        ),
    )


def test_what_is_not_said_has_a_default(tmp_path: Path) -> None:
    configuration = configured(tmp_path, '[[targets]]\nname = "ops"\nurl = "http://localhost:1/"')

    assert configuration.outbox == tmp_path / "outbox"
    assert configuration.targets == (Target("ops", "webhook", "http://localhost:1/"),)
    assert configuration.targets[0].events == DEFAULT_EVENTS


def test_an_address_may_come_from_the_environment(tmp_path: Path) -> None:
    text = '[[targets]]\nname = "chat"\nkind = "apprise"\nurl_env = "CHAT"'

    configuration = configured(tmp_path, text, CHAT=f"slack://{TOKEN}/a/b")

    assert configuration.targets[0].url == f"slack://{TOKEN}/a/b"


def test_neither_address_nor_secret_is_shown(tmp_path: Path) -> None:
    text = '[[targets]]\nname = "ops"\nurl_env = "URL"\nsecret_env = "SECRET"'

    configuration = configured(
        tmp_path, text, URL=f"https://me:{TOKEN}@x.org/{TOKEN}", SECRET=TOKEN
    )

    assert TOKEN not in repr(configuration)
    assert configuration.targets[0].place == "https://x.org"
    assert Target("chat", "apprise", f"slack://{TOKEN}/b").place == "slack"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[targets", "Expected"),
        ("colour = 1", "unknown field"),
        ('[[targets]]\nname = "a"\nurl = "http://x"\ncolour = 1', "unknown field"),
        ('[[targets]]\nname = "a"\nurl = 1', "Expected `str"),
        ('[[targets]]\nname = "../a"\nurl = "http://x"', "is not a unique name"),
        (2 * '[[targets]]\nname = "a"\nurl = "http://x"\n', "is not a unique name"),
        ('[[targets]]\nname = "a"', "one address"),
        ('[[targets]]\nname = "a"\nurl = "http://x"\nurl_env = "X"', "needs exactly one address"),
        ('[[targets]]\nname = "a"\nurl_env = "NOT_SET"', "NOT_SET, which is not set"),
        (
            '[[targets]]\nname = "a"\nurl = "http://x"\nsecret_env = "NOT_SET"',
            "NOT_SET, which is not",
        ),
        ('[[targets]]\nname = "a"\nurl = "http://x"\ntimeout_s = 0', "an invalid time"),
        ('[[targets]]\nname = "a"\nurl = "http://x"\ngive_up_days = -1', "an invalid time"),
    ],
)
def test_nonsense_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        configured(tmp_path, text)


@pytest.mark.parametrize(
    "url",
    [
        f"file:///etc/{TOKEN}",
        f"ftp://x/{TOKEN}",
        f"//x/{TOKEN}",
        f"http:///{TOKEN}",
        f"http://x:99999/{TOKEN}",
        f"http://[::1/{TOKEN}",
        f"http://x/{TOKEN}\\r\\nHost: y",
        f"http://x/{TOKEN} y",
        f"http://ü.org/{TOKEN}",
    ],
)
def test_an_address_that_is_not_of_the_web_is_refused_and_not_shown(
    tmp_path: Path, url: str
) -> None:
    with pytest.raises(InvalidInputError, match="has no valid address") as refused:
        configured(tmp_path, f'[[targets]]\nname = "a"\nurl = "{url}"')

    assert TOKEN not in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"none\.toml' cannot be read"):
        read(tmp_path / "none.toml", {})


def test_a_target_wants_what_its_patterns_fit_and_every_test() -> None:
    target = Target("a", "webhook", "http://x", events=("rollout.*",), models=("fraud-*",))

    def said(event: str, model: str) -> Notice:
        return Notice("1", "urn:x", f"dev.holdfast.{event}", model, "", {"model": model})

    decisions = [
        target.wants(said("rollout.halted", "fraud-eu")),
        target.wants(said("version.promoted", "fraud-eu")),
        target.wants(said("rollout.halted", "churn")),
        target.wants(notices.of_test("urn:x", "")),
    ]

    assert decisions == [True, False, False, True]
