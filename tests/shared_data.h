/* SPDX-License-Identifier: MIT
 *
 * Test data too large or not free to be committed: looked for under $CARNOT_SHARED (default
 * ../shared beside the repository). A test that does not find it says so and is skipped.
 */
#ifndef CN_TESTS_SHARED_DATA_H
#define CN_TESTS_SHARED_DATA_H

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Writes the path of `name` to buf; false, after a line on stdout, if there is no such file. */
static inline bool shared_data(char *buf, size_t n_buf, const char *name)
{
    const char *root = getenv("CARNOT_SHARED");
    snprintf(buf, n_buf, "%s/%s", root && *root ? root : "../shared", name);
    if (access(buf, R_OK) == 0)
        return true;
    printf("SKIPPED: no %s (CARNOT_SHARED names the folder of shared test data)\n", buf);
    return false;
}

#endif
