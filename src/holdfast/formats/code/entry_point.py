"""A model made from code alone: the class that is named makes it, from files or from nothing."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from holdfast.core import strict_json
from holdfast.errors import InvalidInputError, UnsupportedError
from holdfast.formats.contract import Description

__all__ = ["EntryPoint", "EntryPointFile"]

_PARTS: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
_MOST_BYTES: Final = 4096


@dataclass(frozen=True, slots=True)
class EntryPoint:
    """The class that makes a model, as `module:Class`.

    Attributes:
        module: Such as `shop.scoring`.
        name: The class in it; dots lead to classes in classes.
    """

    module: str
    name: str

    @classmethod
    def parse(cls, text: object) -> "EntryPoint":
        """Read `module:Class`.

        Raises:
            InvalidInputError: If it is something else.
        """
        if not isinstance(text, str) or not _PARTS.fullmatch(text):
            raise InvalidInputError(
                f"entry {text!r}", "is not module:Class", "write shop.model:Net"
            )
        module, _, name = text.partition(":")
        return cls(module, name)

    def __str__(self) -> str:
        """Show it as it is written."""
        return f"{self.module}:{self.name}"

    def make(self, imported: Callable[[str], ModuleType], paths: Mapping[str, Path]) -> Any:
        """Make the model.

        Args:
            imported: Imports a module of the version's code.
            paths: By role, the version's further artifacts.

        Raises:
            UnsupportedError: If there is no such class, or what it makes cannot predict.
        """
        target: Any = imported(self.module)
        for part in self.name.split("."):
            target = getattr(target, part, None)
        if not isinstance(target, type):
            advice = f"define the class {self.name} in {self.module}"
            raise UnsupportedError(f"entry {self}", "does not name a class", advice)
        load = getattr(target, "load", None)
        model = load(dict(paths)) if callable(load) else target(**paths)
        if not callable(getattr(model, "predict", None)):
            problem = f"makes a {type(model).__name__} without predict"
            raise UnsupportedError(
                f"entry {self}", problem, "give the class a method predict(rows)"
            )
        return model


class EntryPointFile:
    """A file that names the entry point, `{"entry": "module:Class"}`."""

    name = "entry"

    def takes(self, model: object) -> bool:
        """Take entry points."""
        return isinstance(model, EntryPoint)

    def recognises(self, path: Path) -> bool:
        """Recognise a file that names one."""
        try:
            return path.is_file() and bool(self.load(path))
        except InvalidInputError:
            return False

    def dump(self, model: object, folder: Path, stem: str) -> Path:
        """Write the name.

        Raises:
            InvalidInputError: If *model* is not an entry point.
        """
        if not isinstance(model, EntryPoint):
            subject = f"{type(model).__name__} object"
            raise InvalidInputError(subject, "is not an entry point", "leave the format out")
        path = folder / f"{stem}.entry.json"
        path.write_text(json.dumps({"entry": str(model)}) + "\n", encoding="utf-8")
        return path

    def load(self, path: Path) -> EntryPoint:
        """Read the name; `load_parts` makes the model, once the code is there.

        Raises:
            InvalidInputError: If the file names none.
        """
        with path.open("rb") as file:
            raw = file.read(_MOST_BYTES + 1)
        try:
            content = strict_json.decode(raw[:_MOST_BYTES], dict[str, str])
        except ValueError as error:
            raise InvalidInputError(f"{path.name!r}", "does not name an entry point") from error
        if len(raw) > _MOST_BYTES or content.keys() != {"entry"}:
            raise InvalidInputError(f"{path.name!r}", "does not name an entry point")
        return EntryPoint.parse(content["entry"])

    def describe(self, source: object) -> Description:
        """Name the class."""
        point = self.load(source) if isinstance(source, Path) else source
        return Description(algorithm=point.name if isinstance(point, EntryPoint) else None)
