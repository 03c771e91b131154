"""Small packages of a team's own, and pickles that name classes in them."""

import sys
from pathlib import Path

SCORER = """
from .factors import kind

class Scorer:
    def predict(self, rows):
        from shop.factors import FACTOR
        return [FACTOR * row[0] for row in rows]

    def kind(self):
        return kind()
"""


def write(folder: Path, **files: str) -> Path:
    """Write modules by name, `__` for `/`: `shop__scoring="…"` is `shop/scoring.py`."""
    for name, text in files.items():
        path = folder / (name.replace("__", "/", 1) + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def shop(folder: Path, factor: float) -> Path:
    """Write the package `shop`, whose `Scorer` multiplies by a factor of its own."""
    factors = f"FACTOR = {factor}\n\ndef kind():\n    return 'shop of {factor}'\n"
    write(folder, shop__scoring=SCORER, shop__factors=factors)
    (folder / "shop" / "__init__.py").write_text("")
    return folder / "shop"


def pickled(path: Path, module: str = "shop.scoring", name: str = "Scorer") -> Path:
    """Write a pickle of an object of a class, without importing it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x80\x02c" + f"{module}\n{name}\n".encode() + b")\x81}b.")
    return path


def plain_names(top: str = "shop") -> list[str]:
    """Name what of a package is imported in this process by its plain name."""
    return [name for name in sys.modules if name.partition(".")[0] == top]
