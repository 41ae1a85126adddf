/* SPDX-License-Identifier: MIT
 *
 * Levers as a factor: guesses, and limits of the machine. What each does to the speed of decode and
 * to its joules, which need not be the same thing.
 */
#include "bench/report/report_compare.h"
#include "bench/report/report_findings.h"
#include "bench/report/report_words.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_LEVELS = 64 };

static bool same(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

/* Nothing but the lever differs. */
static bool same_but_lever(const struct cn_report_setting *a, const struct cn_report_setting *b)
{
    return a->device == b->device && strcmp(a->tiers, b->tiers) == 0 && strcmp(a->kv, b->kv) == 0 &&
           strcmp(a->prompt, b->prompt) == 0 && same(a->threads, b->threads) &&
           same(a->threads_prefill, b->threads_prefill) && same(a->input_length, b->input_length) &&
           same(a->output_length, b->output_length);
}

/* One metric of one lever, compared with none: pairs of one file and block. */
struct effect {
    struct cn_comparison c;
    double p; /* after Holm; NaN: too few pairs */
};

static bool compare(const struct cn_report *r, int none, int lever, struct cn_metric m,
                    double *room, struct effect *e)
{
    double *a = room, *b = room + r->n_runs;
    size_t n = 0;
    for (int f = 0; f < r->n_files; f++) {
        int ga = cn_report_group_of(r, f, none), gb = cn_report_group_of(r, f, lever);
        if (ga >= 0 && gb >= 0)
            n += cn_metric_pairs(r, ga, gb, m, a + n, b + n);
    }
    e->p = (double)NAN;
    if (n < CN_COMPARE_MIN)
        return true;
    if (!cn_compare_pairs(a, b, n, &e->c))
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
