/* SPDX-License-Identifier: MIT
 *
 * Gated short convolution (LFM2, arXiv 2511.23404): three projections b, c and u of a token; c
 * times the causal convolution of b times u over a few tokens; an output projection.
 */
#include "engine/run/mixer/layer_state.h"
#include "engine/run/mixer/mixer.h"
#include "engine/run/mixer/short_conv.h"

extern const struct cn_mixer cn_mixer_conv;

static size_t bytes_of_state(const struct cn_model *m)
{
    return (size_t)cn_short_conv_state(m->hp.conv_taps, m->hp.n_embd) * sizeof(float);
}

static size_t state_bytes(const struct cn_mixer_sizes *s, int64_t layer)
{
    (void)layer;
    return bytes_of_state(s->model);
}

static void place(struct cn_session *s, int64_t layer, void *memory)
{
    cn_state_place(s, layer, memory, bytes_of_state(s->model));
}

static size_t scratch_bytes(const struct cn_mixer_sizes *s, int64_t layer)
{
    (void)layer;
    return (size_t)(3 * s->n_batch * s->model->hp.n_embd) * sizeof(float);
}

static size_t thread_scratch_bytes(const struct cn_model *m, int64_t layer)
{
    (void)m;
    (void)layer;
    return 0;
}

static void work(const struct cn_model *m, int64_t layer, enum cn_op op, int64_t n,
                 struct cn_work *work)
{
    (void)layer;
    if (op == CN_OP_CONV)
        cn_short_conv_work(m->hp.conv_taps, m->hp.n_embd, n, work);
}

static void convolve(struct cn_group *g, int64_t index, float *b)
{
    const int64_t d = g->model->hp.n_embd;
    struct cn_conv each[CN_MAX_LANES];
    for (int i = 0; i < g->n_slices; i++) {
        const struct cn_slice *slice = &g->slices[i];
        float *const rows = b + slice->first * 3 * d;
        each[i] = (struct cn_conv){
            .n_channels = d,
            .n_tokens = slice->n,
            .n_taps = g->model->hp.conv_taps,
            .taps = g->model->layers[index].conv.w,
            .state = slice->session->states[index].values,
            .stride = d,
            .x = rows + 2 * d,
            .gate_in = rows,
            .gate_out = rows + d,
            .x_stride = 3 * d,
        };
    }
    cn_short_conv(g, each, g->n_slices);
}

static void run(struct cn_group *g, int64_t index, const float *x, int64_t n)
{
    const struct cn_model *m = g->model;
    const struct cn_layer *layer = &m->layers[index];
    const int64_t d = m->hp.n_embd;
    float *b = g->mixer_scratch, *u = b + 2 * d; /* with c between them, in rows of 3 d */

    CN_SPAN (g, CN_OP_QKV, index, &layer->conv_in) {
        cn_input_set(&g->input, x, d, n, d);
        struct cn_product in = { &layer->conv_in, 0, &g->input, b, 3 * d };
        cn_products_run(g, &in, 1);
    }

    CN_SPAN (g, CN_OP_CONV, index, NULL) {
        convolve(g, index, b);
        cn_states_work(g, &cn_mixer_conv, index, CN_OP_CONV);
    }

    CN_SPAN (g, CN_OP_ATTN_OUT, index, &layer->conv_out) {
        cn_product_to_t(g, &layer->conv_out, u, 3 * d, n, d);
    }
}

const struct cn_mixer cn_mixer_conv = {
    .name = "conv",
    .state_bytes = state_bytes,
    .place = place,
    .scratch_bytes = scratch_bytes,
    .thread_scratch_bytes = thread_scratch_bytes,
    .run = run,
    .work = work,
    .saved_bytes = cn_state_saved_bytes,
    .save = cn_state_save,
    .restore = cn_state_restore,
};
