import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest


def _module(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where its dataclasses look for themselves
    spec.loader.exec_module(module)
    return module


_pickles = _module("hostile_pickles")
_joblib = _module("hostile_joblib")
_files = _module("hostile_files")
_archives = _module("hostile_archives")
_models = _module("hostile_models")
_callables = _module("hostile_callables")
_chains = _module("hostile_chains")
_published = _module("hostile_published")
_parts = _module("hostile_parts")
_CATALOGUES = {
    "hostile_pickle": _pickles.PICKLES,
    "hostile_joblib": _joblib.FILES,
    "hostile_file": _files.FILES | _archives.FILES,
    "hostile_model": _models.MODELS | _callables.CALLABLES | _chains.CHAINS,
    "hostile_part": _parts.PARTS,
    "published_bypass": _published.BYPASSES,
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    for fixture, attacks in _CATALOGUES.items():
        if fixture in metafunc.fixturenames:
            metafunc.parametrize(fixture, attacks.values(), ids=attacks.keys())


def marked_files(marker: Path) -> list[tuple[str, bytes]]:
    """Return name and content of every attack whose payload makes *marker*, large ones aside."""
    command = f"touch {marker}"
    files = (_files.FILES | _archives.FILES).items()
    made = [attack(command) for name, attack in files if name not in _files.LARGE]
    made += [("model.joblib", attack(command)) for attack in _joblib.FILES.values()]
    pickles = _pickles.PICKLES | _models.MODELS
    made += [("model.pkl", attack(command)) for attack in pickles.values()]
    return [(name, content) for name, content in made if len(content) < 1 << 16]


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    """Return a path that exists only if a payload ran."""
    return tmp_path / "the-payload-ran"


@pytest.fixture
def live_attacks() -> dict[str, dict[str, Callable[[str], bytes]]]:
    """Return by loader the attacks that must run, were they loaded."""
    cut_short = {"INST cut short": _pickles.PICKLES["INST cut short"]}
    return {"pickle": _pickles.LIVE, "joblib": _pickles.LIVE | _joblib.LIVE | cut_short}


@pytest.fixture
def live_models() -> dict[str, Callable[[str], bytes]]:
    """Return the models that must act, were they loaded and asked to predict."""
    return {name: _models.MODELS[name] for name in _models.LIVE}


@pytest.fixture
def hostile_models() -> dict[str, Callable[[str], bytes]]:
    """Return every model of allowed names that would act once it predicts."""
    return dict(_CATALOGUES["hostile_model"] | _CATALOGUES["hostile_part"])


@pytest.fixture
def as_function() -> Callable[[bytes], bytes]:
    """Return what writes a transformer whose function is the instance of a class."""

    def write(name: bytes) -> bytes:
        return bytes(_parts.as_function(name + b")\x81"))

    return write


@pytest.fixture(scope="session")
def hostile_chains() -> dict[str, Callable[[str], bytes]]:
    """Return the pipelines that must act, were they loaded and asked to predict."""
    return dict(_chains.CHAINS)


@pytest.fixture(scope="session")
def memory_attacks() -> dict[str, Callable[[int], bytes]]:
    """Return what tells an address, and what reads the memory at one, as files."""
    return {"leak": _callables.address_leak, "memory": _callables.memory_read}


@pytest.fixture
def hostile_threshold() -> bytes:
    """Return a threshold of a frame that would evaluate text, in a pipeline."""
    return bytes(_callables.CALLABLES["a threshold of a frame, scored"]("true"))


@pytest.fixture
def published_bypasses() -> dict[str, object]:
    """Return by name the files that other scanners are known to have passed."""
    return dict(_published.BYPASSES)


@pytest.fixture
def hidden_in_array(marker: Path) -> bytes:
    """Return a joblib file that is harmless, and as a plain pickle is not."""
    hidden: bytes = _joblib.payload(f"touch {marker}") + b"."
    return bytes(
        _joblib.proto(_joblib.wrapped(_joblib.counted(len(hidden)), _joblib.simple_type()) + hidden)
    )


@pytest.fixture(scope="session")
def small_files() -> list[tuple[str, bytes]]:
    """Return name and content of every hostile file that is not large."""
    made = [attack("true") for attack in (_files.FILES | _archives.FILES).values()]
    made += [("model.joblib", attack("true")) for attack in _joblib.FILES.values()]
    return [(name, content) for name, content in made if len(content) < 1 << 16]
