"""A pickle machine that makes nothing: it follows every instruction and only notes the names.

It runs whatever either of Python's unpicklers would run (the one in C, the one in Python that
joblib builds on) and reports what the two read differently: an honest pickle has none of it.
"""

from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from collections.abc import Callable
from typing import ClassVar, Literal

from holdfast.formats.scanner import attributes, effects, pickle_rules, symbols
from holdfast.formats.scanner.array_sizes import payload_of
from holdfast.formats.scanner.byte_sources import ByteReader
from holdfast.formats.scanner.findings import ExhaustedError, Findings, UnreadableError
from holdfast.formats.scanner.opcodes import INSTRUCTIONS
from holdfast.formats.scanner.symbols import OPAQUE, Global, Listed, Made, Mapped

Dialect = Literal["plain", "joblib", "torch", "torchscript"]
"""What a loader does beyond plain pickle.

`joblib`: array bytes lie between instructions. `torch`: persistent ids name storages.
`torchscript`: besides, these modules are the archive's own or TorchScript's, not Python's.
"""

_ARRAY = Global("numpy", "ndarray", "call")
_SCRIPTED = ("__torch__.", "torch.jit._pickle")
_PYTHON_3 = 3  # the first protocol whose names are Python 3's
_NEWEST = 5
_SPARSE = 1024  # the C unpickler makes room for twice the highest index it is given


class Machine:
    """One run over one pickle stream.

    Args:
        reader: Stands at the first instruction.
        findings: Takes names and doubts.
        dialect: What the stream's loader does beyond plain pickle.

    Attributes:
        steps: Instructions followed.
        calls: Those that would call, change or by importing run what the stream names.
        marked: True if the first instruction is the mark of a pickle of protocol 2 or later.
        arrays: Arrays whose bytes lay between the instructions.
        root: What the pickle would give, once the run is over.
    """

    def __init__(self, reader: ByteReader, findings: Findings, dialect: Dialect = "plain") -> None:
        self._reader = reader
        self._findings = findings
        self._dialect = dialect
        self._stack: list[object] = []
        self._marks: list[int] = []
        self._memo: dict[object, object] = {}
        self._protocol = 0
        self._frame_end = 0
        self._at = reader.pos
        self._owners: list[Made] = []
        self.steps = 0
        self.calls = 0
        self.marked = False
        self.arrays = 0
        self.root: object = OPAQUE

    def run(self) -> None:
        """Follow the stream to its STOP.

        Raises:
            UnreadableError: If it breaks off or is not a pickle; the message names the byte.
        """
        try:
            while self._step():
                self.steps += 1
            self.root = self._pop()
            if self._dialect != "torchscript":  # its classes are its own, and judged as a whole
                attributes.check_held(self._owners, self._findings.doubt)
        except ExhaustedError:
            raise
        except UnreadableError as error:
            message = f"pickle stream broken at byte {self._at}: {error}"
            raise UnreadableError(message) from error

    def _step(self) -> bool:
        reader = self._reader
        self._at = reader.pos
        self._findings.budget.spend_instruction()
        code = reader.read(1)
        if code not in INSTRUCTIONS:
            raise UnreadableError(f"no instruction {code!r}")
        name, read = INSTRUCTIONS[code]
        argument = read(reader) if read else None
        if self._frame_end and reader.pos >= self._frame_end:
            self._leave_frame()
        if name == "STOP":
            self._check(not self._frame_end, "stops inside a frame")
            return False
        self._DO.get(name, Machine._push)(self, argument)
        return True

    def _check(self, expected: object, otherwise: str) -> None:
        if not expected:
            self._doubt(otherwise)

    def _doubt(self, what: str) -> None:
        self._findings.doubt(f"{what} (byte {self._at})")

    # stack and memo

    def _push(self, value: object) -> None:
        self._stack.append(value)

    def _pop(self) -> object:
        if len(self._stack) <= (self._marks[-1] if self._marks else 0):
            raise UnreadableError("nothing on the stack")
        return self._stack.pop()

    def _top(self) -> object:
        value = self._pop()
        self._stack.append(value)
        return value

    def _pop_to_mark(self) -> list[object]:
        if not self._marks:
            raise UnreadableError("no mark on the stack")
        start = self._marks.pop()
        items = self._stack[start:]
        del self._stack[start:]
        return items

    def _mark(self, _: object) -> None:
        self._marks.append(len(self._stack))

    def _discard(self, _: object) -> None:
        if self._marks and self._marks[-1] == len(self._stack):
            self._marks.pop()
        else:
            self._pop()

    def _discard_to_mark(self, _: object) -> None:
        self._pop_to_mark()

    def _repeat(self, _: object) -> None:
        self._push_again(self._top())

    def _recall(self, index: object) -> None:
        if index not in self._memo:
            raise UnreadableError(f"nothing remembered under {index}")
        self._push_again(self._memo[index])

    def _push_again(self, value: object) -> None:
        if isinstance(value, Made):
            value.shared = True
        self._push(value)

    def _remember(self, index: object) -> None:
        orderly = isinstance(index, int) and 0 <= index <= 2 * len(self._memo) + _SPARSE
        self._check(orderly, f"remembers under {index}, far out of order")
        self._memo[index] = self._top()

    def _remember_next(self, _: object) -> None:
        self._memo[len(self._memo)] = self._top()

    # values

    def _none(self, _: object) -> None:
        self._push(None)

    def _true(self, _: object) -> None:
        self._push(True)  # noqa: FBT003 - it is the value itself

    def _false(self, _: object) -> None:
        self._push(False)  # noqa: FBT003 - it is the value itself

    def _new_list(self, _: object) -> None:
        self._push(Listed())

    def _new_dict(self, _: object) -> None:
        self._push(Mapped())

    def _new_tuple(self, _: object) -> None:
        self._push(())

    def _list(self, _: object) -> None:
        self._push(Listed())
        pickle_rules.appended(self._stack[-1], self._below_top_to_mark(), self._doubt)

    def _dict(self, _: object) -> None:
        self._push(Mapped())
        pickle_rules.set_items(self._stack[-1], self._below_top_to_mark(), self._doubt)

    def _below_top_to_mark(self) -> list[object]:
        top = self._stack.pop()
        items = self._pop_to_mark()
        self._push(top)
        return items

    def _tuple(self, _: object) -> None:
        items = self._pop_to_mark()
        known = len(items) <= symbols.KEPT_ITEMS or not all(map(symbols.is_plain, items))
        self._push(tuple(items) if known else OPAQUE)

    def _tuple_1(self, _: object) -> None:
        self._push((self._pop(),))

    def _tuple_2(self, _: object) -> None:
        last = self._pop()
        self._push((self._pop(), last))

    def _tuple_3(self, _: object) -> None:
        last, middle = self._pop(), self._pop()
        self._push((self._pop(), middle, last))

    def _frozenset(self, _: object) -> None:
        self._push(Listed(self._pop_to_mark()))

    def _append(self, _: object) -> None:
        item = self._pop()
        pickle_rules.appended(self._container(), [item], self._doubt)

    def _append_all(self, _: object) -> None:
        items = self._pop_to_mark()
        pickle_rules.appended(self._container(), items, self._doubt)

    def _add_all(self, _: object) -> None:
        items = self._pop_to_mark()
        pickle_rules.added(self._container(), items, self._doubt)

    def _set_item(self, _: object) -> None:
        value, key = self._pop(), self._pop()
        pickle_rules.set_items(self._container(), [key, value], self._doubt)

    def _set_all(self, _: object) -> None:
        flat = self._pop_to_mark()
        pickle_rules.set_items(self._container(), flat, self._doubt)

    def _container(self) -> object:
        target = self._top()
        if effects.is_extension(target):
            raise UnreadableError("what another program registered is not a container")
        self.calls += isinstance(target, (Global, Made))  # a table of the program, say
        return target

    # names and calls

    def _named(self, module: object, name: object) -> object:
        if not isinstance(module, str) or not isinstance(name, str):
            if not effects.may_be_text(module) or not effects.may_be_text(name):
                raise UnreadableError("a global named by something other than text")
            self.calls += 1
            self._doubt("names a global that cannot be read")
            return OPAQUE
        if self._protocol < _PYTHON_3:
            moved = IMPORT_MAPPING.get(module, module), name
            module, name = NAME_MAPPING.get((module, name), moved)
        scripted = self._dialect == "torchscript" and module.startswith(_SCRIPTED)
        use = "own" if scripted else self._findings.allowed.use_of(module, name)
        # importing is running; of modules that are in no library, text is full by chance
        self.calls += module.partition(".")[0] in effects.libraries()
        symbol = Global(module, name, use)
        self._findings.name(symbol.path, known=symbol.use is not None)
        return symbol

    def _global(self, pair: object) -> None:
        module, name = pair if isinstance(pair, tuple) else (None, None)
        self._push(self._named(module, name))

    def _stack_global(self, _: object) -> None:
        name, module = self._pop(), self._pop()
        self.calls += effects.is_spelled_out(module, name)
        self._push(self._named(module, name))

    def _call(self, func: object, args: object) -> None:
        self._findings.charge(args)
        self.calls += effects.calls(func, args)
        self._push_made(pickle_rules.called(func, args, self._doubt))

    def _reduce(self, _: object) -> None:
        args = self._pop()
        self._call(self._pop(), args)

    def _call_named(self, pair: object) -> None:
        self._global(pair)  # first: one of the unpicklers imports before it looks for the mark
        func = self._pop()
        self._call(func, tuple(self._pop_to_mark()))

    def _call_marked(self, _: object) -> None:
        items = self._pop_to_mark()
        if not items:
            raise UnreadableError("nothing on the stack")
        self._call(items[0], tuple(items[1:]))

    def _make(self, args: object, keywords: object) -> None:
        cls = self._pop()
        self._findings.charge(args, keywords)
        self.calls += effects.calls(cls, args, keywords)
        self._push_made(pickle_rules.made(cls, args, keywords, self._doubt))

    def _push_made(self, thing: Made) -> None:
        if attributes.can_be_asked(thing):
            self._owners.append(thing)
        self._push(thing)

    def _new_object(self, _: object) -> None:
        self._make(self._pop(), Mapped())

    def _new_object_with_keywords(self, _: object) -> None:
        keywords = self._pop()
        self._make(self._pop(), keywords)

    def _build(self, _: object) -> None:
        state = self._pop()
        target = self._top()
        self._findings.charge(state)
        self.calls += effects.sets_state(target, state)
        pickle_rules.built(target, state, self._doubt)
        if not isinstance(target, Made):
            return
        if target.is_a(pickle_rules.WRAPPER):
            self._pass_array(target)
        elif attributes.can_be_asked(target):
            self._owners.append(target)

    def _pass_array(self, wrapper: Made) -> None:
        if self._dialect != "joblib":
            self._doubt("notes an array for joblib, in a stream that joblib does not read")
            return
        self._check(not self._frame_end, "array bytes inside a frame")
        payload = payload_of(wrapper)
        self.arrays += 1
        content: tuple[object, ...] = ()
        if payload.size_bytes is None:
            # joblib reads the items of an object array with a plain unpickler
            nested = Machine(self._reader, self._findings)
            nested.run()
            content = (nested.root,)
        else:
            self._reader.skip(self._reader.read(1)[0] if payload.padded else 0)
            self._reader.skip(payload.size_bytes)
        self._stack[-1] = Made(_ARRAY, content, built=True)

    def _extension(self, code: object) -> None:
        if not isinstance(code, int) or code <= 0:
            raise UnreadableError(f"extension {code}")
        self._doubt(f"calls what another program registered as extension {code}")
        self._push(effects.extension(code))

    def _persistent(self, identity: object) -> None:
        match identity:
            case ("storage", Global(module="torch" | "torch.storage"), *_) if self._dialect in (
                "torch",
                "torchscript",
            ):
                self._push(OPAQUE)
            case _:
                self._doubt("a persistent id, which only a special loader understands")
                raise UnreadableError("a persistent id")

    def _persistent_on_stack(self, _: object) -> None:
        self._persistent(self._pop())

    # the stream itself

    def _set_protocol(self, protocol: object) -> None:
        if not isinstance(protocol, int) or protocol > _NEWEST:
            raise UnreadableError(f"protocol {protocol}")
        self._protocol = protocol
        self.marked |= self.steps == 0

    def _enter_frame(self, size: object) -> None:
        self._check(not self._frame_end, "a frame inside a frame")
        if isinstance(size, int) and size:
            self._frame_end = self._reader.pos + size

    def _leave_frame(self) -> None:
        self._check(self._reader.pos == self._frame_end, "an instruction crosses its frame's end")
        self._frame_end = 0

    def _next_buffer(self, _: object) -> None:
        raise UnreadableError("a buffer that is kept elsewhere")

    def _pass(self, _: object) -> None:
        """Leave everything as it is: the buffer on top becomes read-only."""

    _DO: ClassVar[dict[str, Callable[["Machine", object], None]]] = {
        "ADDITEMS": _add_all, "APPEND": _append, "APPENDS": _append_all, "BINGET": _recall,
        "BINPERSID": _persistent_on_stack, "BINPUT": _remember, "BUILD": _build, "DICT": _dict,
        "DUP": _repeat, "EMPTY_DICT": _new_dict, "EMPTY_LIST": _new_list, "EMPTY_SET": _new_list,
        "EMPTY_TUPLE": _new_tuple, "EXT1": _extension, "EXT2": _extension, "EXT4": _extension,
        "FRAME": _enter_frame, "FROZENSET": _frozenset, "GET": _recall, "GLOBAL": _global,
        "INST": _call_named, "LIST": _list, "LONG_BINGET": _recall, "LONG_BINPUT": _remember,
        "MARK": _mark, "MEMOIZE": _remember_next, "NEWFALSE": _false, "NEWOBJ": _new_object,
        "NEWOBJ_EX": _new_object_with_keywords, "NEWTRUE": _true, "NEXT_BUFFER": _next_buffer,
        "NONE": _none, "OBJ": _call_marked, "PERSID": _persistent, "POP": _discard,
        "POP_MARK": _discard_to_mark, "PROTO": _set_protocol, "PUT": _remember,
        "READONLY_BUFFER": _pass, "REDUCE": _reduce, "SETITEM": _set_item, "SETITEMS": _set_all,
        "STACK_GLOBAL": _stack_global, "TUPLE": _tuple, "TUPLE1": _tuple_1, "TUPLE2": _tuple_2,
        "TUPLE3": _tuple_3,
    }  # fmt: skip
    """What each instruction does; every other one pushes its argument."""
