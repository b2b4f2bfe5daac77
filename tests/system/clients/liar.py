# SPDX-License-Identifier: BSD-2-Clause
"""liar.py PORT: an upstream that answers by the first label of the name: malformed, or stuffed with what nobody asked for."""
import re
import socket
import struct
import sys

sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
sock.bind(("127.0.0.1", int(sys.argv[1])))
A = b"\x00\x01\x00\x01\x00\x00\x01\x2c\x00\x04"  # type, class, TTL 300, length
GOOD = b"\xc0\x0c" + A + bytes([198, 51, 100, 77])
EVIL = bytes([198, 51, 100, 66])


def answer(query):
    end = query.index(b"\x00", 12) + 5
    question = query[12:end]
    lie = query[13:13 + query[12]].decode(errors="replace").lower()
    head = lambda an=1, ns=0, ar=0, flags=0x8180: query[:2] + struct.pack(">HHHHH", flags, 1, an, ns, ar)
    if lie == "garbage":
        return query[:2] + head()[2:] + question + b"\xff" * 40
    if lie == "cut":
        return (head() + question + GOOD)[:-3]
    if lie == "wrong-question":
        return head() + re.sub(b"(?i)github", b"gitlab", question) + GOOD
    if lie == "not-an-answer":
        return head(flags=0x0100) + question + GOOD
    if lie == "pointer-loop":
        return head() + question + struct.pack(">H", 0xC000 | end) + A + EVIL
    if lie == "rdata-too-long":
        return head() + question + b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x01\x2c\x00\x06" + EVIL + b"xx"
    if lie == "svcb-hint":
        return head() + question[:-4] + question[-4:] + b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x01\x2c\x00\x03abc"
    if lie == "chain-loop":
        return head() + question + b"\xc0\x0c\x00\x05\x00\x01\x00\x00\x01\x2c\x00\x02\xc0\x0c"
    if lie == "stuffed":
        other = b"\x03api\x06github\x03com\x00" + A + EVIL
        return head(2, 1, 1) + question + GOOD + other + other + other
    return head() + question + GOOD


while True:
    query, peer = sock.recvfrom(4096)
    sock.sendto(answer(query), peer)
