/* SPDX-License-Identifier: MIT
 *
 * Depth as a factor: how many tokens stand before the one that is decoded. What that costs each
 * model, where the bytes go, and from where on a model that keeps fewer of them is the better one.
 */
#include "bench/report/report_compare.h"
#include "bench/report/report_findings.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_DEPTHS = 16 };

/* Settings that differ in the length of the prompt alone, by rising length. */
struct depths {
    int settings[MAX_DEPTHS], n;
};

static double depth_of(const struct cn_report *r, int setting)
{
    return r->settings[setting].input_length;
}

static bool same(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

static bool same_but_depth(const struct cn_report_setting *a, const struct cn_report_setting *b)
{
    return a->device == b->device && strcmp(a->tiers, b->tiers) == 0 && strcmp(a->kv, b->kv) == 0 &&
           strcmp(a->lever, b->lever) == 0 && strcmp(a->prompt, b->prompt) == 0 &&
           same(a->threads, b->threads) && same(a->threads_prefill, b->threads_prefill) &&
           same(a->output_length, b->output_length);
}

static struct depths depths_with(const struct cn_report *r, int setting)
{
    struct depths d = { .n = 0 };
    for (int i = 0; i < r->n_settings && d.n < MAX_DEPTHS; i++) {
        if (!isfinite(depth_of(r, i)) || !same_but_depth(&r->settings[i], &r->settings[setting]))
            continue;
        int at = d.n++;
        for (; at > 0 && depth_of(r, d.settings[at - 1]) > depth_of(r, i); at--)
            d.settings[at] = d.settings[at - 1];
        d.settings[at] = i;
    }
    return d;
}

/* The run that tells the bytes of a file in a setting: they are the same in all. NULL: none does.
 */
static const struct cn_report_run *bytes_of(const struct cn_report *r, int file, int setting)
{
    const int g = cn_report_group_of(r, file, setting);
    const struct cn_report_run *run = g < 0 ? NULL : &r->runs[r->groups[g].runs[0]];
    return run && isfinite(run->token_bytes) && isfinite(run->token_kv_bytes) &&
                   isfinite(run->token_state_bytes)
               ? run
               : NULL;
}

static double weights_of(const struct cn_report_run *run)
{
    return run->token_bytes - run->token_kv_bytes - run->token_state_bytes;
}

static double mib(double bytes)
{
    return bytes / (1 << 20);
}

static double median_at(const struct cn_report *r, int file, int setting, struct cn_metric m)
{
    const int g = cn_report_group_of(r, file, setting);
    return g < 0 ? (double)NAN : cn_metric_median(r, g, m);
}

/* Pairs of one block, a[n] and b[n], of two files in two settings. */
static size_t pairs_of(const struct cn_report *r, int file_a, int setting_a, int file_b,
                       int setting_b, struct cn_metric m, double *a, double *b)
{
    const int ga = cn_report_group_of(r, file_a, setting_a);
    const int gb = cn_report_group_of(r, file_b, setting_b);
    return ga < 0 || gb < 0 ? 0 : cn_metric_pairs(r, ga, gb, m, a, b);
}

static void put_rows(struct cn_findings *j, const struct depths *d, int file, struct cn_metric m)
{
    const struct cn_report *r = j->r;
    char label[160];
    for (int i = 0; i < d->n; i++) {
        const struct cn_report_run *run = bytes_of(r, file, d->settings[i]);
        const double median = median_at(r, file, d->settings[i], m);
        if (isnan(median))
            continue;
        cn_table_row(j->depths);
        cn_table_str(j->depths, "model", r->files[file].model);
        cn_table_str(j->depths, "quant", r->files[file].quant);
        cn_table_str(j->depths, "setting", r->settings[d->settings[i]].name);
        cn_table_f64(j->depths, "depth", depth_of(r, d->settings[i]));
        cn_table_f64(j->depths, "weights", run ? mib(weights_of(run)) : (double)NAN);
        cn_table_f64(j->depths, "kv", run ? mib(run->token_kv_bytes) : (double)NAN);
        cn_table_f64(j->depths, "state", run ? mib(run->token_state_bytes) : (double)NAN);
        cn_table_str(j->depths, "metric", cn_metric_label(r, m, label, sizeof label));
        cn_table_f64(j->depths, "median", median);
    }
}

/* The end of a sentence: what else was varied. */
static void say_family(const struct cn_report *r, struct cn_say *s, const struct depths *d)
{
    const struct cn_report_setting *of = &r->settings[d->settings[0]];
    if (r->n_settings > d->n)
        cn_say(s, ", %.0f thread%s, %s, KV %s, %s", of->threads_used,
               of->threads_used == 1 ? "" : "s", of->tiers, of->kv, of->prompt);
    cn_say(s, ".");
}

/* ". A token moves 1.21 times the bytes then: 700.0 MiB of weights, 128.0 of the KV cache, ..." */
static void say_bytes(const struct cn_report *r, struct cn_say *s, const struct depths *d, int file)
{
    const struct cn_report_run *first = bytes_of(r, file, d->settings[0]);
    const struct cn_report_run *last = bytes_of(r, file, d->settings[d->n - 1]);
    if (!first || !last)
        return;
    cn_say(s,
           ". A token moves %.2f times the bytes then: %.1f MiB of weights, %.1f of the KV cache, "
           "%.1f of states",
           last->token_bytes / first->token_bytes, mib(weights_of(last)), mib(last->token_kv_bytes),
           mib(last->token_state_bytes));
}

/* A file at its greatest depth against itself at the least. */
static bool tell_growth(struct cn_findings *j, const struct depths *d, int file, struct cn_metric m)
{
    const struct cn_report *r = j->r;
    const int least = d->settings[0], most = d->settings[d->n - 1];
    struct cn_say s = { "" }, e = { "" };
    struct cn_comparison c = { 0 };
    double *a = malloc(2 * (size_t)(r->n_runs + 1) * sizeof *a);
    size_t n = 0;
    if ((j->ok = a))
        n = pairs_of(r, file, least, file, most, m, a, a + r->n_runs);
    const bool enough = n >= CN_COMPARE_MIN;
    if (enough)
        j->ok = cn_compare_pairs(a, a + r->n_runs, n, &c);
    free(a);
    if (!j->ok || !enough)
        return false;
    cn_say_metric(r, &s, m);
    cn_capital(&s);
    cn_say(&s, " of %s at depth %.0f is %.2f times that at %.0f (90%% interval %.2f to %.2f)",
           r->files[file].name, depth_of(r, most), c.tost.estimate, depth_of(r, least), c.tost.lo,
           c.tost.hi);
    if (m.kind == CN_METRIC_DECODE_MS)
        say_bytes(r, &s, d, file);
    say_family(r, &s, d);
    cn_say(&e, "Pairs of one block: n = %zu, Wilcoxon ", n);
    cn_say_p(&e, "p", c.test.p);
    cn_say(&e, ", r = %+.2f%s.", c.test.effect,
           m.kind == CN_METRIC_DECODE_MS ? "; bytes are counted by the program, not measured" : "");
    cn_tell(j, &s, &e);
    return true;
}

/* ---- one model against another -----------------------------------------------------------------
 */

/* The file that reads most of a KV cache among those of the same type whose weights are as many
 * bytes for a token; -1 if it is `file` itself, or none. */
static int rival_of(const struct cn_report *r, const struct depths *d, int file)
{
    const int deepest = d->settings[d->n - 1];
    const struct cn_report_run *own = bytes_of(r, file, deepest);
    int rival = -1;
    double most = own ? own->token_kv_bytes : 0;
    for (int f = 0; own && f < r->n_files; f++) {
        const struct cn_report_run *run = bytes_of(r, f, deepest);
        if (!run || strcmp(r->files[f].quant, r->files[file].quant) != 0 ||
            fabs(log(weights_of(run) / weights_of(own))) > log1p(CN_COMPARE_BITS) ||
            run->token_kv_bytes <= most)
            continue;
        most = run->token_kv_bytes;
        rival = f;
    }
    return rival;
}

/* How a file stands to its rival at each depth. */
struct race {
    double lead[MAX_DEPTHS]; /* of the medians, as a logarithm: above 0 it is the better one */
    int side[MAX_DEPTHS]; /* 1: better, -1: worse, 0: the 90% interval of their ratio allows both */
    struct cn_comparison deepest;
};

static bool run_race(struct cn_findings *j, const struct depths *d, int file, int rival,
                     struct cn_metric m, struct race *race)
{
    const struct cn_report *r = j->r;
    const double sign = cn_metric_info(m.kind)->higher ? 1 : -1;
    double *a = malloc(2 * (size_t)(r->n_runs + 1) * sizeof *a);
    *race = (struct race){ .lead = { 0 } };
    j->ok = a;
    for (int i = 0; j->ok && i < d->n; i++) {
        const int at = d->settings[i];
        struct cn_comparison *c = &race->deepest;
        const size_t n = pairs_of(r, rival, at, file, at, m, a, a + r->n_runs);
        *c = (struct cn_comparison){ 0 };
        race->lead[i] = sign * log(median_at(r, file, at, m) / median_at(r, rival, at, m));
        if (n < CN_COMPARE_MIN || !isfinite(race->lead[i]))
            break;
        j->ok = cn_compare_pairs(a, a + r->n_runs, n, c);
        const double side = c->tost.lo > 1 ? sign : c->tost.hi < 1 ? -sign : 0;
        race->side[i] = (int)side;
    }
    free(a);
    return j->ok && race->deepest.of_a.n >= CN_COMPARE_MIN;
}

/* Where the lead changes hands for the last time, between two depths at which it is shown. */
static void say_place(const struct cn_report *r, struct cn_say *s, const struct depths *d,
                      const struct race *race)
{
    const double first = depth_of(r, d->settings[0]), deepest = depth_of(r, d->settings[d->n - 1]);
    int next = -1, n_shown = 0;
    for (int i = d->n - 1; i >= 0; i--) {
        n_shown += race->side[i] != 0;
        if (next >= 0 && race->side[i] == -race->side[next]) {
            const double x = depth_of(r, d->settings[i]), y = race->lead[i];
            const double place =
                x + (depth_of(r, d->settings[next]) - x) * y / (y - race->lead[next]);
            cn_say(s, "better %s a depth of about %.0f%s", y < 0 ? "from" : "up to", place,
                   y < 0 ? " on" : "");
            return;
        }
        if (race->side[i] != 0)
            next = i;
    }
    if (next < 0) {
        cn_say(s, "no difference is shown at depths from %.0f to %.0f", first, deepest);
        return;
    }
    cn_say(s, "%s at ", race->side[next] > 0 ? "better" : "worse");
    if (n_shown == d->n)
        cn_say(s, "every depth from %.0f to %.0f", first, deepest);
    else if (n_shown == d->n - next)
        cn_say(s, "%.0f%s, and no difference is shown below", depth_of(r, d->settings[next]),
               next < d->n - 1 ? " and deeper" : "");
    else
        cn_say(s, "%d of %d depths from %.0f to %.0f, and no difference is shown at the others",
               n_shown, d->n, first, deepest);
}

static bool tell_race(struct cn_findings *j, const struct depths *d, int file, int rival,
                      struct cn_metric m)
{
    const struct cn_report *r = j->r;
    const int deepest = d->settings[d->n - 1];
    struct cn_say s = { "" }, e = { "" };
    struct race race;
    if (!run_race(j, d, file, rival, m, &race))
        return false;
    const struct cn_comparison *c = &race.deepest;
    cn_say_metric(r, &s, m);
    cn_capital(&s);
    cn_say(&s, " of %s (%.1f MiB of weights for a token) against %s (%.1f): ", r->files[file].name,
           mib(weights_of(bytes_of(r, file, deepest))), r->files[rival].name,
           mib(weights_of(bytes_of(r, rival, deepest))));
    say_place(r, &s, d, &race);
    cn_say(&s, "; at %.0f it is at %.2f of that (90%% interval %.2f to %.2f)", depth_of(r, deepest),
           c->tost.estimate, c->tost.lo, c->tost.hi);
    say_family(r, &s, d);
    cn_say(&e,
           "A difference is shown where the 90%% interval of the ratio does not hold 1; a depth "
           "between two measured ones is interpolated between medians, without a test. At %.0f, "
           "pairs of one block: n = %zu, Wilcoxon ",
           depth_of(r, deepest), c->of_a.n);
    cn_say_p(&e, "p", c->test.p);
    cn_say(&e, ", r = %+.2f.", c->test.effect);
    cn_tell(j, &s, &e);
    return true;
}

/* Decode and prefill, in seconds and in the joules of each source. */
static bool tell_file(struct cn_findings *j, const struct depths *d, int file)
{
    static const enum cn_metric_kind kinds[] = { CN_METRIC_DECODE_MS, CN_METRIC_PREFILL_TPS,
                                                 CN_METRIC_DECODE_J, CN_METRIC_PREFILL_J };
    const int rival = rival_of(j->r, d, file);
    bool told = false;
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        const int n = cn_metric_info(kinds[k])->energy ? j->r->n_sources : 1;
        for (int source = 0; j->ok && source < n; source++) {
            const struct cn_metric m = { kinds[k], source };
            put_rows(j, d, file, m);
            told |= tell_growth(j, d, file, m);
            if (j->ok && rival >= 0)
                told |= tell_race(j, d, file, rival, m);
        }
    }
    return told;
}

/* Where the past was filled in, costs are those of its end: said of the deepest. */
static void tell_fill(struct cn_findings *j)
{
    const struct cn_report *r = j->r;
    struct cn_say s = { "" }, e = { "" };
    double most = 0, evaluated = 0;
    for (int g = 0; g < r->n_groups; g++) {
        const struct cn_report_run *run = &r->runs[r->groups[g].runs[0]];
        const double depth = depth_of(r, run->setting);
        if (run->input_tokens < depth && depth > most) {
            most = depth;
            evaluated = run->input_tokens;
        }
    }
    if (most <= 0)
        return;
    cn_say(&s,
           "Longer prompts were not evaluated whole: of %.0f tokens the last %.0f are the prefill.",
           most, evaluated);
    cn_say(&e, "What lies before them are the keys and values of the first tokens, over and over "
               "(the plan says fill): tokens cost what they cost at that depth, and what was "
               "written means nothing.");
    cn_tell(j, &s, &e);
}

void cn_find_depth(struct cn_findings *j)
{
    const struct cn_report *r = j->r;
    bool factor = false, told = false;
    for (int s = 0; j->ok && s < r->n_settings; s++) {
        const struct depths d = depths_with(r, s);
        if (d.n < 2 || d.settings[0] != s)
            continue;
        if (!factor)
            tell_fill(j);
        factor = true;
        for (int f = 0; j->ok && f < r->n_files; f++)
            told |= tell_file(j, &d, f);
    }
    if (factor && !told)
        cn_cannot(j, "What does a token cost at depth d?",
                  "Fewer than %d blocks hold the same file at both ends of the depths.",
                  CN_COMPARE_MIN);
}
