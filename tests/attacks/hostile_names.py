"""Names that mean another place somewhere: on some system, to some decoder, after some folding."""

import itertools

_TARGETS = ("outside", "etc/passwd", "Windows/win.ini", "holdfast.json")
_UP = (
    "..", ". .", "...", "..\u200b", "\u2024\u2024", "\uff0e\uff0e", "..;", "..#", "%2e%2e",
    "%2E%2E",
    "%252e%252e", ".%2e", "%c0%ae%c0%ae", "%uff0e%uff0e", "..%00", "..\0", ".\t.", "..\u202e",
)  # fmt: skip
_SLASHES = (
    "/", "\\", "//", "%2f", "%2F", "%252f", "%5c", "%255c", "\u2215", "\u2044", "\uff0f", "\uff3c",
    "%c0%af", "/./", ";/", "\u29f8",
)  # fmt: skip
_CLIMBING = [
    f"{up}{slash}" * depth + target
    for up, slash, (depth, target) in itertools.product(
        _UP, _SLASHES, [(1, "outside"), (6, _TARGETS[1])]
    )
]
_ABSOLUTE = [
    "/outside", "//outside", "///outside", "/etc/passwd", "\\outside", "C:\\outside", "c:/outside",
    "C:outside", "\\\\server\\share\\x", "//server/share/x", "\\\\?\\C:\\x", "\\\\.\\C:",
    "~/outside",
    "~root/x", "$HOME/x", "%USERPROFILE%\\x", "file:///etc/passwd", "file:/etc/passwd", "s3://b/k",
    "http://127.0.0.1/x", "dbfs:/x", "models:/x/1", "runs:/x", "#/../../outside", ";/../../outside",
    "?/../../outside", "x#/../../../outside", "x?a=/../../../outside", "x;/../../../outside",
]  # fmt: skip
_DEVICES = [
    f"{before}{device}{after}"
    for device in (
        "CON", "con", "PRN", "AUX", "NUL", "COM1", "com9", "LPT1", "COM¹", "CONIN$", "CLOCK$",
    )
    for before, after in (("", ""), ("", ".txt"), ("", ".tar.gz"), ("", " "), ("a/", ""), ("", ":"))
]  # fmt: skip
_ODD = [
    "", " ", ".", "./", "/", "\\", "a//b", "a/./b", "a/../b", "a/..", "./a", "a/", "/a", "a\\b",
    "a:b",
    "a\0b", "a\nb", "a\rb", "a\x1b[2Jb", "a\x7fb", "a\u202eb", "a\u200eb", "a\u2028b", "\ufeffa",
    "\ud800", "a ", " a", "a.", "a. ", "a .", "a..", ".a", ".tmp-1", ".tmp-1/x", "manifest.json",
    "Manifest.JSON", "journal", "blobs", "lock", ".lock", "holdfast.json", "a" * 300, "é" * 200,
    "e\u0301", "\u212bngstrom", "ﬁle", "ı", "ß", "SS", "a*b", "a?b", "a|b", "a<b", "a>b",
    'a"b', "-rf",
    "--help", "a;b", "a&b", "a`b`", "$(touch outside)", "a@b", "@", "%", "%%", "%2e", "a%00b",
    "a~1",
    "PROGRA~1", "a::$DATA", "a:b:$DATA", "x/" * 100, "../" * 100, "\u2025/outside",
    "\u3002\u3002/x",
]  # fmt: skip

NAMES = [*dict.fromkeys([*_CLIMBING, *_ABSOLUTE, *_DEVICES, *_ODD])]
"""More than five hundred, each once."""

CLIMBERS = [*dict.fromkeys([*_ABSOLUTE, *_ODD, *_CLIMBING[::7], *_DEVICES[::5]])]
"""Of each kind some, where a try takes long."""
