/* SPDX-License-Identifier: MIT
 *
 * The rows of a cache and attention over them. Softmax runs online over blocks of keys (arXiv
 * 1805.02867, 2112.05682), so memory does not grow with the square of the context.
 *
 * One or a few tokens: keys and values are read in place, one KV head a chunk. Many tokens: scores
 * and outputs are small float GEMMs through the tier's tile, 16 queries x 16 keys: a block of keys
 * is unpacked once for all queries of the heads that share it.
 */
#include "engine/run/attend.h"

#include "quant/gemm.h"
#include "quant/ref/q8_0.h"

#include <math.h>
#include <string.h>

enum {
    TILE = CN_PANEL_ROWS,
    KEYS = 64,         /* keys of a block */
    QUERY_TOKENS = 64, /* tokens of a chunk, many-token form */
    DIRECT_TOKENS = 8, /* fewer tokens than this are done directly */
    DIRECT_KEYS = 128, /* keys of a block, direct form */
    /* Heads that share a head of keys are done together, as long as their buffers stay in cache; of
     * more than MOST_HEADS there are several chunks. A multiple of 4: the kernels' sums do not
     * depend on which heads come together then. */
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

const float *cn_kv_load_row(const struct cn_model *m, enum cn_kv_type type, int64_t n,
                            const uint8_t *row, float *buf)
{
    if (type == CN_KV_F32)
        return (const float *)(const void *)row;
    if (type == CN_KV_F16) {
        memset(buf, 0, (size_t)n * sizeof *buf);
        m->ops.vec.axpy_f16(n, 1, (const uint16_t *)(const void *)row, buf);
        return buf;
    }
    const struct cn_block_q8_0 *b = (const struct cn_block_q8_0 *)(const void *)row;
    for (int64_t i = 0; i < n; i += 32, b++) {
        float d = cn_f16_to_f32(b->d);
        for (int j = 0; j < 32; j++)
            buf[i + j] = d * b->q[j];
    }
    return buf;
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

/* Heads of queries that a chunk does for one head of keys. */
static int64_t part_heads(int64_t n_head, int64_t n_head_kv)
{
    const int64_t group = n_head / n_head_kv;
    return group > MOST_HEADS ? PART_HEADS : group;
}

/* A part of the heads that share a head of keys. */
struct part {
    int64_t kv_head, first, n; /* heads of queries */
};

static struct part part_of(const struct cn_attend *a, int64_t index)
{
    const int64_t group = a->n_head / a->n_head_kv, most = part_heads(a->n_head, a->n_head_kv);
    const int64_t kv_head = index / a->parts, at = index % a->parts * most;
    return (struct part){ kv_head, kv_head * group + at, group - at < most ? group - at : most };
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

/* A sink counts as a score that was seen before, whose value was 0. */
static struct running start(const struct cn_attend *a, int64_t head)
{
    return a->sinks ? (struct running){ a->sinks[head], 1 } : (struct running){ -INFINITY, 0 };
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

/* One token and a part of the heads of one KV head. */
static void direct_chunk(const struct cn_attend *a, int64_t chunk, int thread)
{
    const struct cn_group *g = a->g;
    const struct cn_vec *vec = &g->model->ops.vec;
    const int64_t per_token = a->n_head_kv * a->parts, token = chunk / per_token;
    const struct part part = part_of(a, chunk % per_token);
    const int64_t position = a->position + token;
    const float *q = a->q + token * a->q_stride + part.first * a->d_k;
    float *out = a->out + (token * a->n_head + part.first) * a->d_v;
    float *scores = scratch_of(g, thread);
    struct running *run = (struct running *)(void *)(scores + part.n * DIRECT_KEYS);
    float *rounded = (float *)(void *)(run + part.n);

    if (a->type == CN_KV_Q8_0)
        round_queries(a, part.n, q, rounded);
    memset(out, 0, (size_t)(part.n * a->d_v) * sizeof *out);
    for (int64_t h = 0; h < part.n; h++)
        run[h] = start(a, part.first + h);
    for (int64_t t0 = first_key(a, position); t0 <= position; t0 += DIRECT_KEYS) {
        int64_t n = position + 1 - t0 < DIRECT_KEYS ? position + 1 - t0 : DIRECT_KEYS;
        for (int64_t t = 0, beside; t < n; t += beside) {
            beside = unbroken(a->kv, t0 + t, n - t);
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
            beside = unbroken(a->kv, t0 + t, n - t);
            add_values(a, &part, t0 + t, beside, scores + t, out);
        }
    }
    for (int64_t h = 0; h < part.n; h++)
        for (int64_t i = 0; i < a->d_v; i++)
            out[h * a->d_v + i] /= run[h].sum;
}

static int64_t padded(int64_t d)
{
    return (d + TILE - 1) / TILE * TILE;
}

/* Buffers of a chunk of the many-token form, floats. */
struct layout {
    int64_t n_tiles; /* of 16 queries: (heads of the group) x (QUERY_TOKENS / 16) */
    size_t q, k, v, p, o, out, rows, run, total;
};

static struct layout layout_of(int64_t heads, int64_t d_k, int64_t d_v)
{
    struct layout l = { .n_tiles = heads * (QUERY_TOKENS / TILE) };
    size_t dk = (size_t)padded(d_k), dv = (size_t)padded(d_v), tiles = (size_t)l.n_tiles;
    l.q = 0;
    l.k = l.q + tiles * TILE * dk;
    l.v = l.k + KEYS * dk;
    l.p = l.v + KEYS * dv;
    l.o = l.p + TILE * KEYS;
    l.out = l.o + tiles * TILE * dv;
    l.rows = l.out + TILE * TILE;
    l.run = l.rows + (TILE * dk > dv ? TILE * dk : dv);
    l.total = l.run + tiles * 2 * TILE;
    return l;
}

size_t cn_attend_scratch_bytes(int64_t n_head, int64_t n_head_kv, int64_t d_k, int64_t d_v)
{
    const int64_t heads = part_heads(n_head, n_head_kv);
    size_t many = layout_of(heads, d_k, d_v).total;
    size_t direct = (size_t)heads *
                    (DIRECT_KEYS + sizeof(struct running) / sizeof(float) + rounded_floats(d_k));
    return (many > direct ? many : direct) * sizeof(float);
}

/* Keys that the token at `position` does not see, in its row of a block of scores from t0 on. */
static void mask(const struct cn_attend *a, int64_t position, int64_t t0, int64_t key_groups,
                 float *row)
{
    const int64_t lo = first_key(a, position) - t0, hi = position - t0;
    for (int64_t t = 0; t < key_groups * TILE; t++)
        if (t < lo || t > hi)
            row[t / TILE * TILE * TILE + t % TILE] = -INFINITY;
}

/* A row of n floats in runs of 16, `stride` floats from one to the next. */
static void store_runs(int64_t n, const float *row, float *to, int64_t stride)
{
    int64_t c = 0;
    for (; c + TILE <= n; c += TILE, to += stride)
        memcpy(to, row + c, TILE * sizeof *row);
    memcpy(to, row + c, (size_t)(n - c) * sizeof *row);
}

/* The way back, times a factor. */
static void load_runs(int64_t n, float factor, const float *from, int64_t stride, float *row)
{
    int64_t c = 0;
    for (; c + TILE <= n; c += TILE, from += stride)
        for (int64_t i = 0; i < TILE; i++)
            row[c + i] = factor * from[i];
    for (int64_t i = 0; c + i < n; i++)
        row[c + i] = factor * from[i];
}

/* n keys and values from position t0 on, those beyond n zero. Keys: [group of 16][d][16 keys];
 * values: [16 dims][key][16]. rows: room for 16 keys or one value. */
static void load_block(const struct cn_attend *a, int64_t kv_head, int64_t t0, int64_t n,
                       float *rows, float *keys, float *values)
{
    const struct cn_group *g = a->g;
    const int64_t dk = a->d_k, dv = a->d_v, dkp = padded(dk), dvp = padded(dv);
    memset(values, 0, (size_t)(KEYS * dvp) * sizeof *values);
    for (int64_t t = 0; t < n; t += TILE) {
        const int here = (int)(n - t < TILE ? n - t : TILE);
        float *to = keys + t * dkp;
        memset(rows, 0, (size_t)(TILE * dkp) * sizeof *rows);
        for (int64_t i = 0; i < here; i++) {
            const uint8_t *row = cn_kv_key(a->kv, kv_head, t0 + t + i);
            const float *k = cn_kv_load_row(g->model, a->type, dk, row, rows + i * dkp);
            if (k != rows + i * dkp)
                memcpy(rows + i * dkp, k, (size_t)dk * sizeof *k);
        }
        for (int64_t c = 0; c < dkp; c += TILE)
            cn_gemm_store(g->model->ops.gemm, rows + c, dkp, TILE, TILE, to + c * TILE, TILE,
                          false);
    }
    for (int64_t t = 0; t < n; t++)
        store_runs(dv,
                   cn_kv_load_row(g->model, a->type, dv, cn_kv_value(a->kv, kv_head, t0 + t), rows),
                   values + t * TILE, KEYS * TILE);
}

/* A chunk of the many-token form: QUERY_TOKENS tokens, or what is left of them, and a part of the
 * heads of one KV head. A tile is 16 tokens of one head. */
struct tiles {
    const struct cn_attend *a;
    struct part part;
    int64_t first, n; /* tokens of the batch */
    int64_t per_head, n_tiles;
    float *q;          /* queries as panels: [tile][d_k / 16][16 tokens][16] */
    float *k, *v;      /* a block of keys and values, see load_block */
    float *p;          /* its scores for one tile: [keys / 16][16 tokens][16] */
    float *o;          /* the tiles' outputs: [tile][d_v / 16][16 tokens][16] */
    float *out, *rows; /* room for 16 x 16 numbers, and for what load_block needs */
    float *run;        /* [tile][2][16]: running maximum and sum of each query */
};

static struct tiles tiles_of(const struct cn_attend *a, int64_t chunk, int thread)
{
    const int64_t per_block = a->n_head_kv * a->parts, first = chunk / per_block * QUERY_TOKENS;
    const int64_t n = a->n - first < QUERY_TOKENS ? a->n - first : QUERY_TOKENS;
    const struct layout l = layout_of(part_heads(a->n_head, a->n_head_kv), a->d_k, a->d_v);
    const struct part part = part_of(a, chunk % per_block);
    float *base = scratch_of(a->g, thread);
    return (struct tiles){
        .a = a,
        .part = part,
        .first = first,
        .n = n,
        .per_head = (n + TILE - 1) / TILE,
        .n_tiles = part.n * ((n + TILE - 1) / TILE),
        .q = base + l.q,
        .k = base + l.k,
        .v = base + l.v,
        .p = base + l.p,
        .o = base + l.o,
        .out = base + l.out,
        .rows = base + l.rows,
        .run = base + l.run,
    };
}

/* The queries to panels (rows past the last token are zero), outputs to 0, and where the running
 * maxima and sums start. */
static void load_queries(const struct tiles *t)
{
    const struct cn_attend *a = t->a;
    const int64_t dkp = padded(a->d_k);
    memset(t->q, 0, (size_t)(t->n_tiles * TILE * dkp) * sizeof *t->q);
    memset(t->o, 0, (size_t)(t->n_tiles * TILE * padded(a->d_v)) * sizeof *t->o);
    for (int64_t tile = 0; tile < t->n_tiles; tile++)
        for (int64_t i = 0; i < TILE; i++) {
            const int64_t token = tile % t->per_head * TILE + i;
            const int64_t head = t->part.first + tile / t->per_head;
            const struct running r = start(a, head);
            t->run[tile * 2 * TILE + i] = r.max;
            t->run[tile * 2 * TILE + TILE + i] = r.sum;
            if (token >= t->n)
                continue;
            const float *q = a->q + (t->first + token) * a->q_stride + head * a->d_k;
            store_runs(a->d_k, q, t->q + tile * TILE * dkp + i * TILE, TILE * TILE);
        }
}

static const struct cn_panel floats = { 0 };

/* The scores of a tile, whose first token is at position0, for key_groups groups of 16 keys from
 * position t0 on: products, capped and masked. */
static void score_tile(const struct tiles *t, int64_t tile, int tokens, int64_t position0,
                       int64_t t0, int64_t key_groups)
{
    const struct cn_attend *a = t->a;
    const int64_t dkp = padded(a->d_k);
    struct cn_panel_data queries = { .kind = &floats,
                                     .n_cols = a->d_k,
                                     .codes = (uint8_t *)(t->q + tile * TILE * dkp) };
    struct cn_act_panel keys = { .kind = CN_ACT_F32, .n_cols = a->d_k };
    for (int64_t g = 0; g < key_groups; g++) {
        keys.x = t->k + g * TILE * dkp;
        a->g->model->ops.gemm->tile_f32(&queries, 0, &keys, 0, TILE, t->p + g * TILE * TILE);
    }
    cap_scores(a->softcap, key_groups * TILE * TILE, t->p);
    /* Most blocks are seen whole by every query of the tile. */
    if (t0 + key_groups * TILE - 1 > position0 || t0 < first_key(a, position0 + tokens - 1))
        for (int64_t i = 0; i < tokens; i++)
            mask(a, position0 + i, t0, key_groups, t->p + i * TILE);
}

/* The scores of a tile to weights; its outputs are rescaled to the new maxima, and the values of
 * the block are added by those weights. */
static void add_tile_values(const struct tiles *t, int64_t tile, int tokens, int64_t key_groups)
{
    const struct cn_vec *vec = &t->a->g->model->ops.vec;
    const int64_t dvp = padded(t->a->d_v);
    float *max = t->run + tile * 2 * TILE, *sum = max + TILE, factor[TILE];
    float *const o = t->o + tile * dvp * TILE;
    vec->softmax_tile(key_groups, t->p, max, sum, factor);
    for (int64_t i = 0; i < tokens; i++)
        if (factor[i] != 1)
            for (int64_t c = 0; c < dvp; c += TILE)
                for (int64_t j = 0; j < TILE; j++)
                    o[c * TILE + i * TILE + j] *= factor[i];
    for (int64_t i = tokens; i < TILE; i++)
        for (int64_t g = 0; g < key_groups; g++)
            memset(t->p + (g * TILE + i) * TILE, 0, TILE * sizeof *t->p);
    struct cn_panel_data weights = { .kind = &floats,
                                     .n_cols = key_groups * TILE,
                                     .codes = (uint8_t *)t->p };
    struct cn_act_panel values = { .kind = CN_ACT_F32, .n_cols = key_groups * TILE };
    for (int64_t c = 0; c < dvp; c += TILE) {
        values.x = t->v + c * KEYS;
        t->a->g->model->ops.gemm->tile_f32(&weights, 0, &values, 0, TILE, t->out);
        vec->axpy(TILE * TILE, 1, t->out, o + c * TILE);
    }
}

/* The outputs, divided by the sums of their weights, to where they belong. */
static void store_outputs(const struct tiles *t)
{
    const struct cn_attend *a = t->a;
    const int64_t dv = a->d_v, dvp = padded(dv);
    for (int64_t tile = 0; tile < t->n_tiles; tile++)
        for (int64_t i = 0; i < TILE && tile % t->per_head * TILE + i < t->n; i++) {
            const int64_t token = t->first + tile % t->per_head * TILE + i;
            const int64_t head = t->part.first + tile / t->per_head;
            load_runs(dv, 1 / t->run[tile * 2 * TILE + TILE + i], t->o + (tile * dvp + i) * TILE,
                      TILE * TILE, a->out + (token * a->n_head + head) * dv);
        }
}

static void tiled_chunk(const struct cn_attend *a, int64_t chunk, int thread)
{
    const struct tiles t = tiles_of(a, chunk, thread);
    const int64_t position = a->position + t.first, last = position + t.n - 1;
    load_queries(&t);
    for (int64_t t0 = first_key(a, position) / KEYS * KEYS; t0 <= last; t0 += KEYS) {
        const int64_t keys = last + 1 - t0 < KEYS ? last + 1 - t0 : KEYS;
        load_block(a, t.part.kv_head, t0, keys, t.rows, t.k, t.v);
        for (int64_t tile = 0; tile < t.n_tiles; tile++) {
            const int64_t token0 = tile % t.per_head * TILE, position0 = position + token0;
            const int tokens = (int)(t.n - token0 < TILE ? t.n - token0 : TILE);
            /* What lies in the future of all these queries is left out. */
            const int64_t seen = position0 + tokens - t0;
            if (seen <= 0)
                continue;
            const int64_t key_groups = ((seen < keys ? seen : keys) + TILE - 1) / TILE;
            score_tile(&t, tile, tokens, position0, t0, key_groups);
            add_tile_values(&t, tile, tokens, key_groups);
        }
    }
    store_outputs(&t);
}

static int64_t n_chunks(const struct cn_attend *a)
{
    const int64_t blocks = a->n < DIRECT_TOKENS ? a->n : (a->n + QUERY_TOKENS - 1) / QUERY_TOKENS;
    return blocks * a->n_head_kv * a->parts;
}

/* Chunks are numbered through all of them. */
static void attend_chunk(void *context, int index, int thread)
{
    const struct cn_attend *a = context;
    int64_t chunk = index;
    for (int64_t n; chunk >= (n = n_chunks(a)); a++)
        chunk -= n;
    if (a->n < DIRECT_TOKENS)
        direct_chunk(a, chunk, thread);
    else
        tiled_chunk(a, chunk, thread);
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

void cn_attend(struct cn_attend *all, int n)
{
    struct cn_group *g = all->g;
    int64_t chunks = 0;
    for (struct cn_attend *a = all; a < all + n; a++) {
        const int64_t group = a->n_head / a->n_head_kv, most = part_heads(a->n_head, a->n_head_kv);
        a->parts = (group + most - 1) / most;
        if (a->type == CN_KV_Q8_0)
            a->q8_0 = cn_kernels_for(cn_format_by_name("q8_0"), g->model->ops.tiers);
        if (a->work)
            count(a);
        chunks += n_chunks(a);
    }
    cn_pool_run(g->pool, g->n_threads, attend_chunk, all, (int)chunks);
}
