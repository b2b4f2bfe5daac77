#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# A deploy script with the circular dependencies that they tend to have. It goes on after a failure, to show all of them.
echo "- direct: downloads a package from github.com"
curl -fsSv -m 10 -o package https://github.com/package 2>&1 | grep -E 'fail|Connected' | sed 's/^\* /    /'

echo "- direct: clones the sources"
rm -rf sources
git clone -q https://github.com/repo.git sources 2>&1 | sed 's/^/    /'
[ ! -d sources ] || echo "    cloned"

echo "- hidden: a tool that asks for updates of itself"
"$(dirname "$0")/update-check" 2>&1 | sed 's/^/    /'

echo "- direct: fetches a schema with wget"
wget -nv -T 10 -t 1 --ca-certificate="$SSL_CERT_FILE" -O schema https://api.github.com/version 2>&1 | sed 's/^/    /'

echo "- fine: takes the same package from the mirror"
curl -fsS -m 10 https://mirror.internal/package 2>&1 | sed 's/^/    /'
