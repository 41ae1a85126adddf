/* SPDX-License-Identifier: MIT */
#include "bench/model/speculation.h"

#include "base/error.h"
#include "bench/model/model_work.h"

#include <math.h>
#include <stdlib.h>

enum { DEFAULT_DRAFT = 15 };

struct cn_speculation_source {
    struct cn_session *session;
    struct cn_model *draft_model;
    struct cn_session *draft;
    struct cn_speculator *speculator;
    struct cn_profiler *profiler;
    bool by_joules;
    struct cn_work told, draft_told;
    int64_t n_drafts, n_passes;
};

int32_t cn_speculation_n_logits(int32_t n_draft)
{
    return 2 * ((n_draft ? n_draft : DEFAULT_DRAFT) + 1);
}

static void phase(void *user, enum cn_speculate_phase phase, bool begins)
{
    struct cn_speculation_source *s = user;
    const bool draft = phase == CN_SPECULATE_DRAFT;
    const struct cn_session *session = draft && s->draft ? s->draft : s->session;
    struct cn_work *told = session == s->draft ? &s->draft_told : &s->told;
    if (!s->profiler)
        return;
    if (begins) {
        cn_session_work(session, told);
        cn_profiler_phase_begin(s->profiler, draft ? "draft" : "verify",
                                draft ? s->n_drafts++ : s->n_passes++);
    } else {
        cn_report_work(s->profiler, session, told);
        cn_profiler_phase_end(s->profiler);
    }
}

static double joules(void *user)
{
    return cn_profiler_joules_now(((struct cn_speculation_source *)user)->profiler);
}

static enum cn_status open_draft(struct cn_speculation_source *s,
                                 const struct cn_speculation_options *o, struct cn_error *err)
{
    const struct cn_model_options model = { .tiers = o->tiers };
    CN_TRY(cn_model_open(o->draft, &model, &s->draft_model, err));
    return cn_session_create(s->draft_model, &o->session, &s->draft, err);
}

enum cn_status cn_speculation_open(struct cn_session *session, struct cn_sampler *sampler,
                                   const struct cn_speculation_options *o,
                                   struct cn_speculation_source **source, struct cn_error *err)
{
    struct cn_speculation_source *s = calloc(1, sizeof *s);
    CN_RETURN_IF(!s, CN_ERR_MEMORY, err, "out of memory");
    s->session = session;
    s->profiler = o->profiler;
    s->by_joules = o->for_energy && o->profiler && isfinite(cn_profiler_joules_now(o->profiler));
    enum cn_status status = o->draft ? open_draft(s, o, err) : CN_OK;
    const struct cn_speculator_options options = { .draft = s->draft,
                                                   .lookup = o->lookup,
                                                   .nextn = o->nextn,
                                                   .n_draft = o->n_draft,
                                                   .cost = s->by_joules ? joules : NULL,
                                                   .phase = phase,
                                                   .user = s };
    if (status == CN_OK)
        status = cn_speculator_create(session, sampler, &options, &s->speculator, err);
    if (status != CN_OK) {
        cn_speculation_close(s);
        return status;
    }
    *source = s;
    return CN_OK;
}

void cn_speculation_close(struct cn_speculation_source *s)
{
    if (!s)
        return;
    cn_speculator_free(s->speculator);
    cn_session_free(s->draft);
    cn_model_close(s->draft_model);
    free(s);
}

struct cn_speculator *cn_speculation_speculator(struct cn_speculation_source *s)
{
    return s ? s->speculator : NULL;
}

bool cn_speculation_by_joules(const struct cn_speculation_source *s)
{
    return s->by_joules;
}

void cn_speculation_energy(const struct cn_profiler *profiler, size_t first, size_t n,
                           struct cn_energy *all, struct cn_energy *drafts)
{
    cn_profiler_total(profiler, 0, "draft,verify", first, n, all);
    cn_profiler_total(profiler, 0, "draft", first, n, drafts);
}
