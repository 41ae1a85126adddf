/* SPDX-License-Identifier: MIT
 *
 * What stands first on the page of a study: the question that its plan asks, one picture, and three
 * sentences that answer it for a reader who knows nothing of the field. The chapters below hold the
 * rest.
 *
 * The question follows from what the plan varied: K against IQ at equal bits, else tiers, threads,
 * types of one model, models; else what the one configuration there is costs.
 */
#include "bench/report/report_front.h"
#include "bench/report/report_words.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_QUESTION = 400 };

/* Two sides of a contrast: files in a setting, or settings with all their files. */
struct contrast {
    int file_a, file_b;       /* -1: all, pair by pair */
    int setting_a, setting_b; /* the same where files are held against each other */
    char a[200], b[200];      /* what they are called */
    char where[320]; /* "dense-8m, 2 threads: ", where there are several models or settings */
    int n_rivals;    /* how many contrasts it was picked from, by its outcome */
};

/* The first lines of the plan, if they are a comment: what it asks, in its author's words. As many
 * sentences as there is room for. */
static void find_question(const char *plan, char *text, size_t n_bytes)
{
    size_t used = 0, whole = 0;
    while (*plan == '#' && used + 2 < n_bytes) {
        size_t n = strcspn(plan, "\n");
        const char *at = plan + 1, *end = plan + n;
        while (at < end && *at == ' ')
            at++;
        if (at == end)
            break;
        if (used)
            text[used++] = ' ';
        for (; at < end && used + 1 < n_bytes; at++) {
            text[used++] = *at;
            bool stop = *at == '.' || *at == '?';
            if (stop && (at + 1 == end || at[1] == ' '))
                whole = used;
        }
        plan = *end ? end + 1 : end;
    }
    text[whole] = 0;
}

/* The source of joules that sentences speak of: the first that was measured, else the first. -1:
 * none. */
static int best_source(const struct cn_report *r)
{
    int best = -1;
    for (int s = 0; s < r->n_sources; s++)
        if (cn_report_has(r, (struct cn_metric){ CN_METRIC_DECODE_J, s }) &&
            (best < 0 || (r->sources[best].modelled && !r->sources[s].modelled)))
            best = s;
    return best;
}

/* ---- comparing the two sides ----------------------------------------------------------------- */

static size_t pairs_of(const struct cn_report *r, const struct contrast *x, struct cn_metric m,
                       double *a, double *b)
{
    size_t n = 0;
    for (int f = 0; f < r->n_files; f++) {
        if (x->file_a >= 0 && f != x->file_a)
            continue;
        int ga = cn_report_group_of(r, f, x->setting_a),
            gb = cn_report_group_of(r, x->file_b >= 0 ? x->file_b : f, x->setting_b);
        if (ga >= 0 && gb >= 0)
            n += cn_metric_pairs(r, ga, gb, m, a + n, b + n);
    }
    return n;
}

/* False if out of memory. Without any pair c->of_a.n is 0. */
static bool compare(const struct cn_report *r, const struct contrast *x, struct cn_metric m,
                    struct cn_comparison *c)
{
    double *a = malloc(2 * ((size_t)r->n_runs + 1) * sizeof *a);
    *c = (struct cn_comparison){ 0 };
    if (!a)
        return false;
    size_t n = pairs_of(r, x, m, a, a + r->n_runs + 1);
    bool ok = cn_compare_pairs(a, a + r->n_runs + 1, n, c);
    free(a);
    if (x->n_rivals > 1)
        c->p_holm = fmin(1, c->p_holm * x->n_rivals);
    return ok;
}

/* ---- which two ------------------------------------------------------------------------------- */

/* The setting in which a file was measured that decodes it fastest; -1: none. */
static int fastest_setting(const struct cn_report *r, int file)
{
    int best = -1;
    double most = -1;
    for (int g = 0; g < r->n_groups; g++) {
        double v = cn_metric_median(r, g, (struct cn_metric){ CN_METRIC_DECODE_TPS, 0 });
        if (r->groups[g].file == file && v > most) {
            most = v;
            best = r->groups[g].setting;
        }
    }
    return best;
}

/* The K and the IQ type that were compared in the most pairs; of those, the ones nearest the bits
 * in which most models are used. False if there are none, or out of memory (*ok). */
static bool pick_k_iq(const struct cn_report *r, struct cn_metric m, struct contrast *x,
                      struct cn_k_iq *found, bool *ok)
{
    const double usual = 4.9;
    struct cn_k_iq *list, *best = NULL;
    int n;
    if (!(*ok = cn_compare_k_iq(r, m, &list, &n)))
        return false;
    for (int i = 0; i < n; i++) {
        double distance = fabs(r->files[list[i].file_b].bpw - usual),
               least = best ? fabs(r->files[best->file_b].bpw - usual) : 0;
        if (!best || list[i].c.of_a.n > best->c.of_a.n ||
            (list[i].c.of_a.n == best->c.of_a.n && distance < least))
            best = &list[i];
    }
    if (best) {
        bool models = cn_several_models(r);
        const char *setting = r->settings[best->setting].name;
        *found = *best;
        *x = (struct contrast){ .file_a = best->file_a,
                                .file_b = best->file_b,
                                .setting_a = best->setting,
                                .setting_b = best->setting };
        snprintf(x->a, sizeof x->a, "%s", r->files[best->file_a].quant);
        snprintf(x->b, sizeof x->b, "%s", r->files[best->file_b].quant);
        if (models || *setting)
            snprintf(x->where, sizeof x->where,
                     "%s%s%s: ", models ? r->files[best->file_b].model : "",
                     models && *setting ? ", " : "", setting);
    }
    free(list);
    return best != NULL;
}

/* Over all files, the median of a metric in a setting. */
static double middle_of(const struct cn_report *r, int setting, struct cn_metric m)
{
    double *x = malloc(((size_t)r->n_groups + 1) * sizeof *x), middle = (double)NAN;
    size_t n = 0;
    for (int g = 0; x && g < r->n_groups; g++) {
        double v = r->groups[g].setting == setting ? cn_metric_median(r, g, m) : (double)NAN;
        if (isfinite(v))
            x[n++] = v;
    }
    if (n)
        middle = cn_median(x, n);
    free(x);
    return middle;
}

/* The cheapest setting against the dearest one. */
static bool pick_settings(const struct cn_report *r, struct cn_metric m, struct contrast *x)
{
    int least = -1, most = -1, n = 0;
    for (int s = 0; s < r->n_settings; s++) {
        double v = middle_of(r, s, m);
        if (isnan(v))
            continue;
        n++;
        if (least < 0 || v < middle_of(r, least, m))
            least = s;
        if (most < 0 || v > middle_of(r, most, m))
            most = s;
    }
    if (n < 2)
        return false;
    *x = (struct contrast){ .file_a = -1,
                            .file_b = -1,
                            .setting_a = most,
                            .setting_b = least,
                            .n_rivals = n * (n - 1) / 2 };
    snprintf(x->a, sizeof x->a, "one with %s", r->settings[most].name);
    snprintf(x->b, sizeof x->b, "A run with %s", r->settings[least].name);
    return true;
}

/* The cheapest file against the one of most bytes, in the setting that is fastest for that. */
static bool pick_files(const struct cn_report *r, struct cn_metric m, struct contrast *x)
{
    int large = -1, cheap = -1, n = 0;
    for (int f = 0; f < r->n_files; f++) {
        if (fastest_setting(r, f) < 0)
            continue;
        if (large < 0 || r->files[f].tensor_bytes > r->files[large].tensor_bytes)
            large = f;
    }
    int setting = large < 0 ? -1 : fastest_setting(r, large);
    double least = (double)INFINITY;
    for (int f = 0; f < r->n_files; f++) {
        int g = cn_report_group_of(r, f, setting);
        double v = g < 0 ? (double)NAN : cn_metric_median(r, g, m);
        n += !isnan(v);
        if (v < least) {
            least = v;
            cheap = f;
        }
    }
    if (cheap < 0 || cheap == large)
        return false;
    *x = (struct contrast){ .file_a = large,
                            .file_b = cheap,
                            .setting_a = setting,
                            .setting_b = setting,
                            .n_rivals = n - 1 };
    const bool models = cn_several_models(r);
    snprintf(x->a, sizeof x->a, "%s", models ? r->files[large].name : r->files[large].quant);
    snprintf(x->b, sizeof x->b, "%s", models ? r->files[cheap].name : r->files[cheap].quant);
    return true;
}

/* ---- the sentences --------------------------------------------------------------------------- */

static double middle_memory(const struct cn_report *r, int file, int setting)
{
    int g = cn_report_group_of(r, file, setting);
    return g < 0 ? (double)NAN : cn_metric_median(r, g, (struct cn_metric){ CN_METRIC_PEAK, 0 });
}

/* "; it saves 11% of memory" */
static void say_memory(const struct cn_report *r, struct cn_say *s, const struct contrast *x)
{
    if (x->file_a < 0)
        return;
    double ratio =
        middle_memory(r, x->file_b, x->setting_b) / middle_memory(r, x->file_a, x->setting_a);
    if (isnan(ratio) || fabs(ratio - 1) < 0.005)
        return;
    cn_say(s, ratio < 1 ? "; it saves " : "; it takes ");
    cn_say_share(s, ratio);
    cn_say(s, ratio < 1 ? " of memory" : " more memory");
}

/* "; its perplexity (prose.txt) is 27.1 instead of 26.3, where less is better" */
static void say_quality(const struct cn_report *r, struct cn_say *s, const struct contrast *x,
                        const struct cn_quality_axis *axis)
{
    double lo, hi, a, b;
    if (!axis || x->file_a < 0)
        return;
    a = cn_quality_of(r, x->file_a, axis, &lo, &hi);
    b = cn_quality_of(r, x->file_b, axis, &lo, &hi);
    if (isnan(a) || isnan(b))
        return;
    if (*s->s)
        cn_say(s, "; its ");
    else
        cn_say(s, "Its ");
    cn_say(s, "%s is %.4g instead of %.4g, where %s is better", axis->name, b, a,
           axis->kind == CN_QUALITY_ACCURACY ? "more" : "less");
}

/* The p of a K and an IQ type as the chapter of findings has it: after Holm over all of them. NaN
 * if they were not compared. False if out of memory. */
static bool p_of_pair(const struct cn_report *r, const struct cn_k_iq *pair, struct cn_metric m,
                      double *p)
{
    struct cn_k_iq *list;
    int n;
    *p = (double)NAN;
    if (!cn_compare_k_iq(r, m, &list, &n))
        return false;
    for (int i = 0; i < n; i++)
        if (list[i].file_a == pair->file_a && list[i].file_b == pair->file_b &&
            list[i].setting == pair->setting)
            *p = list[i].c.p_holm;
    free(list);
    return true;
}

/* A sentence about a metric of the two, without its stop, and in `calm` what is left of it without
 * disturbed runs. False if out of memory. */
static bool say_contrast(const struct cn_report *r, const struct contrast *x, struct cn_metric m,
                         const struct cn_k_iq *pair, struct cn_say *s, struct cn_say *calm)
{
    struct cn_comparison c, quiet;
    struct cn_report undisturbed = *r;
    undisturbed.quiet_only = true;
    if (!compare(r, x, m, &c) || !compare(&undisturbed, x, m, &quiet))
        return false;
    if (pair && !p_of_pair(r, pair, m, &c.p_holm))
        return false;
    if (c.of_a.n == 0)
        return true;
    cn_say(s, "%s", x->b);
    cn_say_comparison(s, m, x->a, &c, cn_compare_judge(&c));
    if (cn_metric_info(m.kind)->energy && r->sources[m.source].modelled)
        cn_say(s, " (modelled, not measured)");
    struct cn_say what = { "" };
    cn_say(&what, "%s", cn_metric_info(m.kind)->name);
    cn_capital(&what);
    cn_say_quiet(calm, what.s, c.of_a.n, &quiet);
    return true;
}

static void say_value(const struct cn_report *r, struct cn_say *s, int group, struct cn_metric m,
                      bool *ok)
{
    struct cn_summary sum;
    *ok = *ok && cn_metric_summary(r, group, m, &sum);
    if (!*ok || sum.n == 0)
        return;
    cn_say(s, "%.4g %s", sum.median, cn_metric_unit(r, m.kind));
    if (!isnan(sum.lo))
        cn_say(s, " (%.4g to %.4g)", sum.lo, sum.hi);
}

/* There is one configuration: what it costs. */
static bool tell_one(struct cn_report *r, int source)
{
    struct cn_say s = { "" };
    bool ok = true;
    if (r->n_groups == 0) {
        cn_page_lead(r->page, "No run is done yet, so nothing can be said.");
        return true;
    }
    cn_say(&s, "%s generates ", r->files[r->groups[0].file].name);
    say_value(r, &s, 0, (struct cn_metric){ CN_METRIC_DECODE_TPS, 0 }, &ok);
    if (source >= 0) {
        cn_say(&s, " and needs ");
        say_value(r, &s, 0, (struct cn_metric){ CN_METRIC_DECODE_J, source }, &ok);
        cn_say(&s, "%s", r->sources[source].modelled ? ", modelled" : "");
    }
    cn_say(&s, ".");
    cn_page_lead(r->page, "%s", s.s);
    return ok;
}

/* The ratio of the two with each choice of kernels, where the plan varied nothing else: whether it
 * is the format that makes it, or the kernel. *told: there were several. False if out of memory. */
static bool tell_kernels(struct cn_report *r, const struct contrast *x, struct cn_metric m,
                         bool *told)
{
    struct cn_say s = { "" };
    struct cn_tost least = { .estimate = (double)INFINITY }, most = { .estimate = 0 };
    int n = 0;
    for (int t = 0; t < r->n_settings; t++) {
        struct contrast other = *x;
        struct cn_comparison c;
        other.setting_a = other.setting_b = t;
        if (strcmp(r->settings[t].rest, r->settings[x->setting_a].rest) != 0)
            continue;
        if (!compare(r, &other, m, &c))
            return false;
        if (c.of_a.n < CN_COMPARE_MIN)
            continue;
        cn_say(&s, "%s%.2f with the kernels of %s", n++ ? ", " : "", c.tost.estimate,
               *r->settings[t].tiers ? r->settings[t].tiers : "all tiers");
        least = c.tost.estimate < least.estimate ? c.tost : least;
        most = c.tost.estimate > most.estimate ? c.tost : most;
    }
    *told = n > 1;
    if (n < 2)
        return true;
    bool kernels = least.hi < most.lo && most.estimate / least.estimate > 1 + CN_COMPARE_MARGIN;
    cn_page_lead(r->page, "%s / %s is %s in %s: %s.", x->b, x->a, s.s, cn_metric_info(m.kind)->name,
                 kernels
                     ? "the bytes are the same, so that the kernels make this difference and not "
                       "the format"
                     : "the kernels are not shown to matter");
    return true;
}

/* What all comparisons of K and IQ say, where the sentence before told one of them. */
static bool tell_others(struct cn_report *r, struct cn_metric m, bool *told)
{
    struct cn_k_iq *list;
    int n, higher = 0, lower = 0, same = 0, open = 0;
    if (!cn_compare_k_iq(r, m, &list, &n))
        return false;
    for (int i = 0; i < n; i++) {
        higher += list[i].verdict == CN_VERDICT_HIGHER;
        lower += list[i].verdict == CN_VERDICT_LOWER;
        same += list[i].verdict == CN_VERDICT_SAME;
        open += list[i].verdict == CN_VERDICT_OPEN;
    }
    free(list);
    const bool energy = cn_metric_info(m.kind)->energy;
    const struct {
        int n;
        const char *what;
    } counts[] = {
        {energy ? higher : lower,  energy ? "dearer" : "slower" },
        { energy ? lower : higher, energy ? "cheaper" : "faster"},
        { same,                    "the same within 5%"         },
        { open,                    "neither for certain"        }
    };
    struct cn_say s = { "" };
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        if (counts[i].n)
            cn_say(&s, "%s%s in %d", *s.s ? ", " : "", counts[i].what, counts[i].n);
    int judged = higher + lower + same + open;
    *told = judged > 1;
    if (*told)
        cn_page_lead(r->page, "It is one of %d such pairs here, and the IQ type is %s.", judged,
                     s.s);
    return true;
}

/* Configurations that nothing beats in cost and quality: the ends of the line in the picture. */
static void tell_front(struct cn_report *r, int source, const struct cn_quality_axis *axis)
{
    struct cn_metric cost = cn_front_cost(source);
    int cheap = -1, good = -1;
    double lo, hi, least = (double)INFINITY, best = (double)NAN;
    if (!axis)
        return;
    bool higher = axis->kind == CN_QUALITY_ACCURACY;
    for (int g = 0; g < r->n_groups; g++) {
        double c = cn_metric_median(r, g, cost),
               q = cn_quality_of(r, r->groups[g].file, axis, &lo, &hi);
        if (isnan(c) || isnan(q))
            continue;
        if (c < least) {
            least = c;
            cheap = g;
        }
        if (isnan(best) || (higher ? q > best : q < best)) {
            best = q;
            good = g;
        }
    }
    if (cheap < 0 || r->groups[cheap].file == r->groups[good].file)
        return;
    const struct cn_report_file *a = &r->files[r->groups[cheap].file],
                                *b = &r->files[r->groups[good].file];
    const bool models = cn_several_models(r);
    double times = cn_metric_median(r, good, cost) / least;
    cn_page_lead(r->page,
                 "Cheapest of all is %s, best is %s, which costs %.2g times the %s per token; the "
                 "line in the picture joins what is worth choosing in between.",
                 models ? a->name : a->quant, models ? b->name : b->quant, times,
                 source >= 0 ? "energy" : "time");
}

static bool tell_contrast(struct cn_report *r, const struct contrast *x, int source,
                          const struct cn_quality_axis *axis, const struct cn_k_iq *pair)
{
    struct cn_say cost = { "" }, second = { "" }, calm = { "" };
    const struct cn_metric speed = { CN_METRIC_DECODE_TPS, 0 },
                           first = source >= 0 ? cn_front_cost(source) : speed;
    bool told = false;
    if (!say_contrast(r, x, first, pair, &cost, &calm))
        return false;
    if (*cost.s) {
        say_memory(r, &cost, x);
        cn_page_lead(r->page, "%s%s.", x->where, cost.s);
    }
    if (source >= 0 && !say_contrast(r, x, speed, pair, &second, &calm))
        return false;
    say_quality(r, &second, x, axis);
    if (*second.s)
        cn_page_lead(r->page, "%s.", second.s);
    bool ok = !pair || tell_kernels(r, x, first, &told);
    if (ok && pair && !told)
        ok = tell_others(r, first, &told);
    if (!told)
        tell_front(r, source, axis);
    if (source < 0) {
        const char *reason = r->n_runs ? r->runs[0].energy_reason : "";
        cn_page_note(r->page,
                     "What that means in energy is not known: no joules were measured%s%s.",
                     *reason ? ", " : "", reason);
    }
    if (*calm.s)
        cn_page_note(r->page, "%s", calm.s + 1);
    return ok;
}

bool cn_report_opening(struct cn_report *r)
{
    struct cn_quality_axis *axes;
    struct contrast x;
    struct cn_k_iq pair;
    char question[MOST_QUESTION], what[512];
    int n_axes, source = best_source(r);
    bool ok = true;
    if (!cn_quality_axes(r, &axes, &n_axes))
        return false;
    const struct cn_quality_axis *axis = cn_front_quality(r, axes, n_axes);
    struct cn_metric cost = cn_front_cost(source);
    struct cn_metric k_iq = source >= 0 ? cost : (struct cn_metric){ CN_METRIC_DECODE_TPS, 0 };
    cn_page_section(r->page, "answer", "In short");
    find_question(r->study.plan, question, sizeof question);
    if (*question)
        cn_page_note(r->page, "The plan asks: \u201c%s\u201d", question);
    int n_disturbed = cn_report_disturbed(r, what, sizeof what);
    if (n_disturbed)
        cn_page_warning(r->page,
                        "%d of %d runs were disturbed (%s): what follows rests on them too.",
                        n_disturbed, r->n_runs, what);
    bool told = true;
    if (!cn_front_picture(r, axis, source))
        ok = false;
    else if (pick_k_iq(r, k_iq, &x, &pair, &ok))
        ok = tell_contrast(r, &x, source, axis, &pair);
    else if (ok && (pick_settings(r, cost, &x) || pick_files(r, cost, &x)))
        ok = tell_contrast(r, &x, source, axis, NULL);
    else if (ok)
        told = false;
    if (!told)
        ok = tell_one(r, source);
    else if (ok)
        cn_page_note(
            r->page,
            "In brackets: the range in which the true figure lies in 90 of 100 such "
            "studies. p: how often chance alone makes such a difference (Wilcoxon's test on "
            "pairs of one block, corrected for all comparisons that this one was picked "
            "from). All else stands in the chapters below.");
    free(axes);
    return ok;
}
