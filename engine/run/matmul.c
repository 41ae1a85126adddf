/* SPDX-License-Identifier: MIT
 *
 * Matrix products on threads: one token goes through gemv, a few are done at once, many go through
 * the panel GEMM (cn_gemm_way). Each output row is made by one thread in one order, so results do
 * not depend on the thread count.
 */
#include "base/layout.h"
#include "engine/run/group.h"

#include <string.h>

enum {
    /* Chunks of a product: enough for threads of unequal speed to share, large enough to stream. */
    CHUNKS_PER_THREAD = 4,
    MIN_CHUNK_ROWS = 16,
    MAX_CHUNK_BYTES = 256 * 1024,
    MAX_SMALL_BYTES = 1024 * 1024, /* of a few tokens, which each chunk puts in order anew */
};

static int64_t row_tokens(int64_t n_tokens)
{
    return n_tokens < CN_SMALL_TOKENS ? n_tokens : CN_SMALL_TOKENS;
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
    in->have = in->wanted = 0;
}

static enum cn_way way_of(const struct cn_group *g, const struct cn_product *p)
{
    return cn_gemm_way(g->model->ops.gemm, &p->w->kernels, p->in->n_tokens);
}

static enum cn_act_kind panel_kind(const struct cn_group *g, const struct cn_weight *w)
{
    return cn_gemm_act_kind(g->model->ops.gemm, w->format->act, w->cols, g->options.fast);
}

static struct cn_act_panel *panel_of(struct cn_input *in, enum cn_act_kind kind)
{
    return kind == CN_ACT_F32 ? &in->panel_f32 : &in->panel_q8;
}

/* Notes what a product needs its input to be made into; floats are read as they are by few. */
static void want(const struct cn_group *g, const struct cn_product *p)
{
    struct cn_input *in = p->in;
    const bool f32 = p->w->format->act == CN_ACT_F32, panel = way_of(g, p) == CN_WAY_PANEL;
    if (f32 && !panel)
        return;
    const unsigned form = 1u << (!panel ? CN_INPUT_ROWS
                                 : f32  ? CN_INPUT_PANEL_F32
                                        : CN_INPUT_PANEL_Q8);
    if ((in->have | in->wanted) & form)
        return;
    in->wanted |= form;
    if (panel)
        cn_act_panel_init(panel_of(in, p->w->format->act), panel_kind(g, p->w), in->n_tokens,
                          in->n_cols, f32 ? in->panel_f32_memory : in->panel_q8_memory);
}

struct job {
    struct cn_group *g;
    struct cn_product *products;
    int n;
    int parts; /* that the tokens of each input are made ready in */
};

static void round_row(const struct cn_group *g, const struct cn_input *in, int64_t t)
{
    const int64_t k = in->n_cols;
    g->model->ops.vec.quantize_q8(k, in->x + t * in->x_stride, in->q + t * k, in->d + t * k / 32,
                                  in->sum32 + t * k / 32, in->sum16 + t * k / 16);
}

/* Every `parts`-th token, or group of tokens, of a product's input. */
static void prepare_chunk(void *context, int chunk, int thread)
{
    const struct job *job = context;
    const struct cn_input *in = job->products[chunk / job->parts].in;
    const struct cn_act_panel *const panels[] = {
        [CN_INPUT_PANEL_Q8] = &in->panel_q8, [CN_INPUT_PANEL_F32] = &in->panel_f32
    };
    (void)thread;
    /* The first of the products with this input does it. */
    for (int i = 0; i < chunk / job->parts; i++)
        if (job->products[i].in == in)
            return;
    if (in->wanted & 1u << CN_INPUT_ROWS)
        for (int64_t t = chunk % job->parts; t < in->n_tokens; t += job->parts)
            round_row(job->g, in, t);
    for (int form = CN_INPUT_PANEL_Q8; form < CN_N_INPUT_FORMS; form++)
        for (int64_t g = chunk % job->parts;
             in->wanted & 1u << form && g < (in->n_tokens + CN_PANEL_ROWS - 1) / CN_PANEL_ROWS;
             g += job->parts)
            cn_act_panel_pack(panels[form], &job->g->model->ops, g,
                              in->x + g * CN_PANEL_ROWS * in->x_stride, in->x_stride);
}

/* In how many parts an input's tokens are made ready: many inputs are shared out as they are. */
static int parts_of(int n_products, int64_t n_tokens)
{
    enum { MANY = 8 };
    return n_products > MANY             ? 1
           : n_tokens <= CN_SMALL_TOKENS ? (int)n_tokens
                                         : (int)((n_tokens + CN_PANEL_ROWS - 1) / CN_PANEL_ROWS);
}

/* Makes inputs into what the products want and they have not been made into. */
static void prepare(struct job *job)
{
    bool any = false;
    int64_t most = 1;
    for (int i = 0; i < job->n; i++) {
        const struct cn_input *in = job->products[i].in;
        want(job->g, &job->products[i]);
        any |= in->wanted != 0;
        most = in->n_tokens > most ? in->n_tokens : most;
    }
    if (!any)
        return;
    job->parts = parts_of(job->n, most);
    /* To share out single tokens would take longer. */
    cn_pool_run(job->g->pool, most == 1 ? 1 : job->g->n_threads, prepare_chunk, job,
                job->n * job->parts);
    for (int i = 0; i < job->n; i++) {
        struct cn_input *in = job->products[i].in;
        in->have |= in->wanted;
        in->wanted = 0;
    }
}

static int64_t chunk_rows(const struct cn_group *g, const struct cn_product *p)
{
    int64_t rows = p->w->rows / (g->n_threads * CHUNKS_PER_THREAD);
    const enum cn_way way = way_of(g, p);
    const int64_t bytes = way == CN_WAY_SMALL ? MAX_SMALL_BYTES : MAX_CHUNK_BYTES;
    const int64_t most =
        way == CN_WAY_PANEL ? cn_gemm_rows(panel_kind(g, p->w)) : bytes / (int64_t)p->w->row_bytes;
    rows = rows > most ? most : rows;
    rows = rows < MIN_CHUNK_ROWS ? MIN_CHUNK_ROWS : rows;
    return rows / MIN_CHUNK_ROWS * MIN_CHUNK_ROWS;
}

/* n rows of a matrix from `data` on with each of a few tokens. */
static void few_tokens(const struct cn_group *g, const struct cn_product *p, int64_t n,
                       const uint8_t *data, float *y, void *scratch)
{
    const struct cn_weight *w = p->w;
    const struct cn_input *in = p->in;
    struct cn_act act[CN_SMALL_TOKENS];
    for (int64_t t = 0; t < in->n_tokens; t++) {
        act[t] = (struct cn_act){ .x = in->x + t * in->x_stride };
        if (w->format->act == CN_ACT_Q8) {
            act[t].q = in->q + t * in->n_cols;
            act[t].d = in->d + t * in->n_cols / 32;
            act[t].sum32 = in->sum32 + t * in->n_cols / 32;
            act[t].sum16 = in->sum16 + t * in->n_cols / 16;
        }
    }
    if (way_of(g, p) == CN_WAY_SMALL)
        cn_gemm_small_run(g->model->ops.gemm, &w->kernels, n, w->cols, data, w->row_bytes, act,
                          (int)in->n_tokens, y, p->y_stride, scratch);
    else
        for (int64_t t = 0; t < in->n_tokens; t++)
            w->kernels.gemv(n, w->cols, data, w->row_bytes, &act[t], y + t * p->y_stride);
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
    void *scratch = g->thread_scratch + (size_t)thread * g->thread_scratch_bytes;
    if (way_of(g, p) == CN_WAY_PANEL)
        cn_gemm_run(g->model->ops.gemm, &w->kernels, n, data, w->row_bytes,
                    panel_of(p->in, w->format->act), p->y + r0, p->y_stride, scratch);
    else
        few_tokens(g, p, n, data, p->y + r0, scratch);
    if (w->scale)
        scale_rows(w->scale[w->n_scales > 1 ? p->mat : 0], n, in->n_tokens, p->y + r0, p->y_stride);
}

void cn_work_add(struct cn_work *work, const struct cn_model *model, const struct cn_weight *w,
                 double matrices, double tokens)
{
    const struct cn_format *f = w->format;
    const double cells = (double)w->rows * (double)w->cols * matrices;
    work->bytes += (int64_t)(matrices * (double)w->rows * (double)w->row_bytes);
    *(f->act == CN_ACT_Q8 ? &work->int8_ops : &work->float_ops) += (int64_t)(2 * cells * tokens);
    /* Blocks of 8-bit integers are longer than their number of elements. */
    if (f->act == CN_ACT_Q8 && f->block_bytes < f->block_elems) {
        const enum cn_way way =
            cn_gemm_way(model->ops.gemm, &w->kernels, tokens > 1 ? (int64_t)tokens : 1);
        work->unpacked += (int64_t)(way == CN_WAY_GEMV ? cells * tokens : cells);
    }
}

void cn_products_run(struct cn_group *g, struct cn_product *products, int n)
{
    struct job job = { .g = g, .products = products, .n = n };
    int64_t n_chunks = 0;
    if (g->observe)
        g->observe(g->observe_user, products, n);
    prepare(&job);
    for (int i = 0; i < n; i++) {
        cn_work_add(&g->work, g->model, products[i].w, 1, (double)products[i].in->n_tokens);
        int64_t step = chunk_rows(g, &products[i]);
        n_chunks += (products[i].w->rows + step - 1) / step;
    }
    cn_pool_run(g->pool, g->n_threads, product_chunk, &job, (int)n_chunks);
}

void cn_product_to_t(struct cn_group *g, const struct cn_weight *weight, const float *rows,
                     int64_t stride, int64_t n, int64_t n_cols)
{
    struct cn_product out = { weight, 0, &g->input, g->t, g->model->hp.n_embd };
    cn_input_set(&g->input, rows, stride, n, n_cols);
    cn_products_run(g, &out, 1);
}
