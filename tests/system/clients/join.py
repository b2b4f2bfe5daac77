#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""join.py PID: which UDP ports of that process another program of root's can bind too, by SO_REUSEPORT."""
import os
import socket
import sys

sockets = set()
for fd in os.listdir(f"/proc/{sys.argv[1]}/fd"):
    try:
        sockets.add(os.readlink(f"/proc/{sys.argv[1]}/fd/{fd}"))
    except OSError:
        pass
ports = set()
for line in open("/proc/net/udp").readlines()[1:]:
    fields = line.split()
    if f"socket:[{fields[9]}]" in sockets and fields[1].startswith("0100007F:"):
        ports.add(int(fields[1][9:], 16))
joined = []
for port in sorted(ports):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        s.bind(("127.0.0.1", port))
        joined.append(port)
    except OSError:
        pass
    s.close()
print(f"{len(ports)} ports, joined: {joined}")
