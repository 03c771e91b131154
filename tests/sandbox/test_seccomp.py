"""What the filters are made of; what they do is shown by `tests/attacks/test_sandbox.py`."""

from collections.abc import Callable
from functools import partial

import pytest

from holdfast.sandbox import seccomp, syscalls

_REFUSE, _UNKNOWN, _KILL, _ALLOW = 0x50001, 0x50026, 0x80000000, 0x7FFF0000


def verdict(program: list[seccomp.Instruction], arch: int, number: int, *arguments: int) -> int:
    """Run a program as the kernel does."""
    words = {0: number, 4: arch}
    for index, argument in enumerate(arguments):
        words[16 + 8 * index] = argument & 0xFFFFFFFF
        words[20 + 8 * index] = argument >> 32
    at = accumulator = 0
    while True:
        code, yes, no, value = program[at]
        at += 1
        match code:
            case 0x20:
                accumulator = words.get(value, 0)
            case 0x06:
                return value
            case 0x15:
                at += yes if accumulator == value else no
            case 0x35:
                at += yes if accumulator >= value else no
            case 0x45:
                at += yes if accumulator & value else no
            case _:
                raise AssertionError(code)


@pytest.fixture(params=["x86_64", "aarch64"])
def machine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def asked(machine: str, name: str, *arguments: int, writes: bool = True) -> int:
    program = seccomp.trial(machine, 42, writes=writes)
    number = syscalls.NUMBERS[machine][name]
    return verdict(program, syscalls.AUDIT_ARCH[machine], number, *arguments)


@pytest.mark.parametrize(
    "name", ["execve", "execveat", "socket", "ptrace", "bpf", "io_uring_setup", "fchmod", "mount"]
)
def test_a_trial_may_not(machine: str, name: str) -> None:
    assert asked(machine, name) == _REFUSE


def test_only_threads_are_begun(machine: str) -> None:
    assert asked(machine, "clone", 17) == _REFUSE
    assert asked(machine, "clone", 0x10000) == _ALLOW
    assert asked(machine, "clone3") == _UNKNOWN


@pytest.mark.parametrize("name", ["kill", "tgkill", "rt_sigqueueinfo"])
def test_signals_go_to_itself_alone(machine: str, name: str) -> None:
    assert asked(machine, name, 42) == _ALLOW
    assert asked(machine, name, 43) == _REFUSE
    assert asked(machine, name, 0xFFFFFFFF) == _REFUSE


@pytest.mark.parametrize("pointer", [1, 1 << 32, (1 << 40) + 8])
def test_limits_are_asked_for_and_not_set(machine: str, pointer: int) -> None:
    assert asked(machine, "prlimit64", 0, 1, 0) == _ALLOW
    assert asked(machine, "prlimit64", 0, 1, pointer) == _REFUSE


def test_without_landlock_no_file_is_opened_for_writing(machine: str) -> None:
    assert asked(machine, "openat", 0, 0, 0, writes=False) == _ALLOW
    assert asked(machine, "openat", 0, 0, 0o1, writes=False) == _REFUSE
    assert asked(machine, "openat", 0, 0, 0o1000, writes=False) == _REFUSE
    assert asked(machine, "openat2", writes=False) == _REFUSE
    assert asked(machine, "openat", 0, 0, 0o1) == _ALLOW


def test_calls_of_another_machine_end_the_process_and_younger_ones_do_not_exist(
    machine: str,
) -> None:
    program = seccomp.trial(machine, 42, writes=True)
    arch = syscalls.AUDIT_ARCH[machine]

    assert verdict(program, 0x40000003, 11) == _KILL
    assert verdict(program, arch, 0x40000000 | 59) == _KILL
    assert verdict(program, arch, syscalls.CEILING) == _UNKNOWN


def test_a_worker_keeps_its_sockets_and_starts_no_program(machine: str) -> None:
    program = seccomp.worker(machine, 42)
    arch, numbers = syscalls.AUDIT_ARCH[machine], syscalls.NUMBERS[machine]

    assert verdict(program, arch, numbers["socket"]) == _ALLOW
    assert verdict(program, arch, numbers["fchmod"]) == _ALLOW
    assert verdict(program, arch, numbers["execve"]) == _REFUSE
    assert verdict(program, arch, numbers["clone"], 17) == _REFUSE


@pytest.mark.parametrize("restrained", [seccomp.worker, partial(seccomp.trial, writes=True)])
@pytest.mark.parametrize("name", ["sched_setscheduler", "sched_setattr", "sched_setparam"])
def test_ranks_of_other_processes_stay_as_they_are(
    machine: str, name: str, restrained: Callable[[str, int], list[seccomp.Instruction]]
) -> None:
    program, arch = restrained(machine, 42), syscalls.AUDIT_ARCH[machine]
    number = syscalls.NUMBERS[machine][name]

    assert verdict(program, arch, number, 0) == _ALLOW
    assert verdict(program, arch, number, 42) == _ALLOW
    assert verdict(program, arch, number, 43) == _REFUSE


def test_a_worker_limits_itself_alone(machine: str) -> None:
    program, arch = seccomp.worker(machine, 42), syscalls.AUDIT_ARCH[machine]
    number = syscalls.NUMBERS[machine]["prlimit64"]

    assert verdict(program, arch, number, 0, 0, 8) == _ALLOW
    assert verdict(program, arch, number, 42, 0, 8) == _ALLOW
    assert verdict(program, arch, number, 43, 0, 8) == _REFUSE


@pytest.mark.parametrize("restrained", [seccomp.worker, partial(seccomp.trial, writes=True)])
@pytest.mark.parametrize("command", [8, 10, 15])
def test_no_file_sends_signals_to_other_processes(
    machine: str, command: int, restrained: Callable[[str, int], list[seccomp.Instruction]]
) -> None:
    program, arch = restrained(machine, 42), syscalls.AUDIT_ARCH[machine]
    number = syscalls.NUMBERS[machine]["fcntl"]

    assert verdict(program, arch, number, 3, 4) == _ALLOW
    assert verdict(program, arch, number, 3, command) == _REFUSE


@pytest.mark.parametrize("name", ["fchown", "fchownat", "setxattr", "fremovexattr"])
def test_a_worker_gives_no_file_away(machine: str, name: str) -> None:
    program, arch = seccomp.worker(machine, 42), syscalls.AUDIT_ARCH[machine]

    assert verdict(program, arch, syscalls.NUMBERS[machine][name]) == _REFUSE


def test_a_trial_chooses_processors_for_itself_alone(machine: str) -> None:
    assert asked(machine, "sched_setaffinity", 0) == _ALLOW
    assert asked(machine, "sched_setaffinity", 43) == _REFUSE
