"""The rules of the house that no other tool holds us to."""

import ast
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast import errors
from holdfast.cli import exits

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "holdfast"
DOCS = ROOT / "docs"
ATTIC = {"utils", "util", "helpers", "helper", "common", "base", "misc", "manager", "managers"}
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef
BLOCKS = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.Match)


def modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, FUNCTIONS):
            yield node


def lines_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    body = function.body[1:] if ast.get_docstring(function) else function.body
    return (function.end_lineno or 0) - body[0].lineno + 1 if body else 0


def depth(node: ast.AST) -> int:
    """Count nested blocks; an `elif` is as deep as its `if`, and so is a `case`."""
    below = 0
    for child in ast.iter_child_nodes(node):
        is_elif = isinstance(node, ast.If) and child in node.orelse and isinstance(child, ast.If)
        inside = depth(child)
        below = max(below, inside + (isinstance(child, BLOCKS) and not is_elif))
    return below


def named(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def test_a_module_has_at_most_400_lines() -> None:
    long = [named(path) for path in modules() if len(path.read_text().splitlines()) > 400]

    assert long == []


def test_a_function_has_at_most_40_lines() -> None:
    long = [
        f"{named(path)}:{function.lineno} {function.name}"
        for path in modules()
        for function in functions(path)
        if lines_of(function) > 40
    ]

    assert long == []


def test_a_function_takes_at_most_6_parameters() -> None:
    wide = []
    for path in modules():
        for function in functions(path):
            given = function.args
            names = [*given.posonlyargs, *given.args, *given.kwonlyargs]
            if len([name for name in names if name.arg not in ("self", "cls")]) > 6:
                wide.append(f"{named(path)}:{function.lineno} {function.name}")

    assert wide == []


def test_a_function_nests_at_most_3_blocks() -> None:
    deep = [
        f"{named(path)}:{function.lineno} {function.name}"
        for path in modules()
        for function in functions(path)
        if depth(function) > 3
    ]

    assert deep == []


def test_no_module_is_an_attic() -> None:
    attics = [named(path) for path in SOURCE.rglob("*") if path.stem in ATTIC]

    assert attics == []


def test_only_the_command_line_reads_the_environment() -> None:
    readers = [
        named(path)
        for path in modules()
        if re.search(r"\bos\.(environ|getenv)\b", path.read_text())
        and "cli" not in path.relative_to(SOURCE).parts
        and "sandbox" not in path.relative_to(SOURCE).parts  # gives its children a clean one
    ]

    assert readers == []


OWN_JSON = {
    "src/holdfast/core/cards/facts.py",  # a copy of what it wrote itself a moment before
    "src/holdfast/formats/health/boosters.py",  # asks whether it is whole, and reads no value
    "src/holdfast/notices/outbox.py",  # the rest: files and rows of this user's own, or a pipe
    "src/holdfast/predictions/columns.py",
    "src/holdfast/predictions/counting.py",
    "src/holdfast/predictions/feedback.py",
    "src/holdfast/predictions/keeping.py",
    "src/holdfast/predictions/parquet.py",
    "src/holdfast/registry/folds.py",
    "src/holdfast/registry/verdicts.py",
    "src/holdfast/registry/whereabouts.py",
    "src/holdfast/sandbox/child.py",
}


def reads_json_loosely(path: Path) -> bool:
    """Tell whether a module calls a reader of JSON that lets a key stand twice."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            reader = ast.unparse(node.func)
            strict = any(given.arg == "object_pairs_hook" for given in node.keywords)
            if not strict and reader in ("json.load", "json.loads", "msgspec.json.decode"):
                return True
    return False


def test_json_of_others_is_read_strictly() -> None:
    doors = {named(path) for path in modules() if reads_json_loosely(path)}

    assert doors - OWN_JSON == {"src/holdfast/core/strict_json.py"}
    assert doors >= OWN_JSON


def test_tests_mirror_the_house() -> None:
    strays = []
    for path in (ROOT / "tests").rglob("test_*.py"):
        parts = path.relative_to(ROOT / "tests").parts
        if len(parts) > 1 and parts[0] not in ("faults", "attacks", "golden"):
            folder = SOURCE.joinpath(*parts[:-1])
            if not folder.is_dir():
                strays.append(named(path))

    assert strays == []


def test_the_reference_is_what_the_commands_say() -> None:
    command = [sys.executable, "-c", "import generate; print(generate.page(), end='')"]
    reference = DOCS / "reference"
    done = subprocess.run(command, cwd=reference, capture_output=True, text=True, check=True)

    assert (reference / "commands.md").read_text() == done.stdout, "run `make reference`"


def test_every_error_code_has_an_exit_status_and_stands_in_the_reference() -> None:
    page = (DOCS / "reference" / "exit-codes.md").read_text()
    codes = {
        error.code
        for error in vars(errors).values()
        if isinstance(error, type)
        and issubclass(error, errors.HoldfastError)
        and error is not errors.HoldfastError
    }
    missing = [
        code for code in sorted(codes) if f"| `{code}` | {exits.BY_CODE.get(code)} |" not in page
    ]

    assert missing == []
    assert codes == set(exits.BY_CODE)


def test_the_tree_of_errors_is_drawn_in_its_docstring() -> None:
    drawn = set(re.findall(r"\w+Error", errors.__doc__ or ""))

    assert drawn == set(errors.__all__)


def test_importing_the_package_imports_no_terminal_and_no_machine_learning() -> None:
    heavy = "click rich numpy scipy pandas sklearn joblib torch onnxruntime msgspec semver".split()
    program = f"import holdfast, sys; print(sorted(set({heavy!r}) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"


def test_opening_a_registry_imports_no_terminal_and_no_machine_learning(tmp_path: Path) -> None:
    heavy = "click rich numpy scipy pandas sklearn joblib torch onnxruntime".split()
    program = (
        f"import holdfast, sys; holdfast.open({str(tmp_path / 'store')!r}).models(); "
        f"print(sorted(set({heavy!r}) & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel and the source archive without the network."""
    target = tmp_path_factory.mktemp("dist")
    program = (
        "import os, sys; from hatchling import build; os.chdir(sys.argv[1]); "
        "build.build_wheel(sys.argv[2]); build.build_sdist(sys.argv[2])"
    )
    command = [sys.executable, "-c", program, str(ROOT), str(target)]
    subprocess.run(command, check=True, capture_output=True)
    return target


def test_the_wheel_holds_every_module_and_data_file(built: Path) -> None:
    wheel = next(built.glob("*.whl"))
    with zipfile.ZipFile(wheel) as archive:
        inside = set(archive.namelist())
    wanted = {
        path.relative_to(ROOT / "src").as_posix()
        for path in SOURCE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    assert wanted - inside == set()
    assert "holdfast/py.typed" in inside


def test_the_source_archive_holds_what_building_needs(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        inside = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}

    assert {"pyproject.toml", "LICENSE", "README.md", "src/holdfast/__init__.py"} <= inside


def test_the_version_stands_in_one_place() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())

    assert project["project"]["dynamic"] == ["version"]


def test_every_extra_named_by_an_error_exists() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = set(project["project"]["optional-dependencies"])
    named_extras = set()
    for path in modules():
        named_extras |= set(re.findall(r"holdfast\[(\w+)\]", path.read_text()))

    assert named_extras <= extras
