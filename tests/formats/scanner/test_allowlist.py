import importlib
import inspect
import pkgutil
import warnings
from collections import Counter
from importlib.resources import files
from types import ModuleType

import pytest

from holdfast.errors import InvalidInputError
from holdfast.formats import scanner
from holdfast.formats.scanner.allowlist import AllowList, _rules

TEXT = files(scanner).joinpath("allowed.txt").read_text(encoding="utf-8")
RULES = list(_rules(TEXT))


def _importable(name: str) -> ModuleType | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module(name)
        except Exception:  # noqa: BLE001 - other releases have other modules
            return None


def _objects() -> list[tuple[str, str, str, object]]:
    """Return use, module, name and object of every rule that the installed libraries fill."""
    objects: list[tuple[str, str, str, object]] = []
    for use, pattern, name in RULES:
        module = _importable(pattern.removesuffix(".*"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of modules that have been renamed
            known = getattr(module, name, None)
        if known is not None:
            objects.append((use, pattern, name, known))
    return objects


def test_every_rule_is_written_once() -> None:
    counted = Counter((pattern, name) for _, pattern, name in RULES)

    assert [rule for rule, count in counted.items() if count > 1] == []


def test_every_group_has_its_sentence() -> None:
    groups = TEXT.strip().split("\n\n")[1:]

    assert len(groups) > 10
    assert all(group.startswith("# ") and group.split("\n")[0].strip("# ") for group in groups)


def test_uses_are_those_the_page_explains() -> None:
    assert {use for use, _, _ in RULES} == {"call", "make", "name", "type", "wrap", "note"}


def test_names_under_a_whole_package_are_that_package_s_own() -> None:
    """No module under an allowed package may lend an allowed name to something of another."""
    strangers = []
    for pattern in {pattern for _, pattern, _ in RULES if pattern.endswith(".*")}:
        package = pattern.removesuffix(".*")
        names = {name for _, where, name in RULES if where == pattern}
        top = _importable(package)
        for info in pkgutil.walk_packages(top.__path__ if top else [], f"{package}."):
            if AllowList().use_of(info.name, min(names)) is None:
                continue
            module = _importable(info.name)
            for name in names & set(vars(module) if module else ()):
                home = getattr(getattr(module, name), "__module__", None) or package
                if home.partition(".")[0] not in (package.partition(".")[0], "_loss"):
                    strangers.append(f"{info.name}.{name} is {home}'s")

    assert strangers == []


def test_what_may_be_called_does_not_hand_back_what_it_is_given() -> None:
    """The scan would lose sight of an object that comes back under another name."""

    class Given:
        pass

    echoes = []
    for use, pattern, name, func in _objects():
        if use != "call" or not callable(func):
            continue
        for count in (1, 2, 3):
            argument = Given()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                try:
                    returned = func(*[argument] * count)
                except BaseException:  # noqa: BLE001 - it refuses, as it should
                    continue
            if returned is argument:
                echoes.append(f"{pattern}.{name}")

    assert echoes == []


def test_what_may_be_called_is_a_class_or_a_function_made_for_it() -> None:
    public = {
        name
        for use, _, name, func in _objects()
        if use == "call" and inspect.isroutine(func) and not name.startswith("_")
    }

    assert public <= {"encode", "scalar", "py_buffer", "timestamp", "type_for_alias"}


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("sklearn.tests.test_base", "Pipeline"), ("sklearn.conftest", "Pipeline"),
        ("sklearn.utils._testing", "Pipeline"), ("sklearn.externals.joblib", "Pipeline"),
        ("sklearn..pipeline", "Pipeline"), ("sklearn.pipeline.", "Pipeline"),
        ("sklearn/pipeline", "Pipeline"), ("sklearn.pipeline\\x", "Pipeline"),
        ("sklearnx.pipeline", "Pipeline"), ("sklearn.pipeline", "Pipeline.fit"),
        ("sklearn.pipeline", "joblib"), ("numpy", "load"), ("numpy.core.multiarray", "fromstring"),
        ("builtins", "getattr"), ("builtins", "type"), ("collections", "namedtuple"),
        ("collections.abc", "OrderedDict"), ("", ""), ("pandas.io.pickle", "DataFrame"),
    ],
)  # fmt: skip
def test_near_misses_are_not_on_the_list(module: str, name: str) -> None:
    assert AllowList().use_of(module, name) is None


def test_private_modules_may_move_within_their_package() -> None:
    for module in ("sklearn.pipeline", "sklearn.moved._elsewhere", "sklearn"):
        assert AllowList().use_of(module, "Pipeline") == "make"


def test_a_policy_adds_names_and_packages() -> None:
    own = AllowList(["shop.features.Clip", "models.*"])

    assert own.use_of("shop.features", "Clip") == "own"
    assert own.use_of("shop.features", "Other") is None
    assert own.use_of("models", "Net") == "own"
    assert own.use_of("models.deep.down", "Net") == "own"
    assert own.use_of("modelsx", "Net") is None
    assert own.use_of("models.deep", "os.system") is None


def test_a_policy_does_not_change_what_the_reading_of_arrays_hangs_on() -> None:
    own = AllowList(["joblib.*", "numpy.memmap"])

    assert own.use_of("joblib.numpy_pickle", "NumpyArrayWrapper") == "wrap"
    assert own.use_of("numpy", "memmap") == "note"


@pytest.mark.parametrize("pattern", ["*", "", ".*", "os", "a..b", "a.b c", "a.*.b", "a.b*"])
def test_a_pattern_that_names_nothing_or_everything_is_refused(pattern: str) -> None:
    with pytest.raises(InvalidInputError, match=r"write module\.Name or package\.\*"):
        AllowList([pattern])
