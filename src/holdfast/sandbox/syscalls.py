"""System calls by number, and those that a model's code has no use for.

The numbers are the kernel's interface and never change; each machine has its own.
"""

from typing import Final

__all__ = [
    "ATTRIBUTES",
    "AUDIT_ARCH",
    "CEILING",
    "MACHINE",
    "NAMES",
    "NUMBERS",
    "OWNERS",
    "PROCESSES",
    "PROGRAMS",
    "SOCKETS",
]

AUDIT_ARCH: Final = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}

CEILING: Final = 451
"""Calls from here on are younger than this table: nobody knows what they let through."""


def _numbers(table: str) -> dict[str, int]:
    pairs = (entry.split(":") for entry in table.split())
    return {name: int(number) for name, number in pairs}


_X86_64: Final = """
accept:43 accept4:288 acct:163 add_key:248 adjtimex:159 bind:49 bpf:321 capset:126
chmod:90 chown:92 chroot:161 clock_adjtime:305 clock_settime:227 clone:56 clone3:435
connect:42 creat:85 create_module:174 delete_module:176 execve:59 execveat:322
fallocate:285 fanotify_init:300 fanotify_mark:301 fchmod:91 fchmodat:268 fchown:93
fchownat:260 fcntl:72
finit_module:313 flock:73 fork:57 fremovexattr:199 fsconfig:431 fsetxattr:190 fsmount:432
fsopen:430 fspick:433 futimesat:261 init_module:175 io_uring_enter:426
io_uring_register:427 io_uring_setup:425 ioctl:16 ioperm:173 iopl:172 ioprio_set:251
kcmp:312 kexec_file_load:320 kexec_load:246 keyctl:250 kill:62 lchown:94 link:86
linkat:265 listen:50 lremovexattr:198 lsetxattr:189 memfd_create:319 memfd_secret:447
migrate_pages:256 mkdir:83 mkdirat:258 mknod:133 mknodat:259 modify_ldt:154 mount:165
mount_setattr:442 move_mount:429 move_pages:279 mq_open:240 mq_unlink:241 msgctl:71
msgget:68 msgrcv:70 msgsnd:69 name_to_handle_at:303 open:2 open_by_handle_at:304
open_tree:428 openat:257 openat2:437 perf_event_open:298 personality:135 pidfd_getfd:438
pidfd_open:434 pidfd_send_signal:424 pivot_root:155 prctl:157 prlimit64:302
process_madvise:440 process_mrelease:448 process_vm_readv:310 process_vm_writev:311
ptrace:101 quotactl:179 quotactl_fd:443 reboot:169 removexattr:197 rename:82 renameat:264
renameat2:316 request_key:249 rmdir:84 rt_sigqueueinfo:129 rt_tgsigqueueinfo:297
sched_setaffinity:203 sched_setattr:314 sched_setparam:142 sched_setscheduler:144
semctl:66 semget:64 semop:65
semtimedop:220 setdomainname:171 setfsgid:123 setfsuid:122 setgid:106 setgroups:116
sethostname:170 setns:308 setpgid:109 setpriority:141 setregid:114 setresgid:119
setresuid:117 setreuid:113 setrlimit:160 setsid:112 settimeofday:164 setuid:105
setxattr:188 shmat:30 shmctl:31 shmget:29 socket:41 socketpair:53 swapoff:168 swapon:167
symlink:88 symlinkat:266 syslog:103 tgkill:234 tkill:200 truncate:76 umount2:166 unlink:87
unlinkat:263 unshare:272 uselib:134 userfaultfd:323 utime:132 utimensat:280 utimes:235
vfork:58 vhangup:153
"""

_AARCH64: Final = """
accept:202 accept4:242 acct:89 add_key:217 adjtimex:171 bind:200 bpf:280 capset:91
chroot:51 clock_adjtime:266 clock_settime:112 clone:220 clone3:435 connect:203
delete_module:106 execve:221 execveat:281 fallocate:47 fanotify_init:262 fanotify_mark:263 fchmod:52
fchmodat:53 fchown:55 fchownat:54 fcntl:25 finit_module:273 flock:32 fremovexattr:16
fsconfig:431 fsetxattr:7 fsmount:432 fsopen:430 fspick:433 init_module:105
io_uring_enter:426 io_uring_register:427 io_uring_setup:425 ioctl:29 ioprio_set:30
kcmp:272 kexec_file_load:294 kexec_load:104 keyctl:219 kill:129 linkat:37 listen:201
lremovexattr:15 lsetxattr:6 memfd_create:279 memfd_secret:447 migrate_pages:238 mkdirat:34
mknodat:33 mount:40 mount_setattr:442 move_mount:429 move_pages:239 mq_open:180
mq_unlink:181 msgctl:187 msgget:186 msgrcv:188 msgsnd:189 name_to_handle_at:264
open_by_handle_at:265 open_tree:428 openat:56 openat2:437 perf_event_open:241
personality:92 pidfd_getfd:438 pidfd_open:434 pidfd_send_signal:424 pivot_root:41
prctl:167 prlimit64:261 process_madvise:440 process_mrelease:448 process_vm_readv:270
process_vm_writev:271 ptrace:117 quotactl:60 quotactl_fd:443 reboot:142 removexattr:14
renameat:38 renameat2:276 request_key:218 rt_sigqueueinfo:138 rt_tgsigqueueinfo:240
sched_setaffinity:122 sched_setattr:274 sched_setparam:118 sched_setscheduler:119
semctl:191 semget:190
semop:193 semtimedop:192 setdomainname:162 setfsgid:152 setfsuid:151 setgid:144
setgroups:159 sethostname:161 setns:268 setpgid:154 setpriority:140 setregid:143
setresgid:149 setresuid:147 setreuid:145 setrlimit:164 setsid:157 settimeofday:170
setuid:146 setxattr:5 shmat:196 shmctl:195 shmget:194 socket:198 socketpair:199
swapoff:225 swapon:224 symlinkat:36 syslog:116 tgkill:131 tkill:130 truncate:45 umount2:39
unlinkat:35 unshare:97 userfaultfd:282 utimensat:88 vhangup:58
"""

NUMBERS: Final = {"x86_64": _numbers(_X86_64), "aarch64": _numbers(_AARCH64)}
"""By machine; a machine lacks those that it never had."""

PROGRAMS: Final = tuple(
    """
execve execveat fork vfork
""".split()
)
"""Start a program or another process."""

PROCESSES: Final = tuple(
    """
ptrace process_vm_readv process_vm_writev process_madvise process_mrelease kcmp pidfd_open
pidfd_getfd pidfd_send_signal tkill setpgid setsid
""".split()
)
"""Look into other processes, send to them, or leave the group that is ended as one."""

MACHINE: Final = tuple(
    """
mount umount2 pivot_root chroot move_mount open_tree fsopen fsconfig fsmount fspick
mount_setattr setns unshare bpf perf_event_open io_uring_setup io_uring_enter
io_uring_register keyctl add_key request_key userfaultfd kexec_load kexec_file_load
init_module finit_module delete_module create_module reboot swapon swapoff sethostname
setdomainname settimeofday clock_settime clock_adjtime adjtimex syslog acct quotactl
quotactl_fd personality name_to_handle_at open_by_handle_at iopl ioperm modify_ldt vhangup
fanotify_init fanotify_mark setuid setgid setreuid setregid setresuid setresgid setgroups
setfsuid setfsgid capset mknod mknodat memfd_secret uselib setpriority ioprio_set
migrate_pages move_pages shmget shmat shmctl semget semop semctl semtimedop msgget msgsnd
msgrcv msgctl
""".split()
)
"""Change the machine, or reach parts of the kernel that models never need."""

SOCKETS: Final = tuple(
    """
socket socketpair connect bind listen accept accept4
""".split()
)
"""Talk to others."""

OWNERS: Final = tuple(
    """
chown fchown lchown fchownat
setxattr lsetxattr fsetxattr removexattr lremovexattr fremovexattr
""".split()
)
"""Change whose a file is, or its extended attributes."""

ATTRIBUTES: Final = tuple(
    """
chmod fchmod fchmodat utime utimes utimensat futimesat flock setrlimit
mq_open mq_unlink memfd_create
""".split()
)
"""Change what is known of a file, which Landlock does not cover, or lift a limit."""

NAMES: Final = tuple(
    """
creat openat2 truncate rename renameat renameat2 unlink unlinkat rmdir mkdir mkdirat link
linkat symlink symlinkat
""".split()
)
"""Write below a path; for kernels without Landlock."""
