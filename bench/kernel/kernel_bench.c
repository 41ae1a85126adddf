/* SPDX-License-Identifier: MIT */
#include "bench/kernel/kernel_bench.h"

#include "base/clock.h"
#include "base/layout.h"
#include "base/rng.h"
#include "bench/kernel/blas.h"
#include "bench/kernel/kernel_data.h"
#include "bench/machine/cycles.h"
#include "bench/machine/probe.h"
#include "bench/stats/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    MIB = 1024 * 1024,
    LEAST_BYTES = 128 * MIB,
    STEP_BYTES = 128 * 1024, /* of weights in a step of gemv, unpack and dequantize */
    POOL_BYTES = 4 * MIB,    /* distinct weights; the rest of the buffer repeats them */
    ACT_FILL = 7,            /* seed */
    LEAST_ROUNDS = 3,        /* of a slow reference */
    BLAS_ROWS = 512,         /* at a time: OpenBLAS packs the activations anew for each call */
};

/* One thread's part of the work. */
struct worker {
    _Alignas(64) uint8_t *begin; /* its weights */
    int64_t n_rows, next;        /* rows it has, the next one to read */
    double done;                 /* weights, times tokens */
    float *y, *x;
    uint8_t *codes; /* also the gemm's scratch */
    float *scale, *min;
};

struct cn_kernel_bench {
    struct cn_pool *pool;
    int most_threads;
    size_t room; /* bytes of weights */
    uint8_t *weights;
    /* What the weights are of. */
    const struct cn_format *filled_format;
    int64_t filled_cols;
    struct worker *workers;
    uint8_t *arena; /* everything small */
    struct cn_act act[CN_SMALL_TOKENS];
    void *panel_memory; /* of the largest kind */
    struct cn_act_panel panel;
    /* The case at hand. */
    struct cn_kernel_case c;
    size_t bytes, row_bytes;
    int64_t most_rows, step_rows; /* in a step: what the case allows; what the set at hand does */
    const struct cn_kernel_set *set; /* NULL: OpenBLAS */
};

static bool is_gemm(enum cn_job job)
{
    return job == CN_JOB_GEMM || job == CN_JOB_GEMM_FAST;
}

/* Activations lie token by token. */
static bool takes_rows(enum cn_job job)
{
    return job == CN_JOB_GEMV || job == CN_JOB_GEMM_SMALL;
}

bool cn_job_takes_tokens(enum cn_job job, int n_tokens)
{
    return is_gemm(job) || (job == CN_JOB_GEMV && n_tokens <= CN_BENCH_GEMV_TOKENS) ||
           (job == CN_JOB_GEMM_SMALL && n_tokens <= CN_SMALL_TOKENS);
}

const char *cn_bench_cache_name(int cache)
{
    static const char *const names[CN_N_CACHES] = { "memory", "l1", "l2", "l3" };
    return names[cache];
}

/* ---- memory ---------------------------------------------------------------------------------- */

/* One token's activations for gemv; x NULL: only their places. */
static void lay_out_act(struct cn_layout *arena, int64_t cols, struct cn_act *act)
{
    float *x = cn_layout_take(arena, cols, sizeof *x);
    int8_t *q = cn_layout_take(arena, cols, 1);
    float *d = cn_layout_take(arena, cols / 32, sizeof *d);
    float *sum32 = cn_layout_take(arena, cols / 32, sizeof *sum32);
    int16_t *sum16 = cn_layout_take(arena, cols / 16, sizeof *sum16);
    if (!arena->base)
        return;
    const struct cn_vec vec = cn_ops_for(1u << CN_TIER_REF).vec;
    struct cn_rng rng = { ACT_FILL };
    cn_acts_fill(CN_ACTS_NORMAL, &rng, cols, x);
    vec.quantize_q8(cols, x, q, d, sum32, sum16);
    *act = (struct cn_act){ x, q, d, sum32, sum16 };
}

static size_t lay_out(struct cn_kernel_bench *b, const struct cn_kernel_case *c, uint8_t *base)
{
    struct cn_layout arena = { .base = base };
    const int n_acts = takes_rows(c->job) ? c->n_tokens : 1;
    size_t panel_bytes = 0, scratch_bytes = 0;
    int64_t rows = cn_blas_there(NULL) ? BLAS_ROWS : 0;
    for (int i = 0; i < CN_N_ACT_KINDS; i++) {
        const enum cn_act_kind kind = (enum cn_act_kind)i;
        size_t n = cn_act_panel_bytes(kind, c->n_tokens, c->cols);
        panel_bytes = n > panel_bytes ? n : panel_bytes;
        n = cn_gemm_scratch_bytes(kind, c->cols);
        scratch_bytes = n > scratch_bytes ? n : scratch_bytes;
        int64_t r = cn_gemm_rows(kind);
        rows = r > rows ? r : rows;
    }
    for (int i = 0; i < n_acts; i++)
        lay_out_act(&arena, c->cols, &b->act[i]);
    void *panel = cn_layout_take(&arena, 1, panel_bytes);
    if (base)
        b->panel_memory = panel;
    for (int i = 0; i < c->n_threads; i++) {
        struct worker w = { 0 };
        w.y = cn_layout_take(&arena, 1,
                             ((size_t)rows * sizeof(float) + STEP_BYTES) * (size_t)c->n_tokens);
        w.x = cn_layout_take(&arena, c->cols, sizeof(float));
        w.codes = cn_layout_take(&arena, 1, scratch_bytes);
        w.scale = cn_layout_take(&arena, c->cols / 16, sizeof(float));
        w.min = cn_layout_take(&arena, c->cols / 16, sizeof(float));
        if (base)
            b->workers[i] = w;
    }
    return arena.used;
}

struct cn_kernel_bench *cn_kernel_bench_create(int n_threads)
{
    struct cn_kernel_bench *b = calloc(1, sizeof *b);
    if (!b)
        return NULL;
    b->most_threads = n_threads;
    size_t most = cn_available_memory_bytes() / 4;
    b->room = 4 * cn_last_cache_bytes();
    if (b->room < LEAST_BYTES)
        b->room = LEAST_BYTES;
    if (most && b->room > most)
        b->room = most;
    b->weights = cn_big_alloc(b->room);
    b->pool = cn_pool_create(n_threads, false);
    b->workers = aligned_alloc(64, (size_t)n_threads * sizeof *b->workers);
    if (!b->weights || !b->pool || !b->workers) {
        cn_kernel_bench_free(b);
        return NULL;
    }
    return b;
}

void cn_kernel_bench_free(struct cn_kernel_bench *b)
{
    if (!b)
        return;
    cn_big_free(b->weights, b->room);
    cn_pool_free(b->pool);
    free(b->workers);
    free(b->arena);
    free(b);
}

size_t cn_kernel_bench_bytes(const struct cn_kernel_bench *b)
{
    return b->bytes;
}

int64_t cn_kernel_bench_rows(const struct cn_kernel_bench *b)
{
    return b->workers[0].n_rows;
}

/* Fills the buffer with quantised noise: numbers, and so table entries, as common as in a model.
 * False if out of memory. */
static bool fill(struct cn_kernel_bench *b, const struct cn_format *format, int64_t cols)
{
    if (b->filled_format == format && b->filled_cols == cols)
        return true;
    struct cn_blocks *blocks = cn_blocks_create(format, 1);
    struct cn_rng rng = { 1 };
    const size_t row_bytes = cn_row_bytes(format, cols);
    const size_t n_rows = b->room / row_bytes;
    size_t distinct = POOL_BYTES / row_bytes;
    distinct = distinct ? distinct : 1;
    if (!blocks)
        return false;
    for (size_t r = 0; r < n_rows; r++) {
        uint8_t *row = b->weights + r * row_bytes;
        if (r < distinct)
            cn_row_fill(blocks, CN_PATTERN_NOISE, &rng, cols, row);
        else
            memcpy(row, b->weights + r % distinct * row_bytes, row_bytes);
    }
    cn_blocks_free(blocks);
    b->filled_format = format;
    b->filled_cols = cols;
    return true;
}

/* Bytes of weights that a thread walks through. */
static size_t bytes_of_thread(const struct cn_kernel_bench *b, const struct cn_kernel_case *c)
{
    if (c->cache == CN_CACHE_MEMORY)
        return b->room / (size_t)c->n_threads;
    const size_t half = cn_cache_bytes((int)c->cache) / 2;
    return c->cache == CN_CACHE_L3 ? half / (size_t)c->n_threads : half;
}

bool cn_kernel_bench_set(struct cn_kernel_bench *b, const struct cn_kernel_case *c)
{
    b->c = *c;
    b->row_bytes = cn_row_bytes(c->format, c->cols);
    if (b->room / b->row_bytes < (size_t)c->n_threads || !fill(b, c->format, c->cols))
        return false;
    free(b->arena);
    b->arena = aligned_alloc(64, lay_out(b, c, NULL));
    if (!b->arena)
        return false;
    lay_out(b, c, b->arena);
    const int64_t share = c->rows ? (c->rows + c->n_threads - 1) / c->n_threads : INT64_MAX;
    int64_t rows = (int64_t)(bytes_of_thread(b, c) / b->row_bytes);
    rows = rows ? rows : 1;
    /* From memory one matrix follows another, as layers do. */
    if (c->cache != CN_CACHE_MEMORY && rows > share)
        rows = share;
    b->most_rows = share < rows ? share : rows;
    b->bytes = (size_t)rows * (size_t)c->n_threads * b->row_bytes;
    for (int i = 0; i < c->n_threads; i++) {
        b->workers[i].begin = b->weights + (size_t)(i * rows) * b->row_bytes;
        b->workers[i].n_rows = rows;
        b->workers[i].next = 0;
    }
    return true;
}

/* ---- work ------------------------------------------------------------------------------------ */

static int64_t at_most(int64_t rows, int64_t most)
{
    return rows < most ? rows : most;
}

/* The activations as this set's GEMM wants them, and how many rows at a time. */
static void set_gemm(struct cn_kernel_bench *b)
{
    const struct cn_kernel_case *c = &b->c;
    if (!b->set) {
        float *x = b->panel_memory; /* a panel of floats is as large */
        for (int t = 0; t < c->n_tokens; t++)
            memcpy(x + t * c->cols, b->act[0].x, (size_t)c->cols * sizeof *x);
        b->step_rows = at_most(BLAS_ROWS, b->most_rows);
        return;
    }
    const enum cn_act_kind kind =
        cn_gemm_act_kind(b->set->ops.gemm, c->format->act, c->cols, c->job == CN_JOB_GEMM_FAST);
    b->step_rows = at_most(cn_gemm_rows(kind), b->most_rows);
    cn_act_panel_init(&b->panel, kind, c->n_tokens, c->cols, b->panel_memory);
    for (int64_t g = 0; g < (c->n_tokens + 15) / 16; g++) /* one token for all */
        cn_act_panel_pack(&b->panel, &b->set->ops, g, b->act[0].x, 0);
}

static void use_set(struct cn_kernel_bench *b, const struct cn_kernel_set *set)
{
    b->set = set;
    if (is_gemm(b->c.job))
        set_gemm(b);
    else
        b->step_rows = at_most((int64_t)(STEP_BYTES / b->row_bytes) + 1, b->most_rows);
}

/* The next rows of this thread. */
static void do_rows(struct cn_kernel_bench *b, struct worker *w)
{
    const int64_t n = b->step_rows, cols = b->c.cols;
    if (w->next + n > w->n_rows)
        w->next = 0;
    const uint8_t *rows = w->begin + (size_t)w->next * b->row_bytes;
    w->next += n;
    if (!b->set) {
        cn_blas_product_f32(n, cols, b->c.n_tokens, (const float *)(const void *)rows,
                            b->panel_memory, w->y);
        return;
    }
    const struct cn_kernels *k = &b->set->kernels;
    switch (b->c.job) {
    case CN_JOB_GEMV: /* as the engine does it: each token with these rows before the next ones */
        for (int t = 0; t < b->c.n_tokens; t++)
            k->gemv(n, cols, rows, b->row_bytes, &b->act[t], w->y + t * n);
        break;
    case CN_JOB_GEMM_SMALL:
        cn_gemm_small_run(b->set->ops.gemm, k, n, cols, rows, b->row_bytes, b->act, b->c.n_tokens,
                          w->y, n, w->codes);
        break;
    case CN_JOB_UNPACK: /* as the GEMM does it: sixteen rows side by side */
        for (int64_t r = 0; r < n; r++)
            cn_unpack_columns(k, rows + (size_t)r * b->row_bytes, k->header_bytes, cols,
                              w->codes + r % CN_PANEL_ROWS * CN_CHUNK, CN_PANEL_ROWS * CN_CHUNK,
                              w->scale, w->min);
        break;
    case CN_JOB_DEQUANTIZE:
        for (int64_t r = 0; r < n; r++)
            cn_dequantize_with(k, b->c.format, cols, rows + (size_t)r * b->row_bytes, w->x);
        break;
    default:
        cn_gemm_run(b->set->ops.gemm, k, n, rows, b->row_bytes, &b->panel, w->y, n, w->codes);
    }
}

/* So much work that asking for the time does not matter beside it. Returns the weights done, each
 * once whatever the tokens. */
static double step(void *context, int thread)
{
    struct cn_kernel_bench *b = context;
    struct worker *w = &b->workers[thread];
    const double cells = (double)b->step_rows * (double)b->c.cols;
    const double least =
        is_gemm(b->c.job) ? cells
                          : STEP_BYTES / (double)b->row_bytes * (double)b->c.cols / b->c.n_tokens;
    double done = 0;
    do {
        do_rows(b, w);
        done += cells;
    } while (done < least);
    w->done += done * b->c.n_tokens;
    return done;
}

static struct cn_rate measure(struct cn_kernel_bench *b, const struct cn_kernel_set *set,
                              double seconds)
{
    use_set(b, set);
    struct cn_rate r = cn_rate_measure(b->pool, b->c.n_threads, step, b, seconds);
    if (isnan(r.cycles)) /* no counter of core cycles */
        r.cycles = cn_tsc_hz() * b->c.n_threads / r.cpu;
    return r;
}

void cn_kernel_bench_load(struct cn_kernel_bench *b, const struct cn_kernel_set *set,
                          double seconds, struct cn_kernel_load *load)
{
    *load = (struct cn_kernel_load){ 0 };
    for (int i = 0; i < b->c.n_threads; i++)
        b->workers[i].done = 0;
    const double cpu_s = cn_now_s(CLOCK_PROCESS_CPUTIME_ID);
    measure(b, set, seconds);
    load->cpu_s = cn_now_s(CLOCK_PROCESS_CPUTIME_ID) - cpu_s;
    for (int i = 0; i < b->c.n_threads; i++)
        load->weights += b->workers[i].done;
}

/* ---- rounds ---------------------------------------------------------------------------------- */

/* What each round gave of one set: weights per second, each once; the same by that of ref; cycles
 * by weight. */
struct rounds {
    double rate[CN_BENCH_ROUNDS], ratio[CN_BENCH_ROUNDS], cycles[CN_BENCH_ROUNDS];
};

static void summarise(const struct cn_kernel_case *c, struct rounds *r, int n_rounds,
                      struct cn_kernel_rate *out)
{
    const size_t n = (size_t)n_rounds;
    const double tokens = c->n_tokens;
    for (size_t i = 0; i < n; i++)
        out->sample[i] = r->rate[i] * tokens;
    const double per_s = cn_median(r->rate, n); /* and sorts them */
    out->spread = (cn_quantile(r->rate, n, 0.75) - cn_quantile(r->rate, n, 0.25)) / 2 / per_s;
    out->bytes_per_s = per_s * c->format->block_bytes / c->format->block_elems;
    out->weights_per_s = per_s * tokens;
    out->high_per_s = cn_quantile(r->rate, n, 0.9) * tokens;
    out->ratio_to_ref = isnan(r->ratio[0]) ? (double)NAN : cn_median(r->ratio, n);
    out->cycles_per_weight = cn_median(r->cycles, n) / tokens;
    out->n_samples = n_rounds;
}

static bool takes_part(const struct cn_kernel_set *sets, int s, enum cn_job job, bool with_ref)
{
    return s == 0 ? with_ref : sets[s].own[job];
}

void cn_kernel_bench_run(struct cn_kernel_bench *b, const struct cn_kernel_set *sets, int n_sets,
                         bool with_ref, double seconds, struct cn_kernel_rate *rates,
                         struct cn_yardstick *yardstick)
{
    struct rounds of[CN_N_TIERS + 1]; /* the last is OpenBLAS */
    double beside[CN_N_TIERS][CN_BENCH_ROUNDS];
    const enum cn_job job = b->c.job;
    const bool blas = yardstick && job == CN_JOB_GEMM && b->c.format == &cn_formats[CN_TYPE_f32] &&
                      cn_blas_there(NULL);
    if (yardstick)
        yardstick->measured = blas;
    const int n_ways = n_sets + blas;
    int n_ref = 0;
    double ref_s = 0;
    /* Round -1 warms up. A slow reference takes longer than its share: it then has fewer rounds. */
    for (int round = -1; round < CN_BENCH_ROUNDS; round++) {
        const bool tired = n_ref >= LEAST_ROUNDS && ref_s > 3 * seconds;
        for (int s = 0; s < n_ways; s++) {
            if ((s < n_sets && !takes_part(sets, s, job, with_ref)) || (s == 0 && tired))
                continue;
            double start = cn_seconds();
            struct cn_rate r = measure(b, s < n_sets ? &sets[s] : NULL, seconds / CN_BENCH_ROUNDS);
            if (s == 0)
                ref_s += cn_seconds() - start;
            if (round < 0)
                continue;
            n_ref += s == 0;
            of[s].rate[round] = r.cpu;
            of[s].ratio[round] = with_ref ? r.cpu / of[0].rate[n_ref - 1] : (double)NAN;
            of[s].cycles[round] = r.cycles;
            for (int i = 0; s == n_sets && i < n_sets; i++)
                if (takes_part(sets, i, job, with_ref))
                    beside[i][round] = of[i].rate[i ? round : n_ref - 1] / r.cpu;
        }
    }
    for (int s = 0; s < n_ways; s++) {
        if (s < n_sets && !takes_part(sets, s, job, with_ref))
            continue;
        summarise(&b->c, &of[s], s ? CN_BENCH_ROUNDS : n_ref,
                  s < n_sets ? &rates[s] : &yardstick->rate);
        if (blas && s < n_sets)
            yardstick->ratio[s] = cn_median(beside[s], CN_BENCH_ROUNDS);
    }
}

bool cn_float_gemm_measure(uint32_t tiers, int n_threads, double seconds,
                           struct cn_float_gemm *result)
{
    const struct cn_format *format = &cn_formats[CN_TYPE_f32];
    struct cn_kernel_bench *b = cn_kernel_bench_create(n_threads);
    struct cn_kernel_set sets[CN_N_TIERS];
    struct cn_kernel_rate rates[CN_N_TIERS];
    struct cn_yardstick yardstick;
    const int n = cn_kernel_sets(format, tiers, sets);
    *result = (struct cn_float_gemm){ .openblas = (double)NAN };
    for (int i = 0; i < CN_N_TIERS; i++)
        result->gflops[i] = (double)NAN;
    if (!b)
        return false;
    const struct cn_kernel_case c = { .format = format,
                                      .job = CN_JOB_GEMM,
                                      .cols = CN_BENCH_COLS,
                                      .n_tokens = CN_BENCH_TOKENS,
                                      .n_threads = n_threads };
    const bool ok = cn_kernel_bench_set(b, &c);
    if (ok)
        cn_kernel_bench_run(b, sets, n, true, seconds, rates, &yardstick);
    for (int s = 0; ok && s < n; s++)
        if (sets[s].own[CN_JOB_GEMM])
            result->gflops[sets[s].tier] = 2e-9 * rates[s].weights_per_s;
    if (ok && yardstick.measured)
        result->openblas = 2e-9 * yardstick.rate.weights_per_s;
    cn_kernel_bench_free(b);
    return ok;
}
