/* SPDX-License-Identifier: MIT
 *
 * Threads as a factor: how many are fastest, how many cheapest.
 */
#include "bench/report/report_compare.h"
#include "bench/report/report_findings.h"
#include "bench/report/report_words.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LEVELS = 32 };

static bool same(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

/* Nothing but the number of threads differs. */
static bool same_but_threads(const struct cn_report_setting *a, const struct cn_report_setting *b)
{
    return a->device == b->device && strcmp(a->tiers, b->tiers) == 0 && strcmp(a->kv, b->kv) == 0 &&
           strcmp(a->lever, b->lever) == 0 && strcmp(a->prompt, b->prompt) == 0 &&
           same(a->threads_prefill, b->threads_prefill) && same(a->input_length, b->input_length) &&
           same(a->output_length, b->output_length);
}

/* Pairs of the same file and block in two settings, into a[] and b[]. */
static size_t setting_pairs(const struct cn_report *r, int setting_a, int setting_b,
                            struct cn_metric m, double *a, double *b)
{
    size_t n = 0;
    for (int f = 0; f < r->n_files; f++) {
        int ga = cn_report_group_of(r, f, setting_a), gb = cn_report_group_of(r, f, setting_b);
        if (ga >= 0 && gb >= 0)
            n += cn_metric_pairs(r, ga, gb, m, a + n, b + n);
    }
    return n;
}

/* The level that is best in most files; -1 if the metric is unknown. */
static int best_level(const struct cn_report *r, const int *levels, int n_levels,
                      struct cn_metric m)
{
    int wins[MAX_LEVELS] = { 0 }, best = -1;
    for (int f = 0; f < r->n_files; f++) {
        int winner = -1;
        double value = (double)NAN;
        for (int i = 0; i < n_levels; i++) {
            int g = cn_report_group_of(r, f, levels[i]);
            double v = g < 0 ? (double)NAN : cn_metric_median(r, g, m);
            if (!isnan(v) &&
                (isnan(value) || (cn_metric_info(m.kind)->higher ? v > value : v < value))) {
                value = v;
                winner = i;
            }
        }
        if (winner >= 0)
            wins[winner]++;
    }
    for (int i = 0; i < n_levels; i++)
        if (wins[i] && (best < 0 || wins[i] > wins[best]))
            best = i;
    return best;
}

static void say_threads(struct cn_say *t, const struct cn_report_setting *s)
{
    cn_say(t, "%.0f thread%s", s->threads_used, s->threads_used == 1 ? "" : "s");
}

/* One metric: what every other number of threads gives of what the best one gives. */
static bool tell_level(struct cn_findings *j, const int *levels, int n_levels, struct cn_metric m)
{
    const struct cn_report *r = j->r;
    struct cn_say s = { "" }, e = { "" };
    int best = best_level(r, levels, n_levels, m), n = 0;
    double *a = calloc(2 * (size_t)r->n_runs + 1, sizeof *a), p[MAX_LEVELS];
    if (!(j->ok = a) || best < 0) {
        free(a);
        return false;
    }
    cn_say_metric(r, &s, m);
    cn_capital(&s);
    cn_say(&s, " is best with ");
    say_threads(&s, &r->settings[levels[best]]);
    cn_say(&e, "Pairs of one file and block, Wilcoxon signed-rank after Holm.");
    struct level {
        int setting;
        struct cn_comparison c, quiet;
    } *told = calloc((size_t)n_levels + 1, sizeof *told);
    struct cn_report calm = *r;
    calm.quiet_only = true;
    j->ok = told != NULL;
    for (int i = 0; j->ok && i < n_levels; i++) {
        size_t pairs =
            i == best ? 0 : setting_pairs(r, levels[best], levels[i], m, a, a + r->n_runs);
        if (pairs < CN_COMPARE_MIN)
            continue;
        told[n].setting = levels[i];
        j->ok = cn_compare_pairs(a, a + r->n_runs, pairs, &told[n].c);
        pairs = setting_pairs(&calm, levels[best], levels[i], m, a, a + r->n_runs);
        j->ok = j->ok && cn_compare_pairs(a, a + r->n_runs, pairs, &told[n].quiet);
        p[n] = told[n].c.test.p;
        n++;
    }
    free(a);
    j->ok = j->ok && cn_holm(p, (size_t)n);
    for (int i = 0; j->ok && i < n; i++) {
        const struct cn_comparison *c = &told[i].c;
        cn_say(&s, i ? "; " : ". Of that, ");
        say_threads(&s, &r->settings[told[i].setting]);
        cn_say(&s, ": %.2f (90%% interval %.2f to %.2f, ", c->tost.estimate, c->tost.lo,
               c->tost.hi);
        cn_say_p(&s, "p", p[i]);
        cn_say(&s, ", r = %+.2f)", c->test.effect);
        if (told[i].quiet.of_a.n < c->of_a.n) {
            cn_say(&e, " ");
            say_threads(&e, &r->settings[told[i].setting]);
            cn_say(&e, ":");
            cn_say_quiet(&e, "", c->of_a.n, &told[i].quiet);
        }
    }
    free(told);
    const char *rest = r->settings[levels[best]].tiers;
    cn_say(&s, "%s%s.", cn_comma(rest), rest);
    if (j->ok && n)
        cn_tell(j, &s, &e);
    return n > 0;
}

void cn_find_threads(struct cn_findings *j)
{
    const struct cn_report *r = j->r;
    bool factor = false, told = false;
    for (int s = 0; j->ok && s < r->n_settings; s++) {
        int levels[MAX_LEVELS], n = 0;
        for (int i = 0; i < r->n_settings && n < MAX_LEVELS; i++)
            if (same_but_threads(&r->settings[i], &r->settings[s]))
                levels[n++] = i;
        if (levels[0] != s || n < 2)
            continue;
        factor = true;
        told |= tell_level(j, levels, n, (struct cn_metric){ CN_METRIC_DECODE_TPS, 0 });
        if (j->ok)
            told |= tell_level(j, levels, n, (struct cn_metric){ CN_METRIC_PREFILL_TPS, 0 });
        for (int source = 0; j->ok && source < r->n_sources; source++)
            told |= tell_level(j, levels, n, (struct cn_metric){ CN_METRIC_DECODE_J, source });
    }
    if (factor && !told)
        cn_cannot(j, "How many threads are best?",
                  "Fewer than %d blocks hold the same file with both numbers of threads.",
                  CN_COMPARE_MIN);
}
