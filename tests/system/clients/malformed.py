# SPDX-License-Identifier: BSD-2-Clause
"""malformed.py ADDRESS PORT: messages that are no queries. Checks the answers that RFCs ask for, then sends noise."""
import random
import socket
import struct
import sys

server = (sys.argv[1], int(sys.argv[2]))
question = b"\x06github\x03com\x00\x00\x01\x00\x01"


def udp(message, seconds):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(seconds)
        s.sendto(message, server)
        try:
            return s.recv(4096)
        except TimeoutError:
            return None


def header(flags=0x0100, questions=1, answers=0, authority=0, additional=0):
    return struct.pack(">HHHHHH", 0x1234, flags, questions, answers, authority, additional)


def rcode(message, seconds):
    answer = udp(message, seconds)
    if answer is None:
        return None
    assert answer[:2] == b"\x12\x34" and answer[2] & 0x80, answer
    return answer[3] & 15


FORMERR, NOTIMP, REFUSED = 1, 4, 5
expected = [
    ("empty", b"", None),
    ("half a header", header()[:7], None),
    ("an answer", header(0x8180) + question, None),
    ("no question", header(questions=0), FORMERR),
    ("two questions", header(questions=2) + question * 2, FORMERR),
    ("a question announced but missing", header(), FORMERR),
    ("a name that is cut", header() + b"\x06git", FORMERR),
    ("a pointer in the question", header() + b"\xc0\x0c\x00\x01\x00\x01", FORMERR),
    ("a label type that nobody uses", header() + b"\x80abc\x00\x00\x01\x00\x01", FORMERR),
    ("a name beyond 255 octets", header() + b"\x3f" + b"a" * 63 + (b"\x3f" + b"a" * 63) * 4 + b"\x00\x00\x01\x00\x01",
     FORMERR),
    ("octets at the end", header() + question + b"junk", FORMERR),
    ("an answer section", header(answers=1) + question + b"\x00\x00\x01\x00\x01\x00\x00\x00\x00\x00\x00", FORMERR),
    ("two OPT records", header(additional=2) + question + b"\x00\x00\x29\x10\x00\x00\x00\x00\x00\x00\x00" * 2, FORMERR),
    ("an OPT record with a name", header(additional=1) + question + b"\x01a\x00\x00\x29\x10\x00" + bytes(6), FORMERR),
    ("a status query", header(0x1100) + question, NOTIMP),
    ("an update", header(0x2800) + question, NOTIMP),
    ("a zone transfer", header() + question[:-4] + b"\x00\xfc\x00\x01", REFUSED),
]
for what, message, wanted in expected:
    got = rcode(message, 1 if wanted is None else 20)
    assert got == wanted, f"{what}: rcode {got}, expected {wanted}"

noise = random.Random(1)
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
    for i in range(20000):
        message = bytearray(header(noise.choice([0x0100, noise.getrandbits(16)]), 1, 0, 0, noise.randrange(3)) + question +
                            noise.randbytes(noise.randrange(40)))
        for _ in range(noise.randrange(6)):
            message[noise.randrange(len(message))] = noise.getrandbits(8)
        s.sendto(bytes(message), server)

for payload in (b"\x00", b"\x00\x05abcde", b"\xff\xff" + b"x" * 100, struct.pack(">H", 12) + header(0x8180),
                struct.pack(">H", len(header() + question)) + (header() + question)[:20]):
    with socket.create_connection(server, 20) as s:
        s.sendall(payload)
        s.shutdown(socket.SHUT_WR)
        s.settimeout(20)
        assert s.recv(100) == b"", payload

# One connection, several queries at once, octet by octet at first: every one is answered.
with socket.create_connection(server, 20) as s:
    query = header() + question
    frame = struct.pack(">H", len(query)) + query
    for octet in frame:
        s.sendall(bytes([octet]))
    s.sendall(frame * 100)
    s.settimeout(30)
    data = b""
    answers = 0
    while answers < 101:
        data += s.recv(65536)
        while len(data) >= 2 and len(data) >= 2 + struct.unpack(">H", data[:2])[0]:
            data = data[2 + struct.unpack(">H", data[:2])[0]:]
            answers += 1
print("all as expected")
