/* SPDX-License-Identifier: MIT */
#include "bench/model/generate.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/utf8.h"
#include "bench/model/model_work.h"
#include "engine/tools.h"

#include <string.h>
#include <sys/resource.h>

int64_t cn_peak_rss(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (int64_t)usage.ru_maxrss * 1024 : 0;
}

/* Text that waits for the rest of its last character. */
struct stream {
    const struct cn_generate_options *options;
    char held[8];
    size_t n_held;
};

static bool show(struct stream *s, int32_t token, const char *bytes, size_t n)
{
    if (!s->options->token)
        return false;
    /* A token's bytes go out in pieces of the buffer; what is held is at most 3 bytes. */
    bool stop = false;
    size_t at = 0;
    do {
        size_t room = sizeof s->held - s->n_held, take = n - at < room ? n - at : room;
        if (take)
            memcpy(s->held + s->n_held, bytes + at, take);
        s->n_held += take;
        at += take;
        size_t whole = cn_utf8_complete(s->held, s->n_held);
        stop |= s->options->token(s->options->user, token, s->held, whole);
        memmove(s->held, s->held + whole, s->n_held - whole);
        s->n_held -= whole;
    } while (at < n);
    return stop;
}

static void begin(const struct cn_generate_options *o, const char *kind, int64_t index)
{
    if (o->profiler)
        cn_profiler_phase_begin(o->profiler, kind, index);
}

static void end(const struct cn_generate_options *o)
{
    if (o->profiler)
        cn_profiler_phase_end(o->profiler);
}

/* A generation under way. */
struct generating {
    struct cn_session *session;
    const struct cn_model *model;
    struct cn_sampler *sampler;
    const struct cn_generate_options *o;
    struct cn_generation *r;
    struct stream stream;
    struct cn_work told;
};

/* A token was chosen: whether another is wanted behind it. */
static bool take(struct generating *g, int32_t token)
{
    const struct cn_generate_options *o = g->o;
    struct cn_generation *r = g->r;
    if (!o->ignore_end &&
        (o->chat ? cn_chat_is_end(o->chat, token) : cn_token_is_end(g->model, token))) {
        r->ended = true;
        return false;
    }
    r->n_generated++;
    size_t n;
    const char *bytes = cn_token_bytes(g->model, token, false, &n);
    if (o->thinking) {
        cn_thinking_token(o->thinking, g->model, token);
        r->n_reasoning = o->thinking->n_tokens;
    }
    if (show(&g->stream, token, bytes, n) || r->n_generated == o->n_predict)
        return false;
    r->context_full = r->n_prompt + r->n_generated > cn_session_n_ctx(g->session);
    return !r->context_full;
}

static enum cn_status sample(struct generating *g, int32_t *token, struct cn_error *err)
{
    struct cn_generation *r = g->r;
    const float *logits = cn_session_logits(g->session, 0);
    begin(g->o, "sample", r->n_generated);
    double a = cn_seconds();
    bool finite = cn_all_finite(logits, cn_model_get_info(g->model)->n_vocab);
    *token = finite ? cn_sampler_sample(g->sampler, logits) : -1;
    double b = cn_seconds();
    end(g->o);
    /* A token from these would be made up. */
    CN_RETURN_IF(!finite, CN_ERR_FORMAT, err, "the model's logits are not finite at position %d",
                 cn_session_position(g->session) - 1);
    r->sample_s += b - a;
    if (r->n_generated == 0)
        r->ttft_s = r->prefill_s + (b - a);
    return CN_OK;
}

static enum cn_status decode(struct generating *g, int32_t token, struct cn_error *err)
{
    begin(g->o, "decode", g->r->n_generated - 1);
    double a = cn_seconds();
    enum cn_status status = cn_session_eval(g->session, &token, 1, CN_WANT_LAST, err);
    double b = cn_seconds();
    cn_report_work(g->o->profiler, g->session, &g->told);
    end(g->o);
    g->r->decode_s += b - a;
    return status;
}

/* Where the phases of thinking end, if tokens of it came since `before`. */
static void mark_thinking(struct generating *g, int32_t before)
{
    if (g->r->n_reasoning > before && g->o->profiler)
        g->r->reasoning_to = cn_profiler_n_phases(g->o->profiler);
}

static enum cn_status one_by_one(struct generating *g, struct cn_error *err)
{
    for (;;) {
        const int32_t thought = g->r->n_reasoning;
        int32_t token;
        CN_TRY(sample(g, &token, err));
        if (!take(g, token))
            return CN_OK;
        CN_TRY(decode(g, token, err));
        mark_thinking(g, thought);
    }
}

/* The same, as many tokens at a time as a pass gives. */
static enum cn_status by_drafts(struct generating *g, struct cn_error *err)
{
    struct cn_speculator *sp = g->o->speculator;
    struct cn_generation *r = g->r;
    struct cn_speculation before, after;
    cn_speculator_told(sp, &before);
    enum cn_status status = CN_OK;
    for (bool more = true; more && status == CN_OK;) {
        int32_t tokens[CN_SPECULATE_MOST + 1], n = 0, i = 0;
        int32_t room = g->o->n_predict - r->n_generated;
        if (g->o->n_predict < 0 || room > CN_SPECULATE_MOST + 1)
            room = CN_SPECULATE_MOST + 1;
        const int32_t thought = r->n_reasoning;
        const double a = cn_seconds();
        status = cn_speculator_next(sp, tokens, room, &n, err);
        const double b = cn_seconds();
        if (status != CN_OK)
            break;
        if (r->n_generated == 0) { /* sampled from what the prompt gave */
            r->sample_s = b - a;
            r->ttft_s = r->prefill_s + (b - a);
        }
        while (more && i < n)
            more = take(g, tokens[i++]);
        mark_thinking(g, thought);
        /* A token that ends a generation is no part of its text. */
        const int32_t n_behind = n - i + r->ended;
        if (n_behind > 0)
            status = cn_speculator_take_back(sp, n_behind, err);
    }
    cn_speculator_told(sp, &after);
    r->speculation = (struct cn_speculation){ .n_passes = after.n_passes - before.n_passes,
                                              .n_tokens = after.n_tokens - before.n_tokens,
                                              .n_drafted = after.n_drafted - before.n_drafted,
                                              .n_accepted = after.n_accepted - before.n_accepted,
                                              .draft_s = after.draft_s - before.draft_s,
                                              .verify_s = after.verify_s - before.verify_s };
    r->decode_s = r->speculation.draft_s + r->speculation.verify_s;
    cn_session_work(g->session, &g->told);
    return status;
}

enum cn_status cn_generate(struct cn_session *session, const struct cn_model *model,
                           struct cn_sampler *sampler, const int32_t *prompt, int32_t n_prompt,
                           const struct cn_generate_options *o, struct cn_generation *r,
                           struct cn_error *err)
{
    struct generating g = { session, model, sampler, o, r, { .options = o }, { 0 } };
    *r = (struct cn_generation){ .n_prompt = n_prompt };
    cn_session_work(session, &g.told);
    begin(o, "prefill", 0);
    double t0 = cn_seconds();
    enum cn_status status =
        o->speculator ? cn_speculator_prompt(o->speculator, prompt, n_prompt, &r->n_kept, err)
                      : cn_session_prompt(session, prompt, n_prompt, &r->n_kept, err);
    double t1 = cn_seconds();
    cn_report_work(o->profiler, session, &g.told);
    end(o);
    r->prefill_s = t1 - t0;
    const struct cn_work prompted = g.told;
    for (int32_t i = 0; i < n_prompt; i++)
        cn_sampler_accept(sampler, prompt[i]);
    if (o->profiler)
        r->phases_from = r->reasoning_to = cn_profiler_n_phases(o->profiler);
    if (status == CN_OK && o->n_predict != 0)
        status = o->speculator ? by_drafts(&g, err) : one_by_one(&g, err);
    r->decoded = cn_work_since(&g.told, &prompted);
    if (o->thinking)
        cn_thinking_end(o->thinking);
    if (o->profiler)
        r->phases_to = cn_profiler_n_phases(o->profiler);
    if (g.stream.n_held && o->token)
        o->token(o->user, -1, g.stream.held, g.stream.n_held);
    return status;
}
