from pathlib import Path
from typing import Any

import numpy as np
import pytest

from holdfast import formats
from holdfast.errors import InvalidInputError

torch = pytest.importorskip("torch", reason="PyTorch is not installed")


@pytest.fixture
def network() -> Any:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(4, 2), torch.nn.Softmax(dim=1))


def test_a_state_dictionary_goes_where_its_module_would(network: Any, tmp_path: Path) -> None:
    packaged = formats.package(network.state_dict(), "model", tmp_path)

    assert packaged.format == "torch-state"
    assert packaged.description.algorithm is None


def test_a_network_is_not_kept_as_its_weights_alone_unasked(network: Any, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="the weights but not the network"):
        formats.package(network, "model", tmp_path)

    packaged = formats.package(network, "model", tmp_path, "torch-state")
    assert packaged.description.algorithm == "Sequential"


def test_a_file_loads_with_what_its_scan_let_in(network: Any, tmp_path: Path) -> None:
    checkpoint = {"weights": network.state_dict(), "best": np.float64(0.93), "epoch": np.int64(4)}
    torch.save(checkpoint, tmp_path / "model.pt")
    packaged = formats.package(tmp_path / "model.pt", "model", tmp_path)
    loaded: Any = formats.load(packaged.format, packaged.path)

    assert formats.scan(packaged.path).unknown == ()
    assert loaded["best"] == 0.93
    assert loaded["best"].dtype == np.float64
    assert loaded["epoch"].dtype == np.int64
    assert bool((loaded["weights"]["0.weight"] == network[0].weight).all())


def test_a_whole_module_is_reported_and_loads_once_it_is_trusted(
    network: Any, tmp_path: Path
) -> None:
    torch.save(network, tmp_path / "model.pt")
    packaged = formats.package(tmp_path / "model.pt", "model", tmp_path)
    loaded: Any = formats.load(packaged.format, packaged.path)

    assert "torch.nn.modules.linear.Linear" in formats.scan(packaged.path).unknown
    assert bool((loaded(torch.ones(1, 4)) == network(torch.ones(1, 4))).all())


def test_tensors_can_be_kept_as_safetensors(network: Any, tmp_path: Path) -> None:
    packaged = formats.package(network.state_dict(), "model", tmp_path, "safetensors")
    loaded: Any = formats.load("safetensors", packaged.path)

    assert packaged.description.hyperparameters == {"tensors": 2, "parameters": 10}
    assert isinstance(loaded["0.weight"], torch.Tensor)
    assert bool((loaded["0.weight"] == network[0].weight).all())


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated:UserWarning")
@pytest.mark.filterwarnings("ignore:.*torch.quantize:UserWarning")
def test_every_kind_of_tensor_passes_the_scan(network: Any, tmp_path: Path) -> None:
    tensors = {
        "half": torch.zeros(3).half(), "whole": torch.tensor([1]), "flags": torch.tensor([True]),
        "sparse": torch.eye(3).to_sparse(), "short": torch.tensor([1], dtype=torch.uint16),
        "type": torch.bfloat16, "size": torch.Size([1]), "device": torch.device("cpu"),
        "parameter": torch.nn.Parameter(torch.zeros(2)), "shared": network[0].weight.T,
        "quantised": torch.quantize_per_tensor(torch.zeros(3), 0.1, 0, torch.qint8),
        "optimiser": torch.optim.Adam(network.parameters()).state_dict(), "step": 3,
    }  # fmt: skip
    torch.save(tensors, tmp_path / "checkpoint.pt")

    assert formats.scan(tmp_path / "checkpoint.pt").unknown == ()


def test_a_file_of_before_zip_is_read(network: Any, tmp_path: Path) -> None:
    path = tmp_path / "old.pth"
    torch.save(network.state_dict(), path, _use_new_zipfile_serialization=False)
    packaged = formats.package(path, "model", tmp_path)
    loaded = formats.load(packaged.format, path)

    assert packaged.format == "torch-state"
    assert isinstance(loaded, dict)
    assert formats.scan(path).unknown == ()


def test_whole_numbers_stay_whole(tmp_path: Path) -> None:
    program = torch.export.export(torch.nn.Embedding(5, 2), (torch.tensor([1, 2]),))
    packaged = formats.package(program, "model", tmp_path)
    loaded: Any = formats.load(packaged.format, packaged.path)

    assert loaded.predict(np.array([4, 0])).shape == (2, 2)


def test_a_module_of_several_outputs_gives_several_arrays(tmp_path: Path) -> None:
    class Twice(torch.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: Any) -> Any:
            return {"once": x, "twice": (x + x, x)}

    program = torch.export.export(Twice(), (torch.zeros(2),))
    packaged = formats.package(program, "model", tmp_path)
    loaded: Any = formats.load(packaged.format, packaged.path)
    outputs = loaded.predict([1.0, 2.0])

    assert outputs["once"].tolist() == [1.0, 2.0]
    assert outputs["twice"][0].tolist() == [2.0, 4.0]
    assert loaded(torch.ones(2))["once"].tolist() == [1.0, 1.0]
