/* SPDX-License-Identifier: MIT
 *
 * carnot report: the page of a study, or of saved tables.
 */
#include "cli/cli.h"
#include "cli/outputs.h"

#include "bench/report/report.h"
#include "bench/study/study_db.h"
#include "engine/tools.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_BYTES = 64 << 20, MAX_TABLES = 32 };

static const struct cn_usage usage = {
    "carnot report [DB | TABLE...] [options]",
    "Writes one HTML page that needs nothing but itself: of a study (default: " CN_STUDY_DB "),\n"
    "with findings first, each with its test, then speed, energy by phase, memory, quality,\n"
    "roofline, Pareto front, all runs, provenance. A study that still runs can be looked at, too.\n"
    "Or of tables that other commands saved (.csv, .json, .jsonl):\n"
    "  carnot bench -o json > models.json; carnot report models.json\n"
    "Plots are drawn by gnuplot; without it the page has its tables and says so.\n",
};

static bool is_table(const char *name)
{
    static const char *const suffixes[] = { ".json", ".jsonl", ".csv" };
    const char *dot = strrchr(name, '.');
    for (size_t i = 0; dot && i < sizeof suffixes / sizeof *suffixes; i++)
        if (strcmp(dot, suffixes[i]) == 0)
            return true;
    return false;
}

static int of_tables(const struct cn_string_list *files, const char *head, const char *out)
{
    struct cn_report_text tables[MAX_TABLES];
    char *texts[MAX_TABLES];
    struct cn_report_made made = { 0 };
    struct cn_error err = { "" };
    int code = CN_EXIT_OK;
    size_t n = 0;
    while (n < files->n && code == CN_EXIT_OK) {
        size_t bytes;
        texts[n] = cn_read_text(files->items[n], MAX_BYTES, &bytes);
        if (!texts[n]) {
            code = CN_EXIT_FAILED;
            break;
        }
        tables[n] = (struct cn_report_text){ files->items[n], texts[n], bytes };
        n++;
    }
    if (code == CN_EXIT_OK && cn_report_tables(tables, n, head, out, &made, &err) != CN_OK)
        code = cn_die("%s", err.text);
    if (code == CN_EXIT_OK && made.missing[0])
        cn_warn("%s", made.missing);
    while (n)
        free(texts[--n]);
    return code;
}

static int of_study(const char *db, const char *out)
{
    struct cn_report_made made = { 0 };
    struct cn_error err = { "" };
    if (cn_report_study(db, out, &made, &err) != CN_OK)
        return cn_die("%s", err.text);
    if (made.missing[0])
        cn_warn("%s", made.missing);
    cn_say("%s: %lld runs\n", out, (long long)made.n_runs);
    return CN_EXIT_OK;
}

/* Refuses a page that would replace what it is made of, under any name. */
static int spare(const struct cn_string_list *files, const char *out)
{
    for (size_t i = 0; i < files->n; i++)
        if (strcmp(files->items[i], out) == 0 || cn_same_file(files->items[i], out))
            return cn_usage_error("%s: the page would replace what it is made of", out);
    return -1;
}

static int execute(const struct cn_string_list *files, const char *head, const char *out)
{
    size_t n_tables = 0;
    for (size_t i = 0; i < files->n; i++)
        n_tables += is_table(files->items[i]);
    if (n_tables && n_tables == files->n)
        return of_tables(files, head, out);
    if (files->n > 1 || n_tables)
        return cn_usage_error("takes one study, or tables (.csv, .json, .jsonl)");
    return of_study(files->n ? files->items[0] : CN_STUDY_DB, out);
}

int cn_cmd_report(int argc, char **argv)
{
    const char *out = "report.html", *head = NULL;
    struct cn_string_list files = { 0 };
    /* clang-format off */
    const struct cn_option options[] = {
        { "--output", "-o", CN_OPT_STRING, &out, "FILE", "the page (default report.html)", 0, 0 },
        { "--head", NULL, CN_OPT_STRING, &head, "TEXT",
          "lines above the tables (default: none)", 0, 0 },
        CN_OPTION_FORCE,
    };
    /* clang-format on */
    int code = cn_options_parse(argc, argv, &usage, options, sizeof options / sizeof *options,
                                &files, 0, MAX_TABLES);
    if (code < 0)
        code = spare(&files, out);
    if (code < 0)
        code = cn_output_check(out, CN_FILE_PAGE, NULL, 0);
    if (code < 0)
        code = execute(&files, head, out);
    free(files.items);
    return code;
}
