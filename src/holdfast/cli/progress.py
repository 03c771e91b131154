"""How far long work is, on the terminal: bytes done of those to do, and the time left."""

import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.progress import Progress as Bars

    from holdfast.store.metering import Progress


@contextlib.contextmanager
def progress(what: str, *, shown: bool) -> "Iterator[Progress | None]":
    """Show a bar on stderr while bytes are worked through, where a person sees it.

    Before the first byte and after the last one files are checked: how long is not known, and the
    bar says so.
    """
    if not shown or not sys.stderr.isatty():
        yield None
        return
    with _bars() as bars:
        checking = bars.add_task(f"{what}: checking", total=None)
        moving = bars.add_task(what, visible=False)

        def told(done: int, total: int) -> None:
            begins = not bars.tasks[moving].visible
            bars.update(moving, completed=done, total=total, visible=done < total)
            bars.update(checking, visible=done >= total)
            if begins:
                bars.refresh()

        yield told


def _bars() -> "Bars":
    from rich.console import Console
    from rich.progress import BarColumn, Progress, Task, TextColumn, TimeRemainingColumn
    from rich.table import Column
    from rich.text import Text

    from holdfast.core.wording import size

    class Bytes(TextColumn):
        """Bytes as every other screen writes them."""

        def render(self, task: Task) -> Text:
            """Write those done of those to do."""
            if task.total is None:
                return Text("")
            return Text(f"{size(int(task.completed))} of {size(int(task.total))}")

    class Left(TimeRemainingColumn):
        """The time left, in words: a clock alone could be any time."""

        def render(self, task: Task) -> Text:
            """Write it, as soon as it can be estimated."""
            if task.total is None or task.time_remaining is None:
                return Text("")
            return Text.assemble(super().render(task), " left")

    whole = Column(no_wrap=True)
    columns: tuple[Any, ...] = (
        TextColumn("{task.description}", table_column=whole),
        BarColumn(bar_width=None, table_column=Column(ratio=1, min_width=4)),
        Bytes("", table_column=whole),
        Left(table_column=whole),
    )
    return Progress(*columns, console=Console(stderr=True), transient=True, expand=True)
