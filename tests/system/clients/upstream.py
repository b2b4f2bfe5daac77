#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""upstream.py ADDRESS MODE LOG: a DNS server that answers every question for A with 198.51.100.77, or not:
good, silent, servfail, lower (repeats names in lower case), forged (repeats them in another case over UDP), noedns (does
not understand EDNS). Writes a line for each query to LOG: transport, client's port, name as it was asked."""
import socket
import struct
import sys
import threading

ADDRESS, MODE, LOG = sys.argv[1:]
log = open(LOG, "a", buffering=1)


def answer(wire, transport, port):
    at, labels = 12, []
    while wire[at]:
        labels.append(wire[at + 1:at + 1 + wire[at]])
        at += 1 + wire[at]
    kind, = struct.unpack(">H", wire[at + 1:at + 3])
    log.write(f"{transport} {port} {b'.'.join(labels).decode()}\n")
    if MODE == "silent":
        return None
    question = wire[12:at + 5]
    if MODE == "lower":
        question = question.lower()
    if MODE == "forged" and transport == "udp":
        question = question.swapcase()
    if MODE == "servfail":
        return wire[:2] + b"\x81\x82" + b"\0\1\0\0\0\0\0\0" + question
    if MODE == "noedns" and wire[11]:
        return wire[:2] + b"\x81\x81" + b"\0\0\0\0\0\0\0\0"
    record = b"\xc0\x0c\0\1\0\1\0\0\0\x1e\0\4\xc6\x33\x64\x4d" if kind == 1 else b""
    return wire[:2] + b"\x81\x80\0\1" + (b"\0\1" if record else b"\0\0") + b"\0\0\0\0" + question + record


def stream(connection, port):
    with connection:
        while True:
            head = connection.recv(2)
            if len(head) < 2:
                return
            reply = answer(connection.recv(struct.unpack(">H", head)[0]), "tcp", port)
            if reply:
                connection.sendall(struct.pack(">H", len(reply)) + reply)


def streams():
    listener = socket.create_server((ADDRESS, 53))
    while True:
        connection, peer = listener.accept()
        threading.Thread(target=stream, args=(connection, peer[1]), daemon=True).start()


threading.Thread(target=streams, daemon=True).start()
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.bind((ADDRESS, 53))
log.write("ready\n")
while True:
    query, peer = udp.recvfrom(4096)
    reply = answer(query, "udp", peer[1])
    if reply:
        udp.sendto(reply, peer)
