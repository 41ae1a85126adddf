/* SPDX-License-Identifier: MIT */
#include "bench/machine/cycles.h"

#include "base/clock.h"
#include "bench/machine/probe.h"
#include "quant/quant.h"

#include <math.h>
#include <stdint.h>

/* One pair of readings, the second some milliseconds later: ticks per second. */
static double one_rate(double seconds)
{
    const double t0 = cn_seconds();
    const uint64_t ticks = cn_time_stamp();
    double t1;
    do
        t1 = cn_seconds();
    while (t1 - t0 < seconds);
    return (double)(cn_time_stamp() - ticks) / (t1 - t0);
}

/* The median of several: an interruption between the two readings of a pair spoils that pair. */
static double measure(void)
{
    enum { PAIRS = 5 };
    double rate[PAIRS];
    for (int i = 0; i < PAIRS; i++) {
        rate[i] = one_rate(4e-3);
        for (int k = i; k > 0 && rate[k] < rate[k - 1]; k--) {
            const double swap = rate[k];
            rate[k] = rate[k - 1];
            rate[k - 1] = swap;
        }
    }
    return rate[PAIRS / 2];
}

double cn_tsc_hz(void)
{
    static double hz;
    if (hz == 0)
        hz = cn_time_stamp() ? measure() : (double)NAN;
    return hz;
}

static double nothing(void *context, int thread)
{
    (void)context, (void)thread;
    return 1;
}

bool cn_core_cycles_there(void)
{
    struct cn_pool *pool = cn_pool_create(1, true);
    const bool there = pool && !isnan(cn_rate_measure(pool, 1, nothing, NULL, 1e-4).cycles);
    cn_pool_free(pool);
    return there;
}
