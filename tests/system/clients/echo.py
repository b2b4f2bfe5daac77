# SPDX-License-Identifier: BSD-2-Clause
"""A UDP echo server on one port, IPv4 and IPv6; answers from the address that was asked."""
import socket
import sys

IPV6_RECVPKTINFO, IPV6_PKTINFO = 49, 50

server = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
server.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
server.setsockopt(socket.IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
server.bind(("::", int(sys.argv[1])))
while True:
    data, control, _, peer = server.recvmsg(65535, 256)
    server.sendmsg([data], [c for c in control if c[1] == IPV6_PKTINFO], 0, peer)
