/* SPDX-License-Identifier: MIT
 *
 * carnot compare: do sets of results differ, by how much, and does it matter?
 */
#include "base/table.h"
#include "bench/stats/comparison.h"
#include "cli/cli.h"
#include "cli/commands/compare_published.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_BYTES = 64 << 20, MOST_FILES = 64 };

static const struct cn_usage usage = {
    "carnot compare A B [options], carnot compare RUNS --by COLUMN [options]",
    "Compares results: those of file A with those of file B (and C ...), or those of one file "
    "that\n"
    "differ in a column. Files are CSV, JSON, JSON lines or a Markdown table, as carnot bench\n"
    "--save, carnot study export and other programs write them (llama-bench, hyperfine,\n"
    "CodeCarbon, Criterion's estimates.json). Rows that agree in their factors (model, threads,\n"
    "repetition, ...) are pairs. For each metric: medians with 95% intervals, Wilcoxon's "
    "signed-rank\n"
    "test (without pairs Mann and Whitney's), its effect size, the equivalence test (TOST), and\n"
    "what they say together. Three sets and more: Friedman's test, then each pair of sets.\n"
    "p is corrected for the number of comparisons (Holm).\n"
    "\n"
    "With --published, one file of runs is held against a table of figures made of it: medians "
    "(or\n"
    "means) and IQRs in brackets behind them, as far as their digits go. Exit 1 if one is wrong.\n"
    "\n"
    "  carnot bench --save before.csv; ...; carnot bench --save after.csv\n"
    "  carnot compare before.csv after.csv\n"
    "  carnot compare runs.csv --by quant=Q4_K_M,IQ4_XS --per model --metric energy_j\n"
    "  carnot compare runs.csv --by model --metric energy_j\n"
    "  carnot compare runs.csv --by model,quant --published table.csv --same energy_j=total_energy",
};

struct arguments {
    struct cn_string_list files;
    struct cn_compare_options o;
    struct cn_published_options published;
    const char *table;
    const char *method;
    double margin;
    int64_t digits;
    enum cn_table_format format;
};

/* ---- reading --------------------------------------------------------------------------------- */

static struct cn_dataset *read_results(const char *path)
{
    struct cn_dataset *d = NULL;
    struct cn_error err = { "" };
    size_t n;
    char *text = cn_read_text(path, MOST_BYTES, &n);
    if (text && cn_dataset_parse(text, n, path, &d, &err) != CN_OK)
        cn_die("%s", err.text);
    free(text);
    return d;
}

/* The files' rows in one; a column `file` says which. */
static struct cn_dataset *read_all(const struct cn_string_list *files)
{
    struct cn_dataset *parts[MOST_FILES] = { NULL }, *all = NULL;
    char names[MOST_FILES][256];
    const char *labels[MOST_FILES];
    struct cn_error err = { "" };
    bool ok = true;
    for (size_t i = 0; i < files->n && ok; i++) {
        const char *slash = strrchr(files->items[i], '/');
        snprintf(names[i], sizeof names[i], "%s", slash ? slash + 1 : files->items[i]);
        for (size_t j = 0; j < i; j++)
            if (strcmp(names[i], names[j]) == 0)
                snprintf(names[i], sizeof names[i], "%zu:%.200s", i + 1, files->items[i]);
        labels[i] = names[i];
        parts[i] = read_results(files->items[i]);
        ok = parts[i] != NULL;
    }
    if (ok && cn_dataset_join(parts, labels, files->n, "file", &all, &err) != CN_OK)
        cn_die("%s", err.text);
    for (size_t i = 0; i < files->n; i++)
        cn_dataset_free(parts[i]);
    return all;
}

/* ---- printing -------------------------------------------------------------------------------- */

/* Numbers of any size: few digits for people, all for programs. */
static void put(struct cn_table *t, enum cn_table_format format, const char *key, int digits,
                double value)
{
    char text[32];
    if (format != CN_TABLE_MD || isnan(value)) {
        cn_table_f64(t, key, value);
        return;
    }
    snprintf(text, sizeof text, "%.*g", digits, value);
    cn_table_str(t, key, text);
}

static struct cn_table *make_table(const struct cn_comparisons *c)
{
    struct cn_table *t = cn_table_create("compare");
    bool per = false, paired = false, ratio = true;
    for (size_t i = 0; i < c->n; i++) {
        per |= c->items[i].per[0] != 0;
        paired |= c->items[i].paired;
        ratio &= c->items[i].tost.scale == CN_SCALE_RATIO;
    }
    if (!t)
        return NULL;
    cn_table_column(t, "metric", "metric", -1);
    cn_table_column(t, "per", per ? "of" : NULL, -1);
    cn_table_column(t, "a", "A", -1);
    cn_table_column(t, "b", "B", -1);
    cn_table_column(t, "paired", NULL, -1);
    cn_table_column(t, "n_a", paired ? "pairs" : "n A", -1);
    cn_table_column(t, "n_b", paired ? NULL : "n B", -1);
    cn_table_column(t, "median_a", "median A", -1);
    cn_table_column(t, "median_a_lo", "95% from", -1);
    cn_table_column(t, "median_a_hi", "to", -1);
    cn_table_column(t, "iqr_a", NULL, -1);
    cn_table_column(t, "median_b", "median B", -1);
    cn_table_column(t, "median_b_lo", "95% from", -1);
    cn_table_column(t, "median_b_hi", "to", -1);
    cn_table_column(t, "iqr_b", NULL, -1);
    cn_table_column(t, "test", NULL, -1);
    cn_table_column(t, "exact", NULL, -1);
    cn_table_column(t, "n_zero", NULL, -1);
    cn_table_column(t, "w_plus", NULL, -1);
    cn_table_column(t, "w_minus", NULL, -1);
    cn_table_column(t, "w", paired ? "W" : "U", -1);
    cn_table_column(t, "p", "p", -1);
    cn_table_column(t, "p_holm", c->n > 1 ? "p Holm" : NULL, -1);
    cn_table_column(t, "effect", paired ? "rank-biserial" : "Cliff's delta", 3);
    cn_table_column(t, "scale", NULL, -1);
    cn_table_column(t, "estimate", ratio ? "B/A" : "B/A or B-A", -1);
    cn_table_column(t, "estimate_lo", "90% from", -1);
    cn_table_column(t, "estimate_hi", "to", -1);
    cn_table_column(t, "margin_lo", NULL, -1);
    cn_table_column(t, "margin_hi", NULL, -1);
    cn_table_column(t, "tost_p", "TOST p", -1);
    cn_table_column(t, "tost_p_ranks", "by ranks", -1);
    cn_table_column(t, "p_normal", NULL, -1);
    cn_table_column(t, "mean_rank_a", NULL, -1);
    cn_table_column(t, "mean_rank_b", NULL, -1);
    cn_table_column(t, "n_blocks", NULL, -1);
    cn_table_column(t, "friedman_chi2", NULL, -1);
    cn_table_column(t, "friedman_p", NULL, -1);
    cn_table_column(t, "kendall_w", NULL, -1);
    cn_table_column(t, "verdict", NULL, -1);
    return t;
}

/* What Friedman's test says of all the sets that these two are of. */
static void put_friedman(struct cn_table *t, const struct cn_comparisons *all,
                         const struct cn_comparison *c)
{
    for (size_t i = 0; i < all->n_orderings; i++) {
        const struct cn_ordering *o = &all->orderings[i];
        if (o->metric != c->metric || o->per != c->per)
            continue;
        for (size_t l = 0; l < all->n_levels; l++) {
            if (all->levels[l] == c->a)
                cn_table_f64(t, "mean_rank_a", o->mean_ranks[l]);
            if (all->levels[l] == c->b)
                cn_table_f64(t, "mean_rank_b", o->mean_ranks[l]);
        }
        cn_table_i64(t, "n_blocks", (int64_t)o->friedman.n_blocks);
        cn_table_f64(t, "friedman_chi2", o->friedman.chi2);
        cn_table_f64(t, "friedman_p", o->friedman.p);
        cn_table_f64(t, "kendall_w", o->friedman.kendall_w);
    }
}

static void put_row(struct cn_table *t, enum cn_table_format f, const struct cn_comparisons *all,
                    const struct cn_comparison *c)
{
    char text[512];
    const bool ratio = c->tost.scale == CN_SCALE_RATIO;
    cn_table_row(t);
    cn_table_str(t, "metric", c->metric);
    cn_table_str(t, "per", c->per[0] ? c->per : NULL);
    cn_table_str(t, "a", c->a);
    cn_table_str(t, "b", c->b);
    cn_table_bool(t, "paired", c->paired);
    cn_table_i64(t, "n_a", (int64_t)c->of_a.n);
    cn_table_i64(t, "n_b", (int64_t)c->of_b.n);
    put(t, f, "median_a", 5, c->of_a.median);
    put(t, f, "median_a_lo", 5, c->of_a.lo);
    put(t, f, "median_a_hi", 5, c->of_a.hi);
    put(t, f, "iqr_a", 5, c->of_a.q3 - c->of_a.q1);
    put(t, f, "median_b", 5, c->of_b.median);
    put(t, f, "median_b_lo", 5, c->of_b.lo);
    put(t, f, "median_b_hi", 5, c->of_b.hi);
    put(t, f, "iqr_b", 5, c->of_b.q3 - c->of_b.q1);
    cn_table_str(t, "test", c->paired ? "wilcoxon" : "mann-whitney");
    cn_table_bool(t, "exact", c->test.exact);
    cn_table_i64(t, "n_zero", (int64_t)c->test.n_zero);
    cn_table_f64(t, "w_plus", c->test.w_plus);
    cn_table_f64(t, "w_minus", c->test.w_minus);
    cn_table_f64(t, "w", fmin(c->test.w_plus, c->test.w_minus));
    put(t, f, "p", 3, c->test.p);
    put(t, f, "p_holm", 3, c->p_holm);
    cn_table_f64(t, "effect", c->test.effect);
    cn_table_str(t, "scale", ratio ? "ratio" : "difference");
    put(t, f, "estimate", 4, c->tost.estimate);
    put(t, f, "estimate_lo", 4, c->tost.lo);
    put(t, f, "estimate_hi", 4, c->tost.hi);
    put(t, f, "margin_lo", 4, c->tost.margin_lo);
    put(t, f, "margin_hi", 4, c->tost.margin_hi);
    put(t, f, "tost_p", 3, c->tost.p);
    put(t, f, "tost_p_ranks", 3, c->tost_p_ranks);
    put(t, f, "p_normal", 3, c->p_normal);
    put_friedman(t, all, c);
    cn_comparison_verdict(c, text, sizeof text);
    cn_table_str(t, "verdict", text);
}

static void put_ordering(const struct cn_comparisons *c, const struct cn_ordering *o)
{
    printf("\n%s%s%s of %zu sets in %zu blocks: Friedman's chi-squared = %.2f, p = %.3g, Kendall's "
           "W = "
           "%.3f.\nMean ranks, 1 the lowest:",
           o->metric, o->per[0] ? " of " : "", o->per, c->n_levels, o->friedman.n_blocks,
           o->friedman.chi2, o->friedman.p, o->friedman.kendall_w);
    for (size_t l = 0; l < c->n_levels; l++)
        printf("%s %s %.2f", l ? "," : "", c->levels[l], o->mean_ranks[l]);
    printf("\n");
}

static void put_sentences(const struct cn_comparisons *c)
{
    char text[512];
    for (size_t i = 0; i < c->n_orderings; i++)
        put_ordering(c, &c->orderings[i]);
    printf("\n");
    for (size_t i = 0; i < c->n; i++) {
        const struct cn_comparison *item = &c->items[i];
        cn_comparison_verdict(item, text, sizeof text);
        printf("%s%s%s%s: %s\n", item->metric, item->per[0] ? " (" : "", item->per,
               item->per[0] ? ")" : "", text);
    }
    printf("\nSets by %s", c->by);
    printf(c->pairing[0] ? "; pairs agree in %s" : "; no pairs%s", c->pairing);
    if (c->apart[0])
        printf("; the sets differ in %s as well", c->apart);
    printf(".\n");
    if (c->left_out[0])
        printf("Other numbers, compared with --metric: %s.\n", c->left_out);
    if (c->constant[0])
        printf("The same everywhere, and so not compared: %s.\n", c->constant);
}

static int print(const struct arguments *a, const struct cn_comparisons *c)
{
    struct cn_table *t = make_table(c);
    if (!t)
        return cn_die("out of memory");
    for (size_t i = 0; i < c->n; i++)
        put_row(t, a->format, c, &c->items[i]);
    const int code = cn_result_table(t, a->format);
    cn_table_free(t);
    if (code == CN_EXIT_OK && a->format == CN_TABLE_MD)
        put_sentences(c);
    for (size_t i = 0; i < sizeof c->warnings / sizeof *c->warnings && c->warnings[i][0]; i++)
        cn_warn("%s", c->warnings[i]);
    return code;
}

static int check_published(struct arguments *a, const struct cn_dataset *runs)
{
    struct cn_dataset *published = read_results(a->table);
    if (!published)
        return CN_EXIT_FAILED;
    a->published.by = a->o.by;
    int code = cn_compare_published(runs, published, &a->published, a->format);
    cn_dataset_free(published);
    return code;
}

static int execute(struct arguments *a)
{
    static const char *const methods[] = { "auto", "exact", "normal" };
    struct cn_error err = { "" };
    struct cn_comparisons *c;
    int m = 0;
    while (m < 3 && strcmp(a->method, methods[m]) != 0)
        m++;
    if (m == 3)
        return cn_usage_error("--test takes auto, exact or normal, not '%s'", a->method);
    if (a->files.n == 1 && !a->o.by)
        return cn_usage_error("expected two files, or --by COLUMN to tell the rows of one apart");
    if (a->files.n > 1 && a->o.by)
        return cn_usage_error("expected one file with --by, found %zu", a->files.n);
    if (a->table && !a->o.by)
        return cn_usage_error("--published takes one file and --by COLUMNS that make its rows");
    if (!a->table && (a->published.same || a->published.products))
        return cn_usage_error("--same and --product go with --published");
    a->o.rank.method = (enum cn_rank_method)m;
    a->o.rank.digits = (int)a->digits;
    a->o.margin = a->margin / 100;
    struct cn_dataset *d = a->files.n == 1 ? read_results(a->files.items[0]) : read_all(&a->files);
    if (!d)
        return CN_EXIT_FAILED;
    if (!a->o.by)
        a->o.by = "file";
    int code;
    if (a->table) {
        code = check_published(a, d);
    } else if (cn_compare(d, &a->o, &c, &err) == CN_OK) {
        code = print(a, c);
        cn_comparisons_free(c);
    } else {
        code = cn_die("%s%s%s", a->files.n == 1 ? a->files.items[0] : "",
                      a->files.n == 1 ? ": " : "", err.text);
    }
    cn_dataset_free(d);
    return code;
}

int cn_cmd_compare(int argc, char **argv)
{
    struct arguments a = { .method = "auto", .margin = 5 };
    /* clang-format off */
    const struct cn_option options[] = {
        { "--by", NULL, CN_OPT_STRING, &a.o.by, "COLUMN",
          "one file: what tells the sets apart; COLUMN=A,B: which two", 0, 0 },
        { "--metric", NULL, CN_OPT_STRING, &a.o.metrics, "LIST", "columns to compare (found)", 0, 0 },
        { "--pair", NULL, CN_OPT_STRING, &a.o.pair, "LIST",
          "columns in which pairs agree, or none (found)", 0, 0 },
        { "--per", NULL, CN_OPT_STRING, &a.o.per, "LIST",
          "compare on its own what agrees in these (test)", 0, 0 },
        { "--margin", NULL, CN_OPT_FLOAT, &a.margin, "PERCENT",
          "differences below it do not matter (5)", 1e-6, 1e4 },
        { "--test", NULL, CN_OPT_STRING, &a.method, "METHOD",
          "auto, exact or normal (auto: exact up to 50 pairs)", 0, 0 },
        { "--continuity", NULL, CN_OPT_FLAG, &a.o.rank.continuity, NULL,
          "correct the normal approximation for continuity", 0, 0 },
        { "--pratt", NULL, CN_OPT_FLAG, &a.o.rank.pratt, NULL,
          "pairs without a difference take part in the ranking", 0, 0 },
        { "--digits", NULL, CN_OPT_INT, &a.digits, "N",
          "ties are differences equal to N digits (0: to the bit)", 0, 17 },
        { "--published", NULL, CN_OPT_STRING, &a.table, "FILE",
          "check the figures of this table", 0, 0 },
        { "--same", NULL, CN_OPT_STRING, &a.published.same, "LIST",
          "COLUMN=PUBLISHED,... where a column has another name there", 0, 0 },
        { "--product", NULL, CN_OPT_STRING, &a.published.products, "LIST",
          "what has to hold: joules=j_per_token*tokens", 0, 0 },
        { "--output", "-o", CN_OPT_TABLE, &a.format, "FORMAT", "md, csv, json, jsonl or sql (md)", 0, 0 },
    };
    /* clang-format on */
    int code = cn_options_parse(argc, argv, &usage, options, sizeof options / sizeof *options,
                                &a.files, 1, MOST_FILES);
    if (code < 0)
        code = execute(&a);
    free(a.files.items);
    return code;
}
