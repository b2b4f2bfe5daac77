#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# usage: holder.py DIR COMMAND...
# Does for COMMAND what a service manager does: keeps the descriptors that it is told to keep (sd_notify(3), FDSTORE=1),
# hands them over when it starts it again (sd_listen_fds(3)), at once after it has died. DIR/pid has its process id,
# DIR/ready grows with each READY=1, DIR/names has what is kept. Ends it, and then itself, by SIGTERM.
import os
import select
import signal
import socket
import sys

where, command = sys.argv[1], sys.argv[2:]
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.bind(where + "/notify")
kept = []  # (name, descriptor, identity)
child = 0
ending = False


def put(name, text):  # whole or not at all: others look at it at any time
    with open(where + "/" + name + ".new", "w") as f:
        f.write(text)
    os.rename(where + "/" + name + ".new", where + "/" + name)


def start():
    global child
    child = os.fork()
    if child:
        put("pid", str(child))
        return
    high = [os.dup2(fd, 200 + i) for i, (_, fd, _) in enumerate(kept)]
    notify.close()
    for i, fd in enumerate(high):
        os.dup2(fd, 3 + i)
        os.close(fd)
    os.environ.update(NOTIFY_SOCKET=where + "/notify", LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(high)),
                      LISTEN_FDNAMES=":".join(name for name, _, _ in kept))
    os.execvp(command[0], command)


def hear():
    global kept
    text, fds, _, _ = socket.recv_fds(notify, 4096, 8)
    fields = dict(line.split("=", 1) for line in text.decode().splitlines() if "=" in line)
    name = fields.get("FDNAME", "stored")
    if "FDSTOREREMOVE" in fields:
        kept = [k for k in kept if k[0] != name]
    for fd in fds:
        st = os.fstat(fd)
        if "FDSTORE" in fields and all(k[2] != st.st_ino for k in kept):
            os.set_inheritable(fd, False)
            kept.append((name, fd, st.st_ino))
        else:
            os.close(fd)
    put("names", "".join(n + "\n" for n, _, _ in kept))
    if "READY" in fields:
        with open(where + "/ready", "a") as f:
            f.write("x")


def on_term(*_):
    global ending
    ending = True
    os.kill(child, signal.SIGTERM)


signal.signal(signal.SIGTERM, on_term)
start()
while True:
    if select.select([notify], [], [], 0.02)[0]:
        hear()
    pid, _ = os.waitpid(-1, os.WNOHANG)
    if pid == child:
        if ending:
            break
        while select.select([notify], [], [], 0)[0]:
            hear()
        start()
