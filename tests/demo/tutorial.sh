#!/bin/bash
# SPDX-License-Identifier: BSD-2-Clause
# A shell in the little internet, to follow docs/tutorial.md in: `make tutorial`.
# shellcheck source=../system/lib.sh
. "$(dirname "$0")/../system/lib.sh"
tutorial_up
echo "A little internet with github.com, mirror.internal and more. Follow docs/tutorial.md; 'exit' leaves it."
PS1='tutorial# ' bash --noprofile --norc -i
exit 0
