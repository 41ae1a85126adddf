/* SPDX-License-Identifier: MIT */
#include "engine/run/session.h"

#include "base/error.h"
#include "base/layout.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_THREADS = 1024, DEFAULT_CTX = 4096, DEFAULT_BATCH = 512 };

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void add_kinds(const struct cn_weight *w, bool *q8, bool *f32)
{
    if (w->format)
        *(w->format->act == CN_ACT_Q8 ? q8 : f32) = true;
}

/* Which forms of activations the model's matrices ask for. */
static void input_kinds(const struct cn_model *m, bool *q8, bool *f32)
{
    add_kinds(&m->output, q8, f32);
    for (int64_t i = 0; i < m->hp.n_layer; i++) {
        const struct cn_layer *l = &m->layers[i];
        const struct cn_weight *const all[] = {
            &l->q,       &l->k,         &l->v,           &l->qkv,       &l->attn_out,
            &l->gate,    &l->up,        &l->down,        &l->router,    &l->gate_exps,
            &l->up_exps, &l->down_exps, &l->gate_shared, &l->up_shared, &l->down_shared,
        };
        for (size_t j = 0; j < sizeof all / sizeof *all; j++)
            add_kinds(all[j], q8, f32);
    }
}

static void lay_out_experts(struct cn_session *s, struct cn_layout *c, bool q8, bool f32)
{
    const struct cn_hparams *hp = &s->model->hp;
    const int64_t slots = s->n_batch * hp->n_expert_used, E = hp->n_expert;
    const int64_t widest = max64(hp->n_embd, hp->n_ff_expert);
    s->expert_inputs = cn_layout_take(c, E, sizeof *s->expert_inputs);
    s->router = cn_layout_take(c, s->n_batch * E, sizeof(float));
    s->chosen = cn_layout_take(c, slots, sizeof(int32_t));
    s->chosen_weight = cn_layout_take(c, slots, sizeof(float));
    s->expert_first = cn_layout_take(c, E + 1, sizeof(int32_t));
    s->slot_token = cn_layout_take(c, slots, sizeof(int32_t));
    s->token_slot = cn_layout_take(c, slots, sizeof(int32_t));
    s->expert_x = cn_layout_take(c, slots * hp->n_embd, sizeof(float));
    s->expert_y = cn_layout_take(c, max64(slots, s->n_batch) * hp->n_embd, sizeof(float));
    s->products = cn_layout_take(c, 2 * E + 4, sizeof *s->products);
    /* An expert can get every token of a batch. Its buffers are sized for that only in address
     * space: untouched pages cost nothing. */
    for (int64_t e = 0; e < E; e++) {
        void *memory = cn_layout_take(c, (int64_t)cn_input_bytes(s->n_batch, widest, q8, f32), 1);
        if (c->base)
            cn_input_init(&s->expert_inputs[e], s->n_batch, widest, q8, f32, memory);
    }
}

static void lay_out(struct cn_session *s, struct cn_layout *c)
{
    const struct cn_model *m = s->model;
    const struct cn_hparams *hp = &m->hp;
    const int64_t n = s->n_batch, half = hp->n_rot / 2;
    const int64_t attn = hp->n_head * hp->d_v;
    const int64_t qkv = hp->n_head * hp->d_k + hp->n_head_kv * (hp->d_k + hp->d_v);
    int64_t ff = hp->n_ff * (m->arch->fused_gate_up ? 2 : 1);
    if (hp->n_expert)
        ff = max64(max64(ff, hp->n_ff_expert * hp->n_expert_used), hp->n_ff_shared);
    int64_t widest = max64(max64(hp->n_embd, attn), hp->n_ff);
    if (hp->n_expert)
        widest = max64(widest, hp->n_ff_shared);
    bool q8 = false, f32 = false;
    input_kinds(m, &q8, &f32);

    s->kv = cn_layout_take(c, hp->n_layer, sizeof *s->kv);
    size_t before = c->used;
    for (int64_t i = 0; i < hp->n_layer; i++) {
        int64_t capacity = s->n_ctx;
        if (m->layers[i].sliding && hp->window + n < capacity)
            capacity = hp->window + n;
        struct cn_kv kv = { .capacity = capacity };
        kv.k = cn_layout_take(c, capacity * hp->n_head_kv, s->k_row_bytes);
        kv.v = cn_layout_take(c, capacity * hp->n_head_kv, s->v_row_bytes);
        if (c->base)
            s->kv[i] = kv;
    }
    s->kv_bytes = c->used - before;

    for (int kind = 0; kind < 2; kind++) {
        s->rope_freq[kind] = cn_layout_take(c, half, sizeof(float));
        s->rope_cos[kind] = cn_layout_take(c, n * half, sizeof(float));
        s->rope_sin[kind] = cn_layout_take(c, n * half, sizeof(float));
    }
    s->x = cn_layout_take(c, n * hp->n_embd, sizeof(float));
    s->h = cn_layout_take(c, n * hp->n_embd, sizeof(float));
    s->t = cn_layout_take(c, n * hp->n_embd, sizeof(float));
    s->qkv = cn_layout_take(c, n * qkv, sizeof(float));
    s->attn = cn_layout_take(c, n * attn, sizeof(float));
    s->gate = cn_layout_take(c, n * ff, sizeof(float));
    s->up = cn_layout_take(c, n * ff, sizeof(float));
    s->logits = cn_layout_take(c, s->n_logits * hp->n_vocab, sizeof(float));
    void *input = cn_layout_take(c, (int64_t)cn_input_bytes(n, widest, q8, f32), 1);
    if (c->base)
        cn_input_init(&s->input, n, widest, q8, f32, input);
    if (hp->n_expert)
        lay_out_experts(s, c, q8, f32);
    size_t scratch = cn_attention_scratch_bytes(m);
    for (int kind = 0; kind < CN_N_ACT_KINDS; kind++) {
        size_t bytes = cn_gemm_scratch_bytes(kind, max64(widest, hp->n_ff_expert));
        scratch = bytes > scratch ? bytes : scratch;
    }
    s->thread_scratch_bytes = cn_round_up(scratch, CN_ALIGN);
    s->thread_scratch = cn_layout_take(c, cn_pool_n_threads(s->pool), s->thread_scratch_bytes);
}

/* Frequencies after scaling: linear, by factor tensors (llama 3, longrope), or YaRN (arXiv
 * 2309.00071). */
static void rope_setup(struct cn_session *s, int kind)
{
    const struct cn_model *m = s->model;
    const struct cn_hparams *hp = &m->hp;
    const bool sliding = kind == 1;
    const bool unscaled = sliding && m->arch->sliding_rope_unscaled;
    const float base = sliding ? hp->rope_base_sliding : hp->rope_base;
    const float *factors = m->rope_freqs;
    s->rope_magnitude[kind] = 1;
    if (!factors && m->arch->longrope && m->rope_long) {
        factors = s->n_ctx > hp->rope_ctx0 || !m->rope_short ? m->rope_long : m->rope_short;
        s->rope_magnitude[kind] = hp->rope_attn_factor;
    }
    const enum cn_rope_scaling scaling = unscaled ? CN_ROPE_NONE : hp->rope_scaling;
    double lo = 0, hi = 1;
    if (scaling == CN_ROPE_YARN) {
        const double pi = 3.14159265358979323846, n = (double)hp->n_rot, b = (double)base;
        lo = floor(n * log((double)hp->rope_ctx0 / ((double)hp->yarn_beta_fast * 2 * pi)) /
                   (2 * log(b)));
        hi = ceil(n * log((double)hp->rope_ctx0 / ((double)hp->yarn_beta_slow * 2 * pi)) /
                  (2 * log(b)));
        lo = fmax(0, lo);
        hi = fmin(n - 1, hi);
        s->rope_magnitude[kind] = hp->rope_attn_factor;
        /* Part of the same correction: a model without the one has not the other. */
        if (hp->rope_factor > 1 && hp->yarn_ext_factor != 0)
            s->rope_magnitude[kind] *= 1 + 0.1f * logf(hp->rope_factor);
    }
    for (int64_t i = 0; i < hp->n_rot / 2; i++) {
        double f = pow((double)base, -2.0 * (double)i / (double)hp->n_rot);
        if (factors && !unscaled)
            f /= (double)factors[i];
        if (scaling == CN_ROPE_LINEAR) {
            f /= (double)hp->rope_factor;
        } else if (scaling == CN_ROPE_YARN) {
            double ramp = 1 - fmin(1, fmax(0, ((double)i - lo) / fmax(0.001, hi - lo)));
            double mix = ramp * (double)hp->yarn_ext_factor;
            f = f / (double)hp->rope_factor * (1 - mix) + f * mix;
        }
        s->rope_freq[kind][i] = (float)f;
    }
}

static enum cn_status check_options(const struct cn_model *m, const struct cn_session_options *o,
                                    struct cn_error *err)
{
    CN_RETURN_IF(!m->arch, CN_ERR_ARGUMENT, err, "the model was opened without its weights");
    CN_RETURN_IF(o->n_ctx < 0 || o->n_batch < 0 || o->n_logits < 0, CN_ERR_ARGUMENT, err,
                 "context, batch and logits must not be negative");
    CN_RETURN_IF(o->n_threads < 0 || o->n_threads > MAX_THREADS || o->n_threads_prefill < 0 ||
                     o->n_threads_prefill > MAX_THREADS,
                 CN_ERR_ARGUMENT, err, "threads: 1 to %d expected", MAX_THREADS);
    CN_RETURN_IF(o->kv != CN_KV_F16 && o->kv != CN_KV_F32 && o->kv != CN_KV_Q8_0, CN_ERR_ARGUMENT,
                 err, "KV type: %d to %d expected, %d given", CN_KV_F16, CN_KV_Q8_0, (int)o->kv);
    CN_RETURN_IF(o->fast && !cn_gemm_has_fast(m->ops.gemm), CN_ERR_UNSUPPORTED, err,
                 "precision fast is not supported with the tiers %s", m->tiers);
    CN_RETURN_IF(o->kv == CN_KV_Q8_0 && (m->hp.d_k % 32 || m->hp.d_v % 32), CN_ERR_UNSUPPORTED, err,
                 "a q8_0 KV cache needs head sizes that are multiples of 32, here %lld and %lld",
                 (long long)m->hp.d_k, (long long)m->hp.d_v);
    return CN_OK;
}

enum cn_status cn_session_create(const struct cn_model *model,
                                 const struct cn_session_options *options,
                                 struct cn_session **session, struct cn_error *err)
{
    static const struct cn_session_options defaults = { 0 };
    const struct cn_session_options *o = options ? options : &defaults;
    CN_TRY(check_options(model, o, err));
    struct cn_session *s = calloc(1, sizeof *s);
    CN_RETURN_IF(!s, CN_ERR_MEMORY, err, "out of memory");
    s->model = model;
    s->options = *o;
    s->n_ctx = o->n_ctx ? o->n_ctx : (int32_t)min64(model->hp.n_ctx_train, DEFAULT_CTX);
    s->n_batch = o->n_batch ? o->n_batch : DEFAULT_BATCH;
    if (s->n_batch > s->n_ctx)
        s->n_batch = s->n_ctx;
    s->n_logits = o->n_logits ? o->n_logits : 1;
    if (s->options.n_threads == 0)
        s->options.n_threads = cn_available_cores();
    if (s->options.n_threads_prefill == 0)
        s->options.n_threads_prefill = s->options.n_threads;
    s->k_row_bytes = cn_kv_row_bytes(o->kv, model->hp.d_k);
    s->v_row_bytes = cn_kv_row_bytes(o->kv, model->hp.d_v);
    s->pool =
        cn_pool_create((int)max64(s->options.n_threads, s->options.n_threads_prefill), o->sleep);
    if (!s->pool) {
        enum cn_status status =
            cn_fail_errno(err, "cannot start %d threads",
                          (int)max64(s->options.n_threads, s->options.n_threads_prefill));
        cn_session_free(s);
        return status;
    }
    struct cn_layout measure = { 0 };
    lay_out(s, &measure);
    if (!measure.overflow)
        s->arena = aligned_alloc(CN_ALIGN, measure.used + CN_ALIGN);
    if (!s->arena) {
        enum cn_status status =
            cn_fail(err, CN_ERR_MEMORY,
                    "out of memory: a session of context %d and batch %d needs %.1f MiB", s->n_ctx,
                    (int)s->n_batch, (double)measure.used / 1048576);
        cn_session_free(s);
        return status;
    }
    struct cn_layout arena = { .base = s->arena };
    lay_out(s, &arena);
    bool any_sliding = false;
    for (int64_t i = 0; i < model->hp.n_layer; i++)
        any_sliding |= model->layers[i].sliding;
    rope_setup(s, 0);
    if (any_sliding)
        rope_setup(s, 1);
    else
        s->rope_freq[1] = NULL;
    *session = s;
    return CN_OK;
}

void cn_session_free(struct cn_session *s)
{
    if (!s)
        return;
    cn_pool_free(s->pool);
    free(s->arena);
    free(s);
}

enum cn_status cn_session_eval(struct cn_session *s, const int32_t *tokens, int32_t n,
                               enum cn_want want, struct cn_error *err)
{
    s->n_logits_valid = 0;
    CN_RETURN_IF(n < 1, CN_ERR_ARGUMENT, err, "at least one token expected, %d given", n);
    CN_RETURN_IF(n > s->n_ctx - s->position, CN_ERR_CONTEXT, err,
                 "the context of %d tokens is full: %d used, %d more asked for", s->n_ctx,
                 s->position, n);
    CN_RETURN_IF(want == CN_WANT_ALL && n > s->n_logits, CN_ERR_ARGUMENT, err,
                 "logits of %d positions asked for, the session was made for %lld", n,
                 (long long)s->n_logits);
    for (int32_t i = 0; i < n; i++)
        CN_RETURN_IF(tokens[i] < 0 || tokens[i] >= s->model->hp.n_vocab, CN_ERR_ARGUMENT, err,
                     "token %d of the input: 0 to %lld expected, %d found", i,
                     (long long)s->model->hp.n_vocab - 1, tokens[i]);
    s->n_threads = n > 1 ? s->options.n_threads_prefill : s->options.n_threads;
    for (int32_t done = 0; done < n;) {
        int32_t now = n - done < s->n_batch ? n - done : (int32_t)s->n_batch;
        bool last = done + now == n;
        /* Before the pass: a cancelled one has stored keys too. */
        if (s->position + now > s->n_written)
            s->n_written = s->position + now;
        int64_t wanted = want == CN_WANT_ALL ? now : want == CN_WANT_LAST && last ? 1 : 0;
        CN_RETURN_IF(!cn_forward(s, tokens + done, now, wanted, want == CN_WANT_ALL ? done : 0),
                     CN_ERR_CANCELLED, err, "cancelled");
        s->position += now;
        done += now;
    }
    s->n_logits_valid = want == CN_WANT_ALL ? n : want == CN_WANT_LAST ? 1 : 0;
    return CN_OK;
}

const float *cn_session_logits(const struct cn_session *s, int32_t i)
{
    return i < 0 || i >= s->n_logits_valid ? NULL : s->logits + i * s->model->hp.n_vocab;
}

int32_t cn_session_position(const struct cn_session *s)
{
    return s->position;
}

int32_t cn_session_n_ctx(const struct cn_session *s)
{
    return s->n_ctx;
}

enum cn_status cn_session_rewind(struct cn_session *s, int32_t position, struct cn_error *err)
{
    CN_RETURN_IF(position < 0 || position > s->position, CN_ERR_ARGUMENT, err,
                 "rewind: 0 to %d expected, %d given", s->position, position);
    /* A sliding layer has overwritten what lies further back than its spare rows; the next token
     * sees window - 1 positions before its own. */
    const int64_t needed =
        position + 1 > s->model->hp.window ? position + 1 - s->model->hp.window : 0;
    for (int64_t i = 0; position > 0 && i < s->model->hp.n_layer; i++)
        CN_RETURN_IF(s->model->layers[i].sliding && needed < s->n_written - s->kv[i].capacity,
                     CN_ERR_UNSUPPORTED, err,
                     "rewind from %d to %d: the sliding window's cache keeps %lld positions",
                     s->position, position, (long long)s->kv[i].capacity);
    s->position = position;
    if (position == 0)
        s->n_written = 0;
    s->n_logits_valid = 0;
    return CN_OK;
}

size_t cn_session_kv_bytes(const struct cn_session *s)
{
    return s->kv_bytes;
}

void cn_session_work(const struct cn_session *s, struct cn_work *work)
{
    *work = s->work;
}

const char *cn_op_name(enum cn_op op)
{
    static const char *const names[CN_N_OPS] = {
        [CN_OP_EMBED] = "embed",   [CN_OP_NORM] = "norm",           [CN_OP_QKV] = "qkv",
        [CN_OP_ROPE] = "rope",     [CN_OP_ATTENTION] = "attention", [CN_OP_ATTN_OUT] = "attn_out",
        [CN_OP_FFN_UP] = "ffn_up", [CN_OP_FFN_DOWN] = "ffn_down",   [CN_OP_ROUTER] = "router",
        [CN_OP_OUTPUT] = "output",
    };
    return (unsigned)op < CN_N_OPS ? names[op] : NULL;
}
