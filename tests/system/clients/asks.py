#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# usage: asks.py DIR NAME SERVER PORT
# Asks the same question again and again until DIR/end is there, each with one retry; NAME "deployment" tries to go
# through in between. Prints NAME, whether that was often, how many questions were lost, how many tries went through.
import collections, os, socket, struct, sys, time
where, name, server, port = sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])
asked = lost = through = n = again = 0
longest = 0.0
why = collections.Counter()
while not os.path.exists(where + "/end"):
    n += 1
    query = struct.pack(">HHHHHH", n & 0xffff, 0x100, 1, 0, 0, 0) + b"\x06status\x06github\x03com\x00\x00\x01\x00\x01"
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(15.0)
    asked += 1
    began = time.monotonic()
    for attempt in range(2):
        try:
            s.sendto(query, (server, port))
            s.recv(4096)
            break
        except OSError as e:
            again += 1
            why[str(e)] += 1
    else:
        lost += 1
    s.close()
    longest = max(longest, time.monotonic() - began)
    if name == "deployment":
        try:
            socket.create_connection(("198.51.100.10", 80), 2)
            through += 1
        except PermissionError:
            pass
    time.sleep(0.005)
print(name, asked > 50, lost, through)
print(name, "asked", asked, "again", again, dict(why), "longest %.2f s" % longest, file=sys.stderr)
