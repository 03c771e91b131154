"""Loops of torch: what all of them call is watched, `backward` of losses and `step` of optimizers.

A loop has no object that fits, and nothing says when it ends. So each optimizer stands for one: the
loss whose gradient it follows is a point of `train/loss`, and its settings are parameters. Of
several `backward` before one step the losses are added, as their gradients are. No value is read
from a device before the model is registered.
"""

import functools
import operator
import sys
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, Protocol

from holdfast.recording.fit_reports import FitReport

__all__ = ["TorchLoop", "TorchWatch"]

CURVE: Final = "train/loss"
_MOST_POINTS: Final = 2_000
_MOST_LOSSES: Final = 4_096
"""Of one step; who calls no optimizer of torch follows none that could be told."""


class _Block(Protocol):
    """What loops belong to."""

    def note(self, fit: Any, /) -> None: ...


class TorchLoop:
    """The steps of one optimizer."""

    def __init__(self, optimizer: Any) -> None:
        groups = optimizer.param_groups
        self._weights = [weakref.ref(one) for group in groups for one in group["params"]]
        self._settings = dict(_settings(optimizer))
        self._points: list[tuple[int, Any]] = []
        self._last: tuple[int, Any] | None = None
        self._every = 1
        self.steps = 0

    def step(self, losses: Sequence[Any]) -> None:
        """Take the losses of one step; of very many steps every second, fourth … is kept."""
        self.steps += 1
        if not losses:
            return
        self._last = self.steps, functools.reduce(operator.add, losses)
        if (self.steps - 1) % self._every == 0:
            self._points.append(self._last)
        if len(self._points) > _MOST_POINTS:
            self._points, self._every = self._points[::2], self._every * 2

    @property
    def report(self) -> FitReport:
        """What is told of it; values are read from where they are only now."""
        points = dict(self._points) | dict([self._last] if self._last else [])
        parameters = self._settings | {"optimizer_steps": self.steps}
        if not points:
            return FitReport(parameters=parameters)
        values = [float(loss) for loss in points.values()]
        return FitReport(parameters=parameters, series={CURVE: values}, steps={CURVE: list(points)})

    @property
    def is_alive(self) -> bool:
        """Whether any of its weights is still there."""
        return any(one() is not None for one in self._weights)

    def is_of(self, models: Sequence[object]) -> bool:
        """Tell whether what is registered has weights of it, in whatever form it was exported."""
        own = {one.data_ptr() for ref in self._weights if (one := ref()) is not None}
        return any(one.data_ptr() in own for model in models for one in _tensors(model))


class TorchWatch:
    """What is put around torch while blocks go on.

    Args:
        block: Gives the block that a call belongs to, if any.
        harmless: Does what must break nobody's training, under the name of what it is.
    """

    def __init__(
        self,
        block: Callable[[], _Block | None],
        harmless: Callable[[str, Callable[[], object]], None],
    ) -> None:
        self._block, self._harmless = block, harmless
        self._loops: weakref.WeakKeyDictionary[Any, tuple[_Block, TorchLoop]]
        self._loops = weakref.WeakKeyDictionary()
        self._replaced: list[tuple[Any, str, Any, Any]] = []
        self._handles: list[Any] = []
        self._here = _Losses()

    def replace(self) -> None:
        """Watch, if torch is imported."""
        torch = sys.modules.get("torch")
        if torch is None or self._handles:
            return
        from torch.optim import optimizer

        self._handles = [
            optimizer.register_optimizer_step_pre_hook(self._begins),
            optimizer.register_optimizer_step_post_hook(self._ended),
        ]
        owner = next(kind for kind in torch.cuda.amp.GradScaler.__mro__ if "scale" in vars(kind))
        self._put(torch.Tensor, "backward", self._around_backward)
        self._put(owner, "scale", self._around_scale)

    def restore(self) -> None:
        """Let torch be what it was; what another tool put around ours stays."""
        for handle in self._handles:
            handle.remove()
        for owner, name, before, around in self._replaced:
            if vars(owner).get(name) is around:
                setattr(owner, name, before)
        self._handles, self._replaced = [], []

    def _put(self, owner: Any, name: str, around: Callable[[Any], Any]) -> None:
        before = vars(owner)[name]
        watched = functools.wraps(before)(around(before))
        setattr(owner, name, watched)
        self._replaced.append((owner, name, before, watched))

    def _around_backward(self, backward: Callable[..., Any]) -> Callable[..., Any]:
        def watched(tensor: Any, *args: Any, **kwargs: Any) -> Any:
            result = backward(tensor, *args, **kwargs)
            if self._handles:
                self._harmless("a loss of torch", lambda: self._here.add(tensor))
            return result

        return watched

    def _around_scale(self, scale: Callable[..., Any]) -> Callable[..., Any]:
        def watched(scaler: Any, outputs: Any) -> Any:
            result = scale(scaler, outputs)
            if self._handles and result is not outputs:
                note = functools.partial(self._here.note_scaled, result, outputs)
                self._harmless("a scaled loss of torch", note)
            return result

        return watched

    def _begins(self, *_call: Any) -> None:
        self._here.before = list(self._here.losses)

    def _ended(self, optimizer: Any, *_call: Any) -> None:
        losses = self._here.taken()
        block = self._block()
        if block is not None:
            step = functools.partial(self._step, block, optimizer, losses)
            self._harmless("a step of torch", step)

    def _step(self, block: _Block, optimizer: Any, losses: Sequence[Any]) -> None:
        known = self._loops.get(optimizer)
        if known is None or known[0] is not block:
            known = self._loops[optimizer] = block, TorchLoop(optimizer)
            block.note(known[1])
        known[1].step(losses)


class _Losses(threading.local):
    """The losses of this thread since its last step."""

    def __init__(self) -> None:
        self.losses: list[Any] = []
        self.before: list[Any] = []
        self._scaled: tuple[Any, Any] = (None, None)

    def add(self, loss: Any) -> None:
        """Take a loss whose gradients were computed; a copy, for a sum may go on in its place."""
        if loss.numel() != 1:
            return
        scaled, own = self._scaled
        loss = own if scaled is not None and scaled() is loss else loss
        if len(self.losses) >= _MOST_LOSSES:
            self.losses.clear()
        self.losses.append(loss.detach().clone())

    def note_scaled(self, scaled: Any, own: Any) -> None:
        """Take note that one loss is another, enlarged so that its gradients do not vanish."""
        self._scaled = weakref.ref(scaled), own

    def taken(self) -> list[Any]:
        """Return those of a step: all before it, or the first of those that it asked for itself."""
        losses = self.before or self.losses[:1]
        self.losses, self.before, self._scaled = [], [], (None, None)
        return losses


def _settings(optimizer: Any) -> Iterator[tuple[str, Any]]:
    """Go through what an optimizer was given, of its first group; what is off is left out."""
    yield "optimizer", type(optimizer).__name__
    for name, value in optimizer.param_groups[0].items():
        number = value.item() if hasattr(value, "item") else value
        is_pair = isinstance(number, tuple) and all(isinstance(one, float) for one in number)
        if is_pair or (isinstance(number, int | float | str) and number is not False):
            yield f"optimizer_{name}", list(number) if is_pair else number


def _tensors(model: Any) -> Iterator[Any]:
    """Go through the tensors of a network, of what was exported of it, or of its weights."""
    held = model if isinstance(model, Mapping) else getattr(model, "state_dict", None)
    weights = held() if callable(held) else held
    for one in weights.values() if isinstance(weights, Mapping) else ():
        if hasattr(one, "data_ptr"):
            yield one
