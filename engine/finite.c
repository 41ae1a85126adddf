/* SPDX-License-Identifier: MIT */
#include "engine/tools.h"

#include <string.h>

/* No early end: this way the compiler makes vector instructions of it, and what is bad is rare. */
bool cn_all_finite(const float *x, int64_t n)
{
    uint32_t bad = 0;
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        bad |= (bits & 0x7f800000u) == 0x7f800000u;
    }
    return !bad;
}
