#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Reads lines `tcp ADDRESS PORT`, `udp ADDRESS PORT` or `ask NAME PORT`, does each in this one process, and says ok or the
error."""
import errno
import socket
import sys

for line in sys.stdin:
    kind, address, port = line.split()
    if kind == "ask":
        socket.getaddrinfo(address, int(port), type=socket.SOCK_STREAM)
        print("ok", flush=True)
        continue
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM) as s:
        s.settimeout(20)
        try:
            if kind == "tcp":
                s.connect((address, int(port)))
            else:
                s.sendto(b"x", (address, int(port)))
            print("ok", flush=True)
        except OSError as error:
            print(errno.errorcode.get(error.errno, error), flush=True)
