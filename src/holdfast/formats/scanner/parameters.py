"""Parameters by which an estimator finds something by its name: a method, a file, a codec.

An honest model hardly ever sets one to anything but what stands here, and a hostile one has them
read a file of the server (`input="filename"`) or call a method that is not for predicting.
"""

import re
from collections.abc import Callable

from holdfast.formats.scanner.symbols import Global, Listed, Mapped

METHODS = frozenset((
    "auto", "decision_function", "predict", "predict_log_proba", "predict_proba", "transform",
))  # fmt: skip
"""What those may name that say which method to call."""

_DROP = "drop"
_CONTAINERS = frozenset(("default", "pandas", "polars"))
_ANALYZERS = ("word", "char", "char_wb")
_ERRORS = ("strict", "ignore", "replace")
_CODEC = re.compile(r"(?i)(utf|latin|iso|cp|windows|koi|us|gb|big|shift|euc|mac)?[-_0-9a-z]{0,16}")
_NO_CODEC = re.compile(r"(?i).*(escape|idna|punycode|codec|undefined|mbcs|oem).*")
_FEATURES = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*(\.[a-zA-Z][a-zA-Z0-9_]*)*")
_DISPATCH = re.compile(r"all|([0-9]{1,3} ?\* ?)?n_jobs")
_FILE = re.compile(r"(?i).*(filename|file_?name|_file|_path|_url|_uri)|input_model|output_model")
_LIGHTGBM = frozenset((
    "config", "config_file", "data", "data_filename", "forced_splits", "forced_splits_file",
    "forced_splits_filename", "forcedbins_filename", "forcedsplits_filename", "fs",
    "init_score_file", "init_score_filename", "initscore_filename", "input_init_score",
    "input_model", "machine_list", "machine_list_file", "machine_list_filename", "machines",
    "mlist", "model_in", "model_input", "model_out", "model_output", "name_pred", "nodes",
    "output_model", "output_result", "parser_config_file", "pred_name", "predict_name",
    "predict_result", "prediction_name", "prediction_result", "test", "test_data",
    "test_data_file", "train", "train_data", "train_data_file", "valid", "valid_data",
    "valid_data_file", "valid_filenames", "workers",
))  # fmt: skip
_HTML = re.compile(r"_doc_link\w*|_repr_\w+")


def may_name(attribute: object, value: object) -> bool:
    """Tell whether an attribute holds no more than honest models put there."""
    if not isinstance(attribute, str):
        return True
    rule = _RULES.get(attribute)
    if rule is not None:
        return rule(value)
    if _HTML.fullmatch(attribute):
        return False
    return not _FILE.fullmatch(attribute) or value is None or value == "" or isinstance(value, int)


def may_name_to_lightgbm(parameter: object, value: object) -> bool:
    """Tell whether a parameter of LightGBM's, by any of its names, leads to no file or machine."""
    return parameter not in _LIGHTGBM or value is None or value == "" or isinstance(value, int)


def _is_method(value: object) -> bool:
    match value:
        case None:
            return True
        case Listed():
            return value.whole and all(map(_is_one_method, value.items))
        case tuple():
            return all(map(_is_one_method, value))
    return _is_one_method(value)


def _is_one_method(value: object) -> bool:
    return isinstance(value, str) and (value in METHODS or value == _DROP)


def _is_codec(value: object) -> bool:
    text = value if isinstance(value, str) else "."
    return bool(_CODEC.fullmatch(text)) and not _NO_CODEC.fullmatch(text)


def _is_getter(value: object) -> bool:
    return isinstance(value, Global) or (
        isinstance(value, str) and bool(_FEATURES.fullmatch(value)) and "._" not in value
    )


def _is_dispatch(value: object) -> bool:
    if isinstance(value, str):
        return bool(_DISPATCH.fullmatch(value))
    return value is None or isinstance(value, int)


def _is_output(value: object) -> bool:
    return isinstance(value, Mapped) and value.whole and _CONTAINERS.issuperset(
        item if isinstance(item, str) else "" for item in value.entries.values()
    )  # fmt: skip


def _is_word_list(value: object) -> bool:
    return isinstance(value, Global) or (isinstance(value, str) and value in _ANALYZERS)


_RULES: dict[str, Callable[[object], bool]] = {
    **dict.fromkeys(
        ("_response_method", "chain_method", "chain_method_", "response_method", "stack_method",
         "stack_method_"), _is_method,
    ),
    # the name of a file in place of the text
    "input": lambda value: isinstance(value, str) and value == "content",
    # a folder that joblib reads pickles from and writes them to
    "memory": lambda value: value is None,
    # a format template, whose fields reach attributes
    "verbose_feature_names_out": lambda value: isinstance(value, bool),
    "analyzer": _is_word_list,
    "decode_error": lambda value: isinstance(value, str) and value in _ERRORS,
    "encoding": _is_codec,
    "importance_getter": _is_getter,
    "pre_dispatch": _is_dispatch,
    "_sklearn_output_config": _is_output,
}  # fmt: skip
