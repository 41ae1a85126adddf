/* SPDX-License-Identifier: MIT */
#include "bench/kernel/kernel_limits.h"

#include "bench/machine/machine_probe.h"
#include "bench/machine/probe.h"

#include <math.h>
#include <stdlib.h>

enum { MIN_PROBE = 256 << 20, MAX_KEPT = 256 };
static const double LIMIT_S = 0.1;

struct kept {
    enum cn_tier tier;
    int n_threads;
    enum cn_bench_cache cache;
    struct cn_machine_rates rates;
};

struct cn_kernel_limits {
    uint32_t tiers;
    struct cn_machine_probe *probe;
    struct kept kept[MAX_KEPT];
    int n_kept;
};

struct cn_kernel_limits *cn_kernel_limits_create(uint32_t tiers, int n_threads)
{
    struct cn_kernel_limits *l = calloc(1, sizeof *l);
    const size_t bytes = 4 * cn_last_cache_bytes();
    if (!l)
        return NULL;
    l->tiers = tiers | 1u << CN_TIER_REF;
    l->probe = cn_machine_probe_create(bytes < MIN_PROBE ? MIN_PROBE : bytes, n_threads);
    if (!l->probe) {
        free(l);
        return NULL;
    }
    return l;
}

void cn_kernel_limits_free(struct cn_kernel_limits *l)
{
    if (!l)
        return;
    cn_machine_probe_free(l->probe);
    free(l);
}

/* The limits of a tier, measured if they are not yet. */
static const struct cn_machine_rates *rates_of(struct cn_kernel_limits *l, enum cn_tier tier,
                                               int n_threads, enum cn_bench_cache cache)
{
    for (int i = 0; i < l->n_kept; i++)
        if (l->kept[i].tier == tier && l->kept[i].n_threads == n_threads &&
            l->kept[i].cache == cache)
            return &l->kept[i].rates;
    struct kept *k = &l->kept[l->n_kept < MAX_KEPT ? l->n_kept++ : 0];
    *k = (struct kept){ .tier = tier, .n_threads = n_threads, .cache = cache };
    size_t span = cache == CN_CACHE_MEMORY ? 0 : cn_cache_bytes((int)cache) / 2;
    if (cache == CN_CACHE_L3)
        span /= (size_t)n_threads;
    cn_machine_probe_span(l->probe, span);
    cn_machine_probe_run(l->probe, l->tiers, tier, n_threads, LIMIT_S, &k->rates);
    return &k->rates;
}

void cn_kernel_bound_of(double read_gbps, double gops, const char *unit,
                        const struct cn_kernel_rate *rate, struct cn_kernel_bound *bound)
{
    *bound = (struct cn_kernel_bound){ .read_gbps = read_gbps,
                                       .gops = unit ? gops : (double)NAN,
                                       .unit = unit,
                                       .share = (double)NAN };
    bound->read_share = rate->bytes_per_s * 1e-9 / read_gbps;
    bound->ops_share = 2e-9 * rate->weights_per_s / bound->gops;
    if (isnan(bound->read_share) || (unit && isnan(bound->ops_share)))
        return;
    const bool ops = unit && bound->ops_share > bound->read_share;
    bound->by = ops ? unit : "read";
    bound->share = ops ? bound->ops_share : bound->read_share;
}

void cn_kernel_bound(struct cn_kernel_limits *l, const struct cn_kernel_case *c, enum cn_tier tier,
                     const struct cn_kernel_rate *rate, struct cn_kernel_bound *bound)
{
    enum cn_tier top = CN_TIER_REF;
    for (int t = 0; t < CN_N_TIERS; t++)
        if (l->tiers >> t & 1)
            top = (enum cn_tier)t;
    const double read = rates_of(l, top, c->n_threads, c->cache)->read_gbps;
    const struct cn_machine_rates *r = rates_of(l, tier, c->n_threads, c->cache);
    const bool products = c->job != CN_JOB_UNPACK && c->job != CN_JOB_DEQUANTIZE;
    if (!products)
        cn_kernel_bound_of(read, (double)NAN, NULL, rate, bound);
    else if (c->format->act == CN_ACT_F32)
        cn_kernel_bound_of(read, r->f32_gflops, "f32", rate, bound);
    else if (c->job == CN_JOB_GEMM && !isnan(r->bf16_gops))
        cn_kernel_bound_of(read, r->bf16_gops, "bf16", rate, bound);
    else
        cn_kernel_bound_of(read, r->int8_gops, "int8", rate, bound);
}
