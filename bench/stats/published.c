/* SPDX-License-Identifier: MIT */
#include "bench/stats/published.h"

#include "base/error.h"
#include "bench/stats/groups.h"
#include "bench/stats/stats.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_FACTORS = 8 };

struct pair {
    size_t run, published; /* columns */
};

struct product {
    char *text;
    size_t n;
    struct pair factors[MOST_FACTORS + 1]; /* [0] is the product; published: SIZE_MAX if absent */
};

struct owned {
    struct cn_groups groups; /* of the runs */
    struct product *products;
    size_t n_products;
};

struct work {
    const struct cn_dataset *runs, *published;
    const struct cn_published_options *o;
    struct cn_error *err;
    struct cn_published *out;
    struct owned *owned;
    struct pair *pairs;
    size_t n_pairs;
    size_t *row_of; /* [n groups] published row + 1, 0: none */
    double *values; /* [n_rows] */
};

static enum cn_status no_memory(const struct work *w)
{
    return cn_fail(w->err, CN_ERR_MEMORY, "out of memory");
}

/* ---- numbers as they are written ------------------------------------------------------------- */

struct figure {
    double value, half; /* half a unit of the last digit: what rounding may have taken */
};

/* The number at the start of `text`; value NaN if there is none. *rest: behind it. */
static struct figure read_figure(const char *text, const char **rest)
{
    struct figure f = { (double)NAN, 0 };
    const char *p = text + strspn(text, " ");
    char *end;
    size_t n = strspn(p, "+-.0123456789eE");
    *rest = text;
    if (n == 0 || !strpbrk(p, "0123456789") || strpbrk(p, "0123456789") >= p + n)
        return f;
    double v = strtod(p, &end);
    if (end == p || !isfinite(v))
        return f;
    const char *point = memchr(p, '.', (size_t)(end - p)), *e = p;
    while (e < end && *e != 'e' && *e != 'E')
        e++;
    double digits = point ? (double)(e - point - 1) : 0;
    double exponent = e < end ? strtod(e + 1, NULL) : 0;
    f.value = v;
    /* A binary tail, as in 1.8998745000000001, does not stand for so many digits. */
    f.half = fmax(0.5 * pow(10, exponent - digits), 1e-9 * fabs(v));
    *rest = end;
    return f;
}

static struct figure cell_figure(const struct cn_dataset *d, size_t row, size_t column,
                                 const char **rest)
{
    const char *text = cn_dataset_cell(d, row, column)->text;
    return read_figure(text ? text : "", rest);
}

static bool within(struct figure f, double expected)
{
    return fabs(f.value - expected) <= f.half * (1 + 1e-6) + 1e-9 * fabs(expected);
}

/* ---- which column is which ------------------------------------------------------------------- */

/* One column by name; a name that is none fails. */
static enum cn_status find_column(const struct work *w, const struct cn_dataset *d,
                                  const char *name, size_t n, size_t *column)
{
    struct cn_columns found = { 0 };
    char *copy = strndup(name, n);
    enum cn_status status = copy ? cn_columns_parse(d, copy, &found, w->err) : no_memory(w);
    if (status == CN_OK && found.n != 1)
        status =
            cn_fail(w->err, CN_ERR_ARGUMENT, "expected the name of a column, found '%.80s'", copy);
    if (status == CN_OK)
        *column = found.items[0];
    free(found.items);
    free(copy);
    return status;
}

static enum cn_status add_pair(struct work *w, size_t run, size_t published)
{
    struct pair *pairs = realloc(w->pairs, (w->n_pairs + 1) * sizeof *pairs);
    if (!pairs)
        return no_memory(w);
    w->pairs = pairs;
    pairs[w->n_pairs++] = (struct pair){ run, published };
    return CN_OK;
}

static size_t published_of(const struct work *w, size_t run)
{
    for (size_t i = 0; i < w->n_pairs; i++)
        if (w->pairs[i].run == run)
            return w->pairs[i].published;
    return SIZE_MAX;
}

static enum cn_status find_pairs(struct work *w, const struct cn_columns *by)
{
    for (const char *p = w->o->same; p && *p; p += *p == ',') {
        size_t n = strcspn(p, ","), n_run = strcspn(p, "=,"), run, published;
        CN_RETURN_IF(n_run >= n, CN_ERR_ARGUMENT, w->err,
                     "expected 'column of the runs=published column', found '%.*s'",
                     n < 80 ? (int)n : 80, p);
        CN_TRY(find_column(w, w->runs, p, n_run, &run));
        CN_TRY(find_column(w, w->published, p + n_run + 1, n - n_run - 1, &published));
        CN_TRY(add_pair(w, run, published));
        p += n;
    }
    for (size_t c = 0; c < w->runs->n_columns; c++) {
        const char *name = w->runs->columns[c];
        int64_t published = cn_dataset_column(w->published, name, strlen(name));
        if (published >= 0 && !cn_columns_have(by, c) && published_of(w, c) == SIZE_MAX)
            CN_TRY(add_pair(w, c, (size_t)published));
    }
    CN_RETURN_IF(w->n_pairs == 0, CN_ERR_ARGUMENT, w->err,
                 "expected a column of the runs that is published under the same name, found none: "
                 "name pairs of columns");
    return CN_OK;
}

static enum cn_status read_product(struct work *w, const char *text, size_t n)
{
    struct product *products =
        realloc(w->owned->products, (w->owned->n_products + 1) * sizeof *products);
    if (!products)
        return no_memory(w);
    w->owned->products = products;
    struct product *p = &products[w->owned->n_products++];
    *p = (struct product){ .text = strndup(text, n) };
    if (!p->text)
        return no_memory(w);
    const char *at = p->text;
    for (;;) {
        size_t length = strcspn(at, "=*");
        char follows = at[length];
        CN_RETURN_IF(p->n > MOST_FACTORS || (follows == '=') != (p->n == 0), CN_ERR_ARGUMENT,
                     w->err, "expected a product such as joules=j_per_token*tokens, found '%.80s'",
                     p->text);
        struct pair *f = &p->factors[p->n++];
        CN_TRY(find_column(w, w->runs, at, length, &f->run));
        f->published = published_of(w, f->run);
        if (!follows)
            return CN_OK;
        at += length + 1;
    }
}

/* ---- which row is which ---------------------------------------------------------------------- */

/* The name of a group has blanks where its parts meet; a published label may join them otherwise.
 */
static bool same_label(const char *group, const char *label)
{
    for (; *group && *label; group++, label++)
        if (*group != *label && !(*group == ' ' && strchr("-_/:,;", *label)))
            return false;
    return *group == *label;
}

static bool published_row_is(const struct work *w, size_t row, const struct cn_columns *by,
                             const char *group)
{
    char name[512] = "";
    size_t used = 0, n = 0;
    for (; n < by->n && used < sizeof name; n++) {
        const char *column = w->runs->columns[by->items[n]];
        int64_t c = cn_dataset_column(w->published, column, strlen(column));
        const char *text = c < 0 ? NULL : cn_dataset_cell(w->published, row, (size_t)c)->text;
        if (!text)
            break;
        used += (size_t)snprintf(name + used, sizeof name - used, "%s%s", n ? " " : "", text);
    }
    if (n == by->n)
        return strcmp(name, group) == 0;
    for (size_t c = 0; c < w->published->n_columns; c++) {
        const char *text = cn_dataset_cell(w->published, row, c)->text;
        if (text && same_label(group, text))
            return true;
    }
    return false;
}

static enum cn_status find_rows(struct work *w, const struct cn_columns *by)
{
    const struct cn_groups *groups = &w->owned->groups;
    w->row_of = calloc(groups->n + 1, sizeof *w->row_of);
    if (!w->row_of)
        return no_memory(w);
    for (size_t g = 0; g < groups->n; g++) {
        for (size_t r = 0; r < w->published->n_rows && !w->row_of[g]; r++)
            if (published_row_is(w, r, by, groups->names[g]))
                w->row_of[g] = r + 1;
        *(w->row_of[g] ? &w->out->n_groups : &w->out->n_missing) += 1;
    }
    CN_RETURN_IF(w->out->n_groups == 0, CN_ERR_ARGUMENT, w->err,
                 "expected a published row for '%.80s' (%.80s), found none", groups->names[0],
                 w->o->by);
    return CN_OK;
}

/* ---- the checks ------------------------------------------------------------------------------ */

static enum cn_status add_item(struct work *w, struct cn_published_figure item, bool agree)
{
    struct cn_published *out = w->out;
    if ((out->n & (out->n - 1)) == 0) { /* full at powers of two */
        struct cn_published_figure *items =
            realloc(out->items, (out->n ? 2 * out->n : 1) * sizeof *items);
        if (!items)
            return no_memory(w);
        out->items = items;
    }
    item.agree = agree;
    out->n_wrong += !agree;
    out->items[out->n++] = item;
    return CN_OK;
}

static void summarise(const struct work *w, size_t group, size_t column, struct cn_summary *s)
{
    size_t n = 0;
    for (size_t r = 0; r < w->runs->n_rows; r++) {
        double v = cn_dataset_cell(w->runs, r, column)->number;
        if (w->owned->groups.of_row[r] == group && !isnan(v))
            w->values[n++] = v;
    }
    cn_summarise(w->values, n, s);
}

/* Whether the published column holds means rather than medians. */
static bool column_of_means(const struct work *w, struct pair pair)
{
    size_t medians = 0, means = 0;
    for (size_t g = 0; g < w->owned->groups.n; g++) {
        struct cn_summary s;
        const char *rest;
        if (!w->row_of[g])
            continue;
        struct figure f = cell_figure(w->published, w->row_of[g] - 1, pair.published, &rest);
        summarise(w, g, pair.run, &s);
        medians += within(f, s.median);
        means += within(f, s.mean);
    }
    return means > medians;
}

static enum cn_status check_column(struct work *w, struct pair pair)
{
    const bool means = column_of_means(w, pair);
    for (size_t g = 0; g < w->owned->groups.n; g++) {
        struct cn_summary s;
        const char *rest;
        if (!w->row_of[g])
            continue;
        struct figure f = cell_figure(w->published, w->row_of[g] - 1, pair.published, &rest);
        summarise(w, g, pair.run, &s);
        if (isnan(f.value) || s.n == 0)
            continue;
        struct cn_published_figure item = { .group = w->owned->groups.names[g],
                                            .column = w->published->columns[pair.published],
                                            .what = means ? "mean" : "median",
                                            .of = w->runs->columns[pair.run],
                                            .n = s.n,
                                            .value = f.value,
                                            .expected = means ? s.mean : s.median };
        CN_TRY(add_item(w, item, within(f, item.expected)));
        const char *iqr = strstr(rest, "IQR"), *sd = strstr(rest, "SD");
        if (!iqr && !sd)
            continue;
        f = read_figure(iqr ? iqr + 3 : sd + 2, &rest);
        item.what = iqr ? "IQR" : "SD";
        item.value = f.value;
        item.expected = iqr ? s.q3 - s.q1 : s.sd;
        if (!isnan(f.value) && !isnan(item.expected))
            CN_TRY(add_item(w, item, within(f, item.expected)));
    }
    return CN_OK;
}

/* The product of the factors in a row, as exact as their digits; a whole number is a count. */
static struct figure multiply(const struct cn_dataset *d, size_t row, const struct product *p,
                              bool published)
{
    struct figure product = { 1, 0 };
    double relative = 0;
    const char *rest;
    for (size_t i = 1; i < p->n; i++) {
        size_t column = published ? p->factors[i].published : p->factors[i].run;
        struct figure f = cell_figure(d, row, column, &rest);
        if (f.half == 0.5)
            f.half = 0;
        product.value *= f.value;
        relative += f.value != 0 ? f.half / fabs(f.value) : 0;
    }
    product.half = relative * fabs(product.value);
    return product;
}

static enum cn_status check_product(struct work *w, const struct product *p)
{
    const char *rest;
    bool published = true;
    for (size_t i = 0; i < p->n; i++)
        published &= p->factors[i].published != SIZE_MAX;
    for (size_t r = 0; r < w->runs->n_rows; r++) {
        struct figure total = cell_figure(w->runs, r, p->factors[0].run, &rest);
        struct figure product = multiply(w->runs, r, p, false);
        if (isnan(total.value) || isnan(product.value))
            continue;
        total.half += product.half;
        w->out->n_products++;
        if (within(total, product.value))
            continue;
        if (w->out->n_products_wrong++ == 0)
            w->out->first_wrong = r + 1;
    }
    for (size_t g = 0; g < w->owned->groups.n && published; g++) {
        if (!w->row_of[g])
            continue;
        size_t r = w->row_of[g] - 1;
        struct figure total = cell_figure(w->published, r, p->factors[0].published, &rest);
        struct figure product = multiply(w->published, r, p, true);
        if (isnan(total.value) || isnan(product.value))
            continue;
        struct cn_published_figure item = {
            .group = w->owned->groups.names[g],
            .column = w->published->columns[p->factors[0].published],
            .what = "product",
            .of = p->text,
            .value = total.value,
            .expected = product.value,
        };
        total.half += product.half;
        CN_TRY(add_item(w, item, within(total, product.value)));
    }
    return CN_OK;
}

static enum cn_status check(struct work *w, struct cn_columns *by)
{
    CN_TRY(cn_columns_parse(w->runs, w->o->by, by, w->err));
    CN_RETURN_IF(by->n == 0, CN_ERR_ARGUMENT, w->err,
                 "expected the columns that make a published row, found none");
    w->values = malloc((w->runs->n_rows + 1) * sizeof *w->values);
    if (!w->values || !cn_groups_make(w->runs, by, &w->owned->groups))
        return no_memory(w);
    CN_TRY(find_rows(w, by));
    CN_TRY(find_pairs(w, by));
    for (const char *p = w->o->products; p && *p; p += *p == ',') {
        size_t n = strcspn(p, ",");
        CN_TRY(read_product(w, p, n));
        p += n;
    }
    for (size_t i = 0; i < w->n_pairs; i++)
        CN_TRY(check_column(w, w->pairs[i]));
    for (size_t i = 0; i < w->owned->n_products; i++)
        CN_TRY(check_product(w, &w->owned->products[i]));
    return CN_OK;
}

enum cn_status cn_published_check(const struct cn_dataset *runs, const struct cn_dataset *published,
                                  const struct cn_published_options *options,
                                  struct cn_published **result, struct cn_error *err)
{
    struct work w = { .runs = runs, .published = published, .o = options, .err = err };
    struct cn_columns by = { 0 };
    w.out = calloc(1, sizeof *w.out);
    w.owned = calloc(1, sizeof *w.owned);
    if (w.out)
        w.out->owned = w.owned;
    else
        free(w.owned);
    enum cn_status status = w.out && w.owned ? check(&w, &by) : no_memory(&w);
    if (status == CN_OK)
        *result = w.out;
    else
        cn_published_free(w.out);
    free(by.items);
    free(w.pairs);
    free(w.row_of);
    free(w.values);
    return status;
}

void cn_published_free(struct cn_published *p)
{
    if (!p)
        return;
    struct owned *owned = p->owned;
    if (owned) {
        cn_groups_free(&owned->groups);
        for (size_t i = 0; i < owned->n_products; i++)
            free(owned->products[i].text);
        free(owned->products);
    }
    free(owned);
    free(p->items);
    free(p);
}
