/* SPDX-License-Identifier: MIT
 *
 * Matrix products on threads: a few tokens go row by row through gemv, many through the panel GEMM.
 * Each output row is made by one thread in one order, so results do not depend on the thread count.
 */
#include "base/layout.h"
#include "engine/run/session.h"

#include <string.h>

enum {
    /* Chunks of a product: enough for threads of unequal speed to share, large enough to stream. */
    CHUNKS_PER_THREAD = 4,
    MIN_CHUNK_ROWS = 16,
    MAX_CHUNK_BYTES = 256 * 1024,
};

static int64_t row_tokens(int64_t n_tokens)
{
    return n_tokens < CN_GEMV_TOKENS ? n_tokens : CN_GEMV_TOKENS;
}

/* Of any of the forms that formats with 8-bit activations may want. */
static size_t panel_bytes(int64_t n_tokens, int64_t n_cols)
{
    size_t most = 0;
    for (int kind = CN_ACT_Q8; kind < CN_N_ACT_KINDS; kind++) {
        size_t n = cn_act_panel_bytes((enum cn_act_kind)kind, n_tokens, n_cols);
        most = n > most ? n : most;
    }
    return most;
}

static void lay_out(struct cn_input *in, int64_t n_tokens, int64_t n_cols, bool q8, bool f32,
                    struct cn_layout *arena)
{
    const int64_t cells = row_tokens(n_tokens) * n_cols;
    memset(in, 0, sizeof *in);
    if (q8) {
        in->q = cn_layout_take(arena, cells, sizeof *in->q);
        in->d = cn_layout_take(arena, cells / 32, sizeof *in->d);
        in->sum32 = cn_layout_take(arena, cells / 32, sizeof *in->sum32);
        in->sum16 = cn_layout_take(arena, cells / 16, sizeof *in->sum16);
        in->panel_q8_memory = cn_layout_take(arena, 1, panel_bytes(n_tokens, n_cols));
    }
    if (f32)
        in->panel_f32_memory =
            cn_layout_take(arena, 1, cn_act_panel_bytes(CN_ACT_F32, n_tokens, n_cols));
}

size_t cn_input_bytes(int64_t n_tokens, int64_t n_cols, bool q8, bool f32)
{
    struct cn_input in;
    struct cn_layout measure = { 0 };
    lay_out(&in, n_tokens, n_cols, q8, f32, &measure);
    return measure.overflow ? SIZE_MAX : measure.used;
}

void cn_input_init(struct cn_input *in, int64_t n_tokens, int64_t n_cols, bool q8, bool f32,
                   void *memory)
{
    struct cn_layout arena = { .base = memory };
    lay_out(in, n_tokens, n_cols, q8, f32, &arena);
}

void cn_input_set(struct cn_input *in, const float *x, int64_t x_stride, int64_t n_tokens,
                  int64_t n_cols)
{
    in->x = x;
    in->x_stride = x_stride;
    in->n_tokens = n_tokens;
    in->n_cols = n_cols;
    in->have_q8 = in->have_panel_q8 = in->have_panel_f32 = false;
}

struct packing {
    struct cn_group *g;
    const struct cn_act_panel *panel;
    const struct cn_input *in;
};

static void pack_chunk(void *context, int chunk, int thread)
{
    const struct packing *p = context;
    (void)thread;
    cn_act_panel_pack(p->panel, &p->g->model->ops, chunk,
                      p->in->x + chunk * CN_PANEL_ROWS * p->in->x_stride, p->in->x_stride);
}

static enum cn_act_kind panel_kind(const struct cn_group *g, enum cn_act_kind kind, int64_t n_cols)
{
    return cn_gemm_act_kind(g->model->ops.gemm, kind, n_cols, g->options.fast);
}

static void prepare(struct cn_group *g, struct cn_input *in, enum cn_act_kind kind)
{
    const struct cn_vec *vec = &g->model->ops.vec;
    const int64_t k = in->n_cols;
    if (in->n_tokens <= CN_GEMV_TOKENS) {
        if (kind == CN_ACT_F32 || in->have_q8)
            return;
        for (int64_t t = 0; t < in->n_tokens; t++)
            vec->quantize_q8(k, in->x + t * in->x_stride, in->q + t * k, in->d + t * k / 32,
                             in->sum32 + t * k / 32, in->sum16 + t * k / 16);
        in->have_q8 = true;
        return;
    }
    bool f32 = kind == CN_ACT_F32;
    bool *have = f32 ? &in->have_panel_f32 : &in->have_panel_q8;
    if (*have)
        return;
    struct cn_act_panel *panel = f32 ? &in->panel_f32 : &in->panel_q8;
    cn_act_panel_init(panel, panel_kind(g, kind, k), in->n_tokens, k,
                      f32 ? in->panel_f32_memory : in->panel_q8_memory);
    struct packing packing = { g, panel, in };
    cn_pool_run(g->pool, g->n_threads, pack_chunk, &packing,
                (int)((in->n_tokens + CN_PANEL_ROWS - 1) / CN_PANEL_ROWS));
    *have = true;
}

static int64_t chunk_rows(const struct cn_group *g, const struct cn_product *p)
{
    const bool panel = p->in->n_tokens > CN_GEMV_TOKENS;
    int64_t rows = p->w->rows / (g->n_threads * CHUNKS_PER_THREAD);
    int64_t most = panel ? cn_gemm_rows(panel_kind(g, p->w->format->act, p->w->cols))
                         : MAX_CHUNK_BYTES / (int64_t)p->w->row_bytes;
    rows = rows > most ? most : rows;
    rows = rows < MIN_CHUNK_ROWS ? MIN_CHUNK_ROWS : rows;
    return rows / MIN_CHUNK_ROWS * MIN_CHUNK_ROWS;
}

struct job {
    struct cn_group *g;
    struct cn_product *products;
    int n;
};

/* n rows of a matrix from `data` on with each of a few tokens. */
static void few_tokens(const struct cn_weight *w, const struct cn_input *in, int64_t n,
                       const uint8_t *data, float *y, int64_t y_stride)
{
    for (int64_t t = 0; t < in->n_tokens; t++) {
        struct cn_act act = { .x = in->x + t * in->x_stride };
        if (w->format->act == CN_ACT_Q8) {
            act.q = in->q + t * in->n_cols;
            act.d = in->d + t * in->n_cols / 32;
            act.sum32 = in->sum32 + t * in->n_cols / 32;
            act.sum16 = in->sum16 + t * in->n_cols / 16;
        }
        w->kernels.gemv(n, w->cols, data, w->row_bytes, &act, y + t * y_stride);
    }
}

static void scale_rows(float scale, int64_t n, int64_t n_tokens, float *y, int64_t y_stride)
{
    for (int64_t t = 0; t < n_tokens; t++)
        for (int64_t r = 0; r < n; r++)
            y[t * y_stride + r] *= scale;
}

/* Chunks are numbered through all products; each computes its place from the shapes. */
static void product_chunk(void *context, int chunk, int thread)
{
    const struct job *job = context;
    struct cn_group *g = job->g;
    const struct cn_product *p = job->products;
    int64_t index = chunk, step = chunk_rows(g, p);
    while (index >= (p->w->rows + step - 1) / step) {
        index -= (p->w->rows + step - 1) / step;
        p++;
        step = chunk_rows(g, p);
    }
    const struct cn_weight *w = p->w;
    const struct cn_input *in = p->in;
    int64_t r0 = index * step, n = w->rows - r0 < step ? w->rows - r0 : step;
    const uint8_t *data = w->data + (size_t)(p->mat * w->rows + r0) * w->row_bytes;
    if (in->n_tokens > CN_GEMV_TOKENS)
        cn_gemm_run(g->model->ops.gemm, &w->kernels, n, data, w->row_bytes,
                    w->format->act == CN_ACT_F32 ? &in->panel_f32 : &in->panel_q8, p->y + r0,
                    p->y_stride, g->thread_scratch + (size_t)thread * g->thread_scratch_bytes);
    else
        few_tokens(w, in, n, data, p->y + r0, p->y_stride);
    if (w->scale)
        scale_rows(w->scale[w->n_scales > 1 ? p->mat : 0], n, in->n_tokens, p->y + r0, p->y_stride);
}

void cn_work_add(struct cn_work *work, const struct cn_weight *w, double matrices, double tokens)
{
    const struct cn_format *f = w->format;
    const double cells = (double)w->rows * (double)w->cols * matrices;
    work->bytes += (int64_t)(matrices * (double)w->rows * (double)w->row_bytes);
    *(f->act == CN_ACT_Q8 ? &work->int8_ops : &work->float_ops) += (int64_t)(2 * cells * tokens);
    /* Blocks of 8-bit integers are longer than their number of elements. */
    if (f->act == CN_ACT_Q8 && f->block_bytes < f->block_elems)
        work->unpacked += (int64_t)(tokens > CN_GEMV_TOKENS ? cells : cells * tokens);
}

void cn_products_run(struct cn_group *g, struct cn_product *products, int n)
{
    int64_t n_chunks = 0;
    if (g->observe)
        g->observe(g->observe_user, products, n);
    for (int i = 0; i < n; i++) {
        prepare(g, products[i].in, products[i].w->format->act);
        cn_work_add(&g->work, products[i].w, 1, (double)products[i].in->n_tokens);
        int64_t step = chunk_rows(g, &products[i]);
        n_chunks += (products[i].w->rows + step - 1) / step;
    }
    struct job job = { g, products, n };
    cn_pool_run(g->pool, g->n_threads, product_chunk, &job, (int)n_chunks);
}

void cn_product_to_t(struct cn_group *g, const struct cn_weight *weight, const float *rows,
                     int64_t stride, int64_t n, int64_t n_cols)
{
    struct cn_product out = { weight, 0, &g->input, g->t, g->model->hp.n_embd };
    cn_input_set(&g->input, rows, stride, n, n_cols);
    cn_products_run(g, &out, 1);
}
