"""Turn the figures of `make bench` into docs/benchmarks.md."""

import json
import platform
import sys
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent.parent / "docs" / "benchmarks.md"
HEAD = """# Benchmarks

Measured by `make bench`, which writes this page: every contender of a table ran in the same session
on the same disk. Medians; the ratios are what carries over to other machines. *Limit* is what this
machine can do at best.

{machine}

"""
# group, the limit of its ratios, and what is promised: contender, against, at most this ratio.
GOALS: dict[str, list[Any]] = {
    "start": [
        ("holdfast_version", "limit_python", 4.0),
        ("holdfast_version", "mlflow_version", 0.1),
        ("holdfast_status", "mlflow_version", 0.1),
    ],
    "register 200 MB": [
        ("holdfast_first", "limit_hash_and_copy", 1.25),
        ("holdfast_same_bytes_again", "limit_hash", 1.25),
    ],
    # 0.8 of the rate of SHA-256 on all cores; where cores are threads of one, so is that rate
    "verify 400 MB": [
        ("holdfast_verify", "limit_sha256_all_cores", 1.25),
        ("holdfast_verify", "limit_sha256_one_core", 1.25),
    ],
    "send 200 MB to a bucket": [
        ("holdfast_ingest", "limit_obstore_put", 1.43),
        ("holdfast_register", "limit_obstore_put", 1.43),
        ("holdfast_copy", "limit_obstore_put", 1.43),
    ],
    "move production": [
        ("holdfast_promote[100]", "limit_durable_create", 3.0),
        ("holdfast_rollback[100]", "limit_durable_create", 3.0),
        ("holdfast_promote[10000]", "mlflow_set_alias[10000]", 0.1),
        ("holdfast_promote[100]", "mlflow_set_alias[100]", 0.1),
        ("holdfast_rollback[10000]", "mlflow_set_alias[10000]", 0.1),
        ("holdfast_rollback[100]", "mlflow_set_alias[100]", 0.1),
    ],
    "resolve @production": [
        ("holdfast_running[10000]", 20e-6, 1.0),
        ("holdfast_running[10000]", "mlflow_running[10000]", 0.1),
        ("holdfast_cli[10000]", "mlflow_new_process[10000]", 0.1),
    ],
    "MLflow's calls": [
        *(
            (f"holdfast_plugin[100-{call}]", f"mlflow_database[100-{call}]", 1.0)
            for call in ("create", "set_alias", "resolve", "search_page", "tag")
        ),
        ("holdfast_plugin[10000-set_alias]", "mlflow_database[10000-set_alias]", 0.05),
        ("holdfast_plugin[10000-resolve]", "mlflow_database[10000-resolve]", 0.05),
        *(
            (f"holdfast_plugin[10000-{call}]", f"holdfast_plugin[100-{call}]", 2.0)
            for call in ("create", "set_alias", "resolve", "tag")
        ),
    ],
    "list all versions": [("holdfast_cold[10000]", 150e-3, 1.0)],
    "search versions by metric and tag": [
        ("holdfast_running[10000]", 100e-3, 1.0),
        ("holdfast_running[10000]", "mlflow_running[10000]", 0.1),
    ],
    "write 500 predictions": [("holdfast_write", 10e-3, 1.0)],
    "keep 20,000 predictions, CPU of all threads": [("holdfast_record", 0.3, 1.0)],
    "get one prediction among a million": [("holdfast_get", 1e-3, 1.0)],
}


NOTES = {
    "send 200 MB to a bucket": "Where moto stands in for the bucket, each range of a large object "
    "takes it 0.12 s, however short: a fetch by 25 ranges is slow from it.",
}
MOST_MB = 200


def main() -> None:
    """Read the JSON file named and write the page."""
    document = json.loads(Path(sys.argv[1]).read_text())
    groups: dict[str, dict[str, float]] = {}
    peaks: dict[str, int] = {}
    for bench in document["benchmarks"]:
        name = bench["name"].removeprefix("test_")
        if "peak_mb" in bench["extra_info"]:
            peaks[bench["group"]] = bench["extra_info"]["peak_mb"]
            continue
        medians = bench["extra_info"].get("medians", {name: bench["stats"]["median"]})
        groups.setdefault(bench["group"], {}).update(medians)
    parts = [HEAD.format(machine=machine(document["machine_info"]))]
    for group, goals in GOALS.items():
        if group in groups:
            parts.append(section(group, groups[group], goals))
        if group in peaks:
            met = "met" if peaks[group] < MOST_MB else "**missed**"
            parts.append(f"- 2 GB sent with {peaks[group]} MB of memory, goal {MOST_MB}: {met}\n")
        if group in NOTES:
            parts.append(f"\n{NOTES[group]}\n")
        parts.append("\n")
    PAGE.write_text("".join(parts).rstrip() + "\n", encoding="utf-8")
    sys.stdout.write(PAGE.read_text(encoding="utf-8"))


def machine(info: dict[str, Any]) -> str:
    """Describe the machine in a line."""
    brand = info.get("cpu", {}).get("brand_raw", platform.processor())
    count = info.get("cpu", {}).get("count", "?")
    python = info["python_version"]
    return f"{count} cores of {brand}, {info['system']} {info['release']}, Python {python}."


def section(group: str, medians: dict[str, float], goals: list[Any]) -> str:
    """Write one table of medians, and one line for each promise."""
    lines = [f"## {group[0].upper()}{group[1:]}\n\n| contender | median |\n|---|---|\n"]
    for name, median in sorted(medians.items(), key=lambda pair: pair[1]):
        shown = f"**{title(name)}**" if name.startswith("holdfast") else title(name)
        lines.append(f"| {shown} | {duration(median)} |\n")
    lines.append("\n")
    lines += [promise(medians, *goal) for goal in goals if goal[0] in medians]
    return "".join(lines)


def promise(medians: dict[str, float], name: str, against: str | float, most: float) -> str:
    """Say what was promised and what came out."""
    limit = medians.get(against) if isinstance(against, str) else against
    if limit is None:
        return f"- {title(name)} against {title(str(against))}: not measured\n"
    ratio = medians[name] / limit
    met = "met" if ratio <= most else "**missed**"
    if isinstance(against, float):
        return f"- {title(name)}: {duration(medians[name])}, goal {duration(against)}: {met}\n"
    if most <= 1:
        faster = f"{1 / ratio:.1f} times as fast as {title(against)}"
        return f"- {title(name)}: {faster}, goal {1 / most:.0f}: {met}\n"
    return f"- {title(name)}: {ratio:.2f} times {title(against)}, goal {most:g}: {met}\n"


def title(name: str) -> str:
    """Turn `holdfast_cold[10000]` into `Holdfast cold, 10,000 versions`."""
    words, _, count = name.partition("[")
    shown = words.replace("_", " ").replace("holdfast", "Holdfast").replace("mlflow", "MLflow")
    number, _, call = count.removesuffix("]").partition("-")
    told = f" {call.replace('_', ' ')}" if call else ""
    return f"{shown}{told}, {int(number):,} versions" if number else shown


def duration(seconds: float) -> str:
    """Show a time in the unit that suits it."""
    for unit, factor in (("s", 1.0), ("ms", 1e3), ("µs", 1e6)):
        if seconds * factor >= 1:
            return f"{seconds * factor:.3g} {unit}"
    return f"{seconds * 1e9:.3g} ns"


if __name__ == "__main__":
    main()
