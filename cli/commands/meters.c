/* SPDX-License-Identifier: MIT
 *
 * carnot meters: every energy meter of this machine, and if unusable why and what to do about it.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/table.h"
#include "cli/cli.h"
#include "profiler/profiler.h"

static const struct cn_usage usage = {
    "carnot meters [options]",
    "Prints every energy meter there is: what it measures (boundary), its unit, how often it gets\n"
    "a new value, and whether it can be used; if not, why, and what to do about it. Any name of\n"
    "the list can be given to --meter of other commands, and so can\n"
    "  file:PATH           samples that another program records (CSV, JSON lines)\n"
    "  exec:COMMAND        a command that prints lines: [time] value[unit], such as 12.5 W or 900 "
    "J\n"
    "  model:IDLE,BUSY     an estimate from watts when idle and busy; labelled as modelled\n"
    "  none                no meter\n"
    "and several of them with commas in between. Without --meter the first that is usable and\n"
    "covers a package, a board, its rails or a battery is taken. docs/ENERGY.md tells more.\n",
};

static void row(struct cn_table *t, const struct cn_meter_info *m)
{
    cn_table_row(t);
    cn_table_str(t, "name", m->name);
    cn_table_str(t, "boundary", m->boundary[0] ? m->boundary : NULL);
    cn_table_str(t, "unit", m->unit);
    cn_table_f64(t, "period_ms", m->period_ms);
    cn_table_str(t, "kind", m->modelled ? "modelled" : "measured");
    cn_table_str(t, "status", m->ok ? "ok" : cn_energy_status_name(CN_ENERGY_UNSUPPORTED));
    cn_table_str(t, "sources", m->sources[0] ? m->sources : NULL);
    cn_table_str(t, "reason", m->reason[0] ? m->reason : NULL);
    cn_table_str(t, "remedy", m->remedy[0] ? m->remedy : NULL);
}

/* Sentences would make the table wide beyond use: for people they stand below it. */
static void explain(const struct cn_meter_info *m)
{
    if (m->sources[0])
        printf("\n%s: %s\n", m->name, m->sources);
    if (m->ok)
        return;
    printf("\n%s: %s\n", m->name, m->reason);
    if (m->remedy[0])
        printf("    remedy: %s\n", m->remedy);
}

/* The channels that a profiler would watch. False with the reason, none if out of memory. */
static bool choose(const char *root, const char *meter, struct cn_meter_list *list,
                   struct cn_profiler_error *err)
{
    struct cn_profiler *p = cn_profiler_create(
        &(struct cn_profiler_options){ .root = root,
                                       .meter = strcmp(meter, "auto") == 0 ? NULL : meter },
        err);
    if (!p)
        return false;
    size_t n = cn_profiler_n_channels(p);
    *list = (struct cn_meter_list){ calloc(n + 1, sizeof *list->items), n };
    for (size_t i = 0; list->items && i < n; i++)
        list->items[i] = *cn_profiler_channel(p, i);
    cn_profiler_free(p);
    return list->items != NULL;
}

int cn_cmd_meters(int argc, char **argv)
{
    const char *root = getenv("CARNOT_ROOT"), *meter = NULL;
    enum cn_table_format format = CN_TABLE_MD;
    /* clang-format off */
    const struct cn_option options[] = {
        { "--root", NULL, CN_OPT_STRING, &root, "DIR",
          "a directory that stands for / (default: CARNOT_ROOT, else /)", 0, 0 },
        { "--meter", NULL, CN_OPT_STRING, &meter, "NAME",
          "only what other commands would watch with this --meter; auto: without one", 0, 0 },
        { "-o", "--output", CN_OPT_TABLE, &format, "FORMAT",
          "md, csv, json, jsonl or sql (default md)", 0, 0 },
    };
    /* clang-format on */
    int code =
        cn_options_parse(argc, argv, &usage, options, sizeof options / sizeof *options, NULL, 0, 0);
    if (code >= 0)
        return code;
    struct cn_meter_list list;
    struct cn_profiler_error err = { "" };
    if (meter ? !choose(root, meter, &list, &err) : cn_meters_enumerate(root, &list) != 0)
        return cn_die("%s", err.text[0] ? err.text : "out of memory");
    struct cn_table *t = cn_table_create("meters");
    if (!t) {
        cn_meter_list_free(&list);
        return cn_die("out of memory");
    }
    cn_table_column(t, "name", "meter", -1);
    cn_table_column(t, "boundary", "boundary", -1);
    cn_table_column(t, "unit", "unit", -1);
    cn_table_column(t, "period_ms", "period ms", 3);
    cn_table_column(t, "kind", "kind", -1);
    cn_table_column(t, "status", "status", -1);
    cn_table_column(t, "sources", NULL, -1);
    cn_table_column(t, "reason", NULL, -1);
    cn_table_column(t, "remedy", NULL, -1);
    for (size_t i = 0; i < list.n; i++)
        row(t, &list.items[i]);
    code = cn_result_table(t, format);
    for (size_t i = 0; code == CN_EXIT_OK && format == CN_TABLE_MD && i < list.n; i++)
        explain(&list.items[i]);
    cn_table_free(t);
    cn_meter_list_free(&list);
    return code;
}
