/* SPDX-License-Identifier: MIT */
#include "base/rng.h"

#include <math.h>

uint64_t cn_rng_below(struct cn_rng *rng, uint64_t n)
{
    uint64_t limit = UINT64_MAX - UINT64_MAX % n, v;
    do
        v = cn_rng_next(rng);
    while (v >= limit);
    return v % n;
}

int cn_rng_int(struct cn_rng *rng, int n)
{
    return (int)cn_rng_below(rng, (uint64_t)n);
}

double cn_rng_uniform(struct cn_rng *rng)
{
    return (double)(cn_rng_next(rng) >> 11) * 0x1p-53;
}

float cn_rng_uniform_f32(struct cn_rng *rng)
{
    return (float)(cn_rng_next(rng) >> 40) * 0x1p-24f;
}

double cn_rng_normal(struct cn_rng *rng)
{
    const double two_pi = 6.283185307179586;
    double u = (double)((cn_rng_next(rng) >> 11) + 1) * 0x1p-53; /* (0, 1]: it has a logarithm */
    double v = cn_rng_uniform(rng);
    return sqrt(-2 * log(u)) * cos(two_pi * v);
}

float cn_rng_normal_f32(struct cn_rng *rng)
{
    float u = 1 - cn_rng_uniform_f32(rng), v = cn_rng_uniform_f32(rng);
    return sqrtf(-2 * logf(u)) * cosf(6.2831853f * v);
}
