#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# usage: stream.py DIR SERVER PORT
# Asks the same question every two milliseconds, each once, from one socket, until DIR/end is there, and then waits for
# what is still to come. Prints how many questions were asked, and how many of them nobody has answered.
import os
import select
import socket
import struct
import sys
import time

where, server, port = sys.argv[1], sys.argv[2], int(sys.argv[3])
waiting = {}  # id -> when it was asked
asked = 0
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.setsockopt(socket.SOL_SOCKET, 33, 4 << 20)  # SO_RCVBUFFORCE: answers come all at once when the resolver is back
began = due = time.monotonic()


def hear(seconds):
    while select.select([s], [], [], seconds)[0]:
        waiting.pop(struct.unpack(">H", s.recv(4096)[:2])[0], None)
        seconds = 0


while asked < 65536 and not os.path.exists(where + "/end"):
    asked += 1
    waiting[asked & 0xffff] = time.monotonic()
    s.sendto(struct.pack(">HHHHHH", asked & 0xffff, 0x100, 1, 0, 0, 0) +
             b"\x06status\x06github\x03com\x00\x00\x01\x00\x01", (server, port))
    due = max(due + 0.002, time.monotonic())
    while time.monotonic() < due:
        hear(max(due - time.monotonic(), 0))
until = time.monotonic() + 15
while waiting and time.monotonic() < until:
    hear(0.1)
print(asked, len(waiting))
print("lost of", asked, ["%.2f s" % (at - began) for at in waiting.values()], file=sys.stderr)
