/* SPDX-License-Identifier: MIT */
#include "cli/commands/compare_published.h"

#include "cli/cli.h"

#include <math.h>
#include <stdio.h>

static struct cn_table *make_table(const struct cn_published *p, enum cn_table_format format)
{
    struct cn_table *t = cn_table_create("published");
    if (!t)
        return NULL;
    cn_table_column(t, "group", "group", -1);
    cn_table_column(t, "column", "column", -1);
    cn_table_column(t, "published", "published", -1);
    cn_table_column(t, "what", "is to be the", -1);
    cn_table_column(t, "of", "of", -1);
    cn_table_column(t, "n", "runs", -1);
    cn_table_column(t, "found", "which is", 6);
    cn_table_column(t, "difference", "off by", 6);
    cn_table_column(t, "agree", NULL, -1);
    for (size_t i = 0; i < p->n; i++) {
        const struct cn_published_figure *f = &p->items[i];
        if (f->agree && format == CN_TABLE_MD)
            continue;
        cn_table_row(t);
        cn_table_str(t, "group", f->group);
        cn_table_str(t, "column", f->column);
        cn_table_f64(t, "published", f->value);
        cn_table_str(t, "what", f->what);
        cn_table_str(t, "of", f->of);
        if (f->n)
            cn_table_i64(t, "n", (int64_t)f->n);
        cn_table_f64(t, "found", f->expected);
        cn_table_f64(t, "difference", f->value - f->expected);
        cn_table_bool(t, "agree", f->agree);
    }
    return t;
}

static void put_sentences(const struct cn_published *p)
{
    if (p->n_wrong)
        printf("\n");
    for (size_t i = 0; i < p->n; i++) {
        const struct cn_published_figure *f = &p->items[i];
        if (f->agree)
            continue;
        printf("%s: %s is published as %.10g, but ", f->group, f->column, f->value);
        if (f->n)
            printf("the %s of %s in its %zu runs is %.10g", f->what, f->of, f->n, f->expected);
        else
            printf("by the figures beside it (%s) it is %.10g", f->of, f->expected);
        if (f->expected != 0)
            printf(" (%+.1f%%)", 100 * (f->value - f->expected) / fabs(f->expected));
        printf(".\n");
    }
    printf("%s%zu of %zu published figures agree with the runs and with each other, in %zu rows.\n",
           p->n_wrong ? "\n" : "", p->n - p->n_wrong, p->n, p->n_groups);
    if (p->n_products)
        printf("The products hold in %zu of %zu runs.\n", p->n_products - p->n_products_wrong,
               p->n_products);
}

int cn_compare_published(const struct cn_dataset *runs, const struct cn_dataset *published,
                         const struct cn_published_options *options, enum cn_table_format format)
{
    struct cn_error err = { "" };
    struct cn_published *p;
    if (cn_published_check(runs, published, options, &p, &err) != CN_OK)
        return cn_die("%s", err.text);
    struct cn_table *t = make_table(p, format);
    const bool nothing = t && format == CN_TABLE_MD && !p->n_wrong;
    const int printed = nothing ? CN_EXIT_OK : cn_result_table(t, format);
    cn_table_free(t);
    if (printed == CN_EXIT_OK && format == CN_TABLE_MD)
        put_sentences(p);
    if (p->n_missing)
        cn_warn("%zu groups of runs have no published row", p->n_missing);
    int code = CN_EXIT_OK;
    if (p->n_wrong)
        code = cn_die("%zu of %zu published figures are wrong", p->n_wrong, p->n);
    if (p->n_products_wrong)
        code = cn_die("a product does not hold in %zu of %zu runs, first in row %zu",
                      p->n_products_wrong, p->n_products, p->first_wrong);
    cn_published_free(p);
    return code == CN_EXIT_OK ? printed : code;
}
