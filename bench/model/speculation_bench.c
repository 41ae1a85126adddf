/* SPDX-License-Identifier: MIT */
#include "bench/model/speculation_bench.h"

#include "base/clock.h"
#include "base/error.h"
#include "bench/model/model_work.h"
#include "bench/stats/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_REPS = 256, WARM_UP = 32 };

static const char sentence[] =
    "It was late in the evening when they came back to the house, and the lamps were lit in every "
    "window.";

struct work {
    const struct cn_speculation_test *t;
    const struct cn_bench_options *o;
    const struct cn_model *model;
    struct cn_session *session;
    struct cn_sampler *sampler;
    struct cn_speculation_source *drafts;
    int32_t *prompt, n_prompt;
    int32_t *plain, *drafted; /* [n_tokens + 1] the last text of each */
};

static void begin(const struct work *w, int64_t index)
{
    if (w->o->profiler && index >= 0)
        cn_profiler_phase_begin(w->o->profiler, "decode", index);
}

static void end(const struct work *w, int64_t index)
{
    if (w->o->profiler && index >= 0)
        cn_profiler_phase_end(w->o->profiler);
}

/* n tokens behind the first one, which the prompt gives. */
static enum cn_status plain(struct work *w, int32_t n, int64_t index, double *seconds,
                            struct cn_error *err)
{
    struct cn_work told;
    int32_t kept;
    CN_TRY(cn_session_prompt(w->session, w->prompt, w->n_prompt, &kept, err));
    w->plain[0] = cn_sampler_sample(w->sampler, cn_session_logits(w->session, 0));
    cn_session_work(w->session, &told);
    enum cn_status status = CN_OK;
    begin(w, index);
    const double t0 = cn_seconds();
    for (int32_t i = 0; i < n && status == CN_OK; i++) {
        status = cn_session_eval(w->session, &w->plain[i], 1, CN_WANT_LAST, err);
        if (status == CN_OK)
            w->plain[i + 1] = cn_sampler_sample(w->sampler, cn_session_logits(w->session, 0));
    }
    *seconds = cn_seconds() - t0;
    cn_report_work(w->o->profiler, w->session, &told);
    end(w, index);
    return status;
}

static enum cn_status drafted(struct work *w, int32_t n, double *seconds, struct cn_error *err)
{
    struct cn_speculator *sp = cn_speculation_speculator(w->drafts);
    int32_t got;
    CN_TRY(cn_speculator_prompt(sp, w->prompt, w->n_prompt, &got, err));
    CN_TRY(cn_speculator_next(sp, w->drafted, 1, &got, err));
    struct cn_speculation before, after;
    cn_speculator_told(sp, &before);
    for (int32_t done = 0; done < n; done += got)
        CN_TRY(cn_speculator_next(sp, w->drafted + 1 + done, n - done, &got, err));
    cn_speculator_told(sp, &after);
    /* Without what the profiler waits for between the phases. */
    *seconds = after.draft_s - before.draft_s + after.verify_s - before.verify_s;
    return CN_OK;
}

/* The tokens before the first difference. */
static int32_t same(const struct work *w)
{
    int32_t n = 0;
    while (n < w->o->n_tokens && w->plain[n + 1] == w->drafted[n + 1])
        n++;
    return n;
}

static void result_of(const struct cn_bench_options *o, double *tps, double *limits,
                      struct cn_bench_result *r)
{
    double share[MAX_REPS];
    for (int32_t i = 0; i < o->n_reps; i++) {
        share[i] = tps[i] / ((limits[i] + limits[i + 1]) / 2);
        r->busy_ns += (int64_t)(1e9 * o->n_tokens / tps[i]);
    }
    r->n_phases = o->profiler ? cn_profiler_n_phases(o->profiler) - r->first_phase : 0;
    r->total_tokens = (int64_t)o->n_reps * o->n_tokens;
    r->limit = cn_median(limits, (size_t)o->n_reps + 1);
    r->per_limit = cn_median(share, (size_t)o->n_reps);
    r->tps_median = cn_median(tps, (size_t)o->n_reps);
    cn_median_interval(tps, (size_t)o->n_reps, &r->tps_lo, &r->tps_hi);
}

static enum cn_status repeat(struct work *w, struct cn_speculation_bench *r, struct cn_error *err)
{
    const struct cn_bench_options *o = w->o;
    double limits[MAX_REPS + 1], plain_tps[MAX_REPS], drafted_tps[MAX_REPS];
    struct cn_speculation before = { 0 };
    for (int32_t i = -1; i < o->n_reps; i++) {
        const int32_t n = i < 0 && o->n_tokens > WARM_UP ? WARM_UP : o->n_tokens;
        double a, b;
        if (i == 0) {
            r->plain.first_phase = o->profiler ? cn_profiler_n_phases(o->profiler) : 0;
            r->drafted.first_phase = r->plain.first_phase;
            cn_speculator_told(cn_speculation_speculator(w->drafts), &before);
        }
        if (i % 2 == 0)
            CN_TRY(plain(w, n, i, &a, err));
        CN_TRY(drafted(w, n, &b, err));
        if (i % 2 != 0)
            CN_TRY(plain(w, n, i, &a, err));
        limits[i + 1] = o->limit ? o->limit(o->user) : (double)NAN;
        if (i < 0)
            continue;
        plain_tps[i] = n / a;
        drafted_tps[i] = n / b;
        r->same += (double)same(w) / ((double)n * o->n_reps);
    }
    cn_speculator_told(cn_speculation_speculator(w->drafts), &r->told);
    r->told.n_passes -= before.n_passes;
    r->told.n_tokens -= before.n_tokens;
    r->told.n_drafted -= before.n_drafted;
    r->told.n_accepted -= before.n_accepted;
    r->told.draft_s -= before.draft_s;
    r->told.verify_s -= before.verify_s;
    result_of(o, plain_tps, limits, &r->plain);
    result_of(o, drafted_tps, limits, &r->drafted);
    return CN_OK;
}

static enum cn_status prepare(struct work *w, struct cn_error *err)
{
    const struct cn_speculation_test *t = w->t;
    const struct cn_bench_options *o = w->o;
    const struct cn_sampler_options greedy = { .top_p = 1, .repeat_penalty = 1 };
    const char *text = t->text ? t->text : sentence;
    size_t n = 0;
    CN_TRY(cn_tokenize(w->model, text, t->text ? t->n_text : strlen(text),
                       CN_TOKENIZE_BOS | CN_TOKENIZE_PROMPT, &w->prompt, &n, err));
    CN_RETURN_IF(n == 0 || n > (size_t)(INT32_MAX - o->n_tokens - 1), CN_ERR_ARGUMENT, err,
                 "speculation: a text of %zu tokens cannot be gone on from", n);
    w->n_prompt = (int32_t)n;
    w->plain = malloc(((size_t)o->n_tokens + 1) * sizeof *w->plain);
    w->drafted = malloc(((size_t)o->n_tokens + 1) * sizeof *w->drafted);
    CN_RETURN_IF(!w->plain || !w->drafted, CN_ERR_MEMORY, err, "out of memory");
    struct cn_session_options session = cn_bench_session(o, w->n_prompt + o->n_tokens + 1);
    struct cn_speculation_options drafts = t->drafts;
    drafts.session = session;
    drafts.tiers = t->tiers;
    drafts.profiler = o->profiler;
    session.n_logits = cn_speculation_n_logits(drafts.n_draft);
    CN_TRY(cn_session_create(w->model, &session, &w->session, err));
    CN_TRY(cn_sampler_create(w->model, &greedy, &w->sampler, err));
    return cn_speculation_open(w->session, w->sampler, &drafts, &w->drafts, err);
}

enum cn_status cn_speculation_bench_run(const struct cn_model *model,
                                        const struct cn_speculation_test *test,
                                        struct cn_speculation_bench *result, struct cn_error *err)
{
    struct work w = { .t = test, .o = test->bench, .model = model };
    CN_RETURN_IF(w.o->n_reps < 1 || w.o->n_reps > MAX_REPS, CN_ERR_ARGUMENT, err,
                 "repetitions: 1 to %d expected, %d given", MAX_REPS, w.o->n_reps);
    *result = (struct cn_speculation_bench){ .same = 0 };
    enum cn_status status = prepare(&w, err);
    result->n_prompt = w.n_prompt;
    if (status == CN_OK)
        status = repeat(&w, result, err);
    cn_speculation_close(w.drafts);
    cn_sampler_free(w.sampler);
    cn_session_free(w.session);
    free(w.prompt);
    free(w.plain);
    free(w.drafted);
    return status;
}
