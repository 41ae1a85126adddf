/* SPDX-License-Identifier: MIT
 *
 * What carnot run prints in all its forms: tokens as they come, joules, the answers of a trace.
 */
#include "cli/cli.h"
#include "cli/commands/run.h"

#include <math.h>
#include <stdlib.h>

bool cn_run_print(void *user, int32_t token, const char *text, size_t n)
{
    const struct cn_run *run = user;
    if (run->record)
        cn_run_record_token(run->record, token, text, n);
    if (run->ids) {
        if (token >= 0)
            printf("%d ", token);
    } else {
        fwrite(text, 1, n, stdout);
    }
    fflush(stdout);
    return cn_interrupted() || cn_result_lost();
}

void cn_run_say_drafts(const struct cn_generation *g)
{
    const struct cn_speculation *s = &g->speculation;
    if (s->n_passes == 0)
        return;
    cn_say(" | %.2f tokens a pass", (double)s->n_tokens / (double)s->n_passes);
    if (s->n_drafted > 0)
        cn_say(", %.0f%% of %lld drafted tokens kept, drafting %.0f%% of the time",
               100 * (double)s->n_accepted / (double)s->n_drafted, (long long)s->n_drafted,
               100 * s->draft_s / (s->draft_s + s->verify_s));
    else
        cn_say(", nothing drafted");
}

void cn_run_say_energy(const char *what, const struct cn_energy *e, int64_t n_tokens)
{
    if (e->status == CN_ENERGY_MEASURED || e->status == CN_ENERGY_MODELLED) {
        double per = 1 / (double)n_tokens;
        cn_say("%s %.4g J/token", what, e->joules * per);
        if (isfinite(e->uncertainty)) /* a model's is not known */
            cn_say(" ±%.2g", e->uncertainty * per);
        if (isfinite(e->joules_net))
            cn_say(" (net %.4g)", e->joules_net * per);
        if (e->status == CN_ENERGY_MODELLED)
            cn_say(" modelled");
    } else {
        cn_say("%s %s", what, cn_energy_status_name(e->status));
    }
}

void cn_run_say_meter(const struct cn_run *run)
{
    const struct cn_meter_info *meter = cn_profiler_channel(run->profiler, 0);
    if (meter->ok)
        cn_say(" [%s: %s]", meter->name, meter->boundary);
    cn_say(" | peak RSS %.1f MiB\n", (double)cn_peak_rss() / 1048576);
    if (!meter->ok)
        cn_say("carnot run: no energy: %s%s%s\n", meter->reason, meter->remedy[0] ? "; " : "",
               meter->remedy);
}

void cn_run_print_several(const struct cn_run *run, const struct cn_continuations *samples,
                          const char *prompt, uint64_t seed)
{
    for (int32_t i = 0; i < samples->n; i++) {
        const struct cn_continuation *s = &samples->each[i];
        if (!run->ids)
            printf("%s--- %d of %d, seed %llu\n%s", i > 0 ? "\n" : "", i + 1, samples->n,
                   (unsigned long long)seed + (unsigned long long)i, prompt ? prompt : "");
        for (int32_t t = 0; t < s->n; t++) {
            size_t n;
            const char *bytes = cn_token_bytes(run->model, s->tokens[t], false, &n);
            if (run->ids)
                printf("%d ", s->tokens[t]);
            else
                fwrite(bytes, 1, n, stdout);
        }
        fputc('\n', stdout);
    }
    fflush(stdout);
}

bool cn_run_keep_answer(struct cn_run *run, const struct cn_generation *g)
{
    struct cn_run_answer *answers =
        realloc(run->answers, (run->n_answers + 1) * sizeof *run->answers);
    if (!answers)
        return false;
    run->answers = answers;
    answers[run->n_answers++] =
        (struct cn_run_answer){ g->n_prompt,    g->n_kept,       g->n_generated, g->n_reasoning,
                                g->phases_from, g->reasoning_to, g->phases_to };
    struct cn_generation *sum = &run->sum;
    sum->n_prompt += g->n_prompt;
    sum->n_kept += g->n_kept;
    sum->n_generated += g->n_generated;
    sum->n_reasoning += g->n_reasoning;
    sum->prefill_s += g->prefill_s;
    sum->decode_s += g->decode_s;
    sum->sample_s += g->sample_s;
    sum->speculation.n_passes += g->speculation.n_passes;
    sum->speculation.n_tokens += g->speculation.n_tokens;
    sum->speculation.n_drafted += g->speculation.n_drafted;
    sum->speculation.n_accepted += g->speculation.n_accepted;
    sum->speculation.draft_s += g->speculation.draft_s;
    sum->speculation.verify_s += g->speculation.verify_s;
    run->n_decoded += g->n_generated > 0 ? g->n_generated - 1 : 0;
    return true;
}

/* A stretch of phases as members of an object: NAME_joules and NAME_status. */
static void print_joules(const struct cn_run *run, FILE *out, const char *name, size_t from,
                         size_t to)
{
    struct cn_energy e = { .joules = (double)NAN, .status = CN_ENERGY_UNRESOLVED };
    if (to > from)
        cn_profiler_total(run->profiler, 0, NULL, from, to - from, &e);
    fprintf(out, ",\"%s_joules\":", name);
    if (isfinite(e.joules))
        fprintf(out, "%.9g", e.joules);
    else
        fputs("null", out);
    fprintf(out, ",\"%s_status\":\"%s\"", name, cn_energy_status_name(e.status));
}

void cn_run_print_answers(const struct cn_run *run, FILE *out)
{
    for (size_t i = 0; i < run->n_answers; i++) {
        const struct cn_run_answer *a = &run->answers[i];
        fprintf(out,
                "{\"answer\":%zu,\"prompt_tokens\":%d,\"reused_tokens\":%d,"
                "\"generated_tokens\":%d,"
                "\"reasoning_tokens\":%d",
                i, a->n_prompt, a->n_kept, a->n_generated, a->n_reasoning);
        print_joules(run, out, "reasoning", a->phases_from, a->reasoning_to);
        print_joules(run, out, "answer", a->reasoning_to, a->phases_to);
        fputs("}\n", out);
    }
}
