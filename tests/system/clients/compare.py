# SPDX-License-Identifier: BSD-2-Clause
"""compare.py zone: writes records for the little internet's zone.
compare.py ask PORT PORT: asks a namegate and an Unbound on 127.0.0.1, both in front of that zone, the same questions.
Every difference must be of a class in CLASSES, which says why it is right; any other one is an error."""
import collections
import random
import select
import socket
import struct
import sys

TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "SRV": 33, "DNAME": 39,
         "OPT": 41, "RRSIG": 46, "NSEC": 47, "SVCB": 64, "HTTPS": 65, "TYPE200": 200, "AXFR": 252, "ANY": 255,
         "CAA": 257, "TYPE65400": 65400}
NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = range(6)
UDP_MAX = 1232  # of both servers
SIZES = (0, 1, 255, 256, 400, 460, 520, 1100, 1150, 1160, 1170, 1180, 1190, 1200, 1250, 4000, 16000, 40000, 64000)
SETS = (1, 2, 3, 10, 25, 29, 40, 70, 73, 74, 80, 100, 200, 300)
LONG = ".".join(["l" * 63] * 3 + ["m" * 47])  # 253 octets on the wire with zoo.example
ESCAPED = (r"a\.b", r"sp\032ace", r"nul\000l", r"high\255\128", r"back\\slash", r"quo\"te", r"semi\;colon", r"at\@")


# --- the zone

def name(text):
    """A name as it is written in a zone, on the wire."""
    labels, label, i = [], bytearray(), 0
    while i < len(text):
        if text[i] == ".":
            labels.append(bytes(label))
            label = bytearray()
        elif text[i] == "\\" and text[i + 1].isdigit():
            label.append(int(text[i + 1:i + 4]))
            i += 3
        elif text[i] == "\\":
            label += text[i + 1].encode()
            i += 1
        else:
            label += text[i].encode()
        i += 1
    labels.append(bytes(label))
    return b"".join(bytes([len(label)]) + label for label in labels if label) + b"\0"


def txt(size):
    """A TXT record whose data has that many octets, at least one."""
    strings = []
    while True:
        part = min(255, max(size - 1, 0))
        strings.append('"%s"' % ("abcdefghij" * 26)[:part])
        size -= part + 1
        if size <= 0:
            return " ".join(strings)


def records():
    """Owner below zoo.example, type, data."""
    for count in SETS:
        for i in range(count):
            yield f"set{count}", "A", f"203.0.113.{i}" if i < 256 else f"198.51.100.{i - 256}"
            yield f"set{count}", "AAAA", f"2001:db8:3::{i:x}"
    for depth in range(1, 19):
        for end in ("set1", "set40", "nothing", "onlytxt"):
            yield f"c{depth}-{end}", "CNAME", f"c{depth - 1}-{end}" if depth > 1 else end
    yield "loop1", "CNAME", "loop2"
    yield "loop2", "CNAME", "loop1"
    yield "onlytxt", "TXT", "text"
    yield "*.wild", "A", "203.0.113.7"
    yield "*.wild", "TXT", "wild"
    yield "*.wildalias", "CNAME", "set2"
    yield "below.empty.nonterminal", "A", "203.0.113.8"
    yield "moved", "DNAME", "target"
    yield "target", "A", "203.0.113.9"
    yield "host.target", "A", "203.0.113.10"
    yield "alias.target", "CNAME", "set3"
    yield "twice.target", "DNAME", "target"
    for size in SIZES:
        yield f"text{size}", "TXT", txt(size)
    for i in range(40):
        yield "texts", "TXT", txt(i * 7)
        yield "mx", "MX", f"{i} mail{i % 7}.MixedCase"
        yield "_sip._udp", "SRV", f"{i} {i * 3} {5060 + i} server{i % 5}"
    yield "MixedCase", "A", "203.0.113.11"
    yield "UPPER", "CNAME", "mixedCASE"
    yield "svc", "HTTPS", "1 . alpn=h2,h3 port=8443 ipv4hint=203.0.113.12 ipv6hint=2001:db8:3::12"
    yield "svc", "HTTPS", "2 target port=443"
    yield "svcalias", "HTTPS", "0 svc"
    yield "_dns.svc", "SVCB", "1 target alpn=dot key65000=opaque"
    yield "caa", "CAA", '0 issue "ca.example"'
    yield "caa", "CAA", '128 tbs "unknown"'
    yield "odd", "TYPE65400", r"\# 6 c00c00ff2e00"
    yield "odd", "TYPE65400", r"\# 0"
    yield "odd", "TYPE65400", r"\# 300 " + "ab" * 300
    yield "mixture", "A", "203.0.113.13"
    yield "mixture", "MX", "10 set1"
    yield "mixture", "TXT", txt(100)
    yield "signedalias", "CNAME", "mixture"
    yield "child", "NS", "ns.child"
    yield "ns.child", "A", "192.0.2.53"
    yield "ptr", "PTR", "set1"
    yield LONG, "A", "203.0.113.14"
    yield ".".join("x" * 100), "A", "203.0.113.15"
    yield "longalias", "CNAME", LONG
    for i, label in enumerate(ESCAPED):
        yield label, "A", f"203.0.113.{100 + i}"
        yield label, "TXT", "escaped"
        yield f"esc{i}", "CNAME", label


def signature(type_, labels):
    """What no key made: neither server is to check it, both are to pass it on to those who set the DO bit."""
    return f"RRSIG {type_} 8 {labels} 300 20400101000000 20200101000000 1 . c2lnbmF0dXJl"


def write_zone():
    print("$ORIGIN zoo.example.")
    for owner, type_, data in records():
        print(owner, type_, data)
    for owner, type_ in (("mixture", "A"), ("mixture", "MX"), ("signedalias", "CNAME"), ("moved", "DNAME")):
        print(owner, signature(type_, 3))
    print("$ORIGIN .")
    print(". DNSKEY 256 3 8 a2V5")
    print(".", signature("DNSKEY", 0))  # a signed zone to NSD
    print(".", signature("SOA", 0))
    print(". NSEC . NS SOA RRSIG NSEC")
    print(".", signature("NSEC", 0))


def questions():
    """Names below zoo.example, and types; and some elsewhere, and meta-types."""
    seen = dict.fromkeys((owner, type_) for owner, type_, _ in records())
    for owner in dict.fromkeys(owner for owner, _ in seen):
        for type_ in ("A", "AAAA", "TXT"):
            seen[owner, type_] = None
    for owner in ("nothing", "a.b.c.nothing", "x.wild", "x.y.wild", "wild", "*.wild", "x.wildalias", "nonterminal",
                  "empty.nonterminal", "x.set1", "child", "x.child", "host.moved", "alias.moved", "none.moved",
                  "x.host.moved", "host.twice.moved", "moved", "z" * 62 + ".moved", "a.b", "svc", "mx",
                  LONG.replace("m", "n")):
        for type_ in ("A", "AAAA", "CNAME", "DNAME", "MX", "TXT", "SRV", "HTTPS", "SVCB", "CAA", "PTR", "TYPE65400"):
            seen[owner, type_] = None
    for depth in range(19):
        for type_ in ("CNAME", "MX"):
            seen[f"c{depth}-set1", type_] = None
    for owner, type_ in seen:
        yield name(owner + ".zoo.example"), TYPES[type_], 1
    for text in ("", "example", "zoo.example", "github.com", "nothing.github.com", "ns.test"):
        for type_ in ("A", "NS", "SOA", "TXT"):
            yield name(text), TYPES[type_], 1
    for text in ("mixture.zoo.example", "nothing.zoo.example", "c3-set1.zoo.example"):
        for type_ in ("ANY", "AXFR", "TYPE200"):
            yield name(text), TYPES[type_], 1
        yield name(text), TYPES["A"], 3
        yield name(text), TYPES["A"], 254


# --- messages

Question = collections.namedtuple("Question", "name type class_ tcp edns do cd ad rd")
Reply = collections.namedtuple("Reply", "size rcode tc aa ra ad cd rd question answer soa authority edns do more")


def query(id_, question):
    flags = (0x100 if question.rd else 0) | (0x10 if question.cd else 0) | (0x20 if question.ad else 0)
    wire = struct.pack(">6H", id_, flags, 1, 0, 0, 1 if question.edns else 0)
    wire += question.name + struct.pack(">HH", question.type, question.class_)
    if question.edns:
        wire += struct.pack(">BHHBBHH", 0, TYPES["OPT"], question.edns, 0, 0, 0x8000 if question.do else 0, 0)
    return wire


def read_name(wire, at):
    """The name in lower case, and where it ends."""
    labels, end, jumps = [], None, 0
    while wire[at]:
        if wire[at] >= 0xc0:
            end = at + 2 if end is None else end
            target = struct.unpack_from(">H", wire, at)[0] & 0x3fff
            jumps += 1
            assert target < at and jumps < 128, "a pointer that leads forward"
            at = target
            continue
        assert wire[at] < 0x40, "a label type that nobody uses"
        labels.append(wire[at:at + 1 + wire[at]].lower())
        at += 1 + wire[at]
    return b"".join(labels) + b"\0", at + 1 if end is None else end


def read_data(wire, at, length, type_):
    """The data, with names in it uncompressed and in lower case."""
    end = at + length
    fixed = {TYPES["NS"]: 0, TYPES["CNAME"]: 0, TYPES["PTR"]: 0, TYPES["DNAME"]: 0, TYPES["SOA"]: 0, TYPES["MX"]: 2,
             TYPES["SRV"]: 6}.get(type_)
    if fixed is None:
        return wire[at:end]
    data = wire[at:at + fixed]
    at += fixed
    for _ in range(2 if type_ == TYPES["SOA"] else 1):
        part, at = read_name(wire, at)
        data += part
    assert at <= end, "a name beyond its record"
    return data + wire[at:end]


def read(wire):
    _, flags, questions, *counts = struct.unpack_from(">6H", wire)
    at, asked, sections, edns, rcode = 12, b"", [[], [], []], None, flags & 15
    for _ in range(questions):
        start = at
        _, at = read_name(wire, at)
        at += 4
        asked += wire[start:at]  # in its own case
    for section, count in zip(sections, counts):
        for _ in range(count):
            owner, at = read_name(wire, at)
            type_, class_, ttl, length = struct.unpack_from(">HHIH", wire, at)
            at += 10
            if type_ == TYPES["OPT"]:
                assert owner == b"\0" and edns is None and section is sections[2], "a wrong OPT record"
                edns = class_
                rcode |= ttl >> 24 << 4
                do = bool(ttl & 0x8000)
            else:
                section.append((owner, type_, class_, read_data(wire, at, length, type_)))
            at += length
    assert at == len(wire), "octets at the end"
    answer = frozenset(sections[0])
    assert len(answer) == len(sections[0]), "a record twice"
    authority = frozenset(sections[1])
    soa = frozenset(record for record in authority if record[1] == TYPES["SOA"])
    bits = (bool(flags & bit) for bit in (0x200, 0x400, 0x80, 0x20, 0x10, 0x100))
    return Reply(len(wire), rcode, *bits, asked, answer, soa, authority - soa, edns is not None,
                 edns is not None and do, len(sections[2]))


class Server:
    def __init__(self, port):
        self.address = ("127.0.0.1", port)
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.udp.connect(self.address)
        self.tcp = None
        self.id = 0

    def exact(self, size):
        data = b""
        while len(data) < size:
            part = self.tcp.recv(size - len(data))
            if not part:
                raise ConnectionError("closed")
            data += part
        return data

    def ask_tcp(self, wire):
        for again in (True, False):
            try:
                if not self.tcp:
                    self.tcp = socket.create_connection(self.address, 15)
                self.tcp.sendall(struct.pack(">H", len(wire)) + wire)
                return self.exact(struct.unpack(">H", self.exact(2))[0])
            except (ConnectionError, BrokenPipeError):
                self.tcp = None
                if not again:
                    return None

    def ask_udp(self, wire):
        self.udp.send(wire)
        while select.select([self.udp], [], [], 15)[0]:
            data = self.udp.recv(65535)
            if data[:2] == wire[:2]:
                return data
        return None

    def ask(self, question):
        self.id = self.id % 65535 + 1
        data = (self.ask_tcp if question.tcp else self.ask_udp)(query(self.id, question))
        if data is None:
            return None
        assert struct.unpack_from(">H", data)[0] == self.id and data[2] & 0xf8 == 0x80, "no answer to this"
        limit = 65535 if question.tcp else min(max(question.edns, 512), UDP_MAX)
        assert len(data) <= limit, f"{len(data)} octets where {limit} are taken"
        return read(data)


# --- what is different, and why that is right

def differences(a, b):
    if a is None or b is None:
        return {"silence"} if a != b else set()
    return {field for field in ("rcode", "tc", "aa", "ra", "ad", "cd", "rd", "question", "answer", "soa", "authority",
                                 "edns", "do", "more")
            if getattr(a, field) != getattr(b, field)}


CLASSES = []


def explained(*fields):
    """A class of differences in these fields, or fewer: its name, and why each is right."""
    def add(function):
        CLASSES.append((function.__name__.replace("_", "-"), set(fields), function))
        return function
    return add


@explained("answer", "soa", "authority", "more")
def cut_to_nothing(question, a, b, different, servers):
    """Both say TC. namegate then gives no records: a part of them could be taken for the whole (RFC 2181 section 9)."""
    return a.tc and b.tc and not a.answer


@explained("rcode", "tc", "answer", "soa", "authority", "more")
def no_snooping(question, a, b, different, servers):
    """Recursion is not desired: Unbound refuses to show its cache, namegate asks its upstream as for any other. Askers
    are processes of this host, and all that it can ask is a server that recurses."""
    return not question.rd and b.rcode == REFUSED


@explained("authority", "more")
def referral(question, a, b, different, servers):
    """The upstream, which does not recurse here, only says whom to ask. Unbound hands that on; namegate hands on what
    answers the question, and nothing does."""
    return {type_ for _, type_, *_ in b.authority} == {TYPES["NS"]} and not (a.answer or a.soa or a.authority or a.more)


@explained("more")
def glue(question, a, b, different, servers):
    """The addresses of name servers beside NS records: namegate hands on nothing that was not asked for, since it would
    not be learnt."""
    return question.type == TYPES["NS"] and a.answer and not a.more


@explained("rcode", "tc", "answer", "soa", "authority")
def chain_too_long(question, a, b, different, servers):
    """An answer of more names than namegate follows (NG_CHAIN_MAX, 16): what it did not judge it does not give."""
    whole = servers[1].ask(question._replace(tcp=True, rd=True))
    return a.rcode == SERVFAIL and sum(type_ == TYPES["CNAME"] for _, type_, *_ in whole.answer) >= 16


@explained("rcode", "answer", "soa", "authority", "ad", "ra")
def meta_types_refused(question, a, b, different, servers):
    """ANY, transfers and other meta-types: namegate refuses them all, as RFC 8482 allows for ANY, since what they bring
    is not what was judged. Its refusals say RA, and AD to nobody; those of Unbound are the query with an rcode."""
    return 128 <= question.type <= 255 and a.rcode == REFUSED and not a.answer


@explained("authority")
def wildcard_proof(question, a, b, different, servers):
    """The records that prove a wildcard's answer: Unbound has checked nothing here and leaves them out, namegate hands
    them on to those who set the DO bit, who cannot check the answer without."""
    return question.do and a.answer and a.authority and not b.authority and not a.soa


def main(ports):
    gate, unbound = servers = [Server(int(port)) for port in ports]
    rest = random.Random(1)
    asked, classes, kinds, errors, shown = 0, collections.Counter(), collections.Counter(), 0, set()
    transports = [(False, 0), (False, 512), (False, 1232), (False, 4096), (True, 0), (True, 4096)]
    for wire, type_, class_ in questions():
        for tcp, edns in transports:
            mixed = bytes(c ^ 0x20 if 65 <= c & 0xdf <= 90 and rest.random() < 0.3 else c for c in wire)
            flag = lambda share: rest.random() < share
            question = Question(mixed, type_, class_, tcp, edns, bool(edns) and flag(0.3), flag(0.2), flag(0.2),
                                not flag(0.03))
            a, b = (server.ask(question) for server in servers)
            asked += 1
            different = differences(a, b)
            kinds[("cut" if a.tc else f"rcode {a.rcode}") if a else "silence"] += 1
            kinds["signed"] += a is not None and TYPES["RRSIG"] in (record[1] for record in a.answer | a.authority)
            kinds["over 16 KiB"] += a is not None and a.size > 16384
            if not different:
                continue
            for label, fields, why in CLASSES:
                if different <= fields and why(question, a, b, different, servers):
                    classes[label] += 1
                    break
            else:
                errors += 1
                kind = (*sorted(different), type_)
                if kind not in shown and len(shown) < 30:
                    shown.add(kind)
                    print(f"unexplained: {sorted(different)} of {question}")
                    print(f"  namegate: {short(a)}\n  unbound:  {short(b)}")
    print(f"{asked} questions, {sum(classes.values())} explained differences, {errors} unexplained ones")
    print("  " + ", ".join(f"{kind}: {count}" for kind, count in kinds.most_common()))
    for label, _, _ in CLASSES:
        print(f"  {label}: {classes[label]}")
        errors += classes[label] == 0  # it does not happen any more, and might hide what does
    return 1 if errors else 0


def short(reply):
    if reply is None:
        return "silence"
    return str(reply._replace(answer=f"{len(reply.answer)} records", authority=[r[:2] for r in reply.authority]))


if __name__ == "__main__":
    if sys.argv[1] == "zone":
        write_zone()
    else:
        sys.exit(main(sys.argv[2:4]))
