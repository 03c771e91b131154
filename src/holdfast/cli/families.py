"""All commands by family and by name, each imported when it is used."""

from importlib import import_module
from typing import Any, Final

FAMILIES: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "Versions": {
        "versions": ("register", "adopt", "stage", "promote", "rollback", "archive", "alias")
    },
    "Looking": {"inspect": ("status", "ls", "show", "history", "compare", "card", "verify")},
    "Facts and rules": {
        "annotate": ("tag", "note", "approve", "hold", "release", "policy"),
        "evaluate": ("evaluate",),
    },
    "Serving": {"serve": ("serve",), "batch_predict": ("predict",), "web": ("web",)},
    "Rollouts": {"rollout": ("rollout",)},
    "Retraining": {"retrain": ("retrain",)},
    "Data and lineage": {"data": ("data",), "lineage": ("lineage", "reproduce")},
    "Predictions": {"predictions": ("predictions",), "drift_look": ("drift",)},
    "Notices": {"notify": ("notify",)},
    "Trust": {
        "sign": ("key", "sign", "head"),
        "access": ("access",),
        "login": ("login", "logout"),
    },
    "Bytes": {
        "files": ("load", "env", "checkout", "export", "import", "copy", "backup"),
        "mlflow": ("mlflow",),
        "link": ("link",),
        "hf": ("hf",),
        "dvc": ("dvc",),
        "gto": ("gto",),
        "wandb": ("wandb",),
        "cloud_exports": ("materialise", "sagemaker", "vertex"),
    },
    "Upkeep": {"housekeeping": ("init", "purge", "gc", "repair", "delete")},
    "Help": {"help_texts": ("help", "completion")},
}
"""Every command by family and by the module that has it, which only its use imports."""
MODULES: Final = {
    name: module
    for modules in FAMILIES.values()
    for module, names in modules.items()
    for name in names
}


def load(name: str) -> Any:
    """Import a command: one that is declared, or one of click's."""
    commands = import_module(f"holdfast.cli.{MODULES[name]}").COMMANDS
    return next(command for command in commands if command.name == name)
