// SPDX-License-Identifier: BSD-2-Clause
/* Makes DIR/ledger.db of the SQL that comes in. */
#include "fixture.h"

#include <namegate/cleanup.h>

int main(int argc, char **argv)
{
    _cleanup_free_ char *sql = NULL;
    size_t room = 0;

    if (argc != 2 || getdelim(&sql, &room, '\0', stdin) < 0)
        return 2;
    return fixture_make(argv[1], sql) < 0;
}
