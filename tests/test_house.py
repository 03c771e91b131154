"""The rules of the house that no other tool holds us to."""

import ast
import functools
import re
import subprocess
import sys
import tarfile
import tokenize
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast import errors
from holdfast.cli import exit_codes

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src" / "holdfast"
DOCS = ROOT / "docs"
ATTIC = {"utils", "util", "helpers", "helper", "common", "base", "misc", "manager", "managers"}
FUNCTIONS = ast.FunctionDef | ast.AsyncFunctionDef
STILTED = re.compile(
    r"(?<![Tt]here )\b(?:is|are) (?:no|none)\b(?! longer\b)|(?<!\.)\b[Mm]end(?:s|ed|ing)?\b"
)
"""Word-for-word German: "is no folder" for "is not a folder", "mend" for "fix"."""
SENTENCES = {
    *("InvalidInputError", "ConflictError", "DamagedError", "StoreError", "NotAStoreError"),
    *("ReadOnlyStoreError", "StoreFullError", "UnfitStoreError", "BusyError", "UnsupportedError"),
    *("UnauthenticatedError", "ForbiddenError"),
}
"""Errors whose second argument is the predicate of their first."""
VERBS = set(
    """
    answered are became belongs bounds brings broke brought calls came cannot changed claims
    contains could demands denied did differs disappeared do does ends equals exists failed fails
    got has have holds is keeps kept killed lacks leads leaves lets lists lost lowers makes may
    mixes must names need needs nests overlaps overwrote records refused registered registers
    says should started takes told took waited was were would
    """.split()
)
BLOCKS = (ast.If, ast.For, ast.While, ast.With, ast.Try, ast.Match)


def modules() -> list[Path]:
    return sorted(SOURCE.rglob("*.py"))


@functools.cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@functools.cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    return tuple(ast.walk(parsed(path)))


@functools.cache
def functions(path: Path) -> tuple[ast.FunctionDef | ast.AsyncFunctionDef, ...]:
    return tuple(node for node in nodes(path) if isinstance(node, FUNCTIONS))


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


LONGER = {
    "src/holdfast/core/events.py": "the one list of what can happen to a model",
    "src/holdfast/core/state.py": "the one fold of what can happen to a model",
    "src/holdfast/cli/access.py": "the commands of one family over one journal",
    "src/holdfast/cli/predictions.py": "eight commands of one family over one filter",
    "src/holdfast/http/connection.py": "what one connection may do, at each stage of a request",
    "src/holdfast/registry/ledger.py": "a commit, safe between threads and between processes",
    "src/holdfast/registry/reader.py": "one method for each verb that looks, and its docstring",
    "src/holdfast/registry/registration.py": "the steps of one registration, in their order",
    "src/holdfast/registry/registry.py": "one method for each verb, and its docstring",
    "src/holdfast/registry/remote_registry.py": "one method for each verb, asked of a server",
    "src/holdfast/registry/session.py": "what every verb shares, by threads and by authors",
    "src/holdfast/store/durable.py": "every way of writing that a power cut may meet",
    "src/holdfast/web/api.py": "the one table of what the API answers",
    "src/holdfast/serving/answering/prediction_handler.py": "the way of one request, top to bottom",
}
"""Modules whose one idea takes more lines, with that idea; none may have more than 500."""


def test_a_module_has_at_most_400_lines() -> None:
    lines = {named(path): len(path.read_text().splitlines()) for path in modules()}

    assert {name for name, count in lines.items() if count > 400} <= LONGER.keys()
    assert max(lines.values()) <= 500


def test_a_function_has_at_most_40_lines() -> None:
    long = [
        f"{named(path)}:{function.lineno} {function.name}"
        for path in modules()
        for function in functions(path)
        if lines_of(function) > 40
    ]

    assert long == []


WIDER = ["src/holdfast/gateways/mlflow/registry_store.py create_model_version"]
"""Functions that others call with more, by names that are theirs."""


def test_a_function_takes_at_most_6_parameters() -> None:
    wide = []
    for path in modules():
        for function in functions(path):
            arguments = function.args
            names = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
            if len([name for name in names if name.arg not in ("self", "cls")]) > 6:
                wide.append(f"{named(path)}:{function.lineno} {function.name}")

    assert [entry.split(":")[0] + " " + entry.split()[1] for entry in wide] == WIDER


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
        and path.name != "server_credentials.py"  # the token, which no argument should hold
    ]

    assert readers == []


OWN_JSON = {
    "src/holdfast/core/cards/fields.py",  # a copy of what it wrote itself a moment before
    "src/holdfast/formats/health/boosters.py",  # asks whether it is whole, and reads no value
    "src/holdfast/notices/outbox.py",  # the rest: files and rows of this user's own, or a pipe
    "src/holdfast/predictions/columns.py",
    "src/holdfast/predictions/counting.py",
    "src/holdfast/predictions/day_counting.py",
    "src/holdfast/predictions/feedback.py",
    "src/holdfast/predictions/key_outcomes.py",
    "src/holdfast/predictions/capture.py",
    "src/holdfast/predictions/parquet.py",
    "src/holdfast/registry/folds.py",
    "src/holdfast/retraining/entry_context.py",  # what the parent wrote
    "src/holdfast/retraining/keeper.py",
    "src/holdfast/serving/protocols/tensors.py",  # what it encoded itself
    "src/holdfast/registry/verdicts.py",
    "src/holdfast/registry/store_location.py",
    "src/holdfast/store/remote_journal.py",
    "src/holdfast/sandbox/child.py",
}


def reads_json_loosely(path: Path) -> bool:
    """Tell whether a module calls a reader of JSON that lets a key stand twice."""
    for node in nodes(path):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            reader = ast.unparse(node.func)
            strict = any(keyword.arg == "object_pairs_hook" for keyword in node.keywords)
            if not strict and reader in ("json.load", "json.loads", "msgspec.json.decode"):
                return True
    return False


def test_json_of_others_is_read_strictly() -> None:
    doors = {named(path) for path in modules() if reads_json_loosely(path)}

    assert doors - OWN_JSON == {"src/holdfast/core/strict_json.py"}
    assert doors >= OWN_JSON


def leaves_the_encoding_to_the_system(node: ast.AST) -> bool:
    """Tell whether a call reads or writes text as the machine would, on Windows not in UTF-8."""
    match node:
        case ast.Call(func=ast.Attribute(attr="read_text" | "write_text" as verb)):
            names = {keyword.arg for keyword in node.keywords}
            return "encoding" not in names and len(node.args) < (1 if verb == "read_text" else 2)
        case ast.Call(func=ast.Attribute(value=ast.Name(id="tarfile"), attr="open")):
            return False
        case ast.Call(func=ast.Name(id="open") | ast.Attribute(attr="open" | "fdopen")):
            modes = [one.value for one in (*node.args, *(word.value for word in node.keywords))
                     if isinstance(one, ast.Constant) and isinstance(one.value, str)
                     and re.fullmatch("[rwax][t+]*", one.value)]  # fmt: skip
            return bool(modes) and "encoding" not in {word.arg for word in node.keywords}
    return False


def test_text_has_the_encoding_that_the_code_says() -> None:
    left = [
        f"{named(path)}:{getattr(node, 'lineno', 0)}"
        for path in modules()
        for node in nodes(path)
        if leaves_the_encoding_to_the_system(node)
    ]
    assert left == []


@pytest.mark.parametrize(
    ("call", "leaves"),
    [
        ("path.read_text()", True),
        ("path.read_text('utf-8')", False),
        ("path.write_text(text)", True),
        ("path.write_text(text, encoding='utf-8')", False),
        ("open(path, 'w')", True),
        ("path.open('a', encoding='utf-8')", False),
        ("open(path, 'wb')", False),
    ],
)
def test_an_encoding_that_is_left_out_is_found(call: str, leaves: bool) -> None:  # noqa: FBT001
    assert leaves_the_encoding_to_the_system(ast.parse(call, mode="eval").body) is leaves


def prose(path: Path) -> Iterator[str]:
    """Go through the texts, docstrings and comments of a module."""
    tokens = (tokenize.COMMENT, tokenize.STRING, getattr(tokenize, "FSTRING_MIDDLE", -1))
    with path.open("rb") as file:
        for token in tokenize.tokenize(file.readline):
            if token.type in tokens:
                yield token.string


def stilted(text: str) -> list[str]:
    """Find what is to be said in plain English; code spans quote names."""
    plain = " ".join(re.sub(r"`[^`]*`", "", text).split())
    return [match[0] for match in STILTED.finditer(plain)]


def test_the_search_for_stilted_english_tells_it_from_plain() -> None:
    assert stilted("it is no\n  folder, and they are none; mend it") == [
        "is no",
        "are none",
        "mend",
    ]
    assert (
        stilted("there is no version, it is no longer live; see `mends`, amend or recommend") == []
    )


def test_messages_docstrings_and_comments_are_plain_english() -> None:
    found = {
        named(path): words for path in modules() for text in prose(path) if (words := stilted(text))
    }

    assert found == {}


def test_the_documentation_is_plain_english() -> None:
    papers = [ROOT / "README.md", ROOT / "SECURITY.md", *sorted(DOCS.rglob("*.md"))]
    found = {named(path): words for path in papers if (words := stilted(path.read_text()))}

    assert found == {}


def beginnings(node: ast.expr, scope: ast.AST) -> Iterator[str]:
    """Go through the first words that a text can have, as far as they are written there."""
    match node:
        case ast.Constant(value=str(text)):
            yield text.partition(" ")[0]
        case ast.JoinedStr(values=[ast.Constant(value=str(text)), *_]):
            yield text.partition(" ")[0]
        case ast.IfExp():
            yield from beginnings(node.body, scope)
            yield from beginnings(node.orelse, scope)
        case ast.Name():
            for other in ast.walk(scope):
                match other:
                    case ast.Assign(targets=[ast.Name(id=node.id)]):
                        yield from beginnings(other.value, scope)


def predicates(path: Path) -> Iterator[tuple[int, str]]:
    """Go through the errors of a module whose problem is written there: line and first word."""
    for function in functions(path):
        for call in ast.walk(function):
            match call:
                case ast.Call(func=ast.Name(id=name), args=[_, problem, *_]) if name in SENTENCES:
                    yield from ((call.lineno, word) for word in beginnings(problem, function))


def test_subject_and_problem_of_an_error_make_a_sentence() -> None:
    words = [(named(path), *found) for path in modules() for found in predicates(path)]

    assert len(words) > 300
    assert [found for found in words if found[2] not in VERBS] == []


def test_every_test_file_has_its_module_or_tells_a_story() -> None:
    """A story stands in a folder for them; a long module may have several files of tests."""
    stories = {"scenarios", "attacks", "faults", "golden", "e2e"}
    homeless = []
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        room = path.parent.relative_to(ROOT / "tests")
        subject = path.stem.removeprefix("test_")
        mirrored = SOURCE / room
        names = [item.stem for item in mirrored.glob("*.py")] + [room.name]
        if room.parts and not stories & set(room.parts):
            homeless += [named(path)] * (
                not any(subject == name or subject.startswith(f"{name}_") for name in names)
            )

    assert homeless == []


def test_a_module_and_a_public_class_have_a_name_of_their_own() -> None:
    rooms: dict[str, list[str]] = {}
    for path in modules():
        if not path.stem.startswith("__"):
            rooms.setdefault(path.name, []).append(named(path))
        for node in nodes(path):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                rooms.setdefault(node.name, []).append(named(path))

    assert {name: where for name, where in rooms.items() if len(where) > 1} == {}


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
        code
        for code in sorted(codes)
        if f"| `{code}` | {exit_codes.BY_CODE.get(code)} |" not in page
    ]

    assert missing == []
    assert codes == set(exit_codes.BY_CODE)


def test_no_exit_status_has_two_meanings() -> None:
    named = {name: value for name, value in vars(exit_codes).items() if isinstance(value, int)}
    of_errors = {"INVALID", "REFUSED", "DAMAGED"}  # beside the codes that have them anyway
    own = {name: value for name, value in named.items() if name not in of_errors}
    page = (DOCS / "reference" / "exit-codes.md").read_text()
    statuses, _, _codes = page.partition("| code |")
    rows = re.findall(r"^\| (\d+)[^|]* \|", statuses, re.MULTILINE)

    assert len(set(own.values())) == len(own)
    assert not set(own.values()) & set(exit_codes.BY_CODE.values())
    assert {named[name] for name in of_errors} <= set(exit_codes.BY_CODE.values())
    assert sorted(map(int, rows)) == sorted({*named.values(), *exit_codes.BY_CODE.values()})


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
    source_paths = {
        path.relative_to(ROOT / "src").as_posix()
        for path in SOURCE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    assert source_paths - inside == set()
    assert "holdfast/py.typed" in inside


def test_the_source_archive_holds_what_building_needs(built: Path) -> None:
    with tarfile.open(next(built.glob("*.tar.gz"))) as archive:
        inside = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}

    assert {"pyproject.toml", "LICENSE", "README.md", "src/holdfast/__init__.py"} <= inside


def test_the_version_stands_in_one_place() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())

    assert project["project"]["dynamic"] == ["version"]


def test_every_slow_test_exists() -> None:
    lines = (ROOT / "tests" / "slow.txt").read_text().splitlines()
    assert lines == sorted(set(lines))
    for line in lines:
        path, *names = line.split("::")
        defined = ast.walk(ast.parse((ROOT / path).read_text()))
        known = {node.name for node in defined if isinstance(node, FUNCTIONS | ast.ClassDef)}
        assert names[0] in known, line


def test_every_extra_named_by_an_error_exists() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    extras = set(project["project"]["optional-dependencies"])
    named_extras = set()
    for path in modules():
        named_extras |= set(re.findall(r"holdfast\[(\w+)\]", path.read_text()))

    assert named_extras <= extras


def parameters(node: ast.AST) -> set[str]:
    """Name what a function, or the constructor of a class, takes."""
    if isinstance(node, ast.ClassDef):
        fields = {part.target for part in node.body if isinstance(part, ast.AnnAssign)}
        names = {target.id for target in fields if isinstance(target, ast.Name)}
        makers = [part for part in node.body if getattr(part, "name", "") == "__init__"]
        return names.union(*map(parameters, makers))
    assert isinstance(node, FUNCTIONS)
    return {part.arg for part in ast.walk(node.args) if isinstance(part, ast.arg)}


_ARGS = re.compile(r"^Args:\n((?:    .*\n?|\n)+)", re.MULTILINE)
_ARG = re.compile(r"^    \*{0,2}(\w+):", re.MULTILINE)


def test_docstrings_describe_parameters_that_exist() -> None:
    strays = []
    for path in modules():
        for node in nodes(path):
            if isinstance(node, FUNCTIONS | ast.ClassDef):
                section = _ARGS.search(ast.get_docstring(node) or "")
                words = set(_ARG.findall(section[1])) if section else set()
                strays += [(named(path), node.name, word) for word in words - parameters(node)]

    assert strays == []
