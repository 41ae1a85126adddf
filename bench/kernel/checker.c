/* SPDX-License-Identifier: MIT */
#include "bench/kernel/checker.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct cn_checker *cn_checker_create(uint64_t seed)
{
    struct cn_checker *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->seed = seed;
    c->rng.state = seed;
    c->ref_vec = cn_ops_for(1u << CN_TIER_REF).vec;
    c->ref = &c->ref_vec;
    if (!cn_crash_begin()) {
        free(c);
        return NULL;
    }
    return c;
}

void cn_checker_free(struct cn_checker *c)
{
    if (!c)
        return;
    cn_crash_end();
    for (int i = 0; i < CN_N_BUFFERS; i++)
        cn_guarded_free(&c->buffer[i]);
    cn_blocks_free(c->blocks);
    free(c);
}

void *cn_check_take(struct cn_checker *c, enum cn_buffer buffer, size_t n_bytes,
                    enum cn_place place)
{
    struct cn_guarded *g = &c->buffer[buffer];
    if (n_bytes + CN_GUARD_MARGIN > g->capacity) {
        cn_guarded_free(g);
        if (!cn_guarded_create(g, 2 * n_bytes + CN_GUARD_MARGIN)) {
            c->out_of_memory = true;
            return NULL;
        }
    }
    return cn_guarded_take(g, n_bytes, place);
}

void cn_check_fail(struct cn_check *result, const char *format, ...)
{
    if (result->n_failed++)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(result->what, sizeof result->what, format, args);
    va_end(args);
}

bool cn_check_intact(struct cn_checker *c, struct cn_check *result, const char *where)
{
    static const char *const names[CN_N_BUFFERS] = { "the weights", "the output", "x",
                                                     "q",           "d",          "sum32",
                                                     "sum16",       "the scratch" };
    for (int i = 0; i < CN_N_BUFFERS; i++)
        if (!cn_guarded_intact(&c->buffer[i])) {
            cn_check_fail(result, "%s: wrote outside of %s", where, names[i]);
            result->max_error = HUGE_VAL;
            return false;
        }
    return true;
}

bool cn_check_within(struct cn_check *result, double error, double bound, double magnitude)
{
    bool good = error <= bound;
    double unit = magnitude > 0 ? magnitude : 1;
    error = good || error > bound ? error / unit : HUGE_VAL;
    /* Worst by share of its bound; cross-multiplied because bounds may be 0. */
    if (result->bound == 0 ? error > 0 || result->max_error == 0
                           : error * result->bound > result->max_error * (bound / unit)) {
        result->max_error = error;
        result->bound = bound / unit;
    }
    return good;
}

bool cn_same_float(float a, float b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}
