"""Finds what makes a program of PyTorch's answer as in training: by chance, or by other rows.

Dropout and batch normalisation do so until `eval` is called. A scripted module takes its mode along
and can change it; what was traced or exported has it built in.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from holdfast.errors import InvalidInputError

__all__ = ["check"]

_MODES: Final = ("train", "training")
_RATES: Final = ("p", "dropout", "dropout_p")
_ADVICE: Final = "call .eval() on the network before it is scripted, traced or exported"


def check(program: Any) -> None:
    """Refuse a program that answers as in training.

    Args:
        program: A module of TorchScript, or an exported program.

    Raises:
        InvalidInputError: If its answers depend on chance, or on the rows beside a row.
    """
    mode = bool(getattr(program, "training", False))
    is_exported = hasattr(program, "graph_module")
    calls = _exported_calls(program) if is_exported else _scripted_calls(program, mode)
    layer = next((name for name, given in calls if _is_training(given)), None)
    if layer is not None:
        problem = (
            f"is in training mode ({layer}): it answers by chance, or by the rows beside a row"
        )
        raise InvalidInputError(f"{type(program).__name__} object", problem, _ADVICE)


def _is_training(given: Mapping[str, Any]) -> bool:
    modes = [given[name] for name in _MODES if name in given]
    rates = [given[name] for name in _RATES if name in given]
    return all(modes) and all(rates) and ("dropout_p" in given or bool(modes))


def _scripted_calls(module: Any, mode: bool) -> Iterator[tuple[str, dict[str, Any]]]:  # noqa: FBT001
    """Yield the calls in a script; what is decided when it runs, the mode decides."""
    import torch

    graph = getattr(module, "inlined_graph", None)  # none without a `forward`
    for node in _nodes(graph) if graph is not None else ():
        if node.kind().startswith("aten::"):
            arguments = torch._C.parse_schema(node.schema()).arguments  # noqa: SLF001 - none public
            values = (
                value.toIValue() if value.node().kind() == "prim::Constant" else mode
                for value in node.inputs()
            )
            names = (argument.name for argument in arguments)
            yield node.kind(), dict(zip(names, values, strict=False))


def _nodes(block: Any) -> Iterator[Any]:
    for node in block.nodes():
        yield node
        for inner in node.blocks():
            yield from _nodes(inner)


def _exported_calls(program: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    for part in program.graph_module.modules():
        for node in part.graph.nodes if hasattr(part, "graph") else ():
            schema = getattr(node.target, "_schema", None)
            if schema is not None:
                names = [argument.name for argument in schema.arguments]
                defaults = {item.name: item.default_value for item in schema.arguments}
                yield (
                    schema.name,
                    {**defaults, **dict(zip(names, node.args, strict=False)), **node.kwargs},
                )
