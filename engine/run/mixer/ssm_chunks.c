/* SPDX-License-Identifier: MIT
 *
 * A chunk of tokens at a time. With l_i the sum of dt a up to token i of the chunk and
 * M_ij = (c_i . b_j) exp(l_i - l_j) for i >= j:
 *
 *   Y  = M (dt X) + exp(l) C S          S: the state before the chunk, a row for each of b's
 * numbers S <- exp(l_last) S + B^T (exp(l_last - l) dt X)
 *
 * Only differences that are not above 0 are raised. What the heads of a group share, C, B and their
 * products, is brought into the form of panels first; then each head goes through the chunks.
 */
#include "engine/run/mixer/ssm_chunks.h"

#include "quant/gemm.h"

#include <string.h>

enum { TILE = CN_SSM_TILE, CHUNK = 64, TILES = CHUNK / TILE, CELLS = TILE * TILE };

/* Panels of a chunk of a group: as the left factor c [token / 16][n / 16][16][16], as the right one
 * b [token / 16][n][16], as the left one b^T [n / 16][token / 16][16][16], and the products
 * c b^T [token / 16][token / 16][16][16]. */
struct panels {
    float *c, *b, *bt, *products;
};

static int64_t sixteens(int64_t n)
{
    return (n + TILE - 1) / TILE;
}

static int64_t chunk_floats(const struct cn_ssm_widths *w)
{
    return 3 * CHUNK * TILE * sixteens(w->n) + CHUNK * CHUNK;
}

static int64_t n_chunks(int64_t n)
{
    return (n + CHUNK - 1) / CHUNK;
}

int64_t cn_ssm_panels(const struct cn_hparams *hp, const struct cn_ssm_widths *w, int64_t n)
{
    return n_chunks(n) * hp->ssm_groups * chunk_floats(w);
}

static struct panels panels_of(const struct cn_ssm *p, int64_t group, int64_t chunk)
{
    const int64_t size = CHUNK * TILE * sixteens(p->w.n);
    float *base = p->panels + (group * n_chunks(p->n) + chunk) * chunk_floats(&p->w);
    return (struct panels){ base, base + size, base + 2 * size, base + 3 * size };
}

static int64_t tokens_of(const struct cn_ssm *p, int64_t chunk)
{
    return p->n - chunk * CHUNK < CHUNK ? p->n - chunk * CHUNK : CHUNK;
}

/* out[16][16] = left [16, k] times right [k, 16], panels. */
static void multiply(const struct cn_ssm *p, int64_t k, const float *left, const float *right,
                     float *out)
{
    static const struct cn_panel floats = { 0 };
    union {
        const float *from;
        float *to;
        uint8_t *codes;
    } a = { left }, x = { right };
    const struct cn_panel_data rows = { .kind = &floats, .n_cols = k, .codes = a.codes };
    const struct cn_act_panel columns = { .kind = CN_ACT_F32, .n_cols = k, .x = x.to };
    p->g->model->ops.gemm->tile_f32(&rows, 0, &columns, 0, TILE, out);
}

/* Sixteen numbers at a time: y = a x, y = x + a y, y = a - x, y = x y. */
static inline void scale_16(float a, const float *restrict x, float *restrict y)
{
    for (int i = 0; i < TILE; i++)
        y[i] = a * x[i];
}

static inline void add_to_scaled_16(const float *restrict x, float a, float *restrict y)
{
    for (int i = 0; i < TILE; i++)
        y[i] = x[i] + a * y[i];
}

static inline void differences_16(float a, const float *restrict x, float *restrict y)
{
    for (int i = 0; i < TILE; i++)
        y[i] = a - x[i];
}

static inline void multiply_16(const float *restrict x, float *restrict y)
{
    for (int i = 0; i < TILE; i++)
        y[i] *= x[i];
}

/* What the heads of a group share in a chunk. */
static void prepare(void *context, int index, int thread)
{
    const struct cn_ssm *p = context;
    const int64_t chunk = index % n_chunks(p->n), group = index / n_chunks(p->n);
    const int64_t n = p->w.n, padded = TILE * sixteens(n), tokens = tokens_of(p, chunk);
    const struct panels to = panels_of(p, group, chunk);
    (void)thread;
    memset(to.c, 0, (size_t)(3 * CHUNK * padded) * sizeof *to.c);
    for (int64_t t = 0; t < tokens; t++) {
        const float *b = cn_ssm_shared(p, chunk * CHUNK + t, group), *c = b + p->w.shared;
        float *to_c = to.c + t / TILE * TILE * padded + t % TILE * TILE;
        float *to_b = to.b + t / TILE * TILE * padded + t % TILE;
        for (int64_t i = 0; i < n; i += TILE)
            memcpy(to_c + i * TILE, c + i, (size_t)(n - i < TILE ? n - i : TILE) * sizeof *c);
        for (int64_t i = 0; i < n; i++)
            to_b[i * TILE] = b[i];
    }
    for (int64_t i = 0; i < padded; i += TILE)
        for (int64_t g = 0; g < TILES; g++)
            memcpy(to.bt + (i / TILE * TILES + g) * CELLS, to.b + (g * padded + i) * TILE,
                   CELLS * sizeof *to.b);
    for (int64_t i = 0; i < TILES; i++)
        for (int64_t j = 0; j <= i; j++)
            multiply(p, n, to.c + i * TILE * padded, to.b + j * TILE * padded,
                     to.products + (i * TILES + j) * CELLS);
}

/* A head's way through a chunk. */
struct head {
    const struct cn_ssm *p;
    int64_t index, first, n; /* of the head; tokens */
    struct panels shared;
    double decay[CHUNK]; /* l */
    float *m;            /* [token / 16][token / 16][16][16] */
    float *x, *faded;    /* [value / 16][token][16]: dt x, and that times exp(l_last - l) */
    float *y;            /* [16][values] */
    float *state;
};

int64_t cn_ssm_thread_floats(const struct cn_ssm_widths *w)
{
    return CHUNK * CHUNK + (2 * CHUNK + TILE) * TILE * w->groups16;
}

static void load(struct head *h)
{
    const struct cn_ssm *p = h->p;
    float dt[CHUNK];
    double sum = 0;
    for (int64_t t = 0; t < CHUNK; t++) {
        dt[t] = t < h->n ? cn_ssm_step(p, h->first + t, h->index) : 0;
        sum += (double)dt[t] * (double)p->layer->ssm_a[h->index];
        h->decay[t] = sum;
    }
    memset(h->x, 0, (size_t)(2 * CHUNK * TILE * p->w.groups16) * sizeof *h->x);
    for (int64_t t = 0; t < h->n; t++) {
        const float *x = cn_ssm_values(p, h->first + t, h->index);
        const float left = expf((float)(sum - h->decay[t]));
        for (int64_t i = 0; i < p->w.values; i += TILE) {
            const int64_t at = (i / TILE * CHUNK + t) * TILE, rest = p->w.values - i;
            if (rest >= TILE)
                scale_16(dt[t], x + i, h->x + at);
            for (int64_t j = 0; rest < TILE && j < rest; j++)
                h->x[at + j] = dt[t] * x[i + j];
            scale_16(left, h->x + at, h->faded + at);
        }
    }
}

/* The products of a row of tiles, faded; those of later tokens are 0. */
static void fade(const struct head *h, int64_t row)
{
    const double base = h->decay[row * TILE];
    float l[CHUNK];
    for (int64_t t = 0; t < (row + 1) * TILE; t++)
        l[t] = (float)(h->decay[t] - base);
    for (int64_t column = 0; column <= row; column++) {
        float *m = h->m + (row * TILES + column) * CELLS;
        const float *products = h->shared.products + (row * TILES + column) * CELLS;
        for (int64_t i = 0; i < TILE; i++)
            differences_16(l[row * TILE + i], l + column * TILE, m + i * TILE);
        for (int64_t i = 0; column == row && i < TILE; i++)
            for (int64_t j = i + 1; j < TILE; j++)
                m[i * TILE + j] = -INFINITY;
        h->p->g->model->ops.vec.exp_sum(CELLS, 0, m);
        for (int64_t i = 0; i < CELLS; i += TILE)
            multiply_16(products + i, m + i);
    }
}

/* Sixteen tokens: what came before them in the chunk, and the state before it. */
static void outputs(const struct head *h, int64_t row)
{
    const struct cn_ssm *p = h->p;
    const int64_t n = p->w.n, padded = TILE * sixteens(n), width = TILE * p->w.groups16;
    float near[CELLS], far[CELLS], factor[TILE];
    fade(h, row);
    for (int64_t i = 0; i < TILE; i++)
        factor[i] = expf((float)h->decay[row * TILE + i]);
    for (int64_t g = 0; g < p->w.groups16; g++) {
        multiply(p, (row + 1) * TILE, h->m + row * TILES * CELLS, h->x + g * CHUNK * TILE, near);
        multiply(p, n, h->shared.c + row * TILE * padded, h->state + g * n * TILE, far);
        for (int64_t i = 0; i < TILE; i++) {
            float *const y = h->y + i * width + g * TILE;
            memcpy(y, far + i * TILE, TILE * sizeof *y);
            add_to_scaled_16(near + i * TILE, factor[i], y);
        }
    }
    for (int64_t i = 0; i < TILE && row * TILE + i < h->n; i++)
        cn_ssm_finish(p, h->first + row * TILE + i, h->index, h->y + i * width);
}

static void advance(const struct head *h)
{
    const struct cn_ssm *p = h->p;
    const int64_t n = p->w.n;
    const float factor = expf((float)h->decay[CHUNK - 1]);
    float more[CELLS];
    for (int64_t g = 0; g < p->w.groups16; g++)
        for (int64_t i = 0; i < n; i += TILE) {
            float *state = h->state + (g * n + i) * TILE;
            const int64_t cells = (n - i < TILE ? n - i : TILE) * TILE;
            multiply(p, TILE * sixteens(h->n), h->shared.bt + i / TILE * TILES * CELLS,
                     h->faded + g * CHUNK * TILE, more);
            for (int64_t k = 0; k < cells; k += TILE)
                add_to_scaled_16(more + k, factor, state + k);
        }
}

static void through_chunks(void *context, int index, int thread)
{
    const struct cn_ssm *p = context;
    const struct cn_hparams *hp = &p->g->model->hp;
    const int64_t group = index / (hp->ssm_heads / hp->ssm_groups);
    float *scratch =
        (float *)(void *)(p->g->thread_scratch + (size_t)thread * p->g->thread_scratch_bytes);
    struct head h = { .p = p, .index = index, .m = scratch };
    h.x = h.m + CHUNK * CHUNK;
    h.faded = h.x + CHUNK * TILE * p->w.groups16;
    h.y = h.faded + CHUNK * TILE * p->w.groups16;
    h.state = p->state + index * p->w.head_state;
    for (int64_t chunk = 0; chunk < n_chunks(p->n); chunk++) {
        h.first = chunk * CHUNK;
        h.n = tokens_of(p, chunk);
        h.shared = panels_of(p, group, chunk);
        load(&h);
        for (int64_t row = 0; row * TILE < h.n; row++)
            outputs(&h, row);
        advance(&h);
    }
}

void cn_ssm_chunks(struct cn_ssm *p)
{
    struct cn_group *g = p->g;
    const struct cn_hparams *hp = &g->model->hp;
    cn_pool_run(g->pool, g->n_threads, prepare, p, (int)(n_chunks(p->n) * hp->ssm_groups));
    cn_pool_run(g->pool, g->n_threads, through_chunks, p, (int)hp->ssm_heads);
}
