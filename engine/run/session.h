/* SPDX-License-Identifier: MIT
 *
 * Inside of a session: KV cache, scratch memory, threads. All buffers are sized when it is created.
 */
#ifndef CN_SESSION_H
#define CN_SESSION_H

#include "base/threads.h"
#include "engine/model/model.h"

/* What matrix products read: n_tokens rows of n_cols floats. Rounded and packed forms are made on
 * demand, once, in buffers that belong to the session. */
struct cn_input {
    const float *x;
    int64_t x_stride, n_tokens, n_cols;
    bool have_q8, have_panel_q8, have_panel_f32;
    /* memory: row forms for a few tokens, panels for many */
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

/* One layer's keys and values: for each KV head `capacity` rows of each. Position p lives in row p
 * % capacity. */
struct cn_kv {
    uint8_t *k, *v; /* the same: values are the front of the keys */
    int64_t n_heads, capacity;
    size_t k_row_bytes, v_row_bytes;
};

/* What a layer keeps instead of rows by position: mixer/layer_state.h. No bytes: it keeps none. */
struct cn_state {
    float *values;
    size_t bytes;
};

/* The layers' states behind `position` tokens, and the logits there: copies.h. */
struct cn_copy {
    int32_t position; /* 0: none */
    bool has_logits;
    int64_t used; /* the more, the later it was taken or gone back to */
    uint8_t *states;
    float *logits;
};

/* Copies of a session: the caller's mark, and the ends of prompts. */
enum { CN_MARK, CN_N_COPIES = 4 };

/* Whether the states at the session's position are worth a copy, once they are to change. */
enum cn_keep { CN_KEEP_NOTHING, CN_KEEP_PROMPT, CN_KEEP_MARK };

struct cn_session {
    const struct cn_model *model;
    struct cn_session_options options;
    /* Told of products[n] before they run, whose inputs are the rows before any rounding; on the
     * thread that called cn_session_eval. NULL: nobody is. */
    void (*observe)(void *user, const struct cn_product *products, int n);
    void *observe_user;
    struct cn_pool *pool;
    int n_threads; /* of the pass under way */
    struct cn_work work;
    int32_t n_ctx, position;
    int32_t *tokens;   /* [n_ctx] what was evaluated at 0..position */
    int32_t n_written; /* positions stored since the last start from 0: what a ring has lost */
    int32_t oldest;    /* what windows see from here on is all a file brought; 0: no file did */
    int64_t n_batch, n_logits, n_logits_valid;
    struct cn_kv *kv;        /* [n_layer] */
    struct cn_state *states; /* [n_layer] */
    bool has_states;
    int32_t state_position; /* where the states stand; -1: between two, a pass was cancelled */
    size_t kv_bytes;        /* of both */
    struct cn_copy copies[CN_N_COPIES];
    size_t copy_bytes; /* of the states in each; 0: there are none */
    int64_t copy_clock;
    enum cn_keep keep;
    /* Inverse frequencies of the rotations (NULL: no layer rotates so) and the factor of sine and
     * cosine. */
    float *rope_freq[CN_N_ROPES], rope_magnitude[CN_N_ROPES];

    /* scratch, [n_batch rows] */
    float *x, *h, *t;     /* [n_embd] residual stream, normalised, branch output */
    float *side;          /* [n_embd] what stands beside t; NULL: nothing does */
    float *mixer_scratch; /* as the mixers say */
    float *gate, *up;     /* [max(n_ff, ...)] */
    float *rope_cos[CN_N_ROPES], *rope_sin[CN_N_ROPES]; /* [n_rot / 2] */
    float *logits;                                      /* [n_logits, n_vocab] */
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
    void *arena;
};

/* session.c: whether all rows are there that a token at `position` sees: of sliding windows some
 * may not be. If they are, they are for all positions from there to the session's own. */
bool cn_session_has_rows(const struct cn_session *s, int32_t position);

/* matmul.c: runs the products on the session's threads. Inputs are rounded or packed first where
 * that has not been done. */
void cn_products_run(struct cn_session *s, struct cn_product *products, int n);

/* matmul.c: the end of a mixer: s->t = weight x the first n_cols floats of each of n rows, which
 * are `stride` floats apart. Uses s->input. */
void cn_product_to_t(struct cn_session *s, const struct cn_weight *weight, const float *rows,
                     int64_t stride, int64_t n, int64_t n_cols);

/* matmul.c: adds the work of `matrices` matrices of a weight that has a format, each by `tokens`
 * tokens; both may be means. */
void cn_work_add(struct cn_work *work, const struct cn_weight *w, double matrices, double tokens);
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
/* Most tokens whose products go row by row (gemv) rather than through panels. */
enum { CN_GEMV_TOKENS = 4 };

/* experts.c: s->t = mixture of the experts for n tokens x [n, n_embd], chosen by what the router
 * makes of router_x [n, n_embd]. s->t may be router_x. */
void cn_experts(struct cn_session *s, const struct cn_layer *layer, int64_t layer_index,
                const float *router_x, const float *x, int64_t n);

/* forward.c: evaluates n <= n_batch tokens at s->position; logits of the last `n_wanted` of them
 * (0..n) go to s->logits from row first_logit on. False if cancelled. */
bool cn_forward(struct cn_session *s, const int32_t *tokens, int64_t n, int64_t n_wanted,
                int64_t first_logit);

/* Spans around ops, for the caller's profiler: CN_SPAN(s, op, layer, weight or NULL) { work }. The
 * body may run several times, for those who measure what an op costs: the pass's results are void
 * then, so the body need not be one that can be repeated without a change. */
#define CN_SPAN(s, op, layer, w)                                  \
    for (int times_ = cn_span_begin(s, op, layer, w); times_ > 0; \
         times_ = cn_span_done(s, op, layer, times_))

static inline int cn_span_begin(const struct cn_session *s, enum cn_op op, int64_t layer,
                                const struct cn_weight *w)
{
    const struct cn_callbacks *c = &s->options.callbacks;
    if (c->span_begin)
        c->span_begin(c->user, op, (int)layer, w && w->format ? w->format->name : NULL);
    return c->repeat ? c->repeat(c->user, op, (int)layer) : 1;
}

/* One time less to go; ends the span with the last. */
static inline int cn_span_done(const struct cn_session *s, enum cn_op op, int64_t layer, int times)
{
    const struct cn_callbacks *c = &s->options.callbacks;
    if (times == 1 && c->span_end)
        c->span_end(c->user, op, (int)layer);
    return times - 1;
}

#endif
