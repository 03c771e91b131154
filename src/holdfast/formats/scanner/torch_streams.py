"""Older files of `torch.save`: pickles in a row, and behind them the bytes of the storages."""

from typing import Final

from holdfast.formats.scanner.byte_sources import ByteReader
from holdfast.formats.scanner.findings import Findings, UnreadableError
from holdfast.formats.scanner.pickle_vm import Machine
from holdfast.formats.scanner.symbols import OPAQUE, Global

MAGIC: Final = 0x1950A86A20F9469CFC6C
"""What the first of the pickles holds."""

_STREAMS: Final = 4  # after it: protocol, system, the object, the keys of its storages
_COUNT_BYTES: Final = 8
"""Before each storage its length stands once more."""
_ITEM_BYTES: Final = {
    "BFloat16": 2, "ComplexDouble": 16, "ComplexFloat": 8, "Double": 8, "Float": 4, "Half": 2,
    "Int": 4, "Long": 8, "QInt32": 4, "Short": 2,
}  # fmt: skip
"""Bytes of an item by what the storage's class is called; of all others, 1 at least."""


def follow(reader: ByteReader, noted: Findings) -> object:
    """Follow what comes after the first pickle; the storages are not unpickled, but must be there.

    Returns:
        The stand-in of the last pickle's value.
    """
    root: object = OPAQUE
    storages: dict[str, int] = {}
    try:
        for _ in range(_STREAMS):
            machine = _Noting(reader, noted, storages)
            machine.run()
            root = machine.root
        reader.skip(sum(storages.values()))
    except UnreadableError as error:
        noted.doubt(str(error))
    return root


class _Noting(Machine):
    """Notes how many bytes the storages take that a pickle names."""

    def __init__(self, reader: ByteReader, noted: Findings, storages: dict[str, int]) -> None:
        super().__init__(reader, noted, "torch")
        self._storages = storages

    def _persistent(self, identity: object) -> None:
        super()._persistent(identity)
        match identity:
            case ("storage", Global(name=name), str() as key, _, int() as count, *_):
                item_bytes = _ITEM_BYTES.get(name.removesuffix("Storage"), 1)
                self._storages[key] = _COUNT_BYTES + max(count, 0) * item_bytes
