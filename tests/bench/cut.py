#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# usage: cut.py open NUMBER      opens TCP sockets over loopback, as many as it may, at most that, and waits for ever
#        cut.py NAME ADDRESS     connects a UDP socket to ADDRESS, looks NAME up, and prints how many ms after the answer
#                                it is cut
import resource
import socket
import sys
import threading
import time


def open_many(number):
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    listener = socket.create_server(("127.0.0.1", 0))
    pairs = []
    while 2 * len(pairs) < min(number, most - 100):
        pairs.append((socket.create_connection(listener.getsockname()), listener.accept()[0]))
    print(2 * len(pairs), flush=True)
    threading.Event().wait()


def cut(name, address):
    ended = []

    def wait():
        try:
            connection.recv(1)
        except OSError:
            ended.append(time.monotonic())

    connection = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    connection.connect((address, 9))
    waits = threading.Thread(target=wait, daemon=True)
    waits.start()
    time.sleep(0.1)
    socket.getaddrinfo(name, None, socket.AF_INET)
    answered = time.monotonic()
    waits.join(10)
    print(max(0, 1000 * (ended[0] - answered)) if ended else "never")


if sys.argv[1] == "open":
    open_many(int(sys.argv[2]))
else:
    cut(*sys.argv[1:])
