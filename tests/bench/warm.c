// SPDX-License-Identifier: BSD-2-Clause
/* warm MEGABYTES: touches so much memory and gives it back. The host of a virtual machine may have taken free memory
 * away: what is touched first then costs several microseconds for each KiB, many times what is measured. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#define PAGE 4096

int main(int argc, char **argv)
{
    size_t size = argc == 2 ? strtoul(argv[1], NULL, 10) << 20 : 0;
    char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED) {
        perror("warm MEGABYTES");
        return 1;
    }
    (void)madvise(memory, size, MADV_HUGEPAGE);
    for (size_t at = 0; at < size; at += PAGE)
        ((volatile char *)memory)[at] = 1;
    return 0;
}
