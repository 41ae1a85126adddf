/* SPDX-License-Identifier: MIT */
#include "bench/report_compare.h"

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
    double best_distance = INFINITY;
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

bool cn_compare_pairs(const double *a, const double *b, size_t n, struct cn_comparison *c)
{
    const struct cn_rank_options options = { .digits = 12 };
    double *logs = calloc(2 * n + 1, sizeof *logs);
    if (!logs)
        return false;
    c->n = n;
    for (size_t i = 0; i < n; i++) {
        logs[i] = log(a[i]);
        logs[n + i] = log(b[i]);
    }
    bool ok = cn_wilcoxon(logs, logs + n, n, &options, &c->wilcoxon);
    cn_tost_paired(a, b, n, CN_SCALE_RATIO, CN_COMPARE_MARGIN, &c->tost);
    c->p = n < CN_COMPARE_MIN ? (double)NAN : c->wilcoxon.p;
    free(logs);
    return ok;
}

bool cn_compare_judge(struct cn_comparison *list, int n)
{
    double *p = malloc(((size_t)n + 1) * sizeof *p);
    if (!p)
        return false;
    for (int i = 0; i < n; i++)
        p[i] = list[i].p;
    bool ok = cn_holm(p, (size_t)n);
    for (int i = 0; i < n; i++) {
        struct cn_comparison *c = &list[i];
        bool same = c->tost.p < 0.05, different = p[i] < 0.05;
        c->p = p[i];
        c->small = same && different;
        c->verdict = c->n < CN_COMPARE_MIN    ? CN_VERDICT_TOO_FEW
                     : same                   ? CN_VERDICT_SAME
                     : !different             ? CN_VERDICT_OPEN
                     : c->wilcoxon.effect > 0 ? CN_VERDICT_HIGHER
                                              : CN_VERDICT_LOWER;
    }
    free(p);
    return ok;
}

/* Compares in one setting, if both files ran there; *n grows. */
static bool compare_in(const struct cn_report *r, int k, int iq, int setting, struct cn_metric m,
                       struct cn_comparison *list, int *n)
{
    int ga = cn_report_group_of(r, k, setting), gb = cn_report_group_of(r, iq, setting);
    if (ga < 0 || gb < 0)
        return true;
    size_t room = (size_t)r->groups[ga].n_runs;
    double *a = malloc(2 * room * sizeof *a);
    if (!a)
        return false;
    struct cn_comparison *c = &list[*n];
    *c = (struct cn_comparison){ .file_a = k, .file_b = iq, .setting = setting, .metric = m };
    size_t pairs = cn_metric_pairs(r, ga, gb, m, a, a + room), kept = 0;
    for (size_t i = 0; i < pairs; i++)
        if (a[i] > 0 && a[room + i] > 0) {
            a[kept] = a[i];
            a[room + kept++] = a[room + i];
        }
    bool ok = cn_compare_pairs(a, a + room, kept, c);
    *n += kept > 0;
    free(a);
    return ok;
}

bool cn_compare_k_iq(const struct cn_report *r, struct cn_metric m, struct cn_comparison **out,
                     int *n)
{
    size_t room = (size_t)r->n_groups + 1; /* each IQ group is compared once at most */
    struct cn_comparison *list = malloc(room * sizeof *list);
    *n = 0;
    bool ok = list;
    for (int g = 0; ok && g < r->n_groups; g++) {
        int k = cn_compare_partner(r, r->groups[g].file);
        if (k >= 0)
            ok = compare_in(r, k, r->groups[g].file, r->groups[g].setting, m, list, n);
    }
    ok = ok && cn_compare_judge(list, *n);
    if (ok)
        *out = list;
    else
        free(list);
    return ok;
}
