/* SPDX-License-Identifier: MIT
 *
 * What speculation gains on models of random weights, whose drafts are never right: a share of the
 * drafted tokens is kept all the same.
 *
 *   forced_drafts MODEL DRAFT KEPT [TOKENS [REPS [THREADS]]]
 *
 * Decodes TOKENS (64) tokens plainly and with drafts, REPS (3) times in turns, where a drafted
 * token is kept with probability KEPT (0.7). Prints both speeds, what costs of passes and drafts
 * came out, and what they predict: the tokens of a pass by what it costs with its draft.
 */
#include "base/clock.h"
#include "base/rng.h"
#include "bench/stats/stats.h"
#include "engine/run/speculate.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { MAX_REPS = 64, N_PROMPT = 32 };

struct chance {
    struct cn_rng rng;
    double kept;
};

static bool keep(void *user, int32_t i)
{
    struct chance *c = user;
    (void)i;
    return cn_rng_uniform(&c->rng) < c->kept;
}

static void need(enum cn_status status, const struct cn_error *err)
{
    if (status == CN_OK)
        return;
    fprintf(stderr, "forced_drafts: %s\n", err->text);
    exit(1);
}

static struct cn_session *open_session(const char *path, int32_t n_logits, int32_t n_ctx,
                                       int32_t threads, struct cn_model **model)
{
    const struct cn_session_options o = { .n_ctx = n_ctx,
                                          .n_logits = n_logits,
                                          .n_threads = threads };
    struct cn_session *s = NULL;
    struct cn_error err = { "" };
    need(cn_model_open(path, NULL, model, &err), &err);
    need(cn_session_create(*model, &o, &s, &err), &err);
    return s;
}

static double plainly(struct cn_session *s, struct cn_sampler *sampler, const int32_t *prompt,
                      int32_t n)
{
    struct cn_error err = { "" };
    int32_t kept;
    need(cn_session_prompt(s, prompt, N_PROMPT, &kept, &err), &err);
    int32_t token = cn_sampler_sample(sampler, cn_session_logits(s, 0));
    const double t0 = cn_seconds();
    for (int32_t i = 0; i < n; i++) {
        need(cn_session_eval(s, &token, 1, CN_WANT_LAST, &err), &err);
        token = cn_sampler_sample(sampler, cn_session_logits(s, 0));
    }
    return n / (cn_seconds() - t0);
}

static double with_drafts(struct cn_speculator *sp, const int32_t *prompt, int32_t n)
{
    struct cn_error err = { "" };
    int32_t tokens[CN_SPECULATE_MOST + 1], got, kept;
    need(cn_speculator_prompt(sp, prompt, N_PROMPT, &kept, &err), &err);
    need(cn_speculator_next(sp, tokens, 1, &got, &err), &err);
    const double t0 = cn_seconds();
    for (int32_t done = 0, room; done < n; done += got) {
        room = n - done < CN_SPECULATE_MOST + 1 ? n - done : CN_SPECULATE_MOST + 1;
        need(cn_speculator_next(sp, tokens, room, &got, &err), &err);
    }
    return n / (cn_seconds() - t0);
}

/* The costs that were measured, and the speed that they predict for the best length. */
static double predict(const struct cn_draft_length *l, double kept)
{
    double most = 0;
    int32_t best = 0;
    printf("pass over n tokens, ms:");
    for (int32_t n = 1; n <= 16; n++)
        printf(" %d: %.1f%s", n, 1e3 * cn_draft_length_pass_cost(l, n), l->pass[n].n ? "" : "?");
    printf("\na drafted token, ms: %.2f\n", 1e3 * l->token.mean);
    for (int32_t n = 0; n <= 15; n++) {
        const double tokens = kept < 1 ? (1 - pow(kept, n + 1)) / (1 - kept) : n + 1;
        const double tps = tokens / (cn_draft_length_pass_cost(l, n + 1) + n * l->token.mean);
        if (tps > most) {
            most = tps;
            best = n;
        }
    }
    printf("predicted: %.2f tokens/s with %d drafted\n", most, best);
    return most;
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: forced_drafts MODEL DRAFT KEPT [TOKENS [REPS [THREADS]]]\n");
        return 2;
    }
    const struct cn_sampler_options greedy = { .top_p = 1, .repeat_penalty = 1 };
    struct chance chance = { { 1 }, atof(argv[3]) };
    const int32_t n = argc > 4 ? atoi(argv[4]) : 64;
    const int reps = argc > 5 ? atoi(argv[5]) : 3, threads = argc > 6 ? atoi(argv[6]) : 0;
    struct cn_model *model, *draft_model;
    struct cn_error err = { "" };
    struct cn_session *s = open_session(argv[1], 32, N_PROMPT + n + 1, threads, &model);
    struct cn_session *draft = open_session(argv[2], 1, N_PROMPT + n + 1, threads, &draft_model);
    struct cn_sampler *sampler = NULL;
    struct cn_speculator *sp = NULL;
    struct cn_speculation told;
    double plain[MAX_REPS], drafted[MAX_REPS];
    int32_t prompt[N_PROMPT];
    if (n < 1 || reps < 1 || reps > MAX_REPS)
        return 2;
    for (int32_t i = 0; i < N_PROMPT; i++)
        prompt[i] = 10 + i * 7;
    need(cn_sampler_create(model, &greedy, &sampler, &err), &err);
    const struct cn_speculator_options o = { .draft = draft };
    need(cn_speculator_create(s, sampler, &o, &sp, &err), &err);
    sp->force = keep;
    sp->force_user = &chance;
    with_drafts(sp, prompt, n); /* learns the costs */
    for (int i = 0; i < reps; i++) {
        plain[i] = plainly(s, sampler, prompt, n);
        drafted[i] = with_drafts(sp, prompt, n);
    }
    cn_speculator_told(sp, &told);
    const double a = cn_median(plain, (size_t)reps), b = cn_median(drafted, (size_t)reps);
    const double predicted = predict(&sp->length, chance.kept);
    printf("plain %.2f tokens/s, with drafts %.2f: %.2f times; of what is predicted %.2f\n", a, b,
           b / a, b / predicted);
    printf("%.2f tokens a pass, %.0f%% of the drafted kept, drafting %.0f%% of the time\n",
           (double)told.n_tokens / (double)told.n_passes,
           100 * (double)told.n_accepted / (double)told.n_drafted,
           100 * told.draft_s / (told.draft_s + told.verify_s));
    cn_speculator_free(sp);
    cn_sampler_free(sampler);
    cn_session_free(draft);
    cn_session_free(s);
    cn_model_close(draft_model);
    cn_model_close(model);
    return 0;
}
