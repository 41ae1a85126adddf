/* SPDX-License-Identifier: MIT */
#include "bench/report/report_words.h"

#include <math.h>

struct words {
    const char *verb, *higher, *lower; /* "needs", "more energy ...", "less energy ..." */
    const char *as;                    /* "as much energy ... as", behind a factor */
    const char *same, *in;             /* "the same energy ...", "in energy ..." */
};

static const struct words *words_of(enum cn_metric_kind kind)
{
    static const struct words words[] = {
        [CN_METRIC_PREFILL_TPS] = {"reads the prompt",  "faster",                          "slower",                      "as fast as",
                                   "as fast as",                                                                                                                                                     "in reading the prompt"          },
        [CN_METRIC_DECODE_TPS] = { "generates tokens", "faster",                          "slower",                      "as fast as",
                                   "as fast as",                                                                                                                                                     "in generating tokens"           },
        [CN_METRIC_TTFT] = { "takes",            "more time to the first token",
                                   "less time to the first token",                                                        "the time to the first token of",
                                   "the same time to the first token as",                                                                                                                            "in the time to the first token" },
        [CN_METRIC_LOAD] = { "takes",            "more time to load",               "less time to load",
                                   "the time to load of",                                                                                                      "the same time to load as",
                                   "in the time to load"                                                                                                                                                                              },
        [CN_METRIC_PEAK] = { "takes",            "more memory",                     "less memory",                 "the memory of",
                                   "the same memory as",                                                                                                                                             "in memory"                      },
        [CN_METRIC_DECODE_MS] = { "takes",            "more time per generated token",
                                   "less time per generated token",                                                       "the time per generated token of",
                                   "the same time per generated token as",                                                                                                                           "in the time per generated token"},
        [CN_METRIC_PREFILL_J] = { "needs",            "more energy per prompt token",
                                   "less energy per prompt token",                                                        "the energy per prompt token of",
                                   "the same energy per prompt token as",                                                                                                                            "in energy per prompt token"     },
        [CN_METRIC_DECODE_J] = { "needs",            "more energy per generated token",
                                   "less energy per generated token",                                                     "the energy per generated token of",
                                   "the same energy per generated token as",                                                                                                                         "in energy per generated token"  },
        [CN_METRIC_RUN_J] = { "needs",            "more energy for a whole run",     "less energy for a whole run",
                                   "the energy for a whole run of",                                                                                            "the same energy for a whole run as",
                                   "in energy for a whole run"                                                                                                                                                                        },
    };
    return &words[kind];
}

static void say_number(struct cn_say *t, double percent)
{
    double size = fabs(percent);
    cn_say(t, size < 0.095 ? "%.1g" : size < 9.95 ? "%.1f" : "%.0f", percent);
}

void cn_say_share(struct cn_say *t, double ratio)
{
    say_number(t, 100 * fabs(ratio - 1));
    cn_say(t, "%%");
}

/* "5.2 to 11%": of a change that goes one way, by how much it does; of others with signs. */
static void say_range(struct cn_say *t, double lo, double hi)
{
    double from = 100 * (lo - 1), to = 100 * (hi - 1);
    if (from >= 0 || to <= 0) {
        say_number(t, fmin(fabs(from), fabs(to)));
        cn_say(t, " to ");
        say_number(t, fmax(fabs(from), fabs(to)));
        cn_say(t, "%%");
        return;
    }
    cn_say(t, "\u2212");
    say_number(t, -from);
    cn_say(t, " to +");
    say_number(t, to);
    cn_say(t, "%%");
}

/* From here on a factor is easier to picture than a share. */
static bool is_factor(double ratio)
{
    return ratio >= 2 || ratio <= 0.5;
}

static void say_factor(struct cn_say *t, double ratio)
{
    cn_say(t, ratio < 0.995 ? "%.2f" : ratio < 99.5 ? "%.1f" : "%.0f", ratio);
}

static void say_size(struct cn_say *t, const struct words *w, const char *a,
                     const struct cn_tost *tost)
{
    double ratio = tost->estimate;
    if (is_factor(ratio)) {
        say_factor(t, ratio);
        cn_say(t, " times %s %s", w->as, a);
    } else {
        cn_say_share(t, ratio);
        cn_say(t, " %s than %s", ratio > 1 ? w->higher : w->lower, a);
    }
    if (isnan(tost->lo))
        return;
    cn_say(t, " (");
    if (is_factor(ratio)) {
        say_factor(t, tost->lo);
        cn_say(t, " to ");
        say_factor(t, tost->hi);
        cn_say(t, " times");
    } else {
        say_range(t, tost->lo, tost->hi);
    }
    cn_say(t, ")");
}

static void say_end(struct cn_say *t, const struct cn_comparison *c)
{
    cn_say(t, ", ");
    cn_say_p(t, "p", c->p_holm);
}

void cn_say_comparison(struct cn_say *t, struct cn_metric m, const char *a,
                       const struct cn_comparison *c, enum cn_verdict verdict)
{
    const struct words *w = words_of(m.kind);
    switch (verdict) {
    case CN_VERDICT_SAME:
        cn_say(t, " %s %s %s within %.0f%% (", w->verb, w->same, a, 100 * CN_COMPARE_MARGIN);
        say_range(t, c->tost.lo, c->tost.hi);
        cn_say(t, "), ");
        cn_say_p(t, "p", c->tost.p);
        cn_say(t, " for equivalence");
        return;
    case CN_VERDICT_TOO_FEW:
        cn_say(t, " cannot be told from %s %s: %zu pair%s too few (%d are needed)", a, w->in,
               c->of_a.n, c->of_a.n == 1 ? " is" : "s are", CN_COMPARE_MIN);
        return;
    case CN_VERDICT_OPEN:
        cn_say(t, " is not shown to differ from %s %s (", a, w->in);
        say_range(t, c->tost.lo, c->tost.hi);
        cn_say(t, ")");
        break;
    default:
        cn_say(t, " %s ", w->verb);
        say_size(t, w, a, &c->tost);
        break;
    }
    say_end(t, c);
}

void cn_say_quiet(struct cn_say *t, const char *what, size_t n_all,
                  const struct cn_comparison *quiet)
{
    size_t n = quiet->of_a.n, without = n_all - n;
    if (without == 0)
        return;
    cn_say(t, " %s%sithout the %zu of %zu pairs in which a run was disturbed: ", what,
           *what ? " w" : "W", without, n_all);
    if (n == 0) {
        cn_say(t, "nothing is left.");
        return;
    }
    if (n < CN_COMPARE_MIN) {
        cn_say(t, "%.3f times from %zu pair%s, too few for a test.", quiet->tost.estimate, n,
               n == 1 ? "" : "s");
        return;
    }
    cn_say(t, "%.3f times (%.3f to %.3f), ", quiet->tost.estimate, quiet->tost.lo, quiet->tost.hi);
    cn_say_p(t, "p", quiet->test.p);
    cn_say(t, " before correction, from %zu pairs.", n);
}
