"""`autolog` and loops of torch: the losses that optimizers follow, and that it disturbs nobody."""

import gc
import logging
from typing import Any

import pytest

import holdfast
from holdfast import Registry
from holdfast.core.training_record import TrainingRecord
from holdfast.recording import fit_hooks, torch_loops

torch = pytest.importorskip("torch", reason="its loops are watched")

pytestmark = pytest.mark.usefixtures("autologged")
WEIGHTS = {"model": "torch-state"}


@pytest.fixture
def net() -> Any:
    torch.manual_seed(0)
    return torch.nn.Linear(2, 1)


def fitted(net: Any, steps: int = 5, parts: int = 1, optimizer: Any = None) -> list[float]:
    """Train, and return the losses that the optimizer followed."""
    optimizer = optimizer or torch.optim.Adam(net.parameters(), lr=0.1)
    rows = torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    told = []
    for _ in range(steps):
        optimizer.zero_grad()
        losses = [((net(rows) - 1) ** 2).mean() / parts for _ in range(parts)]
        for loss in losses:
            loss.backward()
        optimizer.step()
        told.append(sum(loss.item() for loss in losses))
    return told


def record(registry: Registry) -> TrainingRecord:
    return registry.trainings.record("net@latest")


def test_a_loop_tells_its_losses_and_its_optimizer(registry: Registry, net: Any) -> None:
    with holdfast.training("net", store=registry, formats=WEIGHTS) as run:
        losses = fitted(net)
        run.model(net)
    told = registry.manifest(run.version).hyperparameters

    assert list(record(registry).curves) == ["train/loss"]
    assert list(record(registry).curves["train/loss"].values) == pytest.approx(losses, rel=1e-6)
    assert list(record(registry).curves["train/loss"].steps) == [1, 2, 3, 4, 5]
    assert told["optimizer"] == "Adam"
    assert told["optimizer_lr"] == 0.1
    assert told["optimizer_betas"] == [0.9, 0.999]
    assert told["optimizer_steps"] == 5


def test_losses_before_one_step_are_added_as_their_gradients_are(
    registry: Registry, net: Any
) -> None:
    with holdfast.training("net", store=registry, formats=WEIGHTS) as run:
        losses = fitted(net, steps=3, parts=4)
        run.model(net)

    assert list(record(registry).curves["train/loss"].values) == pytest.approx(losses, rel=1e-6)


def test_an_optimizer_that_asks_itself_tells_what_it_asked_first(
    registry: Registry, net: Any
) -> None:
    optimizer = torch.optim.LBFGS(net.parameters(), max_iter=4)
    asked: list[list[float]] = []

    def loss() -> Any:
        optimizer.zero_grad()
        value = ((net(torch.ones(1, 2)) - 5) ** 2).sum()
        value.backward()
        asked[-1].append(value.item())
        return value

    with holdfast.training("net", store=registry, formats=WEIGHTS) as run:
        for _ in range(2):
            asked.append([])
            optimizer.step(loss)
        run.model(net)

    assert len(asked[0]) > 1
    curve = record(registry).curves["train/loss"]
    assert list(curve.values) == pytest.approx([first for first, *_ in asked], rel=1e-6, abs=1e-9)


def test_a_loss_that_is_scaled_is_told_as_it_was(registry: Registry, net: Any) -> None:
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    with holdfast.training("net", store=registry, formats=WEIGHTS) as run:
        loss = ((net(torch.ones(1, 2)) - 5) ** 2).sum()
        scaler.scale(loss).backward()
        scaler.step(optimizer)
        run.model(net)

    assert list(record(registry).curves["train/loss"].values) == pytest.approx([loss.item()])


@pytest.mark.parametrize("form", ["weights", "exported"])
def test_of_several_networks_the_registered_one_counts(
    registry: Registry, net: Any, form: str
) -> None:
    other = torch.nn.Linear(2, 1)
    facts = {"formats": WEIGHTS} if form == "weights" else {"trust": "exported here"}
    with holdfast.training("net", store=registry, **facts) as run:
        fitted(other, 2)
        losses = fitted(net, 3)
        fitted(other, 7)
        exported = torch.export.export(net, (torch.ones(1, 2),)) if form == "exported" else None
        run.model(exported or net.state_dict())

    assert list(record(registry).curves["train/loss"].values) == pytest.approx(losses, rel=1e-6)


def test_what_is_told_by_hand_counts_and_a_loss_that_diverges_leaves_a_gap(
    registry: Registry, net: Any
) -> None:
    with holdfast.training("net", store=registry, formats=WEIGHTS) as run:
        run.parameters(lr=0.5)
        optimizer = torch.optim.SGD(net.parameters(), lr=1e30)
        fitted(net, 4, optimizer=optimizer)
        run.model(net)

    assert registry.manifest(run.version).hyperparameters == {"lr": 0.5}
    assert None in list(record(registry).curves["train/loss"].values)


def test_of_very_many_steps_some_are_kept_and_the_last(net: Any) -> None:
    loop = torch_loops.TorchLoop(torch.optim.SGD(net.parameters()))
    for number in range(10_001):
        loop.step([torch.tensor(float(number))])
    report = loop.report
    steps = report.steps["train/loss"]

    assert len(steps) <= 2_001
    assert (steps[0], steps[-1]) == (1, 10_001)
    assert report.series["train/loss"] == [step - 1.0 for step in steps]


def test_losses_that_no_step_follows_are_let_go(registry: Registry, net: Any) -> None:
    with holdfast.training("net", store=registry, formats=WEIGHTS) as run:
        weight = torch.zeros(1, requires_grad=True)
        for _ in range(torch_loops._MOST_LOSSES + 10):
            (weight * 2).sum().backward()
        here = fit_hooks._hooks._torch._here
        count = len(here.losses)
        torch.stack([weight, weight]).sum(0).expand(3).backward(torch.ones(3))  # not one number
        run.model(net)

    assert count == 10
    assert len(here.losses) == 10
    assert record(registry).curves == {}


def test_steps_without_a_loss_of_torch_tell_their_number(registry: Registry, net: Any) -> None:
    with holdfast.training("net", store=registry, formats=WEIGHTS) as run:
        optimizer = torch.optim.SGD(net.parameters(), lr=torch.tensor(0.5), foreach=True)
        fit_hooks._hooks._torch._here.taken()
        optimizer.step()
        run.model(net)

    assert record(registry).curves == {}
    assert registry.manifest(run.version).hyperparameters["optimizer_steps"] == 1


def test_outside_of_blocks_torch_is_what_it_was(registry: Registry, net: Any) -> None:
    from torch.optim import optimizer

    own = torch.Tensor.backward, torch.amp.GradScaler.scale
    hooks = len(optimizer._global_optimizer_post_hooks)
    with holdfast.training("net", store=registry, formats=WEIGHTS) as run:
        assert torch.Tensor.backward is not own[0]
        within = torch.Tensor.backward
        holdfast.autolog(disable=True)
        assert torch.Tensor.backward is own[0]
        loss = net(torch.ones(1, 2)).sum()
        within(loss)  # what somebody else holds goes on, and tells nothing
        holdfast.autolog()
        run.model(net)

    assert (torch.Tensor.backward, torch.amp.GradScaler.scale) == own
    assert len(optimizer._global_optimizer_post_hooks) == hooks
    assert net.weight.grad is not None


def test_networks_that_are_gone_are_let_go(registry: Registry, net: Any) -> None:
    with holdfast.training("net", store=registry, formats=WEIGHTS) as run:
        for _ in range(50):
            fitted(torch.nn.Linear(2, 1), 1)
        gc.collect()
        fitted(net, 2)
        count = sum(len(block.fits) for block in fit_hooks._hooks._blocks)
        run.model(net)

    assert count < 25
    assert record(registry).curves["train/loss"].given == 2


def test_a_mistake_of_ours_breaks_no_loop(
    registry: Registry,
    net: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a mistake")

    monkeypatch.setattr(torch_loops.TorchLoop, "step", broken)
    block = holdfast.training("net", store=registry, formats=WEIGHTS)
    with caplog.at_level(logging.WARNING), block as run:
        losses = fitted(net, 5)
        run.model(net)

    assert losses[-1] != losses[0]
    assert caplog.text.count("a mistake") == 1
