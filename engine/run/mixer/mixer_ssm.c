/* SPDX-License-Identifier: MIT
 *
 * Mamba-2, a selective state space (arXiv 2405.21060). Each head has a matrix as its state, which
 * every token makes fade and adds a product of its values and its keys b to; queries c read it.
 *
 *   row of a token  z (inner) | x (inner), b, c (groups * state each) | dt (heads)
 *   state of a head [values / 16][n][16]: the form in which it is a factor of matrix products
 */
#include "engine/run/mixer/layer_state.h"
#include "engine/run/mixer/mixer.h"
#include "engine/run/mixer/short_conv.h"

#include <math.h>
#include <string.h>

extern const struct cn_mixer cn_mixer_ssm;

enum { TILE = 16 };

/* Floats: of a token's row and its parts, of a head, of what a layer keeps. */
struct widths {
    int64_t inner, shared, channels, row; /* shared: b or c of all groups */
    int64_t values, groups16, n;          /* of a head, in sixteens; rows of its state */
    int64_t head_state, conv_state, state;
};

static struct widths widths_of(const struct cn_model *m)
{
    const struct cn_hparams *hp = &m->hp;
    struct widths w = { .inner = hp->ssm_inner,
                        .shared = hp->ssm_groups * hp->ssm_state,
                        .values = hp->ssm_inner / hp->ssm_heads,
                        .n = hp->ssm_state };
    w.channels = w.inner + 2 * w.shared;
    w.row = w.inner + w.channels + hp->ssm_heads;
    w.groups16 = (w.values + TILE - 1) / TILE;
    w.head_state = w.groups16 * TILE * w.n;
    w.conv_state = cn_short_conv_state(hp->conv_taps, w.channels);
    w.state = w.conv_state + hp->ssm_heads * w.head_state;
    return w;
}

static size_t state_bytes(const struct cn_mixer_sizes *s, int64_t layer)
{
    (void)layer;
    return (size_t)widths_of(s->model).state * sizeof(float);
}

static void place(struct cn_session *s, int64_t layer, void *memory)
{
    cn_state_place(s, layer, memory, (size_t)widths_of(s->model).state * sizeof(float));
}

static size_t scratch_bytes(const struct cn_mixer_sizes *s, int64_t layer)
{
    (void)layer;
    return (size_t)(s->n_batch * widths_of(s->model).row) * sizeof(float);
}

static size_t thread_scratch_bytes(const struct cn_model *m, int64_t layer)
{
    (void)layer;
    return (size_t)(2 * TILE * widths_of(m).groups16) * sizeof(float);
}

struct job {
    struct cn_session *s;
    const struct cn_layer *layer;
    struct widths w;
    int64_t n;
    float *rows;  /* [n][w.row] */
    float *state; /* of the heads */
};

/* How long a step of the token's is for the head: softplus of what the projection says. */
static float step_of(const struct job *job, int64_t token, int64_t head)
{
    const struct widths *w = &job->w;
    const float bias = job->layer->ssm_dt_b[head];
    const float dt = job->rows[token * w->row + w->inner + w->channels + head] + bias;
    return dt > 20 ? dt : log1pf(expf(dt));
}

/* What the head makes of a token's values, already in y: those pass by the state too, and the gate
 * z has the last word. The result replaces z. */
static void finish_head(const struct job *job, int64_t head, const float *x, const float *y,
                        float *out, float *z)
{
    const struct cn_vec *vec = &job->s->model->ops.vec;
    const int64_t n = job->w.values;
    const float d = job->layer->ssm_d[head];
    for (int64_t i = 0; i < n; i++)
        out[i] = y[i] + d * x[i];
    vec->silu_mul(n, z, out, z);
}

/* Token by token. */
static void head_steps(void *context, int head, int thread)
{
    const struct job *job = context;
    const struct cn_session *s = job->s;
    const struct widths *w = &job->w;
    const struct cn_hparams *hp = &s->model->hp;
    const int64_t group = head / (hp->ssm_heads / hp->ssm_groups);
    float *state = job->state + head * w->head_state;
    float *x = (float *)(void *)(s->thread_scratch + (size_t)thread * s->thread_scratch_bytes);
    float *y = x + TILE * w->groups16;
    memset(x, 0, (size_t)(TILE * w->groups16) * sizeof *x);
    for (int64_t t = 0; t < job->n; t++) {
        float *row = job->rows + t * w->row, *z = row + head * w->values;
        const float *values = row + w->inner + head * w->values;
        const float *b = row + 2 * w->inner + group * w->n, *c = b + w->shared;
        const float dt = step_of(job, t, head), decay = expf(dt * job->layer->ssm_a[head]);
        for (int64_t i = 0; i < w->values; i++)
            x[i] = dt * values[i];
        s->model->ops.vec.ssm_step(w->groups16, w->n, decay, x, b, c, state, y);
        finish_head(job, head, values, y, y, z);
    }
}

static void norm_token(void *context, int token, int thread)
{
    const struct job *job = context;
    const struct cn_model *m = job->s->model;
    const int64_t n = m->hp.ssm_inner / m->hp.ssm_groups;
    float *z = job->rows + token * job->w.row;
    (void)thread;
    for (int64_t i = 0; i < job->w.inner; i += n)
        m->ops.vec.rms_norm(n, z + i, job->layer->ssm_norm + i, m->hp.norm_eps, z + i);
}

static void work(const struct cn_model *m, int64_t layer, enum cn_op op, int64_t n,
                 struct cn_work *work)
{
    const struct widths w = widths_of(m);
    const int64_t state = w.state - w.conv_state;
    (void)layer;
    if (op == CN_OP_CONV)
        cn_short_conv_work(m->hp.conv_taps, w.channels, n, work);
    if (op != CN_OP_SSM)
        return;
    work->bytes += 2 * state * (int64_t)sizeof(float);
    work->float_ops += 2 * 2 * state * n; /* what is added, and what is read */
}

static void run(struct cn_session *s, int64_t index, const float *x, int64_t n)
{
    const struct cn_model *m = s->model;
    const struct cn_layer *layer = &m->layers[index];
    const struct widths w = widths_of(m);
    struct job job = { s, layer, w, n, s->mixer_scratch, NULL };
    job.state = s->states[index].values + w.conv_state;

    CN_SPAN (s, CN_OP_QKV, index, &layer->ssm_in) {
        cn_input_set(&s->input, x, m->hp.n_embd, n, m->hp.n_embd);
        struct cn_product in = { &layer->ssm_in, 0, &s->input, job.rows, w.row };
        cn_products_run(s, &in, 1);
    }

    CN_SPAN (s, CN_OP_CONV, index, NULL) {
        const struct cn_conv conv = {
            .n_channels = w.channels,
            .n_tokens = n,
            .n_taps = m->hp.conv_taps,
            .taps = layer->ssm_conv.w,
            .state = s->states[index].values,
            .stride = w.channels,
            .bias = layer->ssm_conv_b,
            .x = job.rows + w.inner,
            .x_stride = w.row,
            .silu = true,
        };
        cn_short_conv(s, &conv);
        work(m, index, CN_OP_CONV, n, &s->work);
    }

    CN_SPAN (s, CN_OP_SSM, index, NULL) {
        cn_pool_run(s->pool, s->n_threads, head_steps, &job, (int)m->hp.ssm_heads);
        if (layer->ssm_norm)
            cn_pool_run(s->pool, s->n_threads, norm_token, &job, (int)n);
        work(m, index, CN_OP_SSM, n, &s->work);
    }

    CN_SPAN (s, CN_OP_ATTN_OUT, index, &layer->ssm_out) {
        cn_input_set(&s->input, job.rows, w.row, n, w.inner);
        struct cn_product out = { &layer->ssm_out, 0, &s->input, s->t, m->hp.n_embd };
        cn_products_run(s, &out, 1);
    }
}

const struct cn_mixer cn_mixer_ssm = {
    .name = "ssm",
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
