"""Networks that were never told that training is over."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from holdfast import formats
from holdfast.errors import InvalidInputError

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytestmark = pytest.mark.filterwarnings("ignore")  # PyTorch's own, while it traces and exports

ROWS = np.random.default_rng(0).random((6, 4), dtype=np.float32)
Making = Callable[[Any], Any]


def traced(network: Any) -> Any:
    return torch.jit.trace(network, torch.as_tensor(ROWS), check_trace=False)


def exported(network: Any) -> Any:
    return torch.export.export(network, (torch.as_tensor(ROWS),))


class Attention(torch.nn.Module):  # type: ignore[misc, name-defined]
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.MultiheadAttention(4, 1, dropout=0.1, batch_first=True)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:  # type: ignore[name-defined]
        rows = rows.unsqueeze(1)
        return self.layer(rows, rows, rows, need_weights=False)[0]


class Recurrent(torch.nn.Module):  # type: ignore[misc, name-defined]
    def __init__(self, dropout: float) -> None:
        super().__init__()
        self.layer = torch.nn.LSTM(4, 2, num_layers=2, batch_first=True, dropout=dropout)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:  # type: ignore[name-defined]
        return self.layer(rows.unsqueeze(1))[0]


RANDOM: dict[str, Callable[[], Any]] = {
    "batch norm": lambda: torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.BatchNorm1d(2)),
    "dropout": lambda: torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.Dropout(0.5)),
    "recurrent": lambda: Recurrent(0.5),
}
PLAIN: dict[str, Callable[[], Any]] = {
    "linear": lambda: torch.nn.Linear(4, 2),
    "no dropout": lambda: torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.Dropout(0.0)),
    "recurrent": lambda: Recurrent(0.0),
}


@pytest.mark.parametrize("make", [torch.jit.script, traced, exported])
@pytest.mark.parametrize("network", RANDOM.values(), ids=RANDOM)
def test_a_program_that_answers_as_in_training_is_refused(
    network: Callable[[], Any], make: Making, tmp_path: Path
) -> None:
    with pytest.raises(InvalidInputError, match=r"is in training mode \(aten::.*call .eval"):
        formats.package(make(network()), "model", tmp_path)

    assert formats.package(make(network().eval()), "model", tmp_path).path.exists()


@pytest.mark.parametrize("make", [torch.jit.script, traced, exported])
@pytest.mark.parametrize("network", PLAIN.values(), ids=PLAIN)
def test_a_mode_that_changes_nothing_is_let_be(
    network: Callable[[], Any], make: Making, tmp_path: Path
) -> None:
    assert formats.package(make(network()), "model", tmp_path).path.exists()


@pytest.mark.parametrize("make", [traced, exported])
def test_attention_that_drops_out_is_refused(make: Making, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="scaled_dot_product_attention"):
        formats.package(make(Attention()), "model", tmp_path)

    assert formats.package(make(Attention().eval()), "model", tmp_path).path.exists()
    assert formats.package(torch.jit.script(Attention().eval()), "other", tmp_path).path.exists()


def test_a_file_that_was_scripted_in_training_answers_each_row_for_itself(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.script(RANDOM["batch norm"]()), tmp_path / "model.pt")
    model: Any = formats.load("torchscript", tmp_path / "model.pt")
    alone = np.concatenate([model.predict(ROWS[at : at + 1]) for at in range(len(ROWS))])

    assert np.allclose(model.predict(ROWS), alone)
