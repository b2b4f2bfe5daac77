#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
# usage: paths.py WAY ADDRESS PORT: tries one way to reach an address, and says "reached" only when something came back,
# or, for sockets that answer nothing, when they could be made. Else says why not, and fails.
import ctypes
import os
import socket
import struct
import sys

OTHER = ("203.0.113.21", 9999)  # where everybody may go


def udp(family=socket.AF_INET):
    s = socket.socket(family, socket.SOCK_DGRAM)
    s.settimeout(2)
    return s


def tcp(family=socket.AF_INET, protocol=0):
    s = socket.socket(family, socket.SOCK_STREAM, protocol)
    s.settimeout(2)
    return s


def nonblocking(to):
    s = tcp()
    s.setblocking(False)
    error = s.connect_ex(to)
    if error not in (0, 115):
        raise OSError(error, os.strerror(error))
    s.settimeout(2)
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
    s.settimeout(2)
    s.sendto(struct.pack(">BBHHH", 8, 0, 0, 1, 1), to)
    s.recv(1000)


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
    s.settimeout(4)
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


def tun(to):
    import fcntl
    fd = os.open("/dev/net/tun", os.O_RDWR)
    fcntl.ioctl(fd, 0x400454CA, struct.pack("16sH22x", b"ngt0", 1))


def helper(to):
    s = socket.socket(socket.AF_UNIX)
    s.connect(sys.argv[4])
    if s.recv(100) != b"reached":
        raise OSError(0, "the helper failed")


def help_out(to):
    s = socket.socket(socket.AF_UNIX)
    s.bind(sys.argv[4])
    s.listen()
    while True:
        c = s.accept()[0]
        socket.create_connection(to, 2)
        c.send(b"reached")


def datagram(to):
    s = udp()
    s.sendto(b"ping", to)
    s.recv(1000)


def plain(to):
    socket.create_connection(to, 2)


ways = {k.replace("_", "-"): v for k, v in list(globals().items()) if callable(v)}
try:
    ways[sys.argv[1]]((sys.argv[2], int(sys.argv[3])))
    print("reached")
except OSError as e:
    print(e if e.errno is None else os.strerror(e.errno) if e.errno else e.strerror)
    sys.exit(1)
