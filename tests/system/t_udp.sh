#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# UDP connected and unconnected, mapped, several at a time; IPv4 and IPv6; raw sockets, UDP-Lite, source routes.
. "$(dirname "$0")/lib.sh"
world_up echo
default_policy
gate_start
client reach
R=$B/tests/clients/reach

for way in connected connected6 connected-mapped unconnected unconnected6 unconnected-mapped sendmmsg sendmmsg6 \
    sendmmsg-mapped; do
    denied "$R" $way github.com 9999
    open "$R" $way mirror.internal 9999
done
for way in tcp tcp6 tcp-mapped fastopen fastopen6; do
    denied "$R" $way github.com 443
    open "$R" $way mirror.internal 443
done

say "sockets that could evade the hooks are refused, whatever the destination"
for way in raw raw6 udplite udplite6; do
    denied "$R" $way mirror.internal 443
done
expect_record '.evidence == "raw" and .hook == "sock_create" and .errno == "EPERM"'
expect_eperm run "$R" source-route mirror.internal 9999
expect_record '.evidence == "raw" and .hook == "egress"'

say "a rule for a port is one for all protocols that have ports in the same place"
policy ports << 'POLICY'
policy ports { mode audit deny mirror.internal port 443 }
POLICY
expect_ok gate policy reload
lite='import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 136); s.connect(("203.0.113.20", 443)); s.send(b"x")'
expect_ok gate run --policy ports --tag ports -- python3 -c "$lite"
expect_record '.tag == "ports" and .hook == "egress" and .verdict == "would-deny" and .proto == "136" and .port == 443'

say "other ways to resolve: DNS over TLS, and the resolver's own ports"
expect_eperm run "$R" tcp 192.0.2.53 853
expect_record '.evidence == "resolver" and .port == 853'
port=$(ss -Hlun 'src 127.0.0.1' | awk '{ sub(/.*:/, "", $4); print $4; exit }')
expect_eperm run "$R" connected 127.0.0.1 "$port"

say "connect() of a UDP socket is marked as a probe, sending is not"
expect_record '.probe and .hook == "connect4" and .proto == "udp"'
expect_record '(.probe | not) and .hook == "sendmsg6" and .proto == "udp"'
