# SPDX-License-Identifier: BSD-2-Clause
"""Both sides of a resolver under fire. A name says by its first label what comes of it: KIND-NUMBER.evil.example, or
NUMBER.good.example (over TCP: over-NUMBER.good.example), which is answered at once and right.

fire.py upstream ADDRESS OTHER-ADDRESS  the server that both are asked of; without TCP while the file no-tcp exists
fire.py provoke PORT SECONDS RATE KIND...  asks for names of evil.example, and does not care
fire.py client PORT SECONDS HOW...  is a hostile client, in each of these ways at once
fire.py lookups PORT SECONDS PID MIB MS [over]  looks up names of good.example, with "over" also such as the upstream
                                      answers over TCP only: all must be answered, 95 of 100 within MS ms, nearly all
                                      at the first try, by a process that has no more than MIB of memory"""
import collections
import heapq
import os
import random
import re
import resource
import selectors
import socket
import struct
import sys
import threading
import time

A, TXT = 1, 16
GOOD = bytes([203, 0, 113, 20])
RIGHT = bytes([198, 51, 100, 77])   # of evil.example, in answers that are right: to be learnt
LONG_LIVED = bytes([198, 51, 100, 78])
EVIL = bytes([198, 51, 100, 66])    # in those that are not: never to be learnt
GOOD_TAKES = 0.03                   # s: as long as questions to a real upstream
noise = random.Random(1)


def frame(message):
    return struct.pack(">H", len(message)) + message


def labels(query):
    """The first label, and where the question ends."""
    at, found = 12, []
    while query[at]:
        found.append(query[at + 1:at + 1 + query[at]].decode(errors="replace").lower())
        at += 1 + query[at]
    return found, at + 5


# --- the upstream

def record(data, owner=b"\xc0\x0c", type_=A, ttl=300):
    return owner + struct.pack(">HHIH", type_, 1, ttl, len(data)) + data


def message(query, *records, id_=None, flags=0x8180, question=None):
    end = labels(query)[1]
    id_ = struct.unpack(">H", query[:2])[0] if id_ is None else id_
    head = struct.pack(">HHHHHH", id_, flags, 1, len(records), 0, 0)
    return head + (query[12:end] if question is None else question) + b"".join(records)


def bomb(query):
    """Each owner is a pointer to the pointer before, and expands to the whole name again."""
    end = labels(query)[1]
    records, at, target = [], end, 12
    for _ in range(120):
        records.append(record(EVIL, struct.pack(">H", 0xc000 | target)))
        target, at = at, at + 16
    return message(query, *records)


def elsewhere(query):
    return re.sub(b"(?i)\x04evil", b"\x04live", query[12:labels(query)[1]])


def wrong_ids(query):
    id_ = struct.unpack(">H", query[:2])[0]
    return [message(query, record(EVIL), id_=id_ ^ i) for i in (1, 2, 0x100, 0x8000, 0xffff)]


def over_udp(kind, query):
    """What is sent for that kind: messages, or (delay, how, message)."""
    id_ = query[:2]
    end = labels(query)[1]
    right = message(query, record(RIGHT))
    return {
        "good": lambda: [(GOOD_TAKES, "right", message(query, record(GOOD)))],
        "over": lambda: [message(query, flags=0x8380)],
        "garbage": lambda: [id_ + noise.randbytes(noise.randrange(600)) for _ in range(5)],
        "short": lambda: [right[:i] for i in range(12)],
        "cut": lambda: [message(query, record(EVIL))[:-i] for i in (1, 5, 10)],
        "loop": lambda: [message(query, record(EVIL, struct.pack(">H", 0xc000 | end)))],
        "ahead": lambda: [message(query, record(EVIL, struct.pack(">H", 0xc000 | end + 14)))],
        "bomb": lambda: [bomb(query)],
        "wrongid": lambda: wrong_ids(query),
        "wrongidthenright": lambda: wrong_ids(query) + [right],
        "wrongport": lambda: [(0, "port", message(query, record(EVIL)))],
        "wrongaddress": lambda: [(0, "address", message(query, record(EVIL)))],
        "wrongname": lambda: [message(query, record(EVIL), question=elsewhere(query))],
        "wrongtype": lambda: [message(query, record(EVIL), question=query[12:end - 4] + b"\0\x1c\0\1")],
        "otherowner": lambda: [message(query, record(EVIL, b"\x05other" + query[12:end - 4]))],
        "twice": lambda: [right, message(query, record(EVIL))],
        "late": lambda: [(9, "right", message(query, record(EVIL)))],
        "never": lambda: [],
        "echo": lambda: [query],
        "update": lambda: [message(query, record(EVIL), flags=0xa880)],
        "refused": lambda: [message(query, flags=0x8185)],
        "ttl": lambda: [message(query, record(LONG_LIVED, ttl=0x7fffffff))],
        "ttlhigh": lambda: [message(query, record(LONG_LIVED, ttl=0xffffffff))],
        "many": lambda: [message(query, *[record(EVIL[:3] + bytes([66]))] * 600)],
    }.get(kind, lambda: [message(query, flags=0x8380)])()  # tc...: see over_tcp()


def over_tcp(connection, kind, query):
    """Answers one question. False: the connection is over."""
    if kind == "over":
        connection.sendall(frame(message(query, record(GOOD))))
    elif kind == "tcbig":
        connection.sendall(frame(message(query, *[record(b"\xff" + noise.randbytes(255), type_=TXT)] * 244)))
    elif kind == "tcdrip":
        for octet in frame(message(query, record(RIGHT))):
            connection.sendall(bytes([octet]))
            time.sleep(0.002)
    elif kind == "tcmany":
        connection.sendall(frame(message(query, *[record(EVIL)] * 4000)))
    elif kind == "tcgarbage":
        connection.sendall(frame(query[:2] + noise.randbytes(3000)))
    elif kind == "tcshort":
        connection.sendall(frame(query[:2]) + frame(b""))
    elif kind == "tcwrongid":
        connection.sendall(b"".join(map(frame, wrong_ids(query))))
    elif kind == "tcwrongname":
        connection.sendall(frame(message(query, record(EVIL), question=elsewhere(query))))
    elif kind == "tctc":
        connection.sendall(frame(message(query, record(EVIL), flags=0x8380)))
    elif kind == "tcclose":
        return False
    elif kind == "tchalf":
        connection.sendall(frame(message(query, record(EVIL)))[:-3])
        return False
    return True


def serve_connection(connection):
    data = b""
    with connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            while part := connection.recv(65536):
                data += part
                while len(data) >= 2 and len(data) >= (size := 2 + struct.unpack(">H", data[:2])[0]):
                    query, data = data[2:size], data[size:]
                    if not over_tcp(connection, kind_of(query), query):
                        return
        except OSError:
            pass


def kind_of(query):
    found = labels(query)[0]
    first = found[0].split("-")[0]
    return "good" if "good" in found and first != "over" else first


def upstream(address, other):
    sockets = {}
    for how, end in (("right", (address, 53)), ("port", (address, 5353)), ("address", (other, 53))):
        sockets[how] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sockets[how].bind(end)
    listener, late = None, []
    while True:
        if os.path.exists("no-tcp") == bool(listener):
            if listener:
                listener.close()
                listener = None
            else:
                listener = socket.create_server((address, 53), backlog=100)
        selector = selectors.DefaultSelector()
        selector.register(sockets["right"], selectors.EVENT_READ)
        if listener:
            selector.register(listener, selectors.EVENT_READ)
        until = time.monotonic() + 0.1
        while time.monotonic() < until:
            for key, _ in selector.select(0.002):
                if key.fileobj is listener:
                    threading.Thread(target=serve_connection, args=(listener.accept()[0],), daemon=True).start()
                    continue
                query, peer = sockets["right"].recvfrom(4096)
                for sent in over_udp(kind_of(query), query):
                    delay, how, answer = sent if isinstance(sent, tuple) else (0, "right", sent)
                    if delay:
                        heapq.heappush(late, (time.monotonic() + delay, how, answer, peer))
                    else:
                        sockets[how].sendto(answer, peer)
            while late and late[0][0] < time.monotonic():
                _, how, answer, peer = heapq.heappop(late)
                sockets[how].sendto(answer, peer)
        selector.close()


# --- those who ask

def question(name, type_=A, flags=0x0100, additional=b""):
    wire = struct.pack(">HHHHHH", noise.getrandbits(16), flags, 1, 0, 0, 1 if additional else 0)
    for label in name.split("."):
        wire += bytes([len(label)]) + label.encode()
    return wire + b"\0" + struct.pack(">HH", type_, 1) + additional


def seconds(count):
    end = time.monotonic() + float(count)
    while time.monotonic() < end:
        yield end - time.monotonic()


def provoke(port, duration, rate, *kinds):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        began, i = time.monotonic(), 0
        for _ in seconds(duration):
            kind = kinds[i % len(kinds)]
            s.sendto(question(f"{kind}-{os.getpid()}-{i}.evil.example", TXT if kind == "tcbig" else A),
                     ("127.0.0.1", int(port)))
            i += 1
            time.sleep(max(0.0, began + i / int(rate) - time.monotonic()))
    print(f"{i} questions for names of evil.example")


def rss(pid):
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS")) / 1024


class Lookup:
    """As programs look names up: another try after a second, three at most."""

    def __init__(self, port):
        self.server = ("127.0.0.1", int(port))
        self.retried = 0

    def udp(self, wire):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.connect(self.server)
            s.settimeout(1)
            s.send(wire)
            return s.recv(4096)

    def tcp(self, wire):
        with socket.create_connection(self.server, 1) as s:
            s.sendall(frame(wire))
            data = b""
            while len(data) < 2 or len(data) < 2 + struct.unpack(">H", data[:2])[0]:
                part = s.recv(4096)
                if not part:
                    raise ConnectionError("closed")
                data += part
            return data[2:]

    def ask(self, how, name):
        wire, answer = question(name), b"no answer"
        for _ in range(3):
            try:
                answer = how(wire)
                if answer[:2] == wire[:2] and answer[3] & 15 == 0 and answer.endswith(GOOD):
                    return None
            except OSError as error:
                answer = repr(error).encode()
            self.retried += 1
        return f"{how.__name__} {name}: {answer}"


def lookups(port, duration, pid, mib, limit_ms, over=None):
    lookup, took, failed, late = Lookup(port), [], [], []
    most = rss(pid)
    for _ in seconds(duration):
        i = len(took)
        how = lookup.tcp if i % 4 == 3 else lookup.udp
        began = time.monotonic()
        error = lookup.ask(how, f"{'over-' if over and i % 10 == 9 else ''}{os.getpid()}-{i}.good.example")
        took.append((time.monotonic() - began) * 1000)
        most = max(most, rss(pid))
        if error:
            failed.append(error)
        began = time.monotonic()
        time.sleep(0.004)
        late.append((time.monotonic() - began) * 1000 - 4)
    count = len(took)
    took.sort()
    # A busy machine lets everybody wait: this client too, and each of the five that a question comes by.
    limit_ms = float(limit_ms) + 10 * sorted(late)[count * 95 // 100]
    print(f"{count} lookups, {len(failed)} failed, {lookup.retried} more tries; half within {took[count // 2]:.1f} ms, "
          f"95 of 100 within {took[count * 95 // 100]:.1f} of {limit_ms:.0f}, all within {took[-1]:.1f}; at most {most:.1f} MiB")
    for error in failed[:5]:
        print(f"  {error}")
    return bool(failed or lookup.retried > max(count // 20, 6) or took[count * 95 // 100] > limit_ms or
                most > float(mib))


# --- hostile clients

def connect(port, patience=2):
    s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    s.settimeout(patience)
    s.connect(("127.0.0.1", int(port)))
    return s


def held(port, count, duration, talk):
    """That many connections, spoken to again and again; those that are closed are made anew."""
    connections = []
    for _ in seconds(duration):
        while len(connections) < count:
            try:
                connections.append((connect(port), [0]))
            except OSError:
                break
        for one in connections.copy():
            try:
                talk(*one)
            except OSError:
                one[0].close()
                connections.remove(one)
        time.sleep(0.01)


def slow(s, state):
    """An octet now and then, of a query that never ends."""
    s.send(bytes([0x0f, 0xff, 0x12, 0x34, 1, 0, 0, 1])[state[0] % 8:][:1])
    state[0] += 1


def segments(s, state):
    """Queries in segments of one octet each; the answers are read."""
    s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for octet in frame(question(f"{noise.getrandbits(32)}.good.example")):
        s.send(bytes([octet]))
    s.recv(65536)


def half(s, state):
    """Half a query and the end; or the end at once; or a reset."""
    s.send(frame(question("half.good.example"))[:noise.choice([0, 1, 2, 9])] or b"\0")
    if noise.random() < 0.5:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        raise ConnectionError("reset")
    s.shutdown(socket.SHUT_WR)
    raise ConnectionError("closed")


def pipelined(s, state):
    """A thousand queries, and no answer is read."""
    s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    if not state[0]:
        s.settimeout(0.05)
        s.sendall(frame(question("tcbig-same.evil.example", TXT)) * 1000)
    state[0] = 1


def datagrams(make):
    def run(port, duration):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            for _ in seconds(duration):
                for _ in range(20):
                    s.sendto(make(), ("127.0.0.1", int(port)))
                time.sleep(0.002)
    return run


def wrong_edns():
    name = f"{noise.getrandbits(32)}.evil.example"
    return question(name, additional=noise.choice([
        b"\0\0\x29", b"\0\0\x29\x10\0\0\0\0\0\xff\xff", b"\x01a\0\0\x29\x10\0\0\0\0\0\0\0",
        b"\0\0\x29\0\0\0\xff\0\0\0\0", b"\xc0\x0c\0\x29\x10\0\0\0\0\0\0\0",
        b"\0\0\x29\xff\xff\0\0\xff\xff\0\x04\0\x0a\xff\xff", noise.randbytes(40)]))


def flood(port, duration):
    """Two thousand connections that say nothing."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    connections = []
    for _ in seconds(duration):
        if len(connections) < 2000:
            try:
                connections.append(connect(port))
            except OSError:
                time.sleep(0.01)
        else:
            time.sleep(0.01)
    print(f"{len(connections)} connections")


def crowd(port, duration):
    """Who waits for an answer is not hung up on for connections that say nothing, of which there are many."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
    asker = connect(port, 20)
    asker.sendall(frame(question(f"never-{os.getpid()}.evil.example")))
    connections = [connect(port, 20) for _ in range(1000)]
    if not asker.recv(2):
        sys.exit("hung up on while an answer was under way")
    print(f"an answer after {len(connections)} further connections")


WAYS = {
    "slow": lambda port, duration: held(port, 50, duration, slow),
    "segments": lambda port, duration: held(port, 10, duration, segments),
    "half": lambda port, duration: held(port, 50, duration, half),
    "pipelined": lambda port, duration: held(port, 10, duration, pipelined),
    "edns": datagrams(wrong_edns),
    "answers": datagrams(lambda: question("1.good.example", flags=0x8180)),
    "noise": datagrams(lambda: noise.randbytes(noise.randrange(1, 1400))),
    "flood": flood,
    "crowd": crowd,
}


def client(port, duration, *ways):
    children = []
    for way in ways:
        pid = os.fork()
        if pid == 0:
            try:
                WAYS[way](port, duration)
                sys.stdout.flush()
                os._exit(0)
            except BaseException as error:  # the child must not go on as its parent
                print(f"{way}: {error!r}", flush=True)
                os._exit(1)
        children.append(pid)
    failed = [pid for pid in children if os.waitpid(pid, 0)[1] != 0]
    return bool(failed)


sys.exit(globals()[sys.argv[1]](*sys.argv[2:]))
