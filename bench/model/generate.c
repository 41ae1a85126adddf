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

enum cn_status cn_generate(struct cn_session *session, const struct cn_model *model,
                           struct cn_sampler *sampler, const int32_t *prompt, int32_t n_prompt,
                           const struct cn_generate_options *o, struct cn_generation *r,
                           struct cn_error *err)
{
    const int64_t n_vocab = cn_model_get_info(model)->n_vocab;
    struct stream stream = { .options = o };
    struct cn_work told, prompted;
    *r = (struct cn_generation){ .n_prompt = n_prompt };
    cn_session_work(session, &told);
    begin(o, "prefill", 0);
    double t0 = cn_seconds();
    enum cn_status status = cn_session_prompt(session, prompt, n_prompt, &r->n_kept, err);
    double t1 = cn_seconds();
    cn_report_work(o->profiler, session, &told);
    end(o);
    r->prefill_s = t1 - t0;
    prompted = told;
    for (int32_t i = 0; i < n_prompt; i++)
        cn_sampler_accept(sampler, prompt[i]);

    bool stop = false;
    if (o->profiler)
        r->phases_from = r->reasoning_to = cn_profiler_n_phases(o->profiler);
    while (status == CN_OK && !stop && (o->n_predict < 0 || r->n_generated < o->n_predict)) {
        const float *logits = cn_session_logits(session, 0);
        begin(o, "sample", r->n_generated);
        double a = cn_seconds();
        bool finite = cn_all_finite(logits, n_vocab);
        int32_t token = finite ? cn_sampler_sample(sampler, logits) : -1;
        double b = cn_seconds();
        end(o);
        if (!finite) { /* a token from these would be made up */
            status = cn_fail(err, CN_ERR_FORMAT, "the model's logits are not finite at position %d",
                             cn_session_position(session) - 1);
            break;
        }
        r->sample_s += b - a;
        if (r->n_generated == 0)
            r->ttft_s = r->prefill_s + (b - a);
        if (!o->ignore_end &&
            (o->chat ? cn_chat_is_end(o->chat, token) : cn_token_is_end(model, token))) {
            r->ended = true;
            break;
        }
        r->n_generated++;
        size_t n;
        const char *bytes = cn_token_bytes(model, token, false, &n);
        int32_t thought = r->n_reasoning;
        if (o->thinking) {
            cn_thinking_token(o->thinking, model, token);
            r->n_reasoning = o->thinking->n_tokens;
        }
        stop = show(&stream, token, bytes, n);
        if (stop || r->n_generated == o->n_predict)
            break;
        if (cn_session_position(session) == cn_session_n_ctx(session)) {
            r->context_full = true;
            break;
        }
        begin(o, "decode", r->n_generated - 1);
        a = cn_seconds();
        status = cn_session_eval(session, &token, 1, CN_WANT_LAST, err);
        b = cn_seconds();
        cn_report_work(o->profiler, session, &told);
        end(o);
        r->decode_s += b - a;
        if (r->n_reasoning > thought && o->profiler)
            r->reasoning_to = cn_profiler_n_phases(o->profiler);
    }
    r->decoded = cn_work_since(&told, &prompted);
    if (o->thinking)
        cn_thinking_end(o->thinking);
    if (o->profiler)
        r->phases_to = cn_profiler_n_phases(o->profiler);
    if (stream.n_held && o->token)
        o->token(o->user, -1, stream.held, stream.n_held);
    return status;
}
