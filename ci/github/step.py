"""What the composite action does: call `holdfast`, and tell GitHub how it went.

Inputs are environment variables that begin with `IN_`. None is ever part of a shell's text, and
`--` stands before whatever is not an option.
"""

import json
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from typing import Any

SHORTEST_FENCE = 3
MOST_CHARACTERS = 60_000


def given(name: str) -> str:
    """Return an input, without what YAML leaves around it."""
    return os.environ.get(f"IN_{name}", "").strip()


def lines(name: str) -> list[str]:
    """Return an input of several lines."""
    return [line.strip() for line in given(name).splitlines() if line.strip()]


def optional(**values: str) -> list[str]:
    """Return options for the inputs that are there."""
    named = ((f"--{name.replace('_', '-')}", value) for name, value in values.items())
    return [f"{name}={value}" for name, value in named if value]


def environment() -> dict[str, str]:
    """Return the environment of `holdfast`, with the store and the token that are given."""
    found = {name: text for name, text in os.environ.items() if not name.startswith("IN_")}
    own = {"HOLDFAST_STORE": given("STORE"), "HOLDFAST_TOKEN": given("TOKEN")}
    return found | {name: value for name, value in own.items() if value}


def holdfast(
    command: str, options: Sequence[str], words: Sequence[str]
) -> "subprocess.CompletedProcess[str]":
    """Run a command; its complaints go where the step's go."""
    called = ["holdfast", command, *options, "--", *words]
    return subprocess.run(
        called, env=environment(), stdout=subprocess.PIPE, encoding="utf-8", check=False
    )


def output(name: str, value: str) -> None:
    """Give the step an output; a value is one line."""
    if "\n" in value or "\r" in value:
        raise SystemExit(f"{name} has a line break")
    path = os.environ.get("GITHUB_OUTPUT")
    if path:
        with open(path, "a", encoding="utf-8") as file:
            file.write(f"{name}={value}\n")


def register() -> int:
    """Register files as a version, once for each run of a workflow."""
    run = "/".join(os.environ.get(f"GITHUB_{name}", "") for name in ("REPOSITORY", "RUN_ID", "JOB"))
    options = optional(
        metrics=given("METRICS"),
        reason=given("REASON"),
        idempotency_key=f"{run}/{given('MODEL')}" if run.strip("/") else "",
    )
    done = holdfast("register", [*options, "--json"], [given("MODEL"), *lines("FILES")])
    return told(done)


def promote() -> int:
    """Make a version live, if the gate allows it."""
    options = optional(reason=given("REASON"), expect=given("EXPECT"))
    return told(holdfast("promote", [*options, "--json"], [given("VERSION")]))


def told(done: "subprocess.CompletedProcess[str]") -> int:
    """Print what a command said, and give its ref as an output."""
    sys.stdout.write(done.stdout)
    if done.returncode == 0:
        output("ref", ref(json.loads(done.stdout)["data"]))
    return done.returncode


def ref(data: Mapping[str, Any]) -> str:
    """Return the ref of a result: `register` describes its version, `promote` names it."""
    about = data["version"] if isinstance(data["version"], dict) else data
    return f"{about['model']}@{about['version']}"


def compare() -> int:
    """Compare two versions; the result stands in the summary and on the pull request."""
    new = given("VERSION")
    old = given("AGAINST") or f"{new.partition('@')[0]}@production"
    options = [f"--fail-if={condition}" for condition in lines("FAIL_IF")]
    called = ["holdfast", "compare", *options, "--", old, new]
    done = subprocess.run(
        called,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )
    sys.stdout.write(done.stdout)
    verdict = "passed" if done.returncode == 0 else "did not pass"
    text = f"### Holdfast: `{plain(new)}` {verdict}\n\n{fenced(done.stdout)}\n"
    summary = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary:
        with open(summary, "a", encoding="utf-8") as file:
            file.write(text)
    if given("COMMENT").lower() == "true":
        comment(text, f"<!-- holdfast {plain(old)} {plain(new)} -->")
    return done.returncode


def plain(text: str) -> str:
    """Return a ref without what would end a quotation or a comment of HTML."""
    return re.sub(r"[^\w.@:/^~+ -]|--+", "", text)


def fenced(text: str) -> str:
    """Return text as a block of code that nothing in it can end."""
    cut = text if len(text) <= MOST_CHARACTERS else f"{text[:MOST_CHARACTERS]}\n…\n"
    longest = max((len(run) for run in re.findall("`+", cut)), default=0)
    fence = "`" * max(SHORTEST_FENCE, longest + 1)
    return f"{fence}text\n{cut.rstrip()}\n{fence}"


def comment(text: str, mark: str) -> None:
    """Write the comment on the pull request that this run is for, in place of an older one."""
    number = pull_request()
    if number is None:
        return
    repository = os.environ["GITHUB_REPOSITORY"]
    body = {"body": f"{text}\n{mark}\n"}
    page = 1
    while found := ask(
        "GET", f"/repos/{repository}/issues/{number}/comments?per_page=100&page={page}"
    ):
        for older in found:
            if mark in older["body"] and older["user"]["type"] == "Bot":
                ask("PATCH", f"/repos/{repository}/issues/comments/{int(older['id'])}", body)
                return
        page += 1
    ask("POST", f"/repos/{repository}/issues/{number}/comments", body)


def pull_request() -> int | None:
    """Return the number of the pull request, None if this run is for something else."""
    path = os.environ.get("GITHUB_EVENT_PATH")
    if not path or not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as file:
        event = json.load(file)
    return int(event["pull_request"]["number"]) if "pull_request" in event else None


def ask(method: str, path: str, body: Mapping[str, str] | None = None) -> Any:
    """Ask GitHub's API."""
    request = urllib.request.Request(
        os.environ.get("GITHUB_API_URL", "https://api.github.com") + path,
        data=None if body is None else json.dumps(body).encode(),
        method=method,
        headers={
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {given('GITHUB_TOKEN')}",
            "Content-Type": "application/json",
        },
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


COMMANDS = {"register": register, "compare": compare, "promote": promote}


def main() -> int:
    """Do what the input `command` names."""
    command = COMMANDS.get(given("COMMAND"))
    if command is None:
        sys.stderr.write(f"command must be one of {', '.join(COMMANDS)}\n")
        return 2
    return command()


if __name__ == "__main__":
    sys.exit(main())
