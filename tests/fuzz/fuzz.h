/* SPDX-License-Identifier: MIT
 *
 * What fuzz targets share. A target defines LLVMFuzzerTestOneInput, which is called with any bytes
 * and dies of what it finds; libFuzzer or replay.c brings the main.
 */
#ifndef CN_FUZZ_H
#define CN_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static inline void expect(int condition)
{
    if (!condition)
        abort();
}

/* A file in memory that holds the bytes, for readers that want a path. Closing the descriptor ends
 * it. */
static inline int fuzz_file(const uint8_t *data, size_t n, char path[32])
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);
    expect(fd >= 0);
    while (n > 0) {
        ssize_t done = write(fd, data, n);
        expect(done > 0);
        data += done;
        n -= (size_t)done;
    }
    snprintf(path, 32, "/proc/self/fd/%d", fd);
    return fd;
}

#endif
