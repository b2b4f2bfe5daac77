#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# usage: wait.py NAME [+]KIND=ADDRESS:PORT...
# Connects to each (KIND is tcp, udp, mptcp, or the number of a descriptor that is connected), waits in recv() on each,
# and looks up NAME ("-": none). Writes what each recv() came to, and "later" if that was more than 100 ms after the
# lookup, or "waits" if after 20 seconds it has not, or after 3 if all that are left have a "+": they are to wait. A ms
# is one of this machine's: what naps for one takes now.
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
    s.settimeout(20)
    s.connect((address, int(port)))
    s.settimeout(None)
    return s


def wait(s, results, i):
    try:
        text = "data" if s.recv(1) else "end"
    except OSError as e:
        text = os.strerror(e.errno)
    results[i] = (text, naps)


def split(text):
    kind, rest = text.split("=", 1)
    return (kind,) + tuple(rest.rsplit(":", 1))


wanted = [split(a.lstrip("+")) for a in sys.argv[2:]]
stay = [a.startswith("+") for a in sys.argv[2:]]
sockets = [connect(*w) for w in wanted]
results = [None] * len(sockets)
naps = 0
for i, s in enumerate(sockets):
    threading.Thread(target=wait, args=(s, results, i), daemon=True).start()
time.sleep(0.2)
if sys.argv[1] != "-":
    socket.getaddrinfo(sys.argv[1], 443)
print("known", flush=True)
left = 20000
while left > 0 and not all(results):
    if all(r or s for r, s in zip(results, stay)):
        left = min(left, 3000)
    time.sleep(0.001)
    naps += 1
    left -= 1
for w, r in zip(wanted, results):
    late = r and r[1] > 100 and sys.argv[1] != "-"
    print(w[0], w[1], r[0] if r else "waits", "later %d" % r[1] if late else "", flush=True)
