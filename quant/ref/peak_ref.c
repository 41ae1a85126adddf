/* SPDX-License-Identifier: MIT
 *
 * What plain C reaches with the instructions that every machine of the kind has. The arrays stay in
 * the first-level cache.
 */
#include "quant/peak.h"

#include <string.h>

enum { N = 1024 };

/* Tells the compiler that what p points to is read and may be changed here: it can neither leave
 * the work out nor carry it over to the next round. */
static inline void touch(void *p)
{
    __asm__ volatile("" : : "r"(p) : "memory");
}

static int64_t peak_int8_ref(int64_t n_rounds)
{
    int8_t a[N], b[N];
    for (int i = 0; i < N; i++) {
        a[i] = (int8_t)(i * 37);
        b[i] = (int8_t)(i * 91);
    }
    for (int64_t r = 0; r < n_rounds; r++) {
        int32_t sum[8] = { 0 };
        touch(a);
        touch(b);
        for (int i = 0; i < N; i += 8)
            for (int j = 0; j < 8; j++)
                sum[j] += a[i + j] * b[i + j];
        touch(sum);
    }
    return n_rounds * N * 2;
}

static int64_t peak_f32_ref(int64_t n_rounds)
{
    float a[N], b[N];
    for (int i = 0; i < N; i++) {
        a[i] = (float)(i % 7) - 3;
        b[i] = (float)(i % 5) - 2;
    }
    for (int64_t r = 0; r < n_rounds; r++) {
        float sum[32] = { 0 };
        touch(a);
        touch(b);
        for (int i = 0; i < N; i += 32)
            for (int j = 0; j < 32; j++)
                sum[j] += a[i + j] * b[i + j];
        touch(sum);
    }
    return n_rounds * N * 2;
}

static uint64_t peak_read_ref(const void *p, size_t n_bytes, int n_streams, size_t ahead)
{
    const size_t part = n_bytes / (size_t)n_streams;
    uint64_t any[4] = { 0 };
    for (size_t i = 0; i < part; i += 64)
        for (int s = 0; s < n_streams; s++) {
            const uint8_t *at = (const uint8_t *)p + (size_t)s * part + i;
            uint64_t v[8];
            if (ahead)
                __builtin_prefetch(at + ahead);
            memcpy(v, at, sizeof v);
            any[0] |= v[0] | v[4];
            any[1] |= v[1] | v[5];
            any[2] |= v[2] | v[6];
            any[3] |= v[3] | v[7];
        }
    return any[0] | any[1] | any[2] | any[3];
}

const struct cn_peak cn_peak_ref = { .int8 = peak_int8_ref,
                                     .f32 = peak_f32_ref,
                                     .read = peak_read_ref };
