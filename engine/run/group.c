/* SPDX-License-Identifier: MIT */
#include "engine/run/group.h"

#include "base/error.h"
#include "base/layout.h"
#include "engine/run/mixer/layer_state.h"
#include "engine/run/mixer/mixer.h"
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
    for (int64_t i = 0; i < m->hp.n_layer + m->hp.n_nextn; i++) {
        const struct cn_mixer *mixer;
        for (int k = 0; (mixer = cn_mixer_of(m, i, k)); k++)
            wants.f32 |= mixer->float_inputs;
    }
    return wants;
}

static void carve_experts(struct cn_group *g, struct cn_layout *c)
{
    const struct cn_hparams *hp = &g->model->hp;
    const int64_t slots = g->n_batch * hp->n_expert_used, E = hp->n_expert;
    g->router = cn_layout_take(c, g->n_batch * E, sizeof(float));
    g->select = cn_layout_take(c, g->n_batch * E, sizeof(float));
    g->chosen = cn_layout_take(c, slots, sizeof(int32_t));
    g->chosen_weight = cn_layout_take(c, slots, sizeof(float));
    g->expert_first = cn_layout_take(c, E + 1, sizeof(int32_t));
    g->slot_token = cn_layout_take(c, slots, sizeof(int32_t));
    g->slot_choice = cn_layout_take(c, slots, sizeof(int32_t));
    g->token_slot = cn_layout_take(c, slots, sizeof(int32_t));
    g->expert_x = cn_layout_take(c, slots * hp->n_expert_embd, sizeof(float));
    g->expert_y =
        cn_layout_take(c, max64(slots * hp->n_expert_embd, g->n_batch * hp->n_embd), sizeof(float));
    if (hp->n_expert_embd != hp->n_embd)
        g->narrow = cn_layout_take(c, g->n_batch * hp->n_expert_embd, sizeof(float));
}

/* Inputs of products that run together: of experts, of heads. Each can get every token of a batch;
 * they are sized for that only in address space: untouched pages cost nothing. */
static void carve_inputs(struct cn_group *g, struct cn_layout *c, const struct wants *wants)
{
    const struct cn_model *m = g->model;
    int64_t n = m->hp.n_expert;
    int64_t widest = n > 0 ? max64(m->hp.n_expert_embd, m->hp.n_ff_expert) : 0;
    for (int64_t i = 0; i < m->hp.n_layer + m->hp.n_nextn; i++) {
        const struct cn_mixer *mixer;
        for (int k = 0; (mixer = cn_mixer_of(m, i, k)); k++) {
            int64_t cols = 0, count = mixer->n_inputs ? mixer->n_inputs(m, i, &cols) : 0;
            n = max64(n, count);
            widest = max64(widest, cols);
        }
    }
    g->n_inputs = n;
    g->inputs = cn_layout_take(c, n, sizeof *g->inputs);
    g->head_weights = cn_layout_take(c, n, sizeof *g->head_weights);
    g->products = cn_layout_take(c, 2 * n + 4, sizeof *g->products);
    for (int64_t i = 0; i < n; i++) {
        void *memory = cn_layout_take(
            c, (int64_t)cn_input_bytes(g->n_batch, widest, wants->q8, wants->f32), 1);
        if (c->base)
            cn_input_init(&g->inputs[i], g->n_batch, widest, wants->q8, wants->f32, memory);
    }
}

/* Scratch of a pass and of a thread: what the largest layer needs. */
static void carve_scratch(struct cn_group *g, struct cn_layout *c, const struct wants *wants)
{
    const struct cn_model *m = g->model;
    const struct cn_mixer_sizes sizes = cn_mixer_sizes_of(g);
    const int64_t row = max64(wants->widest, m->hp.n_per_layer * m->hp.n_layer);
    size_t pass = 0, thread = (size_t)row * sizeof(float);
    for (int64_t i = 0; i < m->hp.n_layer + m->hp.n_nextn; i++) {
        const struct cn_mixer *mixer;
        for (int k = 0; (mixer = cn_mixer_of(m, i, k)); k++) {
            pass = max_size(pass, mixer->scratch_bytes(&sizes, i));
            thread = max_size(thread, mixer->thread_scratch_bytes(m, i));
        }
    }
    for (int kind = 0; kind < CN_N_ACT_KINDS; kind++)
        thread = max_size(thread, cn_gemm_scratch_bytes(kind, wants->widest));
    g->mixer_scratch = cn_layout_take(c, (int64_t)pass, 1);
    g->thread_scratch_bytes = cn_round_up(thread, CN_ALIGN);
    g->thread_scratch = cn_layout_take(c, cn_pool_n_threads(g->pool), g->thread_scratch_bytes);
}

static void carve_all(struct cn_group *g, struct cn_layout *c)
{
    const struct cn_model *m = g->model;
    const struct cn_hparams *hp = &m->hp;
    const struct wants wants = wants_of(m);
    const int64_t n = g->n_batch;
    int64_t ff = hp->n_ff * (m->arch->fused_gate_up ? 2 : 1);
    /* Gate and up of experts may come in one. */
    const int64_t both = m->arch->optional & CN_BIT(GATE_UP_EXPS) ? 2 : 1;
    if (hp->n_expert)
        ff = max64(max64(ff, both * hp->n_ff_expert * hp->n_expert_used), hp->n_ff_shared);
    ff = max64(ff, max64(hp->n_per_layer, hp->n_laurel));
    if (hp->n_nextn > 0) /* what it reads: two vectors side by side */
        ff = max64(ff, 2 * hp->n_embd);

    g->places = cn_layout_take(c, n, sizeof *g->places);
    for (int kind = 0; kind < CN_N_ROPES; kind++) {
        const int64_t half = hp->n_rope[kind] / 2;
        g->rope_freq[kind] = cn_layout_take(c, half, sizeof(float));
        g->rope_cos[kind] = cn_layout_take(c, n * half, sizeof(float));
        g->rope_sin[kind] = cn_layout_take(c, n * half, sizeof(float));
    }
    g->x = cn_layout_take(c, n * hp->n_embd, sizeof(float));
    g->h = cn_layout_take(c, n * hp->n_embd, sizeof(float));
    g->t = cn_layout_take(c, n * hp->n_embd, sizeof(float));
    if (m->arch->experts_beside_dense || m->arch->state_beside)
        g->side = cn_layout_take(c, n * hp->n_embd, sizeof(float));
    g->gate = cn_layout_take(c, n * ff, sizeof(float));
    g->up = cn_layout_take(c, n * ff, sizeof(float));
    if (g->n_lanes > 1)
        g->outputs =
            cn_layout_take(c, min64(n, g->n_lanes * g->n_logits) * hp->n_vocab, sizeof(float));
    g->ones = cn_layout_take(c, max64(max64(hp->d_k, hp->d_v), hp->n_embd), sizeof(float));
    for (int64_t i = 0; c->base && i < max64(max64(hp->d_k, hp->d_v), hp->n_embd); i++)
        g->ones[i] = 1;
    cn_streams_carve(g, c);
    void *input =
        cn_layout_take(c, (int64_t)cn_input_bytes(n, wants.widest, wants.q8, wants.f32), 1);
    if (c->base)
        cn_input_init(&g->input, n, wants.widest, wants.q8, wants.f32, input);
    carve_inputs(g, c, &wants);
    if (hp->n_expert)
        carve_experts(g, c);
    carve_scratch(g, c, &wants);
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

enum cn_status cn_group_create(const struct cn_model *model,
                               const struct cn_session_options *options, int32_t n_lanes,
                               struct cn_group **group, struct cn_error *err)
{
    static const struct cn_session_options defaults = { 0 };
    const struct cn_session_options *o = options ? options : &defaults;
    CN_TRY(check_options(model, o, err));
    CN_RETURN_IF(n_lanes < 1 || n_lanes > CN_MAX_LANES, CN_ERR_ARGUMENT, err,
                 "lanes: 1 to %d expected, %d given", CN_MAX_LANES, n_lanes);
    struct cn_group *g = calloc(1, sizeof *g);
    CN_RETURN_IF(!g, CN_ERR_MEMORY, err, "out of memory");
    g->model = model;
    g->options = *o;
    g->n_lanes = n_lanes;
    g->n_ctx = o->n_ctx ? o->n_ctx : (int32_t)min64(model->hp.n_ctx_train, DEFAULT_CTX);
    g->n_batch = min64(o->n_batch ? o->n_batch : DEFAULT_BATCH, (int64_t)g->n_ctx * n_lanes);
    g->n_logits = o->n_logits ? o->n_logits : 1;
    if (g->options.n_threads == 0)
        g->options.n_threads = cn_available_cores();
    if (g->options.n_threads_prefill == 0)
        g->options.n_threads_prefill = g->options.n_threads;
    const int n_threads = (int)max64(g->options.n_threads, g->options.n_threads_prefill);
    enum cn_status status = CN_OK;
    const uint64_t mode = cn_flush_denormals(); /* the pool's threads keep it */
    g->pool = cn_pool_create(n_threads, o->sleep);
    cn_float_mode_restore(mode);
    if (!g->pool) {
        status = cn_fail_errno(err, "cannot start %d threads", n_threads);
        goto fail;
    }
    struct cn_layout measure = { 0 };
    carve_all(g, &measure);
    if (!measure.overflow)
        g->arena = aligned_alloc(CN_ALIGN, measure.used + CN_ALIGN);
    if (!g->arena) {
        status = cn_fail(err, CN_ERR_MEMORY,
                         "out of memory: passes of %d tokens in a context of %d need %.1f MiB",
                         (int)g->n_batch, g->n_ctx, (double)measure.used / 1048576);
        goto fail;
    }
    struct cn_layout carver = { .base = g->arena };
    carve_all(g, &carver);
    cn_rope_setup(g);
    *group = g;
    return CN_OK;
fail:
    cn_group_free(g);
    return status;
}

void cn_group_free(struct cn_group *g)
{
    if (!g)
        return;
    cn_pool_free(g->pool);
    free(g->arena);
    free(g);
}

/* The next pass: as many of the steps' tokens as a batch has room for, from where the sessions
 * stand. starts: where they stood before the first one. Returns their number; 0: all are done. */
static int64_t next_pass(struct cn_group *g, const struct cn_step *steps, size_t n_steps,
                         const int32_t *starts)
{
    int64_t n = 0;
    g->n_slices = 0;
    for (size_t i = 0; i < n_steps && n < g->n_batch; i++) {
        const struct cn_step *step = &steps[i];
        struct cn_session *s = step->session;
        const int32_t done = s->position - starts[i], left = step->n - done;
        if (left == 0)
            continue;
        const int64_t now = min64(left, g->n_batch - n);
        const bool all = step->want == CN_WANT_ALL;
        g->slices[g->n_slices++] = (struct cn_slice){
            .session = s,
            .first = n,
            .n = now,
            .position = s->position,
            .n_wanted = all                                         ? now
                        : step->want == CN_WANT_LAST && now == left ? 1
                                                                    : 0,
            .logits = s->logits + (all ? done * g->model->hp.n_vocab : 0),
        };
        for (int64_t t = 0; t < now; t++) {
            const int32_t position = s->position + (int32_t)t;
            g->places[n + t] = (struct cn_place){ s, position, s->tokens[position] };
        }
        n += now;
    }
    return n;
}

/* What of a number falls to the first `part` of n tokens. */
static int64_t upto(int64_t number, int64_t part, int64_t n)
{
    return part == n ? number : (int64_t)((double)number * ((double)part / (double)n));
}

void cn_share_work(struct cn_group *g, int64_t n)
{
    const struct cn_work *all = &g->work;
    for (int i = 0; i < g->n_slices; i++) {
        struct cn_work *own = &g->slices[i].session->work;
        const int64_t first = g->slices[i].first, end = first + g->slices[i].n;
        own->bytes += upto(all->bytes, end, n) - upto(all->bytes, first, n);
        own->int8_ops += upto(all->int8_ops, end, n) - upto(all->int8_ops, first, n);
        own->float_ops += upto(all->float_ops, end, n) - upto(all->float_ops, first, n);
        own->unpacked += upto(all->unpacked, end, n) - upto(all->unpacked, first, n);
    }
}

static bool run_pass(struct cn_group *g, int64_t n)
{
    for (int i = 0; i < g->n_slices; i++) {
        struct cn_session *s = g->slices[i].session;
        const int32_t end = (int32_t)(g->slices[i].position + g->slices[i].n);
        /* Before the pass: a cancelled one has stored keys too. */
        if (end > s->n_written)
            s->n_written = end;
        s->state_position = -1;
    }
    g->work = (struct cn_work){ 0 };
    const bool whole = cn_forward(g, n);
    cn_share_work(g, n);
    for (int i = 0; whole && i < g->n_slices; i++) {
        struct cn_session *s = g->slices[i].session;
        s->position += (int32_t)g->slices[i].n;
        s->state_position = s->position;
    }
    return whole;
}

static bool run_steps(struct cn_group *g, const struct cn_step *steps, size_t n_steps)
{
    int32_t starts[CN_MAX_LANES];
    bool many = false;
    for (size_t i = 0; i < n_steps; i++) {
        const struct cn_step *step = &steps[i];
        struct cn_session *s = step->session;
        starts[i] = s->position;
        many |= step->n > 1;
        if (s->position == 0)
            cn_states_clear(s);
        /* They may be those that are there. */
        memmove(s->tokens + s->position, step->tokens, (size_t)step->n * sizeof *step->tokens);
    }
    g->n_threads = many ? g->options.n_threads_prefill : g->options.n_threads;
    for (int64_t n; (n = next_pass(g, steps, n_steps, starts)) > 0;)
        if (!run_pass(g, n))
            return false;
    for (size_t i = 0; i < n_steps; i++)
        steps[i].session->n_logits_valid =
            steps[i].want == CN_WANT_ALL ? steps[i].n : steps[i].want == CN_WANT_LAST;
    return true;
}

bool cn_steps_run(struct cn_group *g, const struct cn_step *steps, size_t n_steps)
{
    const uint64_t mode = cn_flush_denormals();
    const bool done = run_steps(g, steps, n_steps);
    cn_float_mode_restore(mode);
    return done;
}
