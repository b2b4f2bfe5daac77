// SPDX-License-Identifier: BSD-2-Clause
/* Linked into what is built with AddressSanitizer. The search for leaks traces its own process, which a process that
 * nobody may trace (PR_SET_DUMPABLE) and that is not root cannot have. It takes three times as long as the command
 * itself, of which scenarios run thousands: for one in eight, then; for the daemon, always. */
#include <errno.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define COMMANDS 8

int __lsan_is_turned_off(void);

int __lsan_is_turned_off(void)
{
    if (geteuid() != 0 && prctl(PR_GET_DUMPABLE) != 1)
        return 1;
    return strcmp(program_invocation_short_name, "namegated") != 0 && getpid() % COMMANDS != 0;
}
