/* SPDX-License-Identifier: MIT
 *
 * One or a few tokens: one after the other, a pass over each head's matrix for each. Many tokens:
 * in chunks (arXiv 2406.06484, 2412.06464), as small float GEMMs through the tier's tile; only from
 * chunk to chunk one has to wait for the other. For the tokens of a chunk, with G the running sum
 * of their log decays and S the matrix before it:
 *
 *   A = beta_i (k_i . k_j) e^(G_i - G_j) for i > j, else 0
 *   N = (I + A)^-1 (beta V - beta e^G K S^T)
 *   O = e^G Q S^T + P N,  P = (q_i . k_j) e^(G_i - G_j) for i >= j, else 0
 *   S = e^G_n S + N^T (e^(G_n - G) K)
 *
 * Only differences that are not above 0 are raised, of sums in double: they may be small. Blocks of
 * 16 tokens of N are solved for one after the other, each with the inverse of its own block of I +
 * A. A chunk that is not full ends with zeros, which change nothing.
 */
#include "engine/run/delta_net.h"

#include "quant/gemm.h"

#include <math.h>
#include <string.h>

enum {
    TILE = CN_PANEL_ROWS,
    CHUNK = 32,
    BLOCKS = CHUNK / TILE, /* of a chunk */
    TILE_CELLS = TILE * TILE,
    DIRECT_TOKENS = 8, /* fewer tokens than this are done one by one */
};
_Static_assert((int)TILE == (int)CN_DELTA_GROUP, "groups of rows are tiles");

/* The key head of a head. */
static int64_t key_head(const struct cn_delta *d, int64_t head)
{
    return d->neighbours ? head / (d->n_heads / d->n_key_heads) : head % d->n_key_heads;
}

static float *state_of(const struct cn_delta *d, int64_t head)
{
    return d->state + head * d->size * d->size;
}

static const float *key_of(const struct cn_delta *d, const float *keys, int64_t token, int64_t head)
{
    return keys + token * d->stride + key_head(d, head) * d->size;
}

static const float *value_of(const struct cn_delta *d, int64_t token, int64_t head)
{
    return d->v + token * d->stride + head * d->size;
}

/* Norm and gate of a head's results. */
static void finish_head(const struct cn_delta *d, int64_t token, int64_t head)
{
    const struct cn_model *m = d->g->model;
    float *out = d->out + (token * d->n_heads + head) * d->size;
    m->ops.vec.rms_norm(d->size, out, d->norm, m->hp.norm_eps, out);
    m->ops.vec.silu_mul(d->size, d->z + token * d->z_stride + head * d->size, out, out);
}

static void direct_head(const struct cn_delta *d, int64_t head)
{
    const struct cn_vec *vec = &d->g->model->ops.vec;
    for (int64_t t = 0; t < d->n; t++) {
        const int64_t at = t * d->n_heads + head;
        vec->delta_step(d->size, d->size, expf(d->log_decay[at]), d->beta[at],
                        key_of(d, d->q, t, head), key_of(d, d->k, t, head), value_of(d, t, head),
                        state_of(d, head), d->out + at * d->size);
        finish_head(d, t, head);
    }
}

/* ---- chunks --------------------------------------------------------------------------------- */

/* A chunk of a head. Panels are what the tile multiplies: rows in groups of 16, [group][columns /
 * 16][16 rows][16 columns]; stacks what it multiplies them with: [group of 16 columns][rows][16].
 */
struct chunk {
    const struct cn_delta *d;
    int64_t head, first, n, blocks; /* the tokens, and their blocks of 16 */
    int64_t row;                    /* floats from one block of a panel of queries to the next */
    float *states; /* stack: S^T, below it rows of N: [size / 16][size + CHUNK][16] */
    float *q, *k;  /* panels of tokens: queries or keys, beside them P or A: [blocks][.., 16, 16] */
    float *keys;   /* stack: K^T, [blocks][size][16 tokens] */
    float *values; /* panel: e^(G_n - G) K, transposed: [size / 16][blocks][16][16 tokens] */
    float *inverse;  /* panels: of each block of I + A: [blocks][16][16] */
    float *tile;     /* room for one */
    double G[CHUNK]; /* running sums of log decays */
    float beta[CHUNK];
};

struct layout {
    size_t states, q, k, keys, values, inverse, tile, total;
};

static struct layout layout_of(int64_t size)
{
    struct layout l = { 0 };
    const size_t n = (size_t)size, wide = n + CHUNK;
    l.q = l.states + n * wide;
    l.k = l.q + CHUNK * wide;
    l.keys = l.k + CHUNK * wide;
    l.values = l.keys + CHUNK * n;
    l.inverse = l.values + CHUNK * n;
    l.tile = l.inverse + BLOCKS * TILE_CELLS;
    l.total = l.tile + TILE_CELLS;
    return l;
}

size_t cn_delta_scratch_bytes(int64_t size)
{
    return layout_of(size).total * sizeof(float);
}

/* Where the rows of group g of the matrix stand, transposed, and below them those of N. */
static float *states_of(const struct chunk *c, int64_t g)
{
    return c->states + g * (c->d->size + CHUNK) * TILE;
}

static float *news_of(const struct chunk *c, int64_t g, int64_t block)
{
    return states_of(c, g) + (c->d->size + block * TILE) * TILE;
}

/* tile = 16 rows of a panel times a stack, over `depth` columns. */
static void multiply(const struct chunk *c, const float *panel, const float *stack, int64_t depth,
                     float *tile)
{
    static const struct cn_panel floats = { 0 };
    const struct cn_panel_data rows = { .kind = &floats,
                                        .n_cols = depth,
                                        .codes = (uint8_t *)(uintptr_t)panel };
    const struct cn_act_panel columns = { .kind = CN_ACT_F32,
                                          .n_cols = depth,
                                          .x = (float *)(uintptr_t)stack };
    c->d->g->model->ops.gemm->tile_f32(&rows, 0, &columns, 0, TILE, tile);
}

/* Runs of 16 floats: y = by * x, y = by * x one by one, y = by * y + x. */
static void scale_run(float by, const float *restrict x, float *restrict y)
{
    for (int j = 0; j < TILE; j++)
        y[j] = by * x[j];
}

static void multiply_run(const float *restrict by, const float *restrict x, float *restrict y)
{
    for (int j = 0; j < TILE; j++)
        y[j] = by[j] * x[j];
}

static void decay_run(float by, const float *restrict x, float *restrict y)
{
    for (int j = 0; j < TILE; j++)
        y[j] = by * y[j] + x[j];
}

static void scale_in_place(float by, float *x)
{
    for (int j = 0; j < TILE; j++)
        x[j] *= by;
}

/* A row, times a factor, in runs of 16 that are `stride` floats apart. */
static void store_row(int64_t n, float by, const float *x, float *to, int64_t stride)
{
    for (int64_t j = 0; j < n; j += TILE, to += stride)
        scale_run(by, x + j, to);
}

/* Queries and keys as they are, and the values times beta, where N will be. */
static void load_token(struct chunk *c, int64_t i)
{
    const struct cn_delta *d = c->d;
    const int64_t token = c->first + i, size = d->size, at = i / TILE * c->row + i % TILE * TILE;
    float *value = news_of(c, 0, 0) + i * TILE;
    if (i >= c->n) { /* what fills up the last block */
        static const float zeros[TILE] = { 0 };
        for (int64_t j = 0; j < size; j += TILE, value += (size + CHUNK) * TILE) {
            memcpy(c->q + at + j * TILE, zeros, sizeof zeros);
            memcpy(c->k + at + j * TILE, zeros, sizeof zeros);
            memcpy(value, zeros, sizeof zeros);
        }
        c->beta[i] = 0;
        c->G[i] = c->G[i - 1];
        return;
    }
    /* Tokens lie far apart: what the hardware asks for ahead of time is not the next one. */
    const int64_t next = token + (i + 1 < c->n);
    const size_t bytes = (size_t)size * sizeof(float);
    cn_gemm_prefetch((const uint8_t *)key_of(d, d->q, next, c->head), bytes);
    cn_gemm_prefetch((const uint8_t *)key_of(d, d->k, next, c->head), bytes);
    cn_gemm_prefetch((const uint8_t *)value_of(d, next, c->head), bytes);
    c->beta[i] = d->beta[token * d->n_heads + c->head];
    c->G[i] = (double)d->log_decay[token * d->n_heads + c->head] + (i > 0 ? c->G[i - 1] : 0);
    store_row(size, 1, key_of(d, d->q, token, c->head), c->q + at, TILE_CELLS);
    store_row(size, 1, key_of(d, d->k, token, c->head), c->k + at, TILE_CELLS);
    store_row(size, c->beta[i], value_of(d, token, c->head), value, (size + CHUNK) * TILE);
}

static void load_tokens(struct chunk *c)
{
    const struct cn_delta *d = c->d;
    const int64_t size = d->size;
    for (int64_t i = 0; i < c->blocks * TILE; i++)
        load_token(c, i);
    for (int64_t b = 0; b < c->blocks; b++)
        for (int64_t j = 0; j < size; j += TILE)
            cn_gemm_store(d->g->model->ops.gemm, c->k + b * c->row + j * TILE, TILE, TILE, TILE,
                          c->keys + (b * size + j) * TILE, TILE, false);
}

/* Row i of a tile of products with the tokens of block b, times e^(G_i - G_j); what lies in the
 * future is 0, and so is j = i unless `itself`. */
static void decay_row(const struct chunk *c, int64_t i, int64_t b, bool itself, float factor,
                      float *x)
{
    const int64_t last = i - b * TILE + itself; /* columns that count */
    float by[TILE], before[TILE];
    for (int64_t j = 0; j < TILE; j++)
        by[j] = j < last ? (float)(c->G[i] - c->G[b * TILE + j]) : -INFINITY;
    c->d->g->model->ops.vec.exp_sum(TILE, 0, by);
    scale_in_place(factor, by);
    memcpy(before, x, sizeof before);
    multiply_run(by, before, x);
}

/* P and A, beside the queries and keys. */
static void compare_tokens(const struct chunk *c)
{
    const int64_t size = c->d->size;
    for (int64_t i = 0; i < c->blocks; i++)
        for (int64_t b = 0; b <= i; b++) {
            float *q = c->q + i * c->row, *p = q + (size + b * TILE) * TILE;
            float *k = c->k + i * c->row, *a = k + (size + b * TILE) * TILE;
            multiply(c, q, c->keys + b * size * TILE, size, p);
            multiply(c, k, c->keys + b * size * TILE, size, a);
            for (int64_t r = 0; r < TILE; r++) {
                decay_row(c, i * TILE + r, b, true, 1, p + r * TILE);
                decay_row(c, i * TILE + r, b, false, c->beta[i * TILE + r], a + r * TILE);
            }
        }
}

/* The inverse of I + A for A below the diagonal. */
static void invert(const float *a, float *inverse)
{
    for (int64_t i = 0; i < TILE; i++) {
        float *row = inverse + i * TILE;
        for (int64_t j = 0; j < TILE; j++)
            row[j] = i == j;
        for (int64_t k = 0; k < i; k++)
            for (int64_t j = 0; j < TILE; j++)
                row[j] -= a[i * TILE + k] * inverse[k * TILE + j];
    }
}

static void scale_tokens(const struct chunk *c, float *panel, const float *factor)
{
    for (int64_t i = 0; i < c->blocks * TILE; i++) {
        float *x = panel + i / TILE * c->row + i % TILE * TILE;
        for (int64_t g = 0; g < c->d->size; g += TILE)
            scale_in_place(factor[i], x + g * TILE);
    }
}

/* Queries and keys to what they are multiplied with the matrix as, and the keys that it gets. */
static void decay_tokens(const struct chunk *c)
{
    const int64_t size = c->d->size, n = c->blocks * TILE;
    const struct cn_vec *vec = &c->d->g->model->ops.vec;
    float before[CHUNK], after[CHUNK], both[CHUNK];
    for (int64_t i = 0; i < n; i++) {
        before[i] = (float)c->G[i];
        after[i] = (float)(c->G[n - 1] - c->G[i]);
    }
    vec->exp_sum(n, 0, before);
    vec->exp_sum(n, 0, after);
    for (int64_t i = 0; i < n; i++)
        both[i] = c->beta[i] * before[i];
    scale_tokens(c, c->q, before);
    scale_tokens(c, c->k, both);
    for (int64_t b = 0; b < c->blocks; b++) {
        invert(c->k + b * c->row + (size + b * TILE) * TILE, c->inverse + b * TILE_CELLS);
        for (int64_t i = 0; i < size; i++) {
            const float *from = c->keys + (b * size + i) * TILE;
            float *to = c->values + (i / TILE * c->blocks + b) * TILE_CELLS + i % TILE * TILE;
            multiply_run(after + b * TILE, from, to);
        }
    }
}

/* N and O of a group of 16 values, block after block. */
static void solve_group(const struct chunk *c, int64_t g)
{
    const struct cn_delta *d = c->d;
    const int64_t size = d->size;
    float *out = d->out + c->head * size + g * TILE;
    for (int64_t b = 0; b < c->blocks; b++) {
        float *news = news_of(c, g, b);
        multiply(c, c->k + b * c->row, states_of(c, g), size + b * TILE, c->tile);
        d->g->model->ops.vec.axpy(TILE_CELLS, -1, c->tile, news);
        multiply(c, c->inverse + b * TILE_CELLS, news, TILE, c->tile);
        memcpy(news, c->tile, TILE_CELLS * sizeof *news);
        multiply(c, c->q + b * c->row, states_of(c, g), size + (b + 1) * TILE, c->tile);
        for (int64_t i = 0; i < TILE && b * TILE + i < c->n; i++)
            memcpy(out + (c->first + b * TILE + i) * d->n_heads * size, c->tile + i * TILE,
                   TILE * sizeof *out);
    }
}

static void update_states(const struct chunk *c)
{
    const struct cn_delta *d = c->d;
    const float decay = expf((float)c->G[c->blocks * TILE - 1]);
    for (int64_t g = 0; g < d->size / TILE; g++) {
        float *s = states_of(c, g);
        for (int64_t i = 0; i < d->size; i += TILE) {
            multiply(c, c->values + i * c->blocks * TILE, news_of(c, g, 0), c->blocks * TILE,
                     c->tile);
            for (int64_t r = 0; r < TILE; r++)
                decay_run(decay, c->tile + r * TILE, s + (i + r) * TILE);
        }
    }
}

static void move_states(const struct chunk *c, bool back)
{
    const int64_t cells = c->d->size * TILE;
    float *state = state_of(c->d, c->head);
    for (int64_t g = 0; g < c->d->size / TILE; g++, state += cells)
        memcpy(back ? state : states_of(c, g), back ? states_of(c, g) : state,
               (size_t)cells * sizeof *state);
}

static void chunked_head(const struct cn_delta *d, int64_t head, int thread)
{
    const struct layout l = layout_of(d->size);
    float *base =
        (float *)(void *)(d->g->thread_scratch + (size_t)thread * d->g->thread_scratch_bytes);
    struct chunk c = { .d = d,
                       .head = head,
                       .row = (d->size + CHUNK) * TILE,
                       .states = base + l.states,
                       .q = base + l.q,
                       .k = base + l.k,
                       .keys = base + l.keys,
                       .values = base + l.values,
                       .inverse = base + l.inverse,
                       .tile = base + l.tile };
    move_states(&c, false);
    for (c.first = 0; c.first < d->n; c.first += CHUNK) {
        c.n = d->n - c.first < CHUNK ? d->n - c.first : CHUNK;
        c.blocks = (c.n + TILE - 1) / TILE;
        load_tokens(&c);
        compare_tokens(&c);
        decay_tokens(&c);
        for (int64_t g = 0; g < d->size / TILE; g++)
            solve_group(&c, g);
        update_states(&c);
        for (int64_t t = 0; t < c.n; t++)
            finish_head(d, c.first + t, head);
    }
    move_states(&c, true);
}

static void run_head(void *context, int chunk, int thread)
{
    const struct cn_delta *all = context, *d = &all[chunk / all->n_heads];
    const int64_t head = chunk % all->n_heads;
    if (d->n < DIRECT_TOKENS)
        direct_head(d, head);
    else
        chunked_head(d, head, thread);
}

void cn_delta_run(struct cn_delta *all, int n)
{
    struct cn_group *g = all->g;
    cn_pool_run(g->pool, g->n_threads, run_head, all, n * (int)all->n_heads);
}

void cn_delta_work(int64_t n_heads, int64_t size, int64_t n, struct cn_work *work)
{
    /* S k, S q and the update; in chunks, tokens times each other and times N. */
    const int64_t chunk = n < DIRECT_TOKENS ? 0 : n < CHUNK ? n : CHUNK;
    cn_state_work(work, n_heads * size * size);
    work->float_ops += 2 * n_heads * n * size * (3 * size + 2 * chunk);
}
