#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# UDP connected and unconnected, mapped, several at a time; IPv4 and IPv6; raw sockets, UDP-Lite, source routes.
. "$(dirname "$0")/lib.sh"
world_up
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

say "other ways to resolve: DNS over TLS, and the resolver's own ports"
expect_eperm run "$R" tcp 192.0.2.53 853
expect_record '.evidence == "resolver" and .port == 853'
port=$(ss -Hlun 'src 127.0.0.1' | awk '{ sub(/.*:/, "", $4); print $4; exit }')
expect_eperm run "$R" connected 127.0.0.1 "$port"

say "connect() of a UDP socket is marked as a probe, sending is not"
expect_record '.probe and .hook == "connect4" and .proto == "udp"'
expect_record '(.probe | not) and .hook == "sendmsg6" and .proto == "udp"'
