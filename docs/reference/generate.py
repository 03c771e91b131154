"""Write `commands.md` from the commands themselves: `make reference`."""

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from holdfast.cli.examples import EXAMPLES
from holdfast.cli.families import FAMILIES
from holdfast.cli.group import commands

PAGE = Path(__file__).parent / "commands.md"
SHARED = ("store", "by", "as_json", "help")

HEAD = r"""# Commands

Written from the commands themselves by `make reference`.

Results go to stdout, progress and complaints to stderr. Every command takes, besides its own options:

| | |
|---|---|
| `--store DIR\|URL` | the store: a folder, a bucket or a server; else `HOLDFAST_STORE`, else `./store` |
| `--by NAME` | the author of what is written; else `HOLDFAST_BY`, else the system's user; a server knows whose token it is |
| `HOLDFAST_TOKEN`, `HOLDFAST_INSECURE_HTTP` | for servers: [Use a server](../how-to/use-a-server.md) |
| `HOLDFAST_LOCK_TIMEOUT` | how long others that hold the lock of a folder are waited for: `0`, `10s` (else that), `2m`; then exit status 10 |
| `--json` | the result as `{"schema": 1, "data": …}` on stdout, where what lists (`status` and `ls` without a model, `ls MODEL`, `history`, `head`, `rollout tick`, `predictions list stats compact`, `notify list`) has an array of objects, empty where there is nothing; an error as `{"schema": 1, "error": {"code", "message", …}}` on stderr |

A ref names one version, in every command alike (`VERSION|REF` also takes what stands behind the `@` alone): `iris@1.2.0`, `iris@v3` (the third registration), `iris@production`, `iris@previous` (what a rollback goes to),
`iris@staging`, `iris@latest` (the highest release), `iris@ALIAS`, `iris@^1.2`, `iris@~1.2.0`, `iris@1.x`, `iris@'>=1.2 <2'`,
`iris@sha256:ab12…`. Exit statuses: [exit-codes.md](exit-codes.md). Shell completion of commands, models, refs and
aliases: `eval "$(holdfast completion bash)"` (also `zsh`, `fish`).
"""


def page() -> str:
    """Return the whole page."""
    parts = [HEAD]
    for family in FAMILIES:
        parts.append(f"# {family}\n")
        for command in commands(family):
            parts += _sections(command, f"holdfast {command.name}")
    return "\n".join(parts).rstrip() + "\n"


def _sections(command: click.Command, path: str) -> Iterator[str]:
    yield f"## `{path}`\n"
    if isinstance(command, click.Group):
        yield f"{inspect.cleandoc(command.help or '')}\n"
        for name in sorted(command.commands):
            yield from _sections(command.commands[name], f"{path} {name}")
        return
    context = click.Context(command, info_name=path)
    pieces = [piece for piece in command.collect_usage_pieces(context) if piece != "[OPTIONS]"]
    yield f"```\n{' '.join([path, *pieces, '[OPTIONS]'])}\n```\n"
    yield f"{inspect.cleandoc(command.help or '')}\n"
    rows = [option for option in command.params if isinstance(option, click.Option)]
    own = [option.get_help_record(context) for option in rows if option.name not in SHARED]
    if own:
        listed = [record for record in own if record]
        lines = [f"| `{_plain(name)}` | {_plain(text)} |" for name, text in listed]
        yield "| option | |\n|---|---|\n" + "\n".join(lines) + "\n"
    examples = "\n".join(EXAMPLES[path.removeprefix("holdfast ")])
    yield f"```console\n{examples}\n```\n"


def _plain(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")
