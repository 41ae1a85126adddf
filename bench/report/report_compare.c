/* SPDX-License-Identifier: MIT */
#include "bench/report/report_compare.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *cn_verdict_name(enum cn_verdict v)
{
    static const char *const names[] = { "too few pairs", "lower", "higher", "the same",
                                         "undecided" };
    return names[v];
}

static bool is_iq(const char *quant)
{
    return strncmp(quant, "IQ", 2) == 0 && isdigit((unsigned char)quant[2]);
}

static bool is_k(const char *quant)
{
    return quant[0] == 'Q' && isdigit((unsigned char)quant[1]) && strncmp(quant + 2, "_K", 2) == 0;
}

int cn_compare_partner(const struct cn_report *r, int iq)
{
    const struct cn_report_file *b = &r->files[iq];
    int best = -1;
    double best_distance = (double)INFINITY;
    if (!is_iq(b->quant))
        return -1;
    for (int f = 0; f < r->n_files; f++) {
        const struct cn_report_file *a = &r->files[f];
        double distance = fabs(log(a->bpw / b->bpw));
        if (strcmp(a->model, b->model) != 0 || !is_k(a->quant) ||
            !(distance < log(1 + CN_COMPARE_BITS)))
            continue;
        if (a->quant[1] != b->quant[2])
            distance += 1; /* behind all with the digit */
        if (distance < best_distance) {
            best = f;
            best_distance = distance;
        }
    }
    return best;
}

bool cn_compare_pairs(double *a, double *b, size_t n, struct cn_comparison *c)
{
    /* Ratios that are equal but for their last bits are ties. The tests against the margins have
     * hardly any ties, and their p is to be the one that `carnot compare` prints. */
    const struct cn_rank_options of_ratios = { .digits = 12 }, of_margins = { 0 };
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (a[i] > 0 && b[i] > 0) {
            a[kept] = a[i];
            b[kept++] = b[i];
        }
    double *logs = calloc(2 * kept + 1, sizeof *logs), *sorted = calloc(2 * kept + 1, sizeof *logs);
    bool ok = logs && sorted;
    for (size_t i = 0; ok && i < kept; i++) {
        logs[i] = log(a[i]);
        logs[kept + i] = log(b[i]);
        sorted[i] = a[i];
        sorted[kept + i] = b[i];
    }
    ok = ok && cn_wilcoxon(logs, logs + kept, kept, &of_ratios, &c->test);
    if (ok) {
        c->paired = true;
        c->n_tests = 1;
        c->p_holm = c->test.p;
        c->lo_a = c->hi_a = c->lo_b = c->hi_b = (double)NAN;
        cn_summarise(sorted, kept, &c->of_a);
        cn_summarise(sorted + kept, kept, &c->of_b);
        ok = cn_comparison_equivalence(c, a, b, CN_COMPARE_MARGIN, &of_margins);
        if (isnan(c->tost.estimate) && kept) /* one pair has a ratio and no interval */
            c->tost.estimate = c->of_b.median / c->of_a.median;
    }
    free(sorted);
    free(logs);
    return ok;
}

enum cn_verdict cn_compare_judge(const struct cn_comparison *c)
{
    return c->of_a.n < CN_COMPARE_MIN ? CN_VERDICT_TOO_FEW
           : c->tost.p < 0.05         ? CN_VERDICT_SAME
           : !(c->p_holm < 0.05)      ? CN_VERDICT_OPEN
           : c->test.effect > 0       ? CN_VERDICT_HIGHER
                                      : CN_VERDICT_LOWER;
}

/* Holm's correction over the list, then a verdict on each. */
static bool judge(struct cn_k_iq *list, int n)
{
    double *p = malloc(((size_t)n + 1) * sizeof *p);
    size_t n_tests = 0;
    if (!p)
        return false;
    for (int i = 0; i < n; i++) {
        bool enough = list[i].c.of_a.n >= CN_COMPARE_MIN;
        p[i] = enough ? list[i].c.test.p : (double)NAN;
        n_tests += enough;
    }
    bool ok = cn_holm(p, (size_t)n);
    for (int i = 0; i < n; i++) {
        struct cn_comparison *c = &list[i].c;
        c->p_holm = p[i];
        c->n_tests = n_tests;
        list[i].verdict = cn_compare_judge(c);
    }
    free(p);
    return ok;
}

/* Compares in one setting, if both files ran there; *n grows. */
static bool compare_in(const struct cn_report *r, int k, int iq, int setting, struct cn_metric m,
                       struct cn_k_iq *list, int *n)
{
    int ga = cn_report_group_of(r, k, setting), gb = cn_report_group_of(r, iq, setting);
    if (ga < 0 || gb < 0)
        return true;
    size_t room = (size_t)r->groups[ga].n_runs;
    double *a = calloc(2 * room, sizeof *a);
    if (!a)
        return false;
    struct cn_k_iq *x = &list[*n];
    *x = (struct cn_k_iq){ .file_a = k, .file_b = iq, .setting = setting, .metric = m };
    x->c.metric = cn_metric_info(m.kind)->name;
    x->c.per = r->settings[setting].name;
    x->c.a = r->files[k].quant;
    x->c.b = r->files[iq].quant;
    size_t pairs = cn_metric_pairs(r, ga, gb, m, a, a + room);
    bool ok = cn_compare_pairs(a, a + room, pairs, &x->c);
    struct cn_report quiet = *r;
    quiet.quiet_only = true;
    pairs = cn_metric_pairs(&quiet, ga, gb, m, a, a + room);
    ok = ok && cn_compare_pairs(a, a + room, pairs, &x->quiet);
    *n += x->c.of_a.n > 0;
    free(a);
    return ok;
}

bool cn_compare_k_iq(const struct cn_report *r, struct cn_metric m, struct cn_k_iq **out, int *n)
{
    size_t room = (size_t)r->n_groups + 1; /* each IQ group is compared once at most */
    struct cn_k_iq *list = malloc(room * sizeof *list);
    *n = 0;
    bool ok = list;
    for (int g = 0; ok && g < r->n_groups; g++) {
        int k = cn_compare_partner(r, r->groups[g].file);
        if (k >= 0)
            ok = compare_in(r, k, r->groups[g].file, r->groups[g].setting, m, list, n);
    }
    ok = ok && judge(list, *n);
    if (ok)
        *out = list;
    else
        free(list);
    return ok;
}
