/* SPDX-License-Identifier: MIT
 *
 * K against IQ at equal bits, and whether it is the format or the kernel.
 */
#include "bench/report/report_compare.h"
#include "bench/report/report_findings.h"
#include "bench/report/report_words.h"

#include <math.h>
#include <stdlib.h>

/* One word for what a higher or lower value means, in tables and counts. */
static const char *word(struct cn_metric m, bool higher)
{
    if (cn_metric_info(m.kind)->energy)
        return higher ? "dearer" : "cheaper";
    return cn_metric_info(m.kind)->higher ? higher ? "faster" : "slower"
           : higher                       ? "higher"
                                          : "lower";
}

/* So many comparisons at most are told one by one; more of them are counted. */
enum { FEW_COMPARISONS = 4 };

static void say_which(const struct cn_findings *j, struct cn_say *t, const struct cn_k_iq *c)
{
    const struct cn_report_file *a = &j->r->files[c->file_a], *b = &j->r->files[c->file_b];
    const char *setting = j->r->settings[c->setting].name;
    cn_say(t, "%s, %s (%.2f bits) against %s (%.2f bits)%s%s", b->model, b->quant, b->bpw, a->quant,
           a->bpw, cn_comma(setting), setting);
}

static void one_comparison(struct cn_findings *j, const struct cn_k_iq *x)
{
    struct cn_say s = { "" }, e = { "" };
    const struct cn_report_file *a = &j->r->files[x->file_a], *b = &j->r->files[x->file_b];
    const char *setting = j->r->settings[x->setting].name;
    cn_say(&s, "%s%s%s: %s", b->model, cn_comma(setting), setting, b->quant);
    cn_say_comparison(&s, x->metric, a->quant, &x->c, x->verdict);
    cn_say(&s, ", r = %+.2f.", x->c.test.effect);
    cn_say_metric(j->r, &e, x->metric);
    cn_capital(&e);
    cn_say(&e,
           ", %.2f against %.2f bits per weight. Wilcoxon signed-rank on %zu pairs, each from one "
           "block: W = %g, rank-biserial r = %+.2f, p after Holm over %zu comparison%s; the range "
           "is the 90%% interval of the ratio. TOST within %.0f%%: ",
           b->bpw, a->bpw, x->c.of_a.n, fmin(x->c.test.w_plus, x->c.test.w_minus), x->c.test.effect,
           x->c.n_tests, x->c.n_tests == 1 ? "" : "s", 100 * CN_COMPARE_MARGIN);
    cn_say_p(&e, "p", x->c.tost.p);
    cn_say(&e, ". Shapiro-Wilk on the differences of logarithms: ");
    cn_say_p(&e, "p", x->c.p_normal);
    cn_say(&e, ".");
    cn_say_quiet(&e, "", x->c.of_a.n, &x->quiet);
    cn_tell(j, &s, &e);
}

static void say_ratio(const struct cn_findings *j, struct cn_say *s, const struct cn_k_iq *x)
{
    cn_say(s, "%.2f (", x->c.tost.estimate);
    say_which(j, s, x);
    cn_say(s, "; 90%% interval %.2f to %.2f, ", x->c.tost.lo, x->c.tost.hi);
    cn_say_p(s, "p", x->c.p_holm);
    cn_say(s, ", r = %+.2f)", x->c.test.effect);
}

/* What is left of the verdicts without the pairs that hold a disturbed run. */
static void say_all_quiet(struct cn_say *e, const struct cn_k_iq *list, int n)
{
    size_t pairs = 0, quiet = 0;
    int turned = 0, few = 0;
    for (int i = 0; i < n; i++) {
        pairs += list[i].c.of_a.n;
        quiet += list[i].quiet.of_a.n;
        few += list[i].quiet.of_a.n < CN_COMPARE_MIN;
        turned += list[i].quiet.of_a.n &&
                  (list[i].quiet.tost.estimate > 1) != (list[i].c.tost.estimate > 1);
    }
    if (quiet == pairs)
        return;
    cn_say(
        e,
        " A run was disturbed in %zu of %zu pairs; without those the ratio goes the other way in "
        "%d of %d comparisons, and %d keep too few pairs for a test.",
        pairs - quiet, pairs, turned, n, few);
}

static void many_comparisons(struct cn_findings *j, const struct cn_k_iq *list, int n)
{
    struct cn_say s = { "" }, e = { "" };
    int count[CN_VERDICT_OPEN + 1] = { 0 }, least = -1, most = -1;
    size_t n_least = 0, n_most = 0;
    for (int i = 0; i < n; i++) {
        count[list[i].verdict]++;
        if (list[i].verdict == CN_VERDICT_TOO_FEW)
            continue;
        n_least = n_least && n_least < list[i].c.of_a.n ? n_least : list[i].c.of_a.n;
        n_most = n_most > list[i].c.of_a.n ? n_most : list[i].c.of_a.n;
        if (least < 0 || list[i].c.tost.estimate < list[least].c.tost.estimate)
            least = i;
        if (most < 0 || list[i].c.tost.estimate > list[most].c.tost.estimate)
            most = i;
    }
    struct cn_metric m = list[0].metric;
    static const struct {
        enum cn_verdict verdict;
        const char *text;
    } same[] = {
        {CN_VERDICT_SAME,  "the same within 5%"},
        { CN_VERDICT_OPEN, "undecided"         }
    };
    cn_say_metric(j->r, &s, m);
    cn_capital(&s);
    cn_say(&s, ": in %d comparisons IQ is", n - count[CN_VERDICT_TOO_FEW]);
    const char *comma = " ";
    for (int high = 0; high < 2; high++) {
        int k = count[high ? CN_VERDICT_HIGHER : CN_VERDICT_LOWER];
        if (k)
            cn_say(&s, "%s%s in %d", comma, word(m, high), k);
        comma = k ? ", " : comma;
    }
    for (int i = 0; i < 2; i++) {
        int k = count[same[i].verdict];
        if (k)
            cn_say(&s, "%s%s in %d", comma, same[i].text, k);
        comma = k ? ", " : comma;
    }
    cn_say(&s, ".");
    if (count[CN_VERDICT_SAME] == n - count[CN_VERDICT_TOO_FEW]) {
        cn_say(&s, " IQ / K is between %.3f and %.3f.", list[least].c.tost.estimate,
               list[most].c.tost.estimate);
    } else {
        cn_say(&s, " IQ / K goes from ");
        say_ratio(j, &s, &list[least]);
        cn_say(&s, " to ");
        say_ratio(j, &s, &list[most]);
        cn_say(&s, ".");
    }
    cn_say(&e, "Wilcoxon signed-rank, %zu", n_least);
    if (n_most > n_least)
        cn_say(&e, " to %zu", n_most);
    cn_say(&e,
           " pairs of one block each, p < 0.05 after Holm's correction; TOST on the ratio, margin "
           "%.0f%%. All are in the table of comparisons.",
           CN_COMPARE_MARGIN * 100);
    /* Holm's first p is multiplied by all of them. */
    const int n_tests = n - count[CN_VERDICT_TOO_FEW];
    if (n_tests > 1 && ldexp(2, -(int)n_most) * n_tests >= 0.05)
        cn_say(&e, " %zu pairs can show no difference among %d comparisons: more blocks would.",
               n_most, n_tests);
    say_all_quiet(&e, list, n);
    cn_tell(j, &s, &e);
}

static void table_row(struct cn_findings *j, const struct cn_k_iq *c)
{
    char label[160];
    struct cn_table *t = j->comparisons;
    const struct cn_report_file *a = &j->r->files[c->file_a], *b = &j->r->files[c->file_b];
    cn_table_row(t);
    cn_table_str(t, "metric", cn_metric_label(j->r, c->metric, label, sizeof label));
    cn_table_str(t, "model", b->model);
    cn_table_str(t, "iq", b->quant);
    cn_table_str(t, "k", a->quant);
    cn_table_f64(t, "iq_bpw", b->bpw);
    cn_table_f64(t, "k_bpw", a->bpw);
    cn_table_str(t, "setting", j->r->settings[c->setting].name);
    cn_table_i64(t, "n", (int64_t)c->c.of_a.n);
    cn_table_f64(t, "ratio", c->c.tost.estimate);
    cn_table_f64(t, "lo", c->c.tost.lo);
    cn_table_f64(t, "hi", c->c.tost.hi);
    cn_put_p(t, "p", c->c.p_holm);
    if (c->verdict != CN_VERDICT_TOO_FEW)
        cn_table_f64(t, "r", c->c.test.effect);
    cn_put_p(t, "p_tost", c->c.tost.p);
    bool different = c->verdict == CN_VERDICT_LOWER || c->verdict == CN_VERDICT_HIGHER;
    cn_table_str(t, "verdict",
                 different ? word(c->metric, c->verdict == CN_VERDICT_HIGHER)
                           : cn_verdict_name(c->verdict));
}

/* The metrics that K and IQ are compared in: speed, and the joules of each source. */
static int compared_metrics(const struct cn_report *r, struct cn_metric *metrics, int room)
{
    static const enum cn_metric_kind speed[] = { CN_METRIC_DECODE_TPS, CN_METRIC_PREFILL_TPS };
    static const enum cn_metric_kind joules[] = { CN_METRIC_DECODE_J, CN_METRIC_RUN_J };
    int n = 0;
    for (int i = 0; i < 2; i++)
        metrics[n++] = (struct cn_metric){ speed[i], 0 };
    for (int s = 0; s < r->n_sources; s++)
        for (int i = 0; i < 2 && n < room; i++) {
            struct cn_metric m = { joules[i], s };
            if (cn_report_has(r, m))
                metrics[n++] = m;
        }
    return n;
}

void cn_find_k_against_iq(struct cn_findings *j)
{
    struct cn_metric metrics[64];
    int n_metrics = compared_metrics(j->r, metrics, 64);
    int n_all = 0, n_enough = 0;
    for (int m = 0; j->ok && m < n_metrics; m++) {
        struct cn_k_iq *list;
        int n, enough = 0;
        if (!(j->ok = cn_compare_k_iq(j->r, metrics[m], &list, &n)))
            return;
        for (int i = 0; i < n; i++) {
            table_row(j, &list[i]);
            enough += list[i].verdict != CN_VERDICT_TOO_FEW;
        }
        for (int i = 0; i < n && enough <= FEW_COMPARISONS; i++)
            if (list[i].verdict != CN_VERDICT_TOO_FEW)
                one_comparison(j, &list[i]);
        if (enough > FEW_COMPARISONS)
            many_comparisons(j, list, n);
        n_all += n;
        n_enough += enough;
        free(list);
    }
    const char *what = "K against IQ at equal bits";
    if (n_all == 0)
        cn_cannot(j, what,
                  "No model was measured both in a K type and in an IQ type whose bits per weight "
                  "differ by less than %.0f%%.",
                  CN_COMPARE_BITS * 100);
    else if (n_enough == 0)
        cn_cannot(
            j, what,
            "There are fewer than %d blocks in which both types were measured: with so few pairs "
            "no difference can reach p < 0.05.",
            CN_COMPARE_MIN);
}

/* ---- format or kernel? ----------------------------------------------------------------------- */

/* Lists the settings that differ from `setting` in their tiers only, itself included. Returns
 * how many there are. */
static int tiers_beside(const struct cn_report *r, int setting, int *settings, int room)
{
    int n = 0;
    for (int s = 0; s < r->n_settings && n < room; s++)
        if (strcmp(r->settings[s].rest, r->settings[setting].rest) == 0)
            settings[n++] = s;
    return n;
}

enum { MAX_TIERS = 12 };

/* log(IQ / K) in every block for every tier, appended to x[*n_rows, n_tiers]; blocks that lack one
 * are left out. */
static bool ratios_by_tier(const struct cn_report *r, int k, int iq, const int *settings,
                           int n_tiers, struct cn_metric m, double **x, size_t *n_rows)
{
    int first = cn_report_group_of(r, iq, settings[0]);
    if (first < 0)
        return true;
    for (int i = 0; i < r->groups[first].n_runs; i++) {
        int64_t block = r->runs[r->groups[first].runs[i]].block;
        double row[MAX_TIERS];
        bool whole = true;
        for (int t = 0; t < n_tiers && whole; t++) {
            int ga = cn_report_group_of(r, k, settings[t]),
                gb = cn_report_group_of(r, iq, settings[t]);
            double a = (double)NAN, b = (double)NAN;
            for (int q = 0; ga >= 0 && q < r->groups[ga].n_runs; q++)
                if (r->runs[r->groups[ga].runs[q]].block == block)
                    a = cn_metric_of(r, r->groups[ga].runs[q], m);
            for (int q = 0; gb >= 0 && q < r->groups[gb].n_runs; q++)
                if (r->runs[r->groups[gb].runs[q]].block == block)
                    b = cn_metric_of(r, r->groups[gb].runs[q], m);
            row[t] = log(b / a);
            whole = isfinite(row[t]);
        }
        if (!whole)
            continue;
        double *more = realloc(*x, (*n_rows + 1) * (size_t)n_tiers * sizeof *more);
        if (!more)
            return false;
        *x = more;
        memcpy(more + *n_rows * (size_t)n_tiers, row, (size_t)n_tiers * sizeof *row);
        ++*n_rows;
    }
    return true;
}

static void tell_tiers(struct cn_findings *j, const int *settings, int n_tiers, struct cn_metric m,
                       const double *x, size_t n_rows)
{
    struct cn_say s = { "" }, e = { "" };
    struct cn_friedman f;
    double mean_ranks[MAX_TIERS], lowest = (double)INFINITY, highest = -(double)INFINITY;
    if (!(j->ok = cn_friedman(x, n_rows, (size_t)n_tiers, mean_ranks, &f)))
        return;
    cn_say_metric(j->r, &s, m);
    cn_capital(&s);
    cn_say(&s, ": IQ is at ");
    for (int t = 0; t < n_tiers; t++) {
        double *column = malloc(n_rows * sizeof *column);
        if (!(j->ok = column))
            return;
        for (size_t i = 0; i < n_rows; i++)
            column[i] = x[i * (size_t)n_tiers + (size_t)t];
        double ratio = exp(cn_median(column, n_rows));
        free(column);
        lowest = fmin(lowest, ratio);
        highest = fmax(highest, ratio);
        const char *tier = j->r->settings[settings[t]].tiers;
        cn_say(&s, "%s%.2f of K with the kernels %s", t ? ", " : "", ratio,
               *tier ? tier : "of all tiers");
    }
    const char *rest = j->r->settings[settings[0]].rest;
    cn_say(&s, "%s%s. ", cn_comma(rest), rest);
    if (f.p < 0.05 && highest / lowest > 1 + CN_COMPARE_MARGIN)
        cn_say(&s, "The same bytes, another ratio: this difference is the kernels', not the "
                   "format's.");
    else if (f.p < 0.05)
        cn_say(&s, "The kernels change the ratio, but by less than %.0f%%.",
               CN_COMPARE_MARGIN * 100);
    else
        cn_say(&s, "No dependence on the kernels is shown.");
    cn_say(&e,
           "Friedman's test of the ratio IQ / K over %d tiers in %zu blocks of pairs: chi2 = "
           "%.2f, ",
           n_tiers, n_rows, f.chi2);
    cn_say_p(&e, "p", f.p);
    cn_say(&e, ", Kendall's W = %.2f.", f.kendall_w);
    cn_tell(j, &s, &e);
}

void cn_find_format_or_kernel(struct cn_findings *j)
{
    const struct cn_report *r = j->r;
    const char *what = "Tiers as a factor: is it the format or the kernel?";
    struct cn_metric metrics[64];
    int n_metrics = compared_metrics(r, metrics, 64), told = 0, factors = 0;
    for (int s = 0; j->ok && s < r->n_settings; s++) {
        int settings[MAX_TIERS], n_tiers = tiers_beside(r, s, settings, MAX_TIERS);
        if (settings[0] != s || n_tiers < 2)
            continue;
        factors++;
        for (int m = 0; j->ok && m < n_metrics; m++) {
            double *x = NULL;
            size_t n_rows = 0;
            for (int f = 0; j->ok && f < r->n_files; f++) {
                int k = cn_compare_partner(r, f);
                if (k >= 0)
                    j->ok = ratios_by_tier(r, k, f, settings, n_tiers, metrics[m], &x, &n_rows);
            }
            if (j->ok && n_rows >= CN_COMPARE_MIN) {
                tell_tiers(j, settings, n_tiers, metrics[m], x, n_rows);
                told++;
            }
            free(x);
        }
    }
    if (!factors)
        cn_cannot(j, what,
                  "The plan has one choice of tiers only, so formats were met by one set of "
                  "kernels each.");
    else if (!told)
        cn_cannot(j, what, "Fewer than %d blocks hold both a K type and an IQ type in every tier.",
                  CN_COMPARE_MIN);
}
