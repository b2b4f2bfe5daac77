#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# usage: paths.py WAY ADDRESS PORT: tries one way to reach an address, and says "reached" only when something came back,
# or, for sockets that answer nothing, when they could be made. Else says why not, and fails.
import ctypes
import errno
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

PATIENCE = float(os.environ.get("PATIENCE", 10))  # s, for what comes back
OTHER = ("203.0.113.21", 9999)  # where everybody may go
REQUEST = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


def udp(family=socket.AF_INET):
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.settimeout(PATIENCE)
    return s


def tcp(family=socket.AF_INET, protocol=0):
    s = socket.socket(family, socket.SOCK_STREAM, protocol)
    s.settimeout(PATIENCE)
    return s


def nonblocking(to):
    s = tcp()
    s.setblocking(False)
    error = s.connect_ex(to)
    if error not in (0, 115):
        raise OSError(error, os.strerror(error))
    s.settimeout(PATIENCE)
    s.send(b"x")


def bound(to):
    s = tcp()
    s.bind(("10.77.0.2", 0))
    s.connect(to)


def fastopen_connect(to):
    s = tcp()
    s.setsockopt(socket.IPPROTO_TCP, 30, 1)
    s.connect(to)
    s.send(b"GET / HTTP/1.0\r\n\r\n")
    s.recv(1)


def fastopen_sendmsg(to):
    s = socket.socket()
    s.sendmsg([b"GET / HTTP/1.0\r\n\r\n"], [], 0x20000000, to)
    s.recv(1)


def flow_label(to):
    tcp(socket.AF_INET6).connect((to[0], to[1], 0x12345, 0))


def call(function, s, *arguments):
    if getattr(ctypes.CDLL(None, use_errno=True), function)(s.fileno(), *arguments) < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def sockaddr_in(to, family=socket.AF_INET):
    return struct.pack("=HH4s8x", family, socket.htons(to[1]), socket.inet_aton(to[0]))


def v4_on_v6_connect(to):
    s = udp(socket.AF_INET6)
    call("connect", s, sockaddr_in(to), 16)
    s.send(b"ping")
    s.recv(1000)


def v4_on_v6_sendto(to):
    s = udp(socket.AF_INET6)
    call("sendto", s, b"ping", 4, 0, sockaddr_in(to), 16)
    s.recv(1000)


def mptcp(to):
    tcp(protocol=262).connect(to)


def mptcp_serve(to):
    """Sends back what comes. After "alone" its own address loses what comes to it, until the client has ended: the other
    paths are left."""
    def loses(yes):
        rules = "table ip alone {}\ndelete table ip alone\n"
        if yes:
            rules += ("table ip alone {\nchain in { type filter hook input priority 0; "
                      f"ip daddr {to[0]} tcp dport {to[1]} drop; }}\n}}\n")
        subprocess.run(["nft", "-f", "-"], input=rules.encode(), check=True)

    def serve(s):
        try:
            s.sendall(b"hello")
            while data := s.recv(100):
                if data == b"alone":
                    loses(True)
                s.sendall(data)
        except OSError:
            pass
        loses(False)

    s = tcp(protocol=262)
    s.settimeout(None)
    s.bind(("0.0.0.0", to[1]))
    s.listen()
    while True:
        one = s.accept()[0]
        threading.Thread(target=serve, args=(one,), daemon=True).start()


def paths_to(to):  # all that are established: local and peer address of each
    peer = "%08X:%04X" % (struct.unpack("=I", socket.inet_aton(to[0]))[0], to[1])
    lines = [line.split()[1:4] for line in open("/proc/net/tcp")]
    return {local for local, remote, state in lines if [remote, state] == [peer, "01"]}


def mptcp_path(to, seconds):  # a connection to sys.argv[4] that has a further path to there
    before = paths_to(to)  # of processes that have ended, and whose peer has not heard of it
    s = tcp(protocol=262)
    s.settimeout(10)
    s.connect((sys.argv[4], to[1]))
    s.recv(5)
    until = time.monotonic() + seconds
    while not paths_to(to) - before:
        s.sendall(b"x")
        s.recv(1)
        if time.monotonic() > until:
            raise OSError(0, "timed out: there is no further path")
        time.sleep(0.05)
    return s


def mptcp_further(to):
    mptcp_path(to, PATIENCE)


def mptcp_before(to):  # which is denied when sys.argv[5] has been looked up
    s = mptcp_path(to, 10)
    socket.getaddrinfo(sys.argv[5], 80)
    s.sendall(b"alone")
    s.recv(5)
    s.settimeout(PATIENCE)
    s.sendall(b"ping")
    s.recv(4)


def gso(to):
    s = udp()
    s.setsockopt(socket.IPPROTO_UDP, 103, 100)
    s.sendto(b"x" * 300, to)
    s.recv(1000)


def unspecified_family(to):
    s = udp()
    call("sendto", s, b"ping", 4, 0, sockaddr_in(to, socket.AF_UNSPEC), 16)
    s.recv(1000)


def elsewhere(to):
    s = udp()
    s.connect(OTHER)
    s.sendto(b"ping", to)
    s.settimeout(0.5)
    s.recv(1000)


def reconnect(to):
    s = udp()
    s.connect(OTHER)
    s.connect(to)
    s.send(b"ping")
    s.recv(1000)


def ping(to):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)
    s.settimeout(PATIENCE)
    s.sendto(struct.pack(">BBHHH", 8, 0, 0, 1, 1), to)
    s.recv(1000)


def ping6(to):
    s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM, socket.IPPROTO_ICMPV6)
    s.settimeout(PATIENCE)
    s.sendto(struct.pack(">BBHHH", 128, 0, 0, 1, 1), to)
    s.recv(1000)


def scope(to):
    tcp(socket.AF_INET6).connect((to[0], to[1], 0, socket.if_nametoindex("h0")))


def bound_to_device(to):
    s = tcp()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"h0")
    s.connect(to)


def cast(to):  # to many at once: nobody answers
    s = udp(socket.AF_INET6 if ":" in to[0] else socket.AF_INET)
    s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    s.sendto(b"x", to)


def standing(to, kind):
    """A connection that stands when what it leads to becomes denied, by the lookup of sys.argv[4]."""
    s = kind()
    s.connect(to)
    socket.getaddrinfo(sys.argv[4], 80)
    return s


def again_and_again(s, put, seconds=float(os.environ.get("PATIENCE", 2))):
    """Until it fails, by other means than EPERM, or for long enough that it never will."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        try:
            put(s)
            s.recv(1000)
        except PermissionError:
            pass  # of a datagram, before the connection is cut
        except OSError as e:
            if e.errno != errno.EDESTADDRREQ:
                raise
            s.recv(1)  # a datagram socket that was cut is connected no more, and says here why
        time.sleep(0.02)


def put_file(s):
    with tempfile.TemporaryFile() as f:
        f.write(REQUEST)
        f.flush()
        os.sendfile(s.fileno(), f.fileno(), 0, len(REQUEST))


def put_spliced(s):
    out, into = os.pipe()
    try:
        os.write(into, REQUEST)
        os.splice(out, s.fileno(), len(REQUEST))
    finally:
        os.close(out)
        os.close(into)


def put_teed(s):
    out, into = os.pipe()
    other_out, other_into = os.pipe()
    try:
        os.write(into, REQUEST)
        ctypes.CDLL(None).tee(out, other_into, len(REQUEST), 0)
        os.splice(other_out, s.fileno(), len(REQUEST))
    finally:
        for fd in (out, into, other_out, other_into):
            os.close(fd)


def put_zerocopy(s):
    s.setsockopt(socket.SOL_SOCKET, 60, 1)
    s.send(REQUEST, 0x4000000)


def sendfile(to):
    again_and_again(standing(to, tcp), put_file)


def splice(to):
    again_and_again(standing(to, tcp), put_spliced)


def tee(to):
    again_and_again(standing(to, tcp), put_teed)


def zerocopy(to):
    again_and_again(standing(to, tcp), put_zerocopy)


def sendfile_udp(to):
    again_and_again(standing(to, udp), put_file)


def splice_udp(to):
    again_and_again(standing(to, udp), put_spliced)


def routing_header(to):
    s = udp(socket.AF_INET6)
    # IPv6 routing header, type 0 is refused by the kernel; type 4 (segments) is not: RFC 8754.
    header = struct.pack("=BBBBBBH16s", 0, 2, 4, 0, 0, 0, 0, socket.inet_pton(socket.AF_INET6, to[0]))
    s.setsockopt(socket.IPPROTO_IPV6, 57, header)
    s.sendto(b"ping", (to[0], to[1]))
    s.recv(1000)


def accepted(to):
    s = socket.socket()
    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    s.bind(("10.77.0.2", 8088))
    s.listen()
    s.settimeout(8)
    open(sys.argv[4], "w").close()
    s.accept()


def clone_into_cgroup(to):  # clone3(2), to sys.argv[4]
    arguments = struct.pack("=11Q", 0x200000000, 0, 0, 0, 17, 0, 0, 0, 0, 0, os.open(sys.argv[4], os.O_RDONLY))
    libc = ctypes.CDLL(None, use_errno=True)
    pid = libc.syscall(435, arguments, len(arguments))
    if pid < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    if pid == 0:
        try:
            plain(to)
        except OSError as e:
            os._exit(e.errno)
        os._exit(0)
    error = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if error:
        raise OSError(error, os.strerror(error))


def packet(to):
    socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM).bind(("h0", 0x0800))


def xdp(to):
    socket.socket(44, socket.SOCK_RAW).close()


def tun(to):
    import fcntl
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(fd, 0x400454CA, struct.pack("16sH22x", b"ngt0", 1))


def listening(path):  # the file is there when it listens
    s = socket.socket(socket.AF_UNIX)
    s.bind(path + ".new")
    s.listen()
    os.rename(path + ".new", path)
    return s


def helper(to):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[4])
    if s.recv(100) != b"reached":
        raise OSError(0, "the helper failed")


def help_out(to):
    s = listening(sys.argv[4])
    while True:
        c = s.accept()[0]
        socket.create_connection(to, PATIENCE)
        c.send(b"reached")


def hand_in(to):  # to whoever connects to sys.argv[4]: a connection, and what its name is here
    s = listening(sys.argv[4])
    held = []
    while True:
        c = s.accept()[0]
        held.append(socket.create_connection(to, PATIENCE))
        socket.send_fds(c, [b"%d %d" % (os.getpid(), held[-1].fileno())], [held[-1].fileno()])


def ask_for(to):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[4])
    return socket.recv_fds(s, 100, 1)[:2]


def use(fd):
    s = socket.socket(fileno=fd)
    s.settimeout(PATIENCE)
    again_and_again(s, lambda s: s.send(REQUEST), 20)


def handed_in(to):
    use(ask_for(to)[1][0])


def taken(to):  # pidfd_getfd(2)
    name, fds = ask_for(to)
    os.close(fds[0])
    pid, fd = map(int, name.split())
    mine = ctypes.CDLL(None, use_errno=True).syscall(438, os.pidfd_open(pid), fd, 0)
    if mine < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    use(mine)


def datagram(to):
    s = udp()
    s.sendto(b"ping", to)
    s.recv(1000)


def plain(to):
    socket.create_connection(to, PATIENCE)


ways = {k.replace("_", "-"): v for k, v in list(globals().items()) if callable(v)}
try:
    ways[sys.argv[1]]((sys.argv[2], int(sys.argv[3])))
    print("reached")
except OSError as e:
    print(e if e.errno is None else os.strerror(e.errno) if e.errno else e.strerror)
    sys.exit(1)
