# SPDX-License-Identifier: BSD-2-Clause
"""journal.py SOCKET FILE: a journal that writes each entry into FILE, as one JSON object a line."""
import json
import os
import socket
import struct
import sys


def entry(data):
    fields = {}
    while data:
        line, _, data = data.partition(b"\n")
        key, equals, value = line.partition(b"=")
        if not equals:  # binary: the length, then the value
            (length,) = struct.unpack("<Q", data[:8])
            value, data = data[8 : 8 + length], data[9 + length :]
        fields[key.decode()] = value.decode()
    return fields


os.makedirs(os.path.dirname(sys.argv[1]), exist_ok=True)
server = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
server.bind(sys.argv[1])
with open(sys.argv[2], "w", encoding="utf-8") as out:
    while True:
        print(json.dumps(entry(server.recv(1 << 20))), file=out, flush=True)
