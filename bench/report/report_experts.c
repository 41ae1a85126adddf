/* SPDX-License-Identifier: MIT
 *
 * The place of mixtures of experts among dense models.
 */
#include "bench/report/report_compare.h"
#include "bench/report/report_findings.h"

#include <math.h>
#include <stdlib.h>

/* Collects into a[] and b[] the values of two models in runs that share quantisation, setting
 * and block. Returns how many there are. */
static size_t model_pairs(const struct cn_report *r, int model_a, int model_b, struct cn_metric m,
                          double *a, double *b)
{
    size_t n = 0;
    for (int ga = 0; ga < r->n_groups; ga++)
        for (int gb = 0; gb < r->n_groups; gb++) {
            const struct cn_report_group *x = &r->groups[ga], *y = &r->groups[gb];
            const struct cn_report_file *fa = &r->files[x->file], *fb = &r->files[y->file];
            if (x->setting == y->setting && strcmp(fa->quant, fb->quant) == 0 &&
                strcmp(fa->model, r->files[model_a].model) == 0 &&
                strcmp(fb->model, r->files[model_b].model) == 0)
                n += cn_metric_pairs(r, ga, gb, m, a + n, b + n);
        }
    return n;
}

static void say_millions(struct cn_say *t, double n)
{
    cn_say(t, n >= 1e9 ? "%.2f G" : "%.1f M", n / (n >= 1e9 ? 1e9 : 1e6));
}

/* Holds one metric of a model with experts against that of each dense model. */
static int place_experts(struct cn_findings *j, int moe, struct cn_metric m)
{
    const struct cn_report *r = j->r;
    double *a = malloc(2 * (size_t)(r->n_runs + 1) * sizeof *a);
    struct cn_say s = { "" }, e = { "" };
    int n = 0;
    double x[8], y[8];
    if (!(j->ok = a))
        return 0;
    cn_say_metric(j->r, &s, m);
    cn_capital(&s);
    cn_say(&s, " of %s (", r->files[moe].model);
    say_millions(&s, r->files[moe].n_params);
    cn_say(&s, " parameters, ");
    say_millions(&s, r->files[moe].n_active_params);
    cn_say(&s, " active per token) is ");
    cn_say(&e, "Pairs of the same block, setting and quantisation");
    for (int f = 0; j->ok && f < r->n_files && n < 8; f++) {
        struct cn_comparison c = { 0 };
        if (r->files[f].experts || !cn_first_of_model(r, f) || !(r->files[f].n_params > 0))
            continue;
        size_t pairs = model_pairs(r, f, moe, m, a, a + r->n_runs);
        if (pairs < CN_COMPARE_MIN)
            continue;
        if (!(j->ok = cn_compare_pairs(a, a + r->n_runs, pairs, &c)))
            break;
        cn_say(&s, "%s%.2f times that of %s (", n ? ", " : "", c.tost.estimate, r->files[f].model);
        say_millions(&s, r->files[f].n_params);
        cn_say(&s, ", dense; 90%% interval %.2f to %.2f)", c.tost.lo, c.tost.hi);
        cn_say(&e, "%s against %s: n = %zu, Wilcoxon ", n ? ";" : ",", r->files[f].model, pairs);
        cn_say_p(&e, "p", c.test.p);
        cn_say(&e, ", r = %+.2f", c.test.effect);
        x[n] = log(r->files[f].n_params);
        y[n++] = -log(c.tost.estimate); /* the dense model's, by that of the experts */
    }
    free(a);
    if (!j->ok || n == 0)
        return 0;
    cn_say(&s, ".");
    if (n >= 2) {
        /* Log-log line through the two dense models on either side, or the two nearest. */
        int lo = 0, hi = 1;
        for (int i = 0; i < n; i++) {
            if (y[i] <= 0 && (y[lo] > 0 || y[i] > y[lo]))
                lo = i;
            if (y[i] > 0 && (y[hi] <= 0 || y[i] < y[hi] || hi == lo))
                hi = i;
        }
        double at = lo != hi ? x[lo] - y[lo] * (x[hi] - x[lo]) / (y[hi] - y[lo]) : (double)NAN;
        if (isfinite(at) && y[lo] <= 0 && y[hi] > 0) {
            cn_say(&s, " That is the place of a dense model of ");
            say_millions(&s, exp(at));
            cn_say(&s, " parameters.");
            cn_say(&e, "; the place is interpolated between two dense models on logarithmic axes, "
                       "without a test");
        }
    }
    cn_say(&e, ".");
    cn_tell(j, &s, &e);
    return n;
}

void cn_find_experts(struct cn_findings *j)
{
    const struct cn_report *r = j->r;
    int n_moe = 0, told = 0;
    for (int f = 0; j->ok && f < r->n_files; f++) {
        if (!r->files[f].experts || !cn_first_of_model(r, f))
            continue;
        n_moe++;
        told += place_experts(j, f, (struct cn_metric){ CN_METRIC_DECODE_MS, 0 });
        for (int s = 0; j->ok && s < r->n_sources; s++)
            place_experts(j, f, (struct cn_metric){ CN_METRIC_DECODE_J, s });
    }
    const char *what = "The place of mixtures of experts";
    if (n_moe == 0)
        cn_cannot(j, what, "No model of this study has experts.");
    else if (told == 0)
        cn_cannot(j, what,
                  "No dense model was measured in the same quantisation and setting in %d blocks.",
                  CN_COMPARE_MIN);
}
