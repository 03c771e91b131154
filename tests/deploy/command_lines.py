"""The command lines of Holdfast in files other than pages, and what the CLI makes of them."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

IMAGE = "holdfast"
_VARIABLE = re.compile(r"\$\$?(?:\([A-Z_]+\)|\{[^}]*\}|\w+)|%[Ii]")
_CALL = re.compile(
    r"(?:^[ #]*|`|/bin/)holdfast ([a-z][^`\n|;&)]*)"  # a line, a quotation, a path
    r"|run --rm \w+ ([^\n`]+)"  # a container's
)
_IF_SET = re.compile(r"\$\{\w+:\+([^}]*)\}")
_REDIRECTION = re.compile(r" (?:2?>|\|\|)")
_PROSE = re.compile(r"^ *# ?\S")


def in_text(text: str) -> Iterator[list[str]]:
    """Find what a shell, a unit or a comment calls; lines may be continued."""
    joined = _IF_SET.sub(r"\1", re.sub(r"\\\n[ #]*", " ", text))
    for line in joined.splitlines():
        for found in _CALL.finditer(_VARIABLE.sub("1", line)):
            if _PROSE.match(line) and line[found.start()] not in "`/":
                continue  # a sentence that names the product
            yield shlex.split(_REDIRECTION.split(found[1] or found[2])[0], comments=True)


def in_image(document: Any) -> Iterator[list[str]]:
    """Find what containers of the image run, by Kubernetes' words or Compose's."""
    if isinstance(document, list):
        for part in document:
            yield from in_image(part)
    if not isinstance(document, dict):
        return
    if document.get("image") == IMAGE:
        yield from _of_container(document)
    for part in document.values():
        yield from in_image(part)


def _of_container(container: dict[str, Any]) -> Iterator[list[str]]:
    command, args = container.get("command", []), container.get("args", [])
    if command[:1] == ["sh"]:
        yield from in_text("\n".join(args))
    elif not command or ("args" not in container and _is_verb(command[0])):
        yield [_VARIABLE.sub("1", word) for word in [*command, *args]]


def _is_verb(word: str) -> bool:
    from holdfast.cli.group import app

    return app.get_command(click.Context(app), word) is not None


def in_containerfile(path: Path) -> list[str]:
    """Read what an image runs unless it is told otherwise."""
    (command,) = re.findall(r"^CMD (\[.*\])$", path.read_text(), re.MULTILINE)
    words: list[str] = json.loads(command)
    return words


def problem(words: list[str]) -> str | None:
    """Parse a command line as the CLI does, and run nothing; return what is wrong with it."""
    from holdfast.cli.group import app

    command: click.Command = app
    context = click.Context(app)
    rest = list(words)
    while isinstance(command, click.Group):
        inner = command.get_command(context, rest[0]) if rest else None
        if inner is None:
            return f"{words}: there is no such command"
        command, rest = inner, rest[1:]
    if not rest:
        return None  # a command that is named, without what it needs
    try:
        command.make_context(" ".join(words[:1]), rest, resilient_parsing=False)
    except click.ClickException as error:
        return f"{words}: {error.format_message()}"
    except click.exceptions.Exit:
        return None
    return None
