/* SPDX-License-Identifier: MIT
 *
 * A large model in few bits, or a small one in many: which is better in the same bytes.
 */
#include "bench/report/report_findings.h"

#include <math.h>
#include <stdlib.h>

enum bytes { STORED, READ, N_BYTES };

static double bytes_of(const struct cn_report_file *f, enum bytes which)
{
    return which == STORED ? f->tensor_bytes : f->decode_bytes;
}

static bool better(const struct cn_quality_axis *axis, double a, double b)
{
    return axis->kind == CN_QUALITY_ACCURACY ? a > b : a < b;
}

static bool of_model(const struct cn_report *r, int file, int first)
{
    return file < r->n_files && strcmp(r->files[file].model, r->files[first].model) == 0;
}

/* The best file of a model (that of file `first`) that takes no more bytes; -1: none. */
static int best_within(const struct cn_report *r, int first, enum bytes which, double bytes,
                       const struct cn_quality_axis *axis)
{
    int best = -1;
    double lo, hi, best_v = (double)NAN;
    for (int f = first; of_model(r, f, first); f++) {
        double v = cn_quality_of(r, f, axis, &lo, &hi);
        if (!(bytes_of(&r->files[f], which) <= bytes) || isnan(v) ||
            (best >= 0 && !better(axis, v, best_v)))
            continue;
        best = f;
        best_v = v;
    }
    return best;
}

static void say_file(const struct cn_report *r, struct cn_say *s, int file, enum bytes which)
{
    const struct cn_report_file *f = &r->files[file];
    cn_say(s, "%s (%.2f bits, %.1f MiB%s)", f->quant, f->bpw, bytes_of(f, which) / (1 << 20),
           which == READ ? " a token" : "");
}

static void put_row(struct cn_findings *j, int file, int rival, enum bytes which,
                    const struct cn_quality_axis *axis)
{
    const struct cn_report_file *a = &j->r->files[file], *b = &j->r->files[rival];
    struct cn_table *t = j->sizes;
    double lo, hi, va = cn_quality_of(j->r, file, axis, &lo, &hi),
                   vb = cn_quality_of(j->r, rival, axis, &lo, &hi);
    cn_table_row(t);
    cn_table_str(t, "bytes", which == STORED ? "stored" : "read a token");
    cn_table_str(t, "model", a->model);
    cn_table_str(t, "quant", a->quant);
    cn_table_f64(t, "bpw", a->bpw);
    cn_table_f64(t, "mib", bytes_of(a, which) / (1 << 20));
    cn_table_f64(t, "quality", va);
    cn_table_str(t, "rival", b->model);
    cn_table_str(t, "rival_quant", b->quant);
    cn_table_f64(t, "rival_bpw", b->bpw);
    cn_table_f64(t, "rival_mib", bytes_of(b, which) / (1 << 20));
    cn_table_f64(t, "rival_quality", vb);
    cn_table_str(t, "better", better(axis, va, vb) ? a->model : b->model);
}

/* Every file of `large` against the best of `small` that takes no more bytes. Files come by falling
 * bits. How many met a rival. */
static int contest(struct cn_findings *j, int large, int small, enum bytes which,
                   const struct cn_quality_axis *axis)
{
    const struct cn_report *r = j->r;
    struct cn_say s = { "" }, e = { "" };
    int n = 0, won = 0, last_won = -1, first_lost = -1, rival_there = -1, won_below = 0;
    for (int f = large; of_model(r, f, large); f++) {
        double lo, hi, v = cn_quality_of(r, f, axis, &lo, &hi);
        int rival = best_within(r, small, which, bytes_of(&r->files[f], which), axis);
        if (rival < 0 || isnan(v))
            continue;
        n++;
        put_row(j, f, rival, which, axis);
        if (better(axis, v, cn_quality_of(r, rival, axis, &lo, &hi))) {
            won++;
            won_below += first_lost >= 0;
            last_won = first_lost < 0 ? f : last_won;
        } else if (first_lost < 0) {
            first_lost = f;
            rival_there = rival;
        }
    }
    if (n == 0)
        return 0;
    cn_say(&s, "%s against %s in the same bytes %s: better in %d of %d types",
           r->files[large].model, r->files[small].model,
           which == STORED ? "stored" : "read for a token", won, n);
    if (last_won >= 0 && first_lost >= 0) {
        cn_say(&s, ", in all down to ");
        say_file(r, &s, last_won, which);
    }
    cn_say(&s, ".");
    if (first_lost >= 0) {
        cn_say(&s, " In ");
        say_file(r, &s, first_lost, which);
        cn_say(&s, " it is no better than %s in ", r->files[small].model);
        say_file(r, &s, rival_there, which);
        cn_say(&s, "%s", won_below ? "; below that it is better in " : ".");
        if (won_below)
            cn_say(&s, "%d.", won_below);
    }
    cn_say(&e,
           "By %s, each type against the best file of the other that is no larger. Each file was "
           "measured once, on the same text: there is no test.",
           axis->name);
    cn_tell(j, &s, &e);
    return n;
}

/* Two models meet once in bytes stored, the one of more parameters as the large one; where one has
 * experts, once more in bytes read. */
static int meet(struct cn_findings *j, int a, int b, const struct cn_quality_axis *axis)
{
    const struct cn_report_file *x = &j->r->files[a], *y = &j->r->files[b];
    int large = x->n_params > y->n_params ? a : b, small = large == a ? b : a;
    int n = contest(j, large, small, STORED, axis);
    if (x->experts == y->experts)
        return n;
    int experts = x->experts ? a : b;
    return n + contest(j, experts, experts == a ? b : a, READ, axis);
}

void cn_find_sizes(struct cn_findings *j)
{
    const struct cn_report *r = j->r;
    struct cn_quality_axis *axes;
    int n_axes, told = 0;
    if (!(j->ok = cn_quality_axes(r, &axes, &n_axes)))
        return;
    /* Divergence is from each model's own base. */
    for (int i = 0; i < n_axes && told == 0; i++)
        for (int a = 0; axes[i].kind != CN_QUALITY_KLD && a < r->n_files; a++)
            for (int b = a + 1; cn_first_of_model(r, a) && b < r->n_files; b++)
                if (cn_first_of_model(r, b))
                    told += meet(j, a, b, &axes[i]);
    free(axes);
    if (told == 0)
        cn_cannot(
            j, "A large model in few bits, or a small one in many?",
            "It takes two models or more, measured by perplexity on one text or by accuracy.");
}
