#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# usage: wait.py NAME KIND=ADDRESS:PORT...
# Connects to each (KIND is tcp, udp, mptcp, or the number of a descriptor that is connected), waits in recv() on each,
# and looks up NAME ("-": none). Writes what each recv() came to, and how many milliseconds after the lookup: "later" if
# more than 100, "-" if after 3 seconds it has not.
import os
import socket
import sys
import threading
import time


def connect(kind, address, port):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    if kind.isdigit():
        return socket.socket(fileno=int(kind))
    s = socket.socket(family, socket.SOCK_DGRAM if kind == "udp" else socket.SOCK_STREAM, 262 if kind == "mptcp" else 0)
    s.settimeout(5)
    s.connect((address, int(port)))
    s.settimeout(None)
    return s


def wait(s, results, i):
    try:
        text = "data" if s.recv(1) else "end"
    except OSError as e:
        text = os.strerror(e.errno)
    results[i] = (text, time.monotonic())


def split(text):
    kind, rest = text.split("=", 1)
    return (kind,) + tuple(rest.rsplit(":", 1))


wanted = [split(a) for a in sys.argv[2:]]
sockets = [connect(*w) for w in wanted]
results = [None] * len(sockets)
for i, s in enumerate(sockets):
    threading.Thread(target=wait, args=(s, results, i), daemon=True).start()
time.sleep(0.2)
if sys.argv[1] != "-":
    socket.getaddrinfo(sys.argv[1], 443)
known = time.monotonic()
print("known", flush=True)
until = known + 3
while time.monotonic() < until and not all(results):
    time.sleep(0.01)
for w, r in zip(wanted, results):
    ms = (r[1] - known) * 1000 if r else 0
    print(w[0], w[1], r[0] if r else "waits", "later %.0f" % ms if ms > 100 and sys.argv[1] != "-" else "", flush=True)
