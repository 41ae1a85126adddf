/* SPDX-License-Identifier: MIT
 *
 * Inside of a group: what sessions that are evaluated together share. Threads, scratch memory and
 * the pass under way. All buffers are sized when it is created.
 */
#ifndef CN_GROUP_H
#define CN_GROUP_H

#include "base/threads.h"
#include "engine/model/model.h"

/* What matrix products read: n_tokens rows of n_cols floats. Rounded and packed forms are made on
 * demand, once, in buffers that belong to the group. */
enum cn_input_form { CN_INPUT_ROWS, CN_INPUT_PANEL_Q8, CN_INPUT_PANEL_F32, CN_N_INPUT_FORMS };
struct cn_input {
    const float *x;
    int64_t x_stride, n_tokens, n_cols;
    unsigned have, wanted; /* masks of 1u << form */
    /* memory: rows for a few tokens, panels for many */
    int8_t *q;
    float *d, *sum32;
    int16_t *sum16;
    void *panel_q8_memory, *panel_f32_memory;
    struct cn_act_panel panel_q8, panel_f32;
};

/* y[t][r] = (matrix `mat` of w) * (token t of in), tokens y_stride floats apart. */
struct cn_product {
    const struct cn_weight *w;
    int64_t mat;
    struct cn_input *in;
    float *y;
    int64_t y_stride;
};

/* The tokens of one session in a pass. */
struct cn_slice {
    struct cn_session *session;
    int64_t first, n; /* of the tokens of the pass */
    int64_t position; /* of the first */
    int64_t n_wanted; /* logits of the last so many of them are wanted, */
    float *logits;    /* here: [n_wanted, n_vocab] */
};

/* A token of a pass, and where it stands. */
struct cn_place {
    struct cn_session *session;
    int32_t position, token;
};

struct cn_group {
    const struct cn_model *model;
    struct cn_session_options options;
    /* Told of products[n] before they run, whose inputs are the rows before any rounding; on the
     * thread that evaluates. NULL: nobody is. */
    void (*observe)(void *user, const struct cn_product *products, int n);
    void *observe_user;
    struct cn_pool *pool;
    int32_t n_ctx; /* of each session */
    int64_t n_batch, n_logits;
    int32_t n_lanes, n_sessions; /* most of them, and how many there are */
    /* Inverse frequencies of the rotations (NULL: no layer rotates so) and the factor of sine and
     * cosine. */
    float *rope_freq[CN_N_ROPES], rope_magnitude[CN_N_ROPES];

    /* the pass under way */
    int n_threads;
    struct cn_slice slices[CN_MAX_LANES]; /* side by side, of sessions that differ */
    int n_slices;
    struct cn_place *places; /* [n_batch] */
    struct cn_work work;     /* with matrices, for all slices together */

    /* scratch, [n_batch rows] */
    float *x, *h, *t;     /* [n_embd] residual stream, normalised, branch output */
    float *side;          /* [n_embd] what stands beside t; NULL: nothing does */
    float *mixer_scratch; /* as the mixers say */
    float *gate, *up;     /* [max(n_ff, ...)] */
    float *rope_cos[CN_N_ROPES], *rope_sin[CN_N_ROPES]; /* [n_rot / 2] */
    float *ones;                                        /* a norm's weight that changes nothing */
    struct cn_input input, *inputs; /* [n_inputs] that are run together: of experts, of heads */
    int64_t n_inputs;
    struct cn_weight *head_weights; /* [n_inputs] parts of a matrix, one for each head */
    /* streams: inputs of the layers [n_batch, n_layer, n_per_layer], AltUp's other streams
     * [n_streams - 1][n_batch, n_embd], their predictions, and a side branch */
    float *layer_inputs, *streams, *predicted, *laurel;
    /* experts */
    float *router, *select;     /* [n_batch, n_expert]: what the router says, and its ranking */
    int32_t *chosen;            /* [n_batch, n_expert_used] */
    float *chosen_weight;       /* the same */
    int32_t *expert_first;      /* [n_expert + 1]: slots of an expert's tokens */
    int32_t *slot_token;        /* [n_batch * n_expert_used]: token in each slot */
    int32_t *slot_choice;       /* the same: which of its token's choices it is */
    int32_t *token_slot;        /* [n_batch, n_expert_used]: slot of each choice */
    float *expert_x, *expert_y; /* [slots, n_expert_embd]; y has room for [n_batch, n_embd] too */
    float *narrow; /* [n_batch, n_expert_embd]; NULL: experts read and write what is n_embd wide */
    struct cn_product *products; /* [2 * n_inputs + 4] */
    uint8_t *thread_scratch;     /* [threads][thread_scratch_bytes] */
    size_t thread_scratch_bytes;
    float *outputs; /* logits of several sessions in one piece; NULL: of one lane they never are */
    void *arena;
};

/* group.c: appends the tokens of each step to its session and evaluates them, all steps together in
 * as few passes as n_batch allows. The sessions differ, belong to the group and have room. False if
 * cancelled: sessions stand behind what was evaluated. */
bool cn_steps_run(struct cn_group *g, const struct cn_step *steps, size_t n_steps);

/* group.c: adds the work of a pass of n tokens, g->work, to its sessions', by tokens. */
void cn_share_work(struct cn_group *g, int64_t n);

/* matmul.c: runs the products on the group's threads. Inputs are rounded or packed first where
 * that has not been done. */
void cn_products_run(struct cn_group *g, struct cn_product *products, int n);

/* matmul.c: the end of a mixer: g->t = weight x the first n_cols floats of each of n rows, which
 * are `stride` floats apart. Uses g->input. */
void cn_product_to_t(struct cn_group *g, const struct cn_weight *weight, const float *rows,
                     int64_t stride, int64_t n, int64_t n_cols);

/* matmul.c: adds the work of `matrices` matrices of a weight that has a format, each by `tokens`
 * tokens; both may be means. */
void cn_work_add(struct cn_work *work, const struct cn_model *model, const struct cn_weight *w,
                 double matrices, double tokens);
/* Adds reading n floats of a state and writing them. */
static inline void cn_state_work(struct cn_work *work, int64_t n)
{
    work->state_bytes += 2 * n * (int64_t)sizeof(float);
    work->bytes += 2 * n * (int64_t)sizeof(float);
}
/* Points an input at rows; forgets what was made of the old ones. */
void cn_input_set(struct cn_input *in, const float *x, int64_t x_stride, int64_t n_tokens,
                  int64_t n_cols);
/* Bytes of buffers for inputs of up to n_tokens x n_cols, and their layout in memory. */
size_t cn_input_bytes(int64_t n_tokens, int64_t n_cols, bool q8, bool f32);
void cn_input_init(struct cn_input *in, int64_t n_tokens, int64_t n_cols, bool q8, bool f32,
                   void *memory);
/* experts.c: g->t = mixture of the experts for n tokens x [n, n_embd], chosen by what the router
 * makes of router_x [n, n_embd]. g->t may be router_x. */
void cn_experts(struct cn_group *g, const struct cn_layer *layer, int64_t layer_index,
                const float *router_x, const float *x, int64_t n);

/* forward.c: evaluates the n <= n_batch tokens of the slices and places. False if cancelled. */
bool cn_forward(struct cn_group *g, int64_t n);

/* forward.c: the NextN block over the n <= n_batch tokens of the one slice: each is the token
 * behind its place, whose vector is in hidden [n, n_embd]. What it makes of the last one: `next`
 * [n_embd], the vector that the output matrix reads, and logits [n_vocab]; NULL: not wanted. False
 * if cancelled. */
bool cn_forward_nextn(struct cn_group *g, int64_t n, const float *hidden, float *next,
                      float *logits);

/* Spans around ops, for the caller's profiler: CN_SPAN(g, op, layer, weight or NULL) { work }. The
 * body may run several times, for those who measure what an op costs: the pass's results are void
 * then, so the body need not be one that can be repeated without a change. */
#define CN_SPAN(g, op, layer, w)                                  \
    for (int times_ = cn_span_begin(g, op, layer, w); times_ > 0; \
         times_ = cn_span_done(g, op, layer, times_))

static inline int cn_span_begin(const struct cn_group *g, enum cn_op op, int64_t layer,
                                const struct cn_weight *w)
{
    const struct cn_callbacks *c = &g->options.callbacks;
    if (c->span_begin)
        c->span_begin(c->user, op, (int)layer, w && w->format ? w->format->name : NULL);
    return c->repeat ? c->repeat(c->user, op, (int)layer) : 1;
}

/* One time less to go; ends the span with the last. */
static inline int cn_span_done(const struct cn_group *g, enum cn_op op, int64_t layer, int times)
{
    const struct cn_callbacks *c = &g->options.callbacks;
    if (times == 1 && c->span_end)
        c->span_end(c->user, op, (int)layer);
    return times - 1;
}

#endif
