"""The same calls to MLflow's own database and to Holdfast: equal results, equal errors."""

import base64
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from tests.gateways.mlflow.conftest import AS_IN_3, in_order

Do = Callable[..., Any]
Scenario = Callable[[Do], None]
ALONE = {"archive_existing_versions": False}


def tag(key: Any, value: Any) -> Any:
    from mlflow.entities.model_registry import RegisteredModelTag

    return RegisteredModelTag(key, value)


def plain(result: Any) -> Any:
    """What a caller sees of a result, without times and what only one of the two has."""
    from mlflow.entities.model_registry import ModelVersion, RegisteredModel
    from mlflow.store.entities.paged_list import PagedList

    match result:
        case ModelVersion():
            fields = ["name", "version", "description", "current_stage", "source", "run_id"]
            fields += ["status", "run_link", "_tags"]
            return {field: getattr(result, field) for field in fields} | {
                "aliases": sorted(result.aliases),
                "is_updated": result.last_updated_timestamp >= result.creation_timestamp,
            }
        case RegisteredModel():
            latest = {version.current_stage: plain(version) for version in result.latest_versions}
            for version in latest.values():
                version.pop("aliases")  # MLflow's database leaves them out here
            fields = ["name", "description", "_tags", "aliases"]
            return {field: getattr(result, field) for field in fields} | {"latest": latest}
        case PagedList():
            found = [plain(one) for one in result]
            for one in found:
                if "latest" not in one:
                    one.pop("aliases")  # and here
            return found, result.token
        case list():
            return sorted((plain(one) for one in result), key=lambda one: int(one["version"]))
        case _:
            return result


class Recorder:
    """Calls one store and remembers what came of it."""

    def __init__(self, store: Any) -> None:
        self.store = store
        self.results: list[Any] = []

    def __call__(self, method: str, *args: Any, **kwargs: Any) -> Any:
        from mlflow.exceptions import MlflowException

        call = method, *(arg for arg in args if isinstance(arg, str | int | None))
        try:
            result = getattr(self.store, method)(*args, **kwargs)
        except MlflowException as error:
            problem = in_order(error.message.split(" Error: (")[0].rstrip("."))
            self.results.append((call, type(error).__name__, error.error_code, problem))
            return None
        except TypeError as error:
            self.results.append((call, "TypeError", str(error).split("(", maxsplit=1)[0]))
            return None
        self.results.append((call, plain(result)))
        return result


def models(do: Do) -> None:
    do("create_registered_model", "a", tags=[tag("k", "1"), tag("k", "2")], description="first")
    do("create_registered_model", "a")
    do("create_registered_model", "b", None, "")
    do("get_registered_model", "a")
    do("get_registered_model", "none")
    do("update_registered_model", "a", "other")
    do("update_registered_model", "a", None)
    do("update_registered_model", "none", "x")
    do("set_registered_model_tag", "a", tag("k", "3"))
    do("set_registered_model_tag", "a", tag("n/x y.z-1:2", "q"))
    do("set_registered_model_tag", "none", tag("k", "3"))
    do("delete_registered_model_tag", "a", "k")
    do("delete_registered_model_tag", "a", "k")
    do("delete_registered_model_tag", "none", "k")
    do("get_registered_model", "a")
    do("delete_registered_model", "a")
    do("delete_registered_model", "a")
    do("get_registered_model", "a")


def bad_names(do: Do) -> None:
    for name in (None, "", "  ", "a/b", "a:b", "..", ".", "a/../b"):
        do("create_registered_model", name)
        do("get_registered_model", name)
        do("update_registered_model", name, "x")
        do("delete_registered_model", name)
        do("rename_registered_model", "a", name)
        do("create_model_version", name, "s")
        do("get_model_version", name, 1)
        do("get_latest_versions", name)
        do("get_model_version_by_alias", name, "x")
        do("set_registered_model_alias", name, "x", 1)
        do("delete_registered_model_alias", name, "x")
        do("set_registered_model_tag", name, tag("k", "v"))
        do("set_model_version_tag", name, 1, tag("k", "v"))


def odd_names(do: Do) -> None:
    names = ["with space", "größe", "a%2Fb", "100%", "x@y", "back\\slash", "…", "...", "a..b"]
    names += [" edges ", "e\u0301", "Case", "case", "new\nline", "con", "x" * 256, "%41", "A"]
    names += ["tab\t", "\u2215", "a\u2215b", "-", "~", "%", "%%40", "emoji 🌷"]
    for name in names:
        do("create_registered_model", name, description=name)
        do("create_model_version", name, "s")
        do("get_registered_model", name)
        do("get_model_version", name, 1)
    do("search_registered_models")
    for name in names:
        do("search_model_versions", f"name = '{name}'")
        do("delete_registered_model", name)
        do("get_registered_model", name)


def bad_tags(do: Do) -> None:
    do("create_registered_model", "a")
    do("create_model_version", "a", "s")
    for key in (None, "", "a$", "../x", "/x", "k" * 250, "k" * 251, "ok"):
        for value in ("v", None, "v" * 100_000, "v" * 100_001):
            if value is not None:
                do("set_registered_model_tag", "a", tag(key, value))
                do("create_registered_model", "c", tags=[tag(key, value)])
                do("delete_registered_model", "c")
            do("set_model_version_tag", "a", 1, tag(key, value))
            do("create_model_version", "a", "s", tags=[tag(key, value)])
        do("delete_registered_model_tag", "a", key)
        do("delete_model_version_tag", "a", 1, key)
    do("get_registered_model", "a")


def versions(do: Do) -> None:
    do("create_model_version", "none", "s")
    do("create_registered_model", "a")
    do("get_latest_versions", "a")
    do("create_model_version", "a", "a/b/CD")
    tags = [tag("one", "1"), tag("two", "2")]
    do("create_model_version", "a", "s3://b/x", "r1", tags, "http://run", "described")
    do("create_model_version", name="a", source="v1", run_id="r2", description="")
    for number in (1, "2", 3, 4, 0, -1, "x", "1.5"):
        do("get_model_version", "a", number)
        do("get_model_version_download_uri", "a", number)
        do("update_model_version", "a", number, "now this")
        do("set_model_version_tag", "a", number, tag("k", "v"))
        do("delete_model_version_tag", "a", number, "two")
        do(
            "transition_model_version_stage",
            "a",
            number,
            "Staging",
            archive_existing_versions=False,
        )
    do("update_model_version", "a", 1, None)
    do("get_registered_model", "a")
    do("delete_model_version", "a", 2)
    do("delete_model_version", "a", 2)
    do("delete_model_version", "a", "x")
    do("get_model_version", "a", 2)
    do("update_model_version", "a", 2, "gone")
    do("set_model_version_tag", "a", 2, tag("k", "v"))
    do("search_model_versions")
    do("delete_model_version", "a", 3)
    do("create_model_version", "a", "s4")
    do("delete_registered_model", "a")
    do("get_model_version", "a", 1)
    do("create_registered_model", "a")
    do("get_registered_model", "a")
    do("search_model_versions")
    do("create_model_version", "a", "again")
    do("get_model_version", "a", 1)
    do("get_model_version", "a", 2)


def another_version_as_source(do: Do) -> None:
    do("create_registered_model", "a")
    do("create_registered_model", "b")
    do("create_model_version", "a", "s3://b/x", "r1")
    do("create_model_version", "b", "models:/a/1")
    do("get_model_version_download_uri", "b", 1)
    do("create_model_version", "b", "models:/a/7")
    do("create_model_version", "b", "models:/none/7")


def stages(do: Do) -> None:
    do("create_registered_model", "a")
    for number in range(1, 5):
        do("create_model_version", "a", f"s{number}")
    steps = [(1, "staging", False), (2, "STAGING", False), (3, "Staging", True)]
    steps += [(1, "None", False), (1, "archived", False), (2, "None", False), (3, "none", False)]
    steps += [(4, "Staging", False), (4, "Archived", False), (4, "Staging", False)]
    steps += [(1, "Production", False), (2, "production", False), (4, "PRODUCTION", True)]
    steps += [(2, "Production", False), (4, "Staging", False), (2, "None", False)]
    steps += [(1, "x", False), (1, "x", True), (1, "None", True), (1, "Archived", True)]
    steps += [(9, "Staging", True), (1, "Staging", True)]
    for number, stage, archives in steps:
        do("transition_model_version_stage", "a", number, stage, archives)
        for each in range(1, 5):
            do("get_model_version", "a", each)
        do("get_latest_versions", "a")
        do("get_latest_versions", "a", ["Staging"])
        do("get_latest_versions", "a", ["none", "ARCHIVED"])
        do("get_latest_versions", "a", [])
    do("get_latest_versions", "a", ["unknown"])
    do("get_latest_versions", "none", ["Staging"])


def aliases(do: Do) -> None:
    do("create_registered_model", "a")
    for number in range(1, 4):
        do("create_model_version", "a", f"s{number}")
    good = ("champion", "Champion", "a_b-c", "größe", "x", "1", "-", "_", "A" * 255, "B" * 255)
    for alias in (*good, "canary", "vx", "x" * 64, "x" * 65):
        do("set_registered_model_alias", "a", alias, 1)
        do("get_model_version_by_alias", "a", alias)
    do("get_registered_model", "a")
    do("set_registered_model_alias", "a", "champion", "2")
    do("set_registered_model_alias", "a", "champion", 9)
    do("set_registered_model_alias", "none", "champion", 1)
    do("set_registered_model_alias", "a", None, 1)
    for bad in ("", "a.b", "a b", "latest", "LATEST", "v1", "V12", "x" * 256, "a/b"):
        do("set_registered_model_alias", "a", bad, 1)
    for other in ("champion", "none", "", "latest", "Latest"):
        do("get_model_version_by_alias", "a", other)
        do("get_model_version_by_alias", "none", other)
    do("delete_registered_model_alias", "a", "x")
    do("delete_registered_model_alias", "a", "x")
    do("delete_registered_model_alias", "none", "x")
    do("delete_registered_model_alias", "a", "")
    do("delete_registered_model_alias", "a", "A" * 255)
    do("get_model_version", "a", 1)
    do("get_latest_versions", "a")
    do("delete_model_version", "a", 2)
    do("get_model_version_by_alias", "a", "champion")
    do("get_registered_model", "a")
    do("create_registered_model", "empty")
    do("get_model_version_by_alias", "empty", "latest")


def renames(do: Do) -> None:
    do("create_registered_model", "a", tags=[tag("k", "v")], description="first")
    do("create_registered_model", "taken")
    for number in range(1, 5):
        do("create_model_version", "a", f"s{number}", f"r{number}", [tag("n", str(number))])
    do("transition_model_version_stage", "a", 1, "Staging", **ALONE)
    do("transition_model_version_stage", "a", 4, "Archived", **ALONE)
    do("set_registered_model_alias", "a", "Best", 4)
    do("delete_model_version", "a", 2)
    do("rename_registered_model", "none", "b")
    do("rename_registered_model", "a", "taken")
    do("rename_registered_model", "a", "b")
    do("get_registered_model", "a")
    do("get_registered_model", "b")
    for number in range(1, 6):
        do("get_model_version", "b", number)
        do("get_model_version_download_uri", "b", number)
    do("create_model_version", "b", "s5")
    do("create_registered_model", "a")
    do("create_model_version", "a", "anew")
    do("rename_registered_model", "b", "b")
    do("rename_registered_model", "a", "c")
    do("rename_registered_model", "b", "a")
    do("search_model_versions", "name = 'a'", order_by=["version_number ASC"])
    do("search_registered_models")


MODEL_FILTERS = """\
name = 'alpha'
name != 'alpha'
name LIKE 'bet%'
name ILIKE 'bet%'
name ilike '%A'
tags.n = '1'
tag.n != '1'
tags.`x y` = 'q' and tags.n = '0'
tags.none = 'x'
tags.none != 'x'
name = 'alpha' AND name = 'gamma'
tags.n LIKE '%1'
name IN ('alpha','gamma')
tags.`mlflow.prompt.is_prompt` = 'true'
name NOT IN ('alpha')
tags.`mlflow.prompt.is_prompt` = 'false'
tags.`mlflow.prompt.is_prompt` != 'true'
name = 'a' OR name = 'b'
name
run_id = 'x'
name > 'a'
name = 5
x.y = 'z'
tags.n > '1'
name = alpha
attribute.name = 'alpha'
tags.n IN ('1')
name != alpha
name LIKE
name lIkE '%T%'
name iLike '%%'
name LIKE '_e%'
run_id = 'r1'
source_path = 'A/D'
other = true
tag.n = '1' and tag.n LIKE '%'
tag.N = '1'
"""


def pass_a_millisecond() -> None:
    """Have what comes next another time, by which searches sort."""
    now = time.time_ns() // 1_000_000
    while time.time_ns() // 1_000_000 == now:
        pass


def model_searches(do: Do) -> None:
    for at, name in enumerate(("alpha", "Beta", "beta2", "gamma", "delta")):
        pass_a_millisecond()
        do("create_registered_model", name, tags=[tag("n", str(at % 2)), tag("x y", "q")])
    do("create_registered_model", "prompt", tags=[tag("mlflow.prompt.is_prompt", "true")])
    for text in ("", None, *MODEL_FILTERS.splitlines()):
        do("search_registered_models", text)
    for order in (["name"], ["name DESC"], ["timestamp"], ["last_updated_timestamp DESC"]):
        do("search_registered_models", None, 100, order)
    for order in (
        ["creation_timestamp DESC"],
        ["name", "name"],
        ["timestamp", "last_updated_timestamp"],
    ):
        do("search_registered_models", order_by=order)
    for order in (["x"], ["name up"], ["tags.n"], [""], ["name ASC DESC"]):
        do("search_registered_models", order_by=order)
    for words in ("timestamp\tASC", "timestamp\r\rASC", "timestamp\nASC", "timestamp  aSC"):
        do("search_registered_models", order_by=[words])
    for words in ("name   DESC", "name deSc", "name ASC"):
        do("search_registered_models", order_by=["last_updated_timestamp ASC", words])
    do("search_registered_models", order_by=["name ASC", "last_updated_timestamp DESC blah"])
    do("search_registered_models", max_results=1e15)
    do("search_registered_models", max_results=1001)
    do("search_registered_models", max_results=int(1e15))
    do("search_registered_models", page_token="not base64!")
    do("search_registered_models", page_token=base64.b64encode(b"{}").decode())
    token = None
    for _ in range(4):
        found = do("search_registered_models", None, 2, None, token)
        token = found.token if found is not None else None


VERSION_FILTERS = """\
name = 'a'
name != 'a'
name LIKE 'A%'
name ILIKE 'A%'
run_id = 'r1'
run_id != 'r1'
run_id IN ('r0','r1')
run_id NOT IN ('r1')
source_path = 's0'
source_path LIKE 'path/%'
version_number = 3
version_number > 2 and name = 'a'
version_number <= '2'
version_number != 1
tags.n = '1'
tags.n != '1'
tags.`x y` = 'q'
tags.n = '0' AND run_id = 'r1'
name IN ('a')
source_path IN ('s0')
version_number IN (1, 2)
run_id IN ()
version_number LIKE '1'
version_number = 1.5
version_number = 'x'
name = 1
tags.`mlflow.prompt.is_prompt` = 'true'
name = 'a' OR name = 'b'
x = 'y'
run_id > 'r0'
name
name = 'none'
y.z = 'a'
tags.n >= '1'
run_id IN (1, 2, 3)
run_id IN (
run_id IN
name LIKE
run_id IN (,)
run_id IN ('r0',,'r1')
run_id IN ('R0', 'r1')
run_id LIKE 'r%'
run_id ILIKE 'R%'
version_number = 2 AND run_id IN ('r0', 'r1')
source_path = ''
tag.n LIKE '1%' and tag.n != '2'
tag.N = '1'
tag.`n` = '1'
tags.n ILIKE '%'
"""


def version_searches(do: Do) -> None:
    for name in ("a", "b", "prompt"):
        do("create_registered_model", name)
    for at in range(5):
        pass_a_millisecond()
        do("create_model_version", "a", f"s{at}", f"r{at % 2}", [tag("n", str(at % 3))])
        do("create_model_version", "b", f"path/{at}", None, [tag("x y", "q")])
    do("create_model_version", "prompt", "p", None, [tag("mlflow.prompt.is_prompt", "true")])
    do("delete_model_version", "a", 2)
    pass_a_millisecond()
    do("update_model_version", "b", 1, "last")
    for order in (["creation_timestamp DESC"], ["last_updated_timestamp ASC"]):
        do("search_model_versions", "name = 'a'", 2, order)
    do("search_model_versions", order_by=["name ASC", "last_updated_timestamp DESC blah"])
    do("search_model_versions", max_results=1e15)
    for text in ("", None, *VERSION_FILTERS.splitlines()):
        do("search_model_versions", text)
    orders = [["name"], ["version_number"], ["version_number DESC", "name DESC"]]
    orders += [
        ["name DESC", "version_number ASC"],
        ["x"],
        ["run_id"],
        ["name", "name"],
        ["name sideways"],
    ]
    for order in orders:
        do("search_model_versions", order_by=order)
    for count in (0, -1, 200_001, "5", 200_000):
        do("search_model_versions", max_results=count)
    do("search_model_versions", page_token="not base64!")
    token = None
    for _ in range(6):
        found = do("search_model_versions", None, 2, ["name", "version_number"], token)
        token = found.token if found is not None else None


def what_else_is_called(do: Do) -> None:
    do("create_registered_model", "a", deployment_job_id="job")
    told = [tag("key", "value"), tag("other", "words")]
    version = do("create_model_version", "a", "s", "r1", told, "http://run", "described")
    do("_await_model_version_creation", version, 1)
    do("transition_model_version_stage", "a", 1, "Production", **ALONE)
    do("copy_model_version", version, "copied")
    do("copy_model_version", version, "copied")
    do("get_registered_model", "copied")
    copied = do("copy_model_version", version, "a")
    do("copy_model_version", copied, "third")
    do("get_model_version_download_uri", "third", 1)


def prompts(do: Do) -> None:
    is_prompt = tag("mlflow.prompt.is_prompt", "true")
    do("create_registered_model", "model", [tag("fruit", "apple")])
    do("create_registered_model", "prompt", [is_prompt, tag("fruit", "apple")])
    for name, tags in (("model", None), ("model", [is_prompt]), ("prompt", [is_prompt])):
        do("create_registered_model", name, tags)
    do("create_registered_model", "prompt")
    for template in ("hello", "hello {{name}}"):
        tags = [is_prompt, tag("mlflow.prompt.text", template), tag("fruit", "apple")]
        do("create_model_version", "prompt", "dummy", tags=tags)
    do("create_model_version", "model", "dummy", tags=[tag("fruit", "apple")])
    only = "tags.`mlflow.prompt.is_prompt` = 'true'"
    for words in (None, "tags.fruit = 'apple'", "name = 'prompt'", only):
        do("search_registered_models", words)
        do("search_model_versions", words)
    for text in (f"{only} and name = 'prompt'", f"{only} and tags.fruit = 'apple'"):
        do("search_registered_models", text)
        do("search_model_versions", text)


SCENARIOS: list[Scenario] = [
    models,
    bad_names,
    odd_names,
    bad_tags,
    versions,
    another_version_as_source,
    stages,
    aliases,
    renames,
    model_searches,
    version_searches,
    what_else_is_called,
    prompts,
]


OF_3 = (
    bad_names,
    odd_names,
    bad_tags,
    aliases,
    model_searches,
    version_searches,
    what_else_is_called,
)
"""Those that MLflow 2 answers otherwise."""


def cases(scenarios: Sequence[Scenario], of_3: Sequence[Scenario] = OF_3) -> list[Any]:
    """Return scenarios as the parameters of a test."""
    return [
        pytest.param(scenario, id=scenario.__name__, marks=[AS_IN_3] if scenario in of_3 else [])
        for scenario in scenarios
    ]


@pytest.mark.parametrize("scenario", cases(SCENARIOS))
def test_holdfast_answers_as_the_database_does(scenario: Scenario, theirs: Any, ours: Any) -> None:
    recorders = Recorder(theirs), Recorder(ours)
    for recorder in recorders:
        scenario(recorder)
    expected, actual = (recorder.results for recorder in recorders)

    assert len(actual) == len(expected) > 5
    assert [(a, e) for a, e in zip(actual, expected, strict=True) if a != e] == []
