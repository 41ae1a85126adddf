/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

int64_t cn_now_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

double cn_now_s(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

double cn_seconds(void)
{
    return cn_now_s(CLOCK_MONOTONIC);
}
