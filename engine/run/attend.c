/* SPDX-License-Identifier: MIT
 *
 * The rows of a cache and attention over them. Softmax runs online over blocks of keys (arXiv
 * 1805.02867, 2112.05682), so memory does not grow with the square of the context.
 *
 * There are two forms. A few queries that share a head of keys read keys and values in place, one
 * token at a time. More of them, heads times tokens, go by tiles of 16, a query a lane: a block of
 * keys and values is turned to floats once for all tiles, and both products are broadcasts of its
 * numbers. Where a pass has few chunks of either, the keys are divided into ranges that are merged
 * afterwards, so that threads have enough to do; how many does not depend on the threads.
 */
#include "engine/run/attend.h"

#include "quant/gemm.h"
#include "quant/ref/q8_0.h"

#include <math.h>
#include <string.h>

enum {
    TILE = 16, /* queries */
    /* Fewer that share a head of keys are done directly; of a cache in Q8_0 only single ones. */
    LEAST_QUERIES = 12,
    KEYS = 64,            /* of a block, by tiles */
    DIRECT_KEYS = 128,    /* the same, direct form, at most; */
    DIRECT_LEAST = 32,    /* and at least, */
    DIRECT_BYTES = 16384, /* as many as these are: they stay in L1 */
    DIRECT_STEPS = 8,     /* in which a block is worked through */
    MOST_TILES = 16,      /* of a chunk, */
    TILE_FLOATS = 4096,   /* or as many as this holds keys and values of: they stay in L2 */
    APART = 16,          /* floats between rows: columns of them then lie in different sets of L1 */
    SPLIT_CHUNKS = 16,   /* with fewer than this, keys are divided into ranges, */
    SPLIT_KEYS = 256,    /* each at least as long, */
    SPLIT_DIRECT = 1024, /* direct form, */
    SPLIT_TILES = 4,     /* of chunks no larger */
    /* Direct form: heads that share a head of keys are done together, as long as their buffers stay
     * in cache; of more than MOST_HEADS there are several chunks. A multiple of 4: the kernels'
     * sums do not depend on which heads come together then. */
    MOST_HEADS = 8,
    PART_HEADS = 4,
};

size_t cn_kv_row_bytes(enum cn_kv_type type, int64_t n)
{
    switch (type) {
    case CN_KV_F32:
        return (size_t)n * sizeof(float);
    case CN_KV_F16:
        return (size_t)n * sizeof(uint16_t);
    case CN_KV_Q8_0:
        return (size_t)n / 32 * sizeof(struct cn_block_q8_0);
    }
    return 0;
}

int64_t cn_kv_capacity(int64_t window, int64_t n_ctx, int64_t n_batch)
{
    return window > 0 && window + n_batch < n_ctx ? window + n_batch : n_ctx;
}

void cn_kv_store_row(const struct cn_model *m, enum cn_kv_type type, int64_t n, const float *x,
                     uint8_t *row)
{
    const struct cn_vec *vec = &m->ops.vec;
    if (type == CN_KV_F32) {
        memcpy(row, x, (size_t)n * sizeof *x);
    } else if (type == CN_KV_F16) {
        vec->to_f16(n, x, (uint16_t *)(void *)row);
    } else {
        struct cn_block_q8_0 *b = (struct cn_block_q8_0 *)(void *)row;
        for (int64_t i = 0; i < n; i += 32, b++) {
            float d, sum32;
            int16_t sum16[2];
            vec->quantize_q8(32, x + i, b->q, &d, &sum32, sum16);
            b->d = cn_f32_to_f16(d);
        }
    }
}

/* n_rows rows of n numbers, row_bytes apart, to floats. */
static void load_rows(const struct cn_model *m, enum cn_kv_type type, int64_t n_rows, int64_t n,
                      const uint8_t *rows, size_t row_bytes, float *to, int64_t to_row)
{
    const struct cn_vec *vec = &m->ops.vec;
    if (type == CN_KV_F16)
        vec->from_f16(n_rows, n, (const uint16_t *)(const void *)rows, (int64_t)row_bytes / 2, to,
                      to_row);
    else if (type == CN_KV_Q8_0)
        vec->from_q8_0(n_rows, n, rows, row_bytes, to, to_row);
    else
        for (int64_t r = 0; r < n_rows; r++)
            memcpy(to + r * to_row, rows + (size_t)r * row_bytes, (size_t)n * sizeof *to);
}

void cn_kv_load_row(const struct cn_model *m, enum cn_kv_type type, int64_t n, const uint8_t *row,
                    float *to)
{
    load_rows(m, type, 1, n, row, 0, to, 0);
}

uint8_t *cn_kv_key(const struct cn_kv *kv, int64_t head, int64_t position)
{
    return kv->k + (size_t)(head * kv->capacity + position % kv->capacity) * kv->k_row_bytes;
}

uint8_t *cn_kv_value(const struct cn_kv *kv, int64_t head, int64_t position)
{
    return kv->v + (size_t)(head * kv->capacity + position % kv->capacity) * kv->v_row_bytes;
}

int64_t cn_attend_first(int64_t window, bool chunked, int64_t position)
{
    if (window == 0)
        return 0;
    if (chunked)
        return position / window * window;
    return position - window + 1 > 0 ? position - window + 1 : 0;
}

static int64_t first_key(const struct cn_attend *a, int64_t position)
{
    return cn_attend_first(a->window, a->chunked, position);
}

/* A part of the heads that share a head of keys. */
struct part {
    int64_t kv_head, first, n; /* heads of queries */
};

static struct part part_of(const struct cn_attend *a, int64_t index)
{
    const int64_t group = a->n_head / a->n_head_kv;
    const int64_t kv_head = index / a->parts, at = index % a->parts * a->part_heads;
    const int64_t n = group - at < a->part_heads ? group - at : a->part_heads;
    return (struct part){ kv_head, kv_head * group + at, n };
}

/* Scores come scaled: the queries were. */
static void cap_scores(float cap, int64_t n, float *score)
{
    if (cap > 0)
        for (int64_t i = 0; i < n; i++)
            score[i] = cap * tanhf(score[i] / cap);
}

/* Running softmax of one query: out = sum of exp(score - max) * v, sum of the exps. */
struct running {
    float max, sum;
};

/* Takes a block's top score into account; returns the factor for what was summed so far. */
static float rescale(struct running *r, float top)
{
    if (!(top > r->max))
        return 1;
    float factor = r->max == -INFINITY ? 0 : expf(r->max - top);
    r->max = top;
    r->sum *= factor;
    return factor;
}

/* A sink counts as a score that was seen before, in the first range, whose value was 0. */
static struct running start(const struct cn_attend *a, int64_t head, int64_t range)
{
    return a->sinks && range == 0 ? (struct running){ a->sinks[head], 1 }
                                  : (struct running){ -INFINITY, 0 };
}

/* Positions from `from` up to `end`. */
struct span {
    int64_t from, end;
};

/* What n tokens from the first-th on see of a range; blocks of keys begin at multiples of `whole`.
 */
static struct span span_of(const struct cn_attend *a, int64_t range, int64_t first, int64_t n,
                           int64_t whole)
{
    const int64_t begin = first_key(a, a->position) / KEYS * KEYS + range * a->range_keys;
    const int64_t own = first_key(a, a->position + first) / whole * whole;
    struct span s = { begin > own ? begin : own, a->position + first + n };
    if (range + 1 < a->n_ranges && s.end > begin + a->range_keys)
        s.end = begin + a->range_keys;
    return s;
}

/* How many of n positions from t0 on lie in consecutive rows of the cache (a ring may wrap). */
static int64_t unbroken(const struct cn_kv *kv, int64_t t0, int64_t n)
{
    const int64_t left = kv->capacity - t0 % kv->capacity;
    return n < left ? n : left;
}

static const uint16_t *halves(const uint8_t *row)
{
    return (const uint16_t *)(const void *)row;
}

static const float *floats_at(const uint8_t *row)
{
    return (const float *)(const void *)row;
}

/* The queries of a head, rounded to 8 bits as products with keys in Q8_0 want them. */
struct rounded {
    float *d, *sum32;
    int16_t *sum16;
    int8_t *q;
};

static size_t rounded_floats(int64_t d_k)
{
    return (size_t)(d_k / 32 * 3 + d_k / 4);
}

static struct rounded rounded_at(float *memory, int64_t d_k, int64_t head)
{
    struct rounded r = { .d = memory + (size_t)head * rounded_floats(d_k) };
    r.sum32 = r.d + d_k / 32;
    r.sum16 = (int16_t *)(void *)(r.sum32 + d_k / 32);
    r.q = (int8_t *)(r.sum16 + d_k / 16);
    return r;
}

static void round_queries(const struct cn_attend *a, int64_t n, const float *q, float *memory)
{
    for (int64_t h = 0; h < n; h++) {
        const struct rounded r = rounded_at(memory, a->d_k, h);
        a->g->model->ops.vec.quantize_q8(a->d_k, q + h * a->d_k, r.q, r.d, r.sum32, r.sum16);
    }
}

/* scores[h][t] = q_h . k_t for n positions from t0 on, which lie side by side in the cache.
 * rounded: the queries, where keys are in Q8_0. */
static void scores_of(const struct cn_attend *a, const struct part *part, int64_t t0, int64_t n,
                      const float *q, float *rounded, float *scores)
{
    const struct cn_vec *vec = &a->g->model->ops.vec;
    const size_t row_bytes = a->kv->k_row_bytes;
    const uint8_t *keys = cn_kv_key(a->kv, part->kv_head, t0);
    switch (a->type) {
    case CN_KV_F16:
        vec->dots_f16(part->n, n, a->d_k, q, halves(keys), (int64_t)row_bytes / 2, scores,
                      DIRECT_KEYS);
        break;
    case CN_KV_Q8_0:
        for (int64_t h = 0; h < part->n; h++) {
            const struct rounded r = rounded_at(rounded, a->d_k, h);
            const struct cn_act act = { .q = r.q, .d = r.d, .sum32 = r.sum32, .sum16 = r.sum16 };
            a->q8_0.gemv(n, a->d_k, keys, row_bytes, &act, scores + h * DIRECT_KEYS);
        }
        break;
    case CN_KV_F32:
        for (int64_t t = 0; t < n; t++, keys += row_bytes)
            for (int64_t h = 0; h < part->n; h++)
                scores[h * DIRECT_KEYS + t] = vec->dot(a->d_k, q + h * a->d_k, floats_at(keys));
        break;
    }
}

/* out[h] += sum over t of p[h][t] * v_t, of positions as above. */
static void add_values(const struct cn_attend *a, const struct part *part, int64_t t0, int64_t n,
                       const float *p, float *out)
{
    const struct cn_vec *vec = &a->g->model->ops.vec;
    const size_t row_bytes = a->kv->v_row_bytes;
    const uint8_t *values = cn_kv_value(a->kv, part->kv_head, t0);
    switch (a->type) {
    case CN_KV_F16:
        vec->sums_f16(part->n, n, a->d_v, p, DIRECT_KEYS, halves(values), (int64_t)row_bytes / 2,
                      out);
        break;
    case CN_KV_Q8_0:
        vec->sums_q8_0(part->n, n, a->d_v, p, DIRECT_KEYS, values, row_bytes, out);
        break;
    case CN_KV_F32:
        for (int64_t t = 0; t < n; t++, values += row_bytes)
            for (int64_t h = 0; h < part->n; h++)
                vec->axpy(a->d_v, p[h * DIRECT_KEYS + t], floats_at(values), out + h * a->d_v);
        break;
    }
}

static float *scratch_of(const struct cn_group *g, int thread)
{
    return (float *)(void *)(g->thread_scratch + (size_t)thread * g->thread_scratch_bytes);
}

/* Of a block of the direct form: 32, 64 or 128. */
static int64_t direct_keys(const struct cn_attend *a)
{
    int64_t n = DIRECT_KEYS;
    while (n > DIRECT_LEAST && (size_t)n * a->kv->k_row_bytes > DIRECT_BYTES)
        n /= 2;
    return n;
}

/* Running maxima and sums of a tile [16] and its outputs [d_v][16], one behind the other. */
static int64_t tile_floats(int64_t d_v)
{
    return (2 + d_v) * TILE;
}

/* Where a range of a token and a part of its heads is kept until it is merged: running maxima and
 * sums [16] each, outputs [n][d_v]. */
static float *range_at(const struct cn_attend *a, int64_t chunk)
{
    return a->ranges + chunk * tile_floats(a->d_v);
}

static float *result_of(const struct cn_attend *a, const struct part *part, int64_t token)
{
    return a->out + (token * a->n_head + part->first) * a->d_v;
}

/* One token, a part of the heads of one KV head, and a range of keys, a block at a time in steps:
 * kernels go over values several times, by columns, and so they ask for others (struct cn_vec) in
 * nearly the order in which these lie. */
static void direct_chunk(const struct cn_attend *a, int64_t chunk, int thread)
{
    const struct cn_group *g = a->g;
    const struct cn_vec *vec = &g->model->ops.vec;
    const int64_t per_token = a->n_head_kv * a->parts;
    const int64_t index = chunk / a->n_ranges, range = chunk % a->n_ranges;
    const int64_t token = index / per_token;
    const struct part part = part_of(a, index % per_token);
    const struct span seen = span_of(a, range, token, 1, 1);
    const float *q = a->q + token * a->q_stride + part.first * a->d_k;
    float *kept = a->n_ranges > 1 ? range_at(a, chunk) : NULL;
    float *out = kept ? kept + 2 * TILE : result_of(a, &part, token);
    float *scores = scratch_of(g, thread);
    struct running *run = (struct running *)(void *)(scores + part.n * DIRECT_KEYS);
    float *rounded = (float *)(void *)(run + part.n);

    if (a->type == CN_KV_Q8_0)
        round_queries(a, part.n, q, rounded);
    memset(out, 0, (size_t)(part.n * a->d_v) * sizeof *out);
    for (int64_t h = 0; h < part.n; h++)
        run[h] = start(a, part.first + h, range);
    const int64_t keys = direct_keys(a), step = keys / DIRECT_STEPS;
    for (int64_t t0 = seen.from; t0 < seen.end; t0 += keys) {
        const int64_t n = seen.end - t0 < keys ? seen.end - t0 : keys;
        for (int64_t t = 0, beside; t < n; t += beside) {
            beside = unbroken(a->kv, t0 + t, n - t < step ? n - t : step);
            scores_of(a, &part, t0 + t, beside, q, rounded, scores + t);
        }
        for (int64_t h = 0; h < part.n; h++) {
            float *p = scores + h * DIRECT_KEYS, *o = out + h * a->d_v;
            cap_scores(a->softcap, n, p);
            float factor = rescale(&run[h], vec->max(n, p));
            if (factor != 1)
                for (int64_t i = 0; i < a->d_v; i++)
                    o[i] *= factor;
            run[h].sum += vec->exp_sum(n, run[h].max, p);
        }
        for (int64_t t = 0, beside; t < n; t += beside) {
            beside = unbroken(a->kv, t0 + t, n - t < step ? n - t : step);
            add_values(a, &part, t0 + t, beside, scores + t, out);
        }
    }
    for (int64_t h = 0; h < part.n; h++) {
        if (kept) {
            kept[h] = run[h].max;
            kept[TILE + h] = run[h].sum;
        } else {
            for (int64_t i = 0; i < a->d_v; i++)
                out[h * a->d_v + i] /= run[h].sum;
        }
    }
}

/* What the ranges of a token and a part of its heads made, added up. */
static void merge_direct(const struct cn_attend *a, int64_t index)
{
    const int64_t per_token = a->n_head_kv * a->parts;
    const struct part part = part_of(a, index % per_token);
    float *out = result_of(a, &part, index / per_token);
    memset(out, 0, (size_t)(part.n * a->d_v) * sizeof *out);
    for (int64_t h = 0; h < part.n; h++, out += a->d_v) {
        float top = -INFINITY, sum = 0;
        for (int64_t r = 0; r < a->n_ranges; r++)
            top = fmaxf(top, range_at(a, index * a->n_ranges + r)[h]);
        for (int64_t r = 0; r < a->n_ranges; r++) {
            const float *kept = range_at(a, index * a->n_ranges + r);
            const float by = kept[h] == top ? 1 : expf(kept[h] - top);
            sum += kept[TILE + h] * by;
            a->g->model->ops.vec.axpy(a->d_v, by, kept + 2 * TILE + h * a->d_v, out);
        }
        for (int64_t i = 0; i < a->d_v; i++)
            out[i] /= sum;
    }
}

/* ---- tiles of queries ------------------------------------------------------------------------ */

static int64_t most_tiles(int64_t d_k, int64_t d_v)
{
    const int64_t n = TILE_FLOATS / (d_k + d_v);
    return n < 1 ? 1 : n < MOST_TILES ? n : MOST_TILES;
}

/* Buffers of a chunk, floats. */
struct layout {
    size_t k, v, p, factor, rows, q, out, total;
};

static struct layout layout_of(int64_t d_k, int64_t d_v)
{
    const size_t dk = (size_t)d_k, dv = (size_t)d_v, tiles = (size_t)most_tiles(d_k, d_v);
    struct layout l = { .k = 0 };
    l.v = l.k + KEYS * (dk + APART);
    l.p = l.v + KEYS * (dv + APART);
    l.factor = l.p + KEYS * TILE;
    l.rows = l.factor + TILE;
    l.q = l.rows + TILE * (dk > dv ? dk : dv);
    l.out = l.q + tiles * dk * TILE;
    l.total = l.out + tiles * (size_t)tile_floats(d_v);
    return l;
}

size_t cn_attend_scratch_bytes(int64_t n_head, int64_t n_head_kv, int64_t d_k, int64_t d_v)
{
    const int64_t group = n_head / n_head_kv, heads = group > MOST_HEADS ? PART_HEADS : group;
    size_t tiled = layout_of(d_k, d_v).total;
    size_t direct = (size_t)heads *
                    (DIRECT_KEYS + sizeof(struct running) / sizeof(float) + rounded_floats(d_k));
    return (tiled > direct ? tiled : direct) * sizeof(float);
}

size_t cn_attend_shared_bytes(int64_t d_k, int64_t d_v)
{
    const int64_t most = most_tiles(d_k, d_v), tiles = most < SPLIT_TILES ? most : SPLIT_TILES;
    return (size_t)(SPLIT_CHUNKS * tiles * tile_floats(d_v)) * sizeof(float);
}

/* A chunk: some tokens and heads that share a head of keys, a query each, and a range of keys. */
struct tiles {
    const struct cn_attend *a;
    struct part part;
    int64_t first, n;         /* tokens of the batch */
    int64_t range, n_queries; /* query i is of token i / heads and head i % heads */
    float *k, *v;             /* a block of keys and values [64], rows k_row and v_row apart */
    int64_t k_row, v_row;
    float *p, *factor; /* a tile's scores [64][16], and factors [16] */
    float *rows;       /* [16][d_k or d_v] */
    float *q;          /* [tile][d_k][16] */
    float *out;        /* [tile] of tile_floats() */
};

static int64_t tiles_of_chunk(const struct cn_attend *a)
{
    return (a->part_heads * a->chunk_tokens + TILE - 1) / TILE;
}

/* Chunks are numbered by tokens, heads of keys, parts of the heads, ranges. */
static struct tiles tiles_of(const struct cn_attend *a, int64_t chunk, int thread)
{
    const int64_t per_block = a->n_head_kv * a->parts, index = chunk / a->n_ranges;
    const struct layout l = layout_of(a->d_k, a->d_v);
    const bool front = a->kv->v == a->kv->k; /* values are the front of the keys */
    float *base = scratch_of(a->g, thread);
    struct tiles t = { .a = a,
                       .part = part_of(a, index % per_block),
                       .first = index / per_block * a->chunk_tokens,
                       .range = chunk % a->n_ranges,
                       .k = base + l.k,
                       .v = base + (front ? l.k : l.v),
                       .k_row = a->d_k + APART,
                       .v_row = (front ? a->d_k : a->d_v) + APART,
                       .p = base + l.p,
                       .factor = base + l.factor,
                       .rows = base + l.rows,
                       .q = base + l.q,
                       .out = base + l.out };
    t.n = a->n - t.first < a->chunk_tokens ? a->n - t.first : a->chunk_tokens;
    t.n_queries = t.n * t.part.n;
    if (a->n_ranges > 1)
        t.out = a->ranges + chunk * tiles_of_chunk(a) * tile_floats(a->d_v);
    return t;
}

static int lanes_of(const struct tiles *t, int64_t tile)
{
    return (int)(t->n_queries - tile * TILE < TILE ? t->n_queries - tile * TILE : TILE);
}

static int64_t position_of(const struct tiles *t, int64_t query)
{
    return t->a->position + t->first + query / t->part.n;
}

static int64_t head_of(const struct tiles *t, int64_t query)
{
    return t->part.first + query % t->part.n;
}

/* The queries, and where their running maxima and sums start. Lanes without one are zeros: what
 * lies in memory may be denormal numbers, which take some CPUs a hundred times as long. */
static void load_queries(const struct tiles *t)
{
    const struct cn_attend *a = t->a;
    for (int64_t at = 0; at < t->n_queries; at += TILE) {
        const int lanes = lanes_of(t, at / TILE);
        float *max = t->out + at / TILE * tile_floats(a->d_v), *sum = max + TILE;
        for (int l = lanes; l < TILE; l++) {
            max[l] = sum[l] = 0;
            memset(t->rows + l * a->d_k, 0, (size_t)a->d_k * sizeof *t->rows);
        }
        for (int l = 0; l < lanes; l++) {
            const int64_t head = head_of(t, at + l);
            const int64_t token = position_of(t, at + l) - a->position;
            const struct running r = start(a, head, t->range);
            max[l] = r.max;
            sum[l] = r.sum;
            memcpy(t->rows + l * a->d_k, a->q + token * a->q_stride + head * a->d_k,
                   (size_t)a->d_k * sizeof *t->rows);
        }
        for (int64_t c = 0; c < a->d_k; c += TILE)
            cn_gemm_store(a->g->model->ops.gemm, t->rows + c, a->d_k, TILE,
                          (int)(a->d_k - c < TILE ? a->d_k - c : TILE),
                          t->q + at * a->d_k + c * TILE, TILE, false);
        memset(sum + TILE, 0, (size_t)(a->d_v * TILE) * sizeof *sum);
    }
}

static void load_block(const struct tiles *t, int64_t t0, int64_t n)
{
    const struct cn_attend *a = t->a;
    const struct cn_kv *kv = a->kv;
    const struct cn_model *m = a->g->model;
    const int64_t head = t->part.kv_head;
    for (int64_t i = 0, beside; i < n; i += beside) {
        beside = unbroken(kv, t0 + i, n - i);
        load_rows(m, a->type, beside, a->d_k, cn_kv_key(kv, head, t0 + i), kv->k_row_bytes,
                  t->k + i * t->k_row, t->k_row);
        if (t->v != t->k)
            load_rows(m, a->type, beside, a->d_v, cn_kv_value(kv, head, t0 + i), kv->v_row_bytes,
                      t->v + i * t->v_row, t->v_row);
    }
}

/* What queries do not see of the n keys from t0 on. */
static void mask(const struct tiles *t, int64_t tile, int lanes, int64_t t0, int64_t n)
{
    for (int l = 0; l < lanes; l++) {
        const int64_t position = position_of(t, tile * TILE + l);
        const int64_t lo = first_key(t->a, position) - t0, hi = position - t0;
        for (int64_t i = 0; i < n; i++)
            if (i < lo || i > hi)
                t->p[i * TILE + l] = -INFINITY;
    }
}

/* A block of n keys from t0 on, for a tile: scores, weights, weighted values. */
static void attend_tile(const struct tiles *t, int64_t tile, int64_t t0, int64_t n)
{
    const struct cn_attend *a = t->a;
    const struct cn_vec *vec = &a->g->model->ops.vec;
    const int lanes = lanes_of(t, tile);
    const int64_t first = position_of(t, tile * TILE);
    const int64_t last = position_of(t, tile * TILE + lanes - 1);
    float *max = t->out + tile * tile_floats(a->d_v), *sum = max + TILE;
    if (n > last + 1 - t0) /* what lies in the future of all of them is left out */
        n = last + 1 - t0;
    if (n <= 0)
        return;
    vec->lane_products(n, a->d_k, lanes, t->k, t->k_row, 1, t->q + tile * TILE * a->d_k, NULL,
                       t->p);
    cap_scores(a->softcap, n * TILE, t->p);
    /* Most blocks are seen whole by every query of the tile. */
    if (t0 + n - 1 > first || t0 < first_key(a, last))
        mask(t, tile, lanes, t0, n);
    vec->softmax_lanes(n, lanes, t->p, max, sum, t->factor);
    vec->lane_products(a->d_v, n, lanes, t->v, 1, t->v_row, t->p, t->factor, sum + TILE);
}

/* A tile's outputs [d_v][16], divided by the sums of their weights, to where they belong. rows:
 * room for [16][d_v]. */
static void store_tile(const struct tiles *t, int64_t tile, const float *sum, const float *o)
{
    const struct cn_attend *a = t->a;
    const int lanes = lanes_of(t, tile);
    for (int64_t c = 0; c < a->d_v; c += TILE)
        cn_gemm_store(a->g->model->ops.gemm, o + c * TILE, TILE,
                      (int)(a->d_v - c < TILE ? a->d_v - c : TILE), TILE, t->rows + c, a->d_v,
                      false);
    for (int l = 0; l < lanes; l++) {
        const int64_t query = tile * TILE + l, token = position_of(t, query) - a->position;
        float *to = a->out + (token * a->n_head + head_of(t, query)) * a->d_v;
        for (int64_t c = 0; c < a->d_v; c++)
            to[c] = t->rows[l * a->d_v + c] / sum[l];
    }
}

static void tiled_chunk(const struct cn_attend *a, int64_t chunk, int thread)
{
    const struct tiles t = tiles_of(a, chunk, thread);
    const struct span seen = span_of(a, t.range, t.first, t.n, KEYS);
    load_queries(&t);
    for (int64_t t0 = seen.from; t0 < seen.end; t0 += KEYS) {
        const int64_t n = seen.end - t0 < KEYS ? seen.end - t0 : KEYS;
        load_block(&t, t0, n);
        for (int64_t tile = 0; tile * TILE < t.n_queries; tile++)
            attend_tile(&t, tile, t0, n);
    }
    for (int64_t tile = 0; a->n_ranges == 1 && tile * TILE < t.n_queries; tile++) {
        const float *sum = t.out + tile * tile_floats(a->d_v) + TILE;
        store_tile(&t, tile, sum, sum + TILE);
    }
}

/* What the ranges made of a tile, added up into the first. */
static void merge_tile(const struct cn_attend *a, int64_t chunk, int64_t tile, int thread)
{
    const struct tiles t = tiles_of(a, chunk * a->n_ranges, thread);
    const int64_t one = tile_floats(a->d_v), apart = tiles_of_chunk(a) * one;
    float *first = t.out + tile * one, *sum = first + TILE, *o = sum + TILE;
    for (int64_t r = 1; r < a->n_ranges; r++) {
        const float *more = first + r * apart;
        float old[TILE], new[TILE];
        for (int l = 0; l < TILE; l++) {
            const float top = first[l] > more[l] ? first[l] : more[l];
            old[l] = first[l] == top ? 1 : expf(first[l] - top);
            new[l] = more[l] == top ? 1 : expf(more[l] - top);
            first[l] = top;
            sum[l] = sum[l] * old[l] + more[TILE + l] * new[l];
        }
        for (int64_t c = 0; c < a->d_v; c++)
            for (int l = 0; l < TILE; l++)
                o[c * TILE + l] = o[c * TILE + l] * old[l] + more[(2 + c) * TILE + l] * new[l];
    }
    store_tile(&t, tile, sum, o);
}

/* ---- both forms ------------------------------------------------------------------------------ */

/* Without the ranges, */
static int64_t n_blocks(const struct cn_attend *a)
{
    return (a->n + a->chunk_tokens - 1) / a->chunk_tokens * a->n_head_kv * a->parts;
}

static int64_t n_chunks(const struct cn_attend *a)
{
    return n_blocks(a) * a->n_ranges;
}

/* and what is merged of them. */
static int64_t n_merges(const struct cn_attend *a)
{
    return a->n_ranges > 1 ? n_blocks(a) * tiles_of_chunk(a) : 0;
}

/* Chunks are numbered through all of them. */
static void attend_chunk(void *context, int index, int thread)
{
    const struct cn_attend *a = context;
    int64_t chunk = index;
    for (int64_t n; chunk >= (n = n_chunks(a)); a++)
        chunk -= n;
    if (a->direct)
        direct_chunk(a, chunk, thread);
    else
        tiled_chunk(a, chunk, thread);
}

static void merge_chunk(void *context, int index, int thread)
{
    const struct cn_attend *a = context;
    int64_t at = index;
    for (int64_t n; at >= (n = n_merges(a)); a++)
        at -= n;
    if (a->direct)
        merge_direct(a, at);
    else
        merge_tile(a, at / tiles_of_chunk(a), at % tiles_of_chunk(a), thread);
}

/* What the cache gives: each row once for all tokens. */
static void count(const struct cn_attend *a)
{
    const size_t row =
        a->kv->v == a->kv->k ? a->kv->k_row_bytes : a->kv->k_row_bytes + a->kv->v_row_bytes;
    const int64_t seen = a->position + a->n - first_key(a, a->position);
    const int64_t bytes = seen * a->n_head_kv * (int64_t)row;
    a->work->kv_bytes += bytes;
    a->work->bytes += bytes;
}

/* Which form, and what a chunk is. */
static void plan(struct cn_attend *a)
{
    const int64_t group = a->n_head / a->n_head_kv;
    a->n_ranges = 1;
    a->direct = group * a->n < (a->type == CN_KV_Q8_0 ? 2 : LEAST_QUERIES);
    if (a->direct) {
        a->part_heads = group > MOST_HEADS ? PART_HEADS : group;
        a->chunk_tokens = 1;
    } else {
        const int64_t most = most_tiles(a->d_k, a->d_v) * TILE;
        a->part_heads = group < most ? group : most;
        a->chunk_tokens = most / a->part_heads < a->n ? most / a->part_heads : a->n;
    }
    a->parts = (group + a->part_heads - 1) / a->part_heads;
}

/* Divides the keys of an attention, one of those that have n chunks together. Ranges are whole
 * blocks. Returns the memory behind. */
static float *split(struct cn_attend *a, int64_t n, float *memory)
{
    const int64_t from = first_key(a, a->position) / KEYS * KEYS, keys = a->position + a->n - from;
    const int64_t most = keys / (a->direct ? SPLIT_DIRECT : SPLIT_KEYS);
    const int64_t ranges = SPLIT_CHUNKS / n < most ? SPLIT_CHUNKS / n : most;
    if (ranges <= 1 || tiles_of_chunk(a) > SPLIT_TILES)
        return memory;
    a->range_keys = (keys / ranges + KEYS - 1) / KEYS * KEYS;
    a->n_ranges = (keys + a->range_keys - 1) / a->range_keys;
    a->ranges = memory;
    return memory + n_chunks(a) * tiles_of_chunk(a) * tile_floats(a->d_v);
}

void cn_attend(struct cn_attend *all, int n, void *shared)
{
    struct cn_group *g = all->g;
    int64_t blocks = 0, chunks = 0, merges = 0;
    float *memory = shared;
    for (struct cn_attend *a = all; a < all + n; a++) {
        plan(a);
        if (a->type == CN_KV_Q8_0)
            a->q8_0 = cn_kernels_for(cn_format_by_name("q8_0"), g->model->ops.tiers);
        if (a->work)
            count(a);
        blocks += n_chunks(a);
    }
    for (struct cn_attend *a = all; a < all + n; a++) {
        memory = split(a, blocks, memory);
        chunks += n_chunks(a);
        merges += n_merges(a);
    }
    cn_pool_run(g->pool, g->n_threads, attend_chunk, all, (int)chunks);
    if (merges > 0)
        cn_pool_run(g->pool, g->n_threads, merge_chunk, all, (int)merges);
}
