/* SPDX-License-Identifier: MIT */
#include "serve/account.h"

#include <math.h>
#include <stdlib.h>

void cn_account_add(struct cn_account *a, int64_t t0_ns, int64_t t1_ns, int32_t n_tokens,
                    int32_t n_all)
{
    const double share = (double)n_tokens / (double)n_all;
    struct cn_share *last = a->n ? &a->shares[a->n - 1] : NULL;
    if (t1_ns <= t0_ns)
        return;
    a->n_tokens += n_tokens;
    a->shared |= n_tokens < n_all;
    if (last && last->t1_ns == t0_ns && !(last->share < share) && !(last->share > share)) {
        last->t1_ns = t1_ns;
        return;
    }
    if (a->n == a->capacity) {
        const size_t capacity = 2 * a->capacity + 16;
        struct cn_share *grown = realloc(a->shares, capacity * sizeof *grown);
        a->failed |= !grown;
        if (!grown)
            return;
        a->shares = grown;
        a->capacity = capacity;
    }
    a->shares[a->n++] = (struct cn_share){ t0_ns, t1_ns, share };
}

void cn_account_free(struct cn_account *a)
{
    free(a->shares);
    *a = (struct cn_account){ 0 };
}

void cn_account_price(const struct cn_account *a, struct cn_profiler *profiler,
                      struct cn_cost *cost)
{
    *cost = (struct cn_cost){ .n_tokens = a->n_tokens };
    cn_profiler_shares(profiler, 0, a->shares, a->n, &cost->energy);
    cost->seconds = 1e-9 * (double)cost->energy.busy_ns;
    if (a->failed) {
        struct cn_energy *e = &cost->energy;
        e->joules = e->joules_net = e->uncertainty = e->uncertainty_net = (double)NAN;
        e->status = CN_ENERGY_UNRESOLVED;
        e->reason = "no memory to keep what was done";
    }
}
