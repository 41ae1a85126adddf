/* SPDX-License-Identifier: MIT */
#include "engine/run/session.h"

#include "base/error.h"
#include "base/layout.h"
#include "engine/run/attend.h"
#include "engine/run/copies.h"
#include "engine/run/mixer/layer_state.h"
#include "engine/run/steps.h"
#include "engine/run/streams.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_THREADS = 1024, DEFAULT_CTX = 4096, DEFAULT_BATCH = 512 };

static size_t max_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

static int64_t max64(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static int64_t min64(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* What the model's matrices ask of the buffers. */
struct wants {
    bool q8, f32;
    int64_t widest; /* columns */
};

static void add_wants(void *user, enum cn_slot slot, const struct cn_weight *w)
{
    struct wants *wants = user;
    (void)slot;
    *(w->format->act == CN_ACT_Q8 ? &wants->q8 : &wants->f32) = true;
    wants->widest = max64(wants->widest, w->cols);
}

static struct wants wants_of(const struct cn_model *m)
{
    struct wants wants = { .widest = m->hp.n_embd };
    add_wants(&wants, CN_SLOT_OUTPUT, &m->output);
    cn_model_each_weight(m, add_wants, &wants);
    for (int64_t i = 0; i < m->hp.n_layer; i++) {
        const struct cn_mixer *mixer;
        for (int k = 0; (mixer = cn_mixer_of(m, i, k)); k++)
            wants.f32 |= mixer->float_inputs;
    }
    return wants;
}

static void carve_experts(struct cn_session *s, struct cn_layout *c)
{
    const struct cn_hparams *hp = &s->model->hp;
    const int64_t slots = s->n_batch * hp->n_expert_used, E = hp->n_expert;
    s->router = cn_layout_take(c, s->n_batch * E, sizeof(float));
    s->select = cn_layout_take(c, s->n_batch * E, sizeof(float));
    s->chosen = cn_layout_take(c, slots, sizeof(int32_t));
    s->chosen_weight = cn_layout_take(c, slots, sizeof(float));
    s->expert_first = cn_layout_take(c, E + 1, sizeof(int32_t));
    s->slot_token = cn_layout_take(c, slots, sizeof(int32_t));
    s->slot_choice = cn_layout_take(c, slots, sizeof(int32_t));
    s->token_slot = cn_layout_take(c, slots, sizeof(int32_t));
    s->expert_x = cn_layout_take(c, slots * hp->n_expert_embd, sizeof(float));
    s->expert_y =
        cn_layout_take(c, max64(slots * hp->n_expert_embd, s->n_batch * hp->n_embd), sizeof(float));
    if (hp->n_expert_embd != hp->n_embd)
        s->narrow = cn_layout_take(c, s->n_batch * hp->n_expert_embd, sizeof(float));
}

static struct cn_mixer_sizes sizes_of(const struct cn_session *s)
{
    return (struct cn_mixer_sizes){ s->model, s->options.kv, s->n_ctx, s->n_batch };
}

/* What layers keep from token to token. */
static void carve_states(struct cn_session *s, struct cn_layout *c)
{
    const struct cn_mixer_sizes sizes = sizes_of(s);
    const int64_t n_layer = s->model->hp.n_layer;
    s->kv = cn_layout_take(c, n_layer, sizeof *s->kv);
    s->states = cn_layout_take(c, n_layer, sizeof *s->states);
    if (c->base) {
        memset(s->kv, 0, (size_t)n_layer * sizeof *s->kv);
        memset(s->states, 0, (size_t)n_layer * sizeof *s->states);
    }
    size_t before = c->used;
    for (int64_t i = 0; i < n_layer; i++) {
        const struct cn_mixer *mixer;
        for (int k = 0; (mixer = cn_mixer_of(s->model, i, k)); k++) {
            void *memory = cn_layout_take(c, (int64_t)mixer->state_bytes(&sizes, i), 1);
            if (c->base)
                mixer->place(s, i, memory);
        }
    }
    s->kv_bytes = c->used - before;
    cn_copies_carve(s, &sizes, c);
    s->tokens = cn_layout_take(c, s->n_ctx, sizeof *s->tokens);
}

/* Inputs of products that run together: of experts, of heads. Each can get every token of a batch;
 * they are sized for that only in address space: untouched pages cost nothing. */
static void carve_inputs(struct cn_session *s, struct cn_layout *c, const struct wants *wants)
{
    const struct cn_model *m = s->model;
    int64_t n = m->hp.n_expert;
    int64_t widest = n > 0 ? max64(m->hp.n_expert_embd, m->hp.n_ff_expert) : 0;
    for (int64_t i = 0; i < m->hp.n_layer; i++) {
        const struct cn_mixer *mixer;
        for (int k = 0; (mixer = cn_mixer_of(m, i, k)); k++) {
            int64_t cols = 0, count = mixer->n_inputs ? mixer->n_inputs(m, i, &cols) : 0;
            n = max64(n, count);
            widest = max64(widest, cols);
        }
    }
    s->n_inputs = n;
    s->inputs = cn_layout_take(c, n, sizeof *s->inputs);
    s->head_weights = cn_layout_take(c, n, sizeof *s->head_weights);
    s->products = cn_layout_take(c, 2 * n + 4, sizeof *s->products);
    for (int64_t i = 0; i < n; i++) {
        void *memory = cn_layout_take(
            c, (int64_t)cn_input_bytes(s->n_batch, widest, wants->q8, wants->f32), 1);
        if (c->base)
            cn_input_init(&s->inputs[i], s->n_batch, widest, wants->q8, wants->f32, memory);
    }
}

/* Scratch of a pass and of a thread: what the largest layer needs. */
static void carve_scratch(struct cn_session *s, struct cn_layout *c, const struct wants *wants)
{
    const struct cn_model *m = s->model;
    const struct cn_mixer_sizes sizes = sizes_of(s);
    const int64_t row = max64(wants->widest, m->hp.n_per_layer * m->hp.n_layer);
    size_t pass = 0, thread = (size_t)row * sizeof(float);
    for (int64_t i = 0; i < m->hp.n_layer; i++) {
        const struct cn_mixer *mixer;
        for (int k = 0; (mixer = cn_mixer_of(m, i, k)); k++) {
            pass = max_size(pass, mixer->scratch_bytes(&sizes, i));
            thread = max_size(thread, mixer->thread_scratch_bytes(m, i));
        }
    }
    for (int kind = 0; kind < CN_N_ACT_KINDS; kind++)
        thread = max_size(thread, cn_gemm_scratch_bytes(kind, wants->widest));
    s->mixer_scratch = cn_layout_take(c, (int64_t)pass, 1);
    s->thread_scratch_bytes = cn_round_up(thread, CN_ALIGN);
    s->thread_scratch = cn_layout_take(c, cn_pool_n_threads(s->pool), s->thread_scratch_bytes);
}

static void carve_all(struct cn_session *s, struct cn_layout *c)
{
    const struct cn_model *m = s->model;
    const struct cn_hparams *hp = &m->hp;
    const struct wants wants = wants_of(m);
    const int64_t n = s->n_batch;
    int64_t ff = hp->n_ff * (m->arch->fused_gate_up ? 2 : 1);
    /* Gate and up of experts may come in one. */
    const int64_t both = m->arch->optional & CN_BIT(GATE_UP_EXPS) ? 2 : 1;
    if (hp->n_expert)
        ff = max64(max64(ff, both * hp->n_ff_expert * hp->n_expert_used), hp->n_ff_shared);
    ff = max64(ff, max64(hp->n_per_layer, hp->n_laurel));

    carve_states(s, c);
    for (int kind = 0; kind < CN_N_ROPES; kind++) {
        const int64_t half = hp->n_rope[kind] / 2;
        s->rope_freq[kind] = cn_layout_take(c, half, sizeof(float));
        s->rope_cos[kind] = cn_layout_take(c, n * half, sizeof(float));
        s->rope_sin[kind] = cn_layout_take(c, n * half, sizeof(float));
    }
    s->x = cn_layout_take(c, n * hp->n_embd, sizeof(float));
    s->h = cn_layout_take(c, n * hp->n_embd, sizeof(float));
    s->t = cn_layout_take(c, n * hp->n_embd, sizeof(float));
    if (m->arch->experts_beside_dense || m->arch->state_beside)
        s->side = cn_layout_take(c, n * hp->n_embd, sizeof(float));
    s->gate = cn_layout_take(c, n * ff, sizeof(float));
    s->up = cn_layout_take(c, n * ff, sizeof(float));
    s->logits = cn_layout_take(c, s->n_logits * hp->n_vocab, sizeof(float));
    s->ones = cn_layout_take(c, max64(max64(hp->d_k, hp->d_v), hp->n_embd), sizeof(float));
    for (int64_t i = 0; c->base && i < max64(max64(hp->d_k, hp->d_v), hp->n_embd); i++)
        s->ones[i] = 1;
    cn_streams_carve(s, c);
    void *input =
        cn_layout_take(c, (int64_t)cn_input_bytes(n, wants.widest, wants.q8, wants.f32), 1);
    if (c->base)
        cn_input_init(&s->input, n, wants.widest, wants.q8, wants.f32, input);
    carve_inputs(s, c, &wants);
    if (hp->n_expert)
        carve_experts(s, c);
    carve_scratch(s, c, &wants);
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
    for (int64_t i = 0; o->kv == CN_KV_Q8_0 && i < m->hp.n_layer; i++) {
        const struct cn_mixer *mixer;
        for (int k = 0; (mixer = cn_mixer_of(m, i, k)); k++)
            CN_RETURN_IF(
                mixer->fits_blocks && !mixer->fits_blocks(m, i, 32), CN_ERR_UNSUPPORTED, err,
                "a q8_0 KV cache needs rows that are multiples of 32, here heads of %lld "
                "and %lld in layer %lld",
                (long long)m->hp.layers[i].d_k, (long long)m->hp.layers[i].d_v, (long long)i);
    }
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
    carve_all(s, &measure);
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
    struct cn_layout carver = { .base = s->arena };
    carve_all(s, &carver);
    cn_rope_setup(s);
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

static enum cn_status check_tokens(const struct cn_session *s, const int32_t *tokens, int32_t n,
                                   int32_t position, struct cn_error *err)
{
    CN_RETURN_IF(n < 1, CN_ERR_ARGUMENT, err, "at least one token expected, %d given", n);
    CN_RETURN_IF(n > s->n_ctx - position, CN_ERR_CONTEXT, err,
                 "the context of %d tokens is full: %d used, %d more asked for", s->n_ctx, position,
                 n);
    for (int32_t i = 0; i < n; i++)
        CN_RETURN_IF(tokens[i] < 0 || tokens[i] >= s->model->hp.n_vocab, CN_ERR_ARGUMENT, err,
                     "token %d of the input: 0 to %lld expected, %d found", i,
                     (long long)s->model->hp.n_vocab - 1, tokens[i]);
    return CN_OK;
}

/* Appends tokens[n], which may be those that s->tokens has there. */
static enum cn_status evaluate(struct cn_session *s, const int32_t *tokens, int32_t n,
                               enum cn_want want, struct cn_error *err)
{
    if (s->position == 0)
        cn_states_clear(s);
    memmove(s->tokens + s->position, tokens, (size_t)n * sizeof *tokens);
    tokens = s->tokens + s->position;
    s->n_threads = n > 1 ? s->options.n_threads_prefill : s->options.n_threads;
    for (int32_t done = 0; done < n;) {
        int32_t now = n - done < s->n_batch ? n - done : (int32_t)s->n_batch;
        bool last = done + now == n;
        /* Before the pass: a cancelled one has stored keys too. */
        if (s->position + now > s->n_written)
            s->n_written = s->position + now;
        int64_t wanted = want == CN_WANT_ALL ? now : want == CN_WANT_LAST && last ? 1 : 0;
        s->state_position = -1;
        CN_RETURN_IF(!cn_forward(s, tokens + done, now, wanted, want == CN_WANT_ALL ? done : 0),
                     CN_ERR_CANCELLED, err, "cancelled");
        s->position += now;
        s->state_position = s->position;
        done += now;
    }
    s->n_logits_valid = want == CN_WANT_ALL ? n : want == CN_WANT_LAST ? 1 : 0;
    return CN_OK;
}

bool cn_session_has_rows(const struct cn_session *s, int32_t position)
{
    for (int64_t i = 0; position > 0 && i < s->model->hp.n_layer; i++) {
        const struct cn_layer_hparams *l = &s->model->hp.layers[i];
        if (l->window == 0)
            continue;
        const int64_t first = cn_attend_first(l->window, l->chunked, position);
        /* A ring has overwritten what lies further back than its spare rows. */
        if (first < s->n_written - s->kv[i].capacity ||
            first < cn_attend_first(l->window, l->chunked, s->oldest))
            return false;
    }
    return true;
}

/* The session goes to the nearest position at or before `position`, which is at most its own, where
 * all is there that the next token needs: with rows by position to that itself, with states to a
 * copy, at worst to 0. */
static void go_back(struct cn_session *s, int32_t position)
{
    const bool here = position == s->position;
    struct cn_copy *copy = NULL;
    int32_t base = position;
    if (s->has_states && s->state_position != position) {
        copy = cn_copies_find(s, position);
        base = copy ? copy->position : 0;
    }
    if (!cn_session_has_rows(s, base))
        base = 0;
    cn_copies_drop(s, position);
    if (base == 0)
        s->n_written = s->oldest = 0;
    else if (copy)
        cn_copies_restore(s, copy);
    s->position = s->state_position = base;
    s->n_logits_valid = 0;
    if (!here)
        s->keep = CN_KEEP_NOTHING;
}

/* The tokens from where the session stands up to `position` once more. */
static enum cn_status evaluate_again(struct cn_session *s, int32_t position, struct cn_error *err)
{
    if (s->position == position)
        return CN_OK;
    void (*const observe)(void *, const struct cn_product *, int) = s->observe;
    s->observe = NULL; /* it has seen them */
    enum cn_status status =
        evaluate(s, s->tokens + s->position, position - s->position, CN_WANT_NONE, err);
    s->observe = observe;
    if (status == CN_OK && s->keep == CN_KEEP_NOTHING)
        s->keep = CN_KEEP_PROMPT; /* who goes back to here once may do so again */
    return status;
}

enum cn_status cn_session_eval(struct cn_session *s, const int32_t *tokens, int32_t n,
                               enum cn_want want, struct cn_error *err)
{
    const float *logits = cn_session_logits(s, (int32_t)s->n_logits_valid - 1);
    s->n_logits_valid = 0;
    CN_TRY(check_tokens(s, tokens, n, s->position, err));
    CN_RETURN_IF(want == CN_WANT_ALL && n > s->n_logits, CN_ERR_ARGUMENT, err,
                 "logits of %d positions asked for, the session was made for %lld", n,
                 (long long)s->n_logits);
    if (s->has_states && s->state_position != s->position)
        CN_TRY(cn_session_rewind(s, s->position, err)); /* an evaluation was cancelled */
    cn_copies_take(s, logits);
    CN_TRY(evaluate(s, tokens, n, want, err));
    s->keep = n > 1 ? CN_KEEP_PROMPT : CN_KEEP_NOTHING;
    return CN_OK;
}

enum cn_status cn_session_rewind(struct cn_session *s, int32_t position, struct cn_error *err)
{
    CN_RETURN_IF(position < 0 || position > s->position, CN_ERR_ARGUMENT, err,
                 "rewind: 0 to %d expected, %d given", s->position, position);
    go_back(s, position);
    return evaluate_again(s, position, err);
}

void cn_session_mark(struct cn_session *s)
{
    s->keep = CN_KEEP_MARK;
}

enum cn_status cn_session_prompt(struct cn_session *s, const int32_t *tokens, int32_t n,
                                 int32_t *n_kept, struct cn_error *err)
{
    CN_TRY(check_tokens(s, tokens, n, 0, err));
    int32_t same = 0;
    while (same < n && same < s->position && s->tokens[same] == tokens[same])
        same++;
    const struct cn_copy *end = cn_copies_find(s, n);
    if (same == n && end && end->position == n && end->has_logits && cn_session_has_rows(s, n)) {
        go_back(s, n);
        memcpy(s->logits, end->logits, (size_t)s->model->hp.n_vocab * sizeof *s->logits);
        s->n_logits_valid = 1;
        *n_kept = n;
        return CN_OK;
    }
    same = same < n ? same : n - 1; /* the last one's logits are wanted */
    go_back(s, same);
    *n_kept = s->position;
    CN_TRY(evaluate_again(s, same, err));
    CN_TRY(cn_session_eval(s, tokens + same, n - same, CN_WANT_LAST, err));
    s->keep = CN_KEEP_PROMPT;
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

size_t cn_session_kv_bytes(const struct cn_session *s)
{
    return s->kv_bytes;
}

void cn_session_work(const struct cn_session *s, struct cn_work *work)
{
    *work = s->work;
}

const char *cn_kv_type_name(enum cn_kv_type type)
{
    static const char *const names[] = {
        [CN_KV_F16] = "f16", [CN_KV_F32] = "f32", [CN_KV_Q8_0] = "q8_0"
    };
    return (unsigned)type < sizeof names / sizeof *names ? names[type] : NULL;
}

const char *cn_op_name(enum cn_op op)
{
    static const char *const names[CN_N_OPS] = {
        [CN_OP_EMBED] = "embed",   [CN_OP_NORM] = "norm",           [CN_OP_QKV] = "qkv",
        [CN_OP_ROPE] = "rope",     [CN_OP_ATTENTION] = "attention", [CN_OP_ATTN_OUT] = "attn_out",
        [CN_OP_FFN_UP] = "ffn_up", [CN_OP_FFN_DOWN] = "ffn_down",   [CN_OP_ROUTER] = "router",
        [CN_OP_OUTPUT] = "output", [CN_OP_ABSORB] = "absorb",       [CN_OP_STREAMS] = "streams",
        [CN_OP_CONV] = "conv",     [CN_OP_DELTA] = "delta",         [CN_OP_SSM] = "ssm",
    };
    return (unsigned)op < CN_N_OPS ? names[op] : NULL;
}
