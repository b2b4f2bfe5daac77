#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# --confine: root's command has nothing left with which to go around the gate.
. "$(dirname "$0")/lib.sh"
world_up
default_policy
gate_start
confined() { gate run --confine -- "$@"; }
leave='echo $$ > '"$CGROUP_MOUNT/cgroup.procs"

say "it is a deployment as any other"
expect_eperm confined curl -sSv -m 20 https://api.github.com/
expect_ok confined curl -sS -m 20 https://mirror.internal/

say "raw packets, interfaces, namespaces, mounts, BPF"
for capability in dac_read_search net_raw net_admin sys_admin bpf sys_ptrace sys_module sys_rawio; do
    expect_fail confined sh -c "capsh --has-p=cap_$capability"
    expect_fail confined sh -c "capsh --has-b=cap_$capability"
done
expect_ok confined capsh --has-p=cap_chown
raw='import socket; socket.socket(socket.AF_PACKET, socket.SOCK_RAW)'
expect_ok run python3 -c "$raw"
expect_fail confined python3 -c "$raw"
expect_fail confined ip tuntap add dev none mode tun
expect_fail confined nsenter --net=/proc/1/ns/net true
expect_ok run setpriv --no-new-privs true
expect_output '^NoNewPrivs:.1$' confined cat /proc/self/status

say "its cgroup: root leaves without, and not with it; nor through somebody else's view of the files"
expect_ok run sh -c "$leave"
expect_fail confined sh -c "$leave"
expect_fail confined mount -o remount,rw "$CGROUP_MOUNT"
expect_fail confined umount -l "$CGROUP_MOUNT"
expect_fail confined sh -c "echo \$\$ > /proc/$$/root$CGROUP_MOUNT/cgroup.procs"
expect_fail confined unshare --user --map-root-user --mount sh -c "mount -o remount,rw $CGROUP_MOUNT && $leave"
expect_fail confined rmdir "$W/bpf/gate"
into() { python3 "$HERE/clients/paths.py" clone-into-cgroup 198.51.100.11 443 "$CGROUP_MOUNT"; }
export -f into && export HERE CGROUP_MOUNT
expect_ok run bash -c 'dig +short api.github.com > /dev/null; into'
expect_fail confined bash -c into
expect_said 'not implemented'
expect_ok confined python3 -c 'import threading, subprocess
threading.Thread(target=lambda: subprocess.run(["true"], check=True)).start()'
expect_output 'Read-only' confined touch "$W/bpf/gate/x"

say "what the kernel starts by itself, outside: opened for writing only"
for file in /proc/sys/kernel/core_pattern /proc/sys/kernel/modprobe /sys/kernel/uevent_helper; do
    [ -e "$file" ] || continue
    expect_ok run sh -c ": >> $file"
    expect_fail confined sh -c ": >> $file"
    expect_said 'Read-only'
done
expect_fail confined unshare --user --map-root-user --mount --pid --fork sh -c "mount -t proc proc /mnt && : >> /mnt/sys/kernel/core_pattern"

say "services that would work for it from outside do not hear it, and are told of where they do"
python3 "$HERE/clients/paths.py" help-out 198.51.100.10 443 /run/docker.sock &
wait_until 5 test -S /run/docker.sock || fail "nobody helps"
ask() { "$@" python3 "$HERE/clients/paths.py" helper 198.51.100.10 443 "${SOCKET:-/run/docker.sock}"; }
expect_ok ask gate run --tag asks --
SOCKET=docker.sock expect_ok ask gate run --tag near -- env --chdir /run
if [ "$(printf '%s\n' 6.7 "$(uname -r)" | sort -V | head -n 1)" = 6.7 ]; then
    expect_record '.type == "delegation" and .tag == "asks" and .to == "Docker" and .path == "/run/docker.sock" and
        .comm == "python3" and (.lineage | length > 0)'
    expect_record '.type == "delegation" and .tag == "near" and .to == "Docker" and .path == "docker.sock"'
fi
expect_fail ask confined
expect_said 'refused'
expect_ok test -S /run/docker.sock # and outside it is there

say "its own files, and what is mounted after it started"
expect_ok confined touch "$W/mine"
mkdir "$W/later"
mount --bind "$W/later" "$W/later" && mount --make-shared "$W/later"
confined sh -c "touch '$W/waits'; i=0; while [ \$i -lt 1000 ] && ! [ -e '$W/later/there' ]; do sleep 0.05; i=\$((i + 1)); done; cat '$W/later/there'" \
    > "$W/seen" &
wait_until 5 test -e "$W/waits" || fail "it does not start"
expect_ok mount -t tmpfs later "$W/later"
sh -c "echo there > '$W/later/there'"
wait $!
expect_ok umount "$W/later"
expect_ok touch "$CGROUP/cgroup.procs"
expect_eq "seen" "$(cat "$W/seen")" there

say "somebody without rights"
gate_stop
gate_start 'group nogroup'
chmod 755 "$W/run" "$W/run/gate"
mine() { somebody namegate --run-dir "$W/run/gate" "$@"; }
expect_eperm mine run --confine -- curl -sSv -m 20 https://api.github.com/
expect_output '^NoNewPrivs:.1$' mine run --confine -- cat /proc/self/status
