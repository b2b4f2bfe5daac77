# SPDX-License-Identifier: BSD-2-Clause
"""trace.py attach|seize|getfd|mem PID: tries to get hold of another process, and says what came of it."""
import ctypes
import os
import sys

PTRACE_ATTACH, PTRACE_DETACH, PTRACE_SEIZE = 16, 17, 0x4206
SYS_PIDFD_GETFD = 438
libc = ctypes.CDLL(None, use_errno=True)
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]


def ptrace(request, pid):
    if libc.ptrace(request, pid, None, None) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def attach(pid):
    ptrace(PTRACE_ATTACH, pid)
    os.waitpid(pid, 0x40000000)  # __WALL
    ptrace(PTRACE_DETACH, pid)


def seize(pid):
    ptrace(PTRACE_SEIZE, pid)


def getfd(pid):
    if libc.syscall(SYS_PIDFD_GETFD, os.pidfd_open(pid), 4, 0) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def mem(pid):
    open(f"/proc/{pid}/mem", "rb").close()


how, pid = sys.argv[1], int(sys.argv[2])
try:
    {"attach": attach, "seize": seize, "getfd": getfd, "mem": mem}[how](pid)
    print(f"{how}: ok")
except OSError as e:
    print(f"{how}: {os.strerror(e.errno)}")
