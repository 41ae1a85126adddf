/* SPDX-License-Identifier: MIT
 *
 * Threads and levers as factors: how many threads are fastest, how many cheapest; and what guesses
 * and limits of the machine do to the speed of decode and to its joules, which need not be the
 * same.
 */
#include "bench/report/report_compare.h"
#include "bench/report/report_findings.h"
#include "bench/report/report_words.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LEVELS = 64 };

/* ---- threads --------------------------------------------------------------------------------- */

static bool same(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

/* Nothing differs but the number of threads and the lever. */
static bool same_otherwise(const struct cn_report_setting *a, const struct cn_report_setting *b)
{
    return a->device == b->device && strcmp(a->tiers, b->tiers) == 0 && strcmp(a->kv, b->kv) == 0 &&
           strcmp(a->prompt, b->prompt) == 0 && same(a->threads_prefill, b->threads_prefill) &&
           same(a->input_length, b->input_length) && same(a->output_length, b->output_length);
}

static bool same_but_threads(const struct cn_report_setting *a, const struct cn_report_setting *b)
{
    return same_otherwise(a, b) && strcmp(a->lever, b->lever) == 0;
}

static bool same_but_lever(const struct cn_report_setting *a, const struct cn_report_setting *b)
{
    return same_otherwise(a, b) && same(a->threads, b->threads);
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

/* ---- levers ---------------------------------------------------------------------------------- */

/* One metric of one lever, compared with none: pairs of one file and block. */
struct effect {
    struct cn_comparison c;
    double p; /* after Holm; NaN: too few pairs */
};

static bool compare(const struct cn_report *r, int none, int lever, struct cn_metric m,
                    double *room, struct effect *e)
{
    const size_t n = setting_pairs(r, none, lever, m, room, room + r->n_runs);
    e->p = (double)NAN;
    if (n < CN_COMPARE_MIN)
        return true;
    if (!cn_compare_pairs(room, room + r->n_runs, n, &e->c))
        return false;
    e->p = e->c.test.p;
    return true;
}

/* The p values of one metric over all levers, corrected for their number. */
static bool correct(struct effect *effects, int n)
{
    double p[MAX_LEVELS];
    int k = 0;
    for (int i = 0; i < n; i++)
        if (!isnan(effects[i].p))
            p[k++] = effects[i].p;
    if (!cn_holm(p, (size_t)k))
        return false;
    k = 0;
    for (int i = 0; i < n; i++)
        if (!isnan(effects[i].p))
            effects[i].p = p[k++];
    return true;
}

/* +1: the lever makes it better; -1: worse; 0: cannot be told. */
static int direction(const struct effect *e, bool higher_is_better)
{
    if (isnan(e->p) || e->p >= 0.05)
        return 0;
    return (e->c.tost.estimate > 1) == higher_is_better ? 1 : -1;
}

/* What a lever does to seconds and joules, in a few words. */
static const char *verdict(int time, int energy, bool metered)
{
    static const char *const words[3][3] = {
        {"costs seconds and joules",                                     "costs seconds; joules cannot be told apart",
         "costs seconds and saves joules"                                                                                                                          },
        { "costs joules; seconds cannot be told apart",
         "neither seconds nor joules can be told apart",                                                               "saves joules; seconds cannot be told apart"},
        { "saves seconds, and costs joules: faster is not cheaper here",
         "saves only seconds: joules cannot be told apart",                                                            "saves seconds and joules"                  },
    };
    static const char *const alone[3] = { "costs seconds", "seconds cannot be told apart",
                                          "saves seconds" };
    return metered ? words[time + 1][energy + 1] : alone[time + 1];
}

static void say_effect(struct cn_say *s, const char *what, const struct effect *e)
{
    cn_say(s, "%.2f times the %s (90%% interval %.2f to %.2f, ", e->c.tost.estimate, what,
           e->c.tost.lo, e->c.tost.hi);
    cn_say_p(s, "p", e->p);
    cn_say(s, ")");
}

/* All levers beside none, in one setting otherwise; the joules of one source (-1: of none). */
static bool tell_levers(struct cn_findings *j, int none, const int *levers, int n, int source)
{
    const struct cn_report *r = j->r;
    struct effect *time = calloc(2 * (size_t)n, sizeof *time), *energy = time + n;
    double *room = calloc(2 * (size_t)r->n_runs + 1, sizeof *room);
    bool told = false;
    j->ok = time && room;
    for (int i = 0; j->ok && i < n; i++) {
        j->ok = compare(r, none, levers[i], (struct cn_metric){ CN_METRIC_DECODE_TPS, 0 }, room,
                        &time[i]);
        energy[i].p = (double)NAN;
        if (j->ok && source >= 0)
            j->ok = compare(r, none, levers[i], (struct cn_metric){ CN_METRIC_DECODE_J, source },
                            room, &energy[i]);
    }
    j->ok = j->ok && correct(time, n) && correct(energy, n);
    for (int i = 0; j->ok && i < n; i++) {
        struct cn_say s = { "" }, e = { "" };
        if (isnan(time[i].p))
            continue;
        const bool metered = !isnan(energy[i].p);
        cn_say(&s, "%s %s: ", r->settings[levers[i]].lever,
               verdict(direction(&time[i], true), direction(&energy[i], false), metered));
        say_effect(&s, "tokens/s", &time[i]);
        if (metered) {
            cn_say(&s, ", ");
            say_effect(&s, "J/token", &energy[i]);
        }
        cn_say(&s, ", beside none");
        if (source > 0 || r->n_sources > 1)
            cn_say(&s, ", by %s", source >= 0 ? r->sources[source].name : "no meter");
        cn_say(&s, ".");
        cn_say(&e, "Pairs of one file and block, Wilcoxon signed-rank after Holm over the levers. "
                   "Tokens are those that were kept.");
        cn_capital(&s);
        cn_tell(j, &s, &e);
        told = true;
    }
    free(time);
    free(room);
    return told;
}

void cn_find_levers(struct cn_findings *j)
{
    const struct cn_report *r = j->r;
    bool factor = false, told = false;
    for (int none = 0; j->ok && none < r->n_settings; none++) {
        int levers[MAX_LEVELS], n = 0;
        if (*r->settings[none].lever)
            continue;
        for (int i = 0; i < r->n_settings && n < MAX_LEVELS; i++)
            if (i != none && same_but_lever(&r->settings[i], &r->settings[none]))
                levers[n++] = i;
        if (n == 0)
            continue;
        factor = true;
        for (int source = r->n_sources ? 0 : -1; j->ok && source < r->n_sources; source++)
            told |= tell_levers(j, none, levers, n, source);
    }
    if (factor && !told)
        cn_cannot(j, "Which lever saves joules, which only seconds?",
                  "Fewer than %d blocks hold the same file with a lever and without one.",
                  CN_COMPARE_MIN);
}
