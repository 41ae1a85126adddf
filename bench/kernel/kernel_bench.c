/* SPDX-License-Identifier: MIT */
#include "bench/kernel/kernel_bench.h"

#include "base/clock.h"
#include "base/layout.h"
#include "base/rng.h"
#include "bench/kernel/blas.h"
#include "bench/kernel/kernel_data.h"
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
    MAX_ROUNDS = 15,
    ACT_FILL = 7,    /* seed */
    BLAS_ROWS = 512, /* at a time: OpenBLAS packs the activations anew for each call */
};

/* One thread's part of the work. */
struct worker {
    _Alignas(64) uint8_t *begin; /* its weights */
    int64_t n_rows, next;        /* rows it has, the next one to read */
    float *y, *x;
    uint8_t *codes; /* also the gemm's scratch */
    float *scale, *min;
};

struct cn_kernel_bench {
    struct cn_pool *pool;
    int n_threads;
    size_t bytes;
    uint8_t *weights;
    const struct cn_format *format; /* the weights are of this format */
    struct worker *workers;
    uint8_t *arena; /* everything small */
    struct cn_act act;
    void *panel_memory; /* of the largest kind */
    struct cn_act_panel panel;
    /* The job at hand. */
    const struct cn_kernel_set *set; /* NULL: OpenBLAS */
    enum cn_job job;
    int64_t step_rows;
};

static size_t lay_out(struct cn_kernel_bench *b, uint8_t *base)
{
    const int64_t cols = CN_BENCH_COLS;
    struct cn_layout arena = { .base = base };
    size_t panel_bytes = 0;
    float *x = cn_layout_take(&arena, cols, sizeof *x);
    int8_t *q = cn_layout_take(&arena, cols, 1);
    float *d = cn_layout_take(&arena, cols / 32, sizeof *d);
    float *sum32 = cn_layout_take(&arena, cols / 32, sizeof *sum32);
    int16_t *sum16 = cn_layout_take(&arena, cols / 16, sizeof *sum16);
    size_t scratch_bytes = 0;
    int64_t rows = cn_blas_there(NULL) ? BLAS_ROWS : 0;
    for (int i = 0; i < CN_N_ACT_KINDS; i++) {
        const enum cn_act_kind kind = (enum cn_act_kind)i;
        size_t n = cn_act_panel_bytes(kind, CN_BENCH_TOKENS, CN_BENCH_COLS);
        panel_bytes = n > panel_bytes ? n : panel_bytes;
        n = cn_gemm_scratch_bytes(kind, CN_BENCH_COLS);
        scratch_bytes = n > scratch_bytes ? n : scratch_bytes;
        int64_t r = cn_gemm_rows(kind);
        rows = r > rows ? r : rows;
    }
    void *panel = cn_layout_take(&arena, 1, panel_bytes);
    if (base) {
        struct cn_vec vec = cn_ops_for(1u << CN_TIER_REF).vec;
        struct cn_rng rng = { ACT_FILL };
        cn_acts_fill(CN_ACTS_NORMAL, &rng, CN_BENCH_COLS, x);
        vec.quantize_q8(CN_BENCH_COLS, x, q, d, sum32, sum16);
        b->act = (struct cn_act){ x, q, d, sum32, sum16 };
        b->panel_memory = panel;
    }
    for (int i = 0; i < b->n_threads; i++) {
        struct worker w = { 0 };
        w.y =
            cn_layout_take(&arena, 1, (size_t)rows * CN_BENCH_TOKENS * sizeof(float) + STEP_BYTES);
        w.x = cn_layout_take(&arena, cols, sizeof(float));
        w.codes = cn_layout_take(&arena, 1, scratch_bytes);
        w.scale = cn_layout_take(&arena, cols / 16, sizeof(float));
        w.min = cn_layout_take(&arena, cols / 16, sizeof(float));
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
    b->n_threads = n_threads;
    size_t most = cn_available_memory_bytes() / 4;
    b->bytes = 4 * cn_last_cache_bytes();
    if (b->bytes < LEAST_BYTES)
        b->bytes = LEAST_BYTES;
    if (most && b->bytes > most)
        b->bytes = most;
    b->weights = cn_big_alloc(b->bytes);
    b->pool = cn_pool_create(n_threads, false);
    b->workers = aligned_alloc(64, (size_t)n_threads * sizeof *b->workers);
    b->arena = aligned_alloc(64, lay_out(b, NULL));
    if (!b->weights || !b->pool || !b->workers || !b->arena) {
        cn_kernel_bench_free(b);
        return NULL;
    }
    lay_out(b, b->arena);
    return b;
}

void cn_kernel_bench_free(struct cn_kernel_bench *b)
{
    if (!b)
        return;
    cn_big_free(b->weights, b->bytes);
    cn_pool_free(b->pool);
    free(b->workers);
    free(b->arena);
    free(b);
}

size_t cn_kernel_bench_bytes(const struct cn_kernel_bench *b)
{
    return b->bytes;
}

/* Fills the buffer with quantised noise: numbers, and so table entries, as common as in a model.
 * False if out of memory. */
static bool set_format(struct cn_kernel_bench *b, const struct cn_format *format)
{
    if (b->format == format)
        return true;
    struct cn_blocks *blocks = cn_blocks_create(format, 1);
    struct cn_rng rng = { 1 };
    const size_t row_bytes = cn_row_bytes(format, CN_BENCH_COLS);
    const size_t n_rows = b->bytes / row_bytes, distinct = POOL_BYTES / row_bytes;
    if (!blocks)
        return false;
    for (size_t r = 0; r < n_rows; r++) {
        uint8_t *row = b->weights + r * row_bytes;
        if (r < distinct)
            cn_row_fill(blocks, CN_PATTERN_NOISE, &rng, CN_BENCH_COLS, row);
        else
            memcpy(row, b->weights + r % distinct * row_bytes, row_bytes);
    }
    cn_blocks_free(blocks);
    int64_t part = (int64_t)n_rows / b->n_threads;
    for (int i = 0; i < b->n_threads; i++) {
        b->workers[i].begin = b->weights + (size_t)(i * part) * row_bytes;
        b->workers[i].n_rows = part;
        b->workers[i].next = 0;
    }
    b->format = format;
    return true;
}

static bool is_gemm(enum cn_job job)
{
    return job == CN_JOB_GEMM || job == CN_JOB_GEMM_FAST;
}

/* The activations as this set's GEMM wants them, and how many rows at a time. */
static void set_gemm(struct cn_kernel_bench *b)
{
    if (!b->set) {
        float *x = b->panel_memory; /* a panel of floats is as large */
        for (int t = 0; t < CN_BENCH_TOKENS; t++)
            memcpy(x + t * CN_BENCH_COLS, b->act.x, CN_BENCH_COLS * sizeof *x);
        b->step_rows = BLAS_ROWS;
        return;
    }
    const enum cn_act_kind kind = cn_gemm_act_kind(b->set->ops.gemm, b->format->act, CN_BENCH_COLS,
                                                   b->job == CN_JOB_GEMM_FAST);
    b->step_rows = cn_gemm_rows(kind);
    cn_act_panel_init(&b->panel, kind, CN_BENCH_TOKENS, CN_BENCH_COLS, b->panel_memory);
    for (int64_t g = 0; g < CN_BENCH_TOKENS / 16; g++) /* one token for all */
        cn_act_panel_pack(&b->panel, &b->set->ops, g, b->act.x, 0);
}

/* One step: the next rows of this thread. Returns the weights done. */
static double step(void *context, int thread)
{
    struct cn_kernel_bench *b = context;
    struct worker *w = &b->workers[thread];
    const size_t row_bytes = cn_row_bytes(b->format, CN_BENCH_COLS);
    const int64_t n = b->step_rows;
    if (w->next + n > w->n_rows)
        w->next = 0;
    const uint8_t *rows = w->begin + (size_t)w->next * row_bytes;
    w->next += n;
    if (!b->set) {
        cn_blas_product_f32(n, CN_BENCH_COLS, CN_BENCH_TOKENS, (const float *)(const void *)rows,
                            b->panel_memory, w->y);
        return (double)n * CN_BENCH_COLS;
    }
    const struct cn_kernels *k = &b->set->kernels;
    switch (b->job) {
    case CN_JOB_GEMV:
        k->gemv(n, CN_BENCH_COLS, rows, row_bytes, &b->act, w->y);
        break;
    case CN_JOB_UNPACK: /* as the GEMM does it: sixteen rows side by side */
        for (int64_t r = 0; r < n; r++)
            k->unpack(CN_BENCH_COLS, rows + (size_t)r * row_bytes,
                      w->codes + r % CN_PANEL_ROWS * CN_CHUNK, CN_PANEL_ROWS * CN_CHUNK, w->scale,
                      w->min);
        break;
    case CN_JOB_DEQUANTIZE:
        for (int64_t r = 0; r < n; r++)
            cn_dequantize_with(k, b->format, CN_BENCH_COLS, rows + (size_t)r * row_bytes, w->x);
        break;
    default:
        cn_gemm_run(b->set->ops.gemm, k, n, rows, row_bytes, &b->panel, w->y, n, w->codes);
    }
    return (double)n * CN_BENCH_COLS;
}

/* What the rounds of one kernel come to. rate: [n], sorted on return. */
static void summarise(const struct cn_format *format, double *rate, double *ratio, double *cycles,
                      int n_rounds, double tokens, struct cn_kernel_rate *out)
{
    const size_t n = (size_t)n_rounds;
    double per_s = cn_median(rate, n); /* and sorts them */
    out->spread = (cn_quantile(rate, n, 0.75) - cn_quantile(rate, n, 0.25)) / 2 / per_s;
    out->bytes_per_s = per_s * format->block_bytes / format->block_elems;
    out->weights_per_s = per_s * tokens;
    out->ratio_to_ref = cn_median(ratio, n);
    out->cycles_per_weight = cn_median(cycles, n) / tokens;
    out->n_samples = n_rounds;
}

bool cn_kernel_bench_run(struct cn_kernel_bench *b, const struct cn_format *format,
                         const struct cn_kernel_set *sets, int n_sets, enum cn_job job,
                         double seconds, struct cn_kernel_rate *rates,
                         struct cn_yardstick *yardstick)
{
    /* The last is OpenBLAS. */
    double rate[CN_N_TIERS + 1][MAX_ROUNDS], ratio[CN_N_TIERS + 1][MAX_ROUNDS];
    double cycles[CN_N_TIERS + 1][MAX_ROUNDS], beside[CN_N_TIERS][MAX_ROUNDS];
    const bool blas = yardstick && job == CN_JOB_GEMM && format == &cn_formats[CN_TYPE_f32] &&
                      cn_blas_there(NULL);
    if (yardstick)
        yardstick->measured = blas;
    if (!set_format(b, format))
        return false;
    const double tokens = is_gemm(job) ? CN_BENCH_TOKENS : 1;
    const int n_ways = n_sets + blas;
    b->job = job;
    b->step_rows = (int64_t)(STEP_BYTES / cn_row_bytes(format, CN_BENCH_COLS)) + 1;
    int n_rounds = 0;
    double ref_s = 0;
    /* Round -1 warms up. A slow reference takes longer than its share: then there are fewer
     * rounds. */
    for (int round = -1; round < MAX_ROUNDS; round++) {
        for (int s = 0; s < n_ways; s++) {
            if (s > 0 && s < n_sets && !sets[s].own[job])
                continue;
            b->set = s < n_sets ? &sets[s] : NULL;
            if (is_gemm(job))
                set_gemm(b);
            double start = cn_seconds();
            struct cn_rate r =
                cn_rate_measure(b->pool, b->n_threads, step, b, seconds / MAX_ROUNDS);
            if (s == 0)
                ref_s += cn_seconds() - start;
            if (round < 0)
                continue;
            rate[s][round] = r.cpu;
            ratio[s][round] = r.cpu / rate[0][round];
            cycles[s][round] = r.cycles;
            for (int i = 0; s == n_sets && i < n_sets; i++)
                if (i == 0 || sets[i].own[job])
                    beside[i][round] = rate[i][round] / r.cpu;
        }
        n_rounds = round + 1;
        if (round >= 4 && ref_s > 3 * seconds)
            break;
    }
    for (int s = 0; s < n_ways; s++) {
        if (s > 0 && s < n_sets && !sets[s].own[job])
            continue;
        summarise(format, rate[s], ratio[s], cycles[s], n_rounds, tokens,
                  s < n_sets ? &rates[s] : &yardstick->rate);
        if (blas && s < n_sets)
            yardstick->ratio[s] = cn_median(beside[s], (size_t)n_rounds);
    }
    return true;
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
    const bool ok =
        cn_kernel_bench_run(b, format, sets, n, CN_JOB_GEMM, seconds, rates, &yardstick);
    for (int s = 0; ok && s < n; s++)
        if (sets[s].own[CN_JOB_GEMM])
            result->gflops[sets[s].tier] = 2e-9 * rates[s].weights_per_s;
    if (ok && yardstick.measured)
        result->openblas = 2e-9 * yardstick.rate.weights_per_s;
    cn_kernel_bench_free(b);
    return ok;
}
