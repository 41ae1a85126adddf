/* SPDX-License-Identifier: MIT
 *
 * carnot study: many runs in random order, kept in a database.
 */
#include "cli/cli.h"

#include "base/table.h"
#include "bench/study/study_db.h"
#include "bench/study/study_run.h"

#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct arguments {
    const char *db, *work, *shard, *root, *table, *binary;
    struct cn_string_list targets, words;
    double offset_ms;
    bool force, retry;
    enum cn_table_format format;
};

static int failed(const struct cn_error *err)
{
    return cn_die("%s", err->text);
}

/* ---- run ------------------------------------------------------------------------------------- */

static void progress(void *user, const char *what, double done, double total)
{
    (void)user;
    cn_progress(what, done, total);
}

static void note(void *user, const char *text)
{
    (void)user;
    cn_warn("%s", text);
}

static bool interrupted(void *user)
{
    (void)user;
    return cn_interrupted();
}

static int print_status(const char *path, enum cn_table_format format);

/* The last line of a study whose runs were not all done: exit 0 would say they were. */
static int tell_lack(const struct cn_study_lack *l)
{
    char text[256] = "";
    size_t used = 0;
    if (l->n_failed + l->n_skipped)
        used = (size_t)snprintf(text, sizeof text, "%zu of %zu runs failed and %zu were skipped",
                                l->n_failed, l->n_runs, l->n_skipped);
    if (l->n_quality_failed)
        snprintf(text + used, sizeof text - used, "%s%zu of %zu measures of quality failed",
                 used ? "; " : "", l->n_quality_failed, l->n_quality);
    return text[0]
               ? cn_die("%s; 'carnot study export' has the reasons%s", text,
                        l->n_failed + l->n_quality_failed ? ", --retry-failed tries once more" : "")
               : CN_EXIT_OK;
}

static int run(const struct arguments *a)
{
    struct cn_error err = { "" };
    struct cn_study_lack lack = { 0 };
    char program[PATH_MAX], model[PATH_MAX], root[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", program, sizeof program - 1);
    struct cn_study_options o = { .plan = a->words.n > 1 ? a->words.items[1] : NULL,
                                  .db = a->db,
                                  .work = a->work,
                                  .targets = a->targets.items,
                                  .n_targets = a->targets.n,
                                  .program = program,
                                  .root = a->root,
                                  .device_binary = a->binary,
                                  .force = a->force,
                                  .retry = a->retry,
                                  .progress = progress,
                                  .note = note,
                                  .cancel = interrupted };
    if (n <= 0)
        return cn_die("cannot find this program's own file");
    program[n] = 0;
    o.default_model = realpath(cn_default_model(), model) ? model : cn_default_model();
    if (o.root && *o.root != '/') { /* runs have folders of their own */
        if (!realpath(o.root, root))
            return cn_die("%s: %s", o.root, strerror(errno));
        o.root = root;
    }
    char end;
    if (a->shard && (sscanf(a->shard, "%d/%d%c", &o.shard.i, &o.shard.n, &end) != 2 ||
                     o.shard.i < 1 || o.shard.i > o.shard.n || o.shard.n > 100000))
        return cn_usage_error("--shard: I/N with 1 <= I <= N expected, '%s' given", a->shard);
    enum cn_status status = cn_study_run(&o, &lack, &err);
    if (status == CN_ERR_CANCELLED)
        return cn_die("interrupted; 'carnot study run --db %s' goes on", a->db);
    if (status != CN_OK)
        return failed(&err);
    int code = print_status(a->db, a->format);
    return code == CN_EXIT_OK ? tell_lack(&lack) : code;
}

/* ---- status and export ----------------------------------------------------------------------- */

/* What a SELECT finds, as a table. titles: columns are shown to people under their names. */
static int print_select(struct cn_study_db *db, const char *name, const char *sql,
                        enum cn_table_format format, struct cn_error *err)
{
    struct cn_study_rows *rows;
    struct cn_table *t = cn_table_create(name);
    if (!t)
        return cn_die("out of memory");
    enum cn_status status = cn_study_select(db, &rows, err, sql, "");
    if (status == CN_OK) {
        for (int c = 0; c < cn_study_rows_width(rows); c++)
            cn_table_column(t, cn_study_rows_name(rows, c), cn_study_rows_name(rows, c), -1);
        while (cn_study_rows_next(rows)) {
            cn_table_row(t);
            for (int c = 0; c < cn_study_rows_width(rows); c++) {
                const char *key = cn_study_rows_name(rows, c);
                char type = cn_study_rows_type(rows, c);
                if (type == 'i')
                    cn_table_i64(t, key, cn_study_rows_i64(rows, c));
                else if (type == 'd')
                    cn_table_f64(t, key, cn_study_rows_f64(rows, c));
                else if (type == 's')
                    cn_table_str(t, key, cn_study_rows_text(rows, c));
            }
        }
        status = cn_study_rows_close(rows, err);
    }
    const int code = status == CN_OK ? cn_result_table(t, format) : failed(err);
    cn_table_free(t);
    return code;
}

static int print_status(const char *path, enum cn_table_format format)
{
    struct cn_study_db *db;
    struct cn_error err = { "" };
    enum cn_status status = cn_study_db_open(path, CN_STUDY_READ, &db, &err);
    if (status != CN_OK)
        return failed(&err);
    const int code = print_select(
        db, "status",
        "SELECT f.model, f.quant, round(f.bpw, 3) AS bpw, count(*) AS runs, sum(r.status = 'done') "
        "AS done, "
        "sum(r.status = 'pending') AS pending, sum(r.status = 'running') AS running, "
        "sum(r.status = 'failed') AS failed, sum(r.status = 'skipped') AS skipped, "
        "round(avg(r.prefill_tps), 1) AS prefill_tps, round(avg(r.decode_tps), 1) AS decode_tps, "
        "avg(r.joules / r.output_tokens) AS j_per_token, max(r.energy_status) AS energy_status, "
        "(SELECT count(*) FROM quality q WHERE q.file = f.file AND q.status = 'done') AS quality, "
        "coalesce(max(r.reason), f.reason) AS reason "
        "FROM runs r JOIN cells c USING (cell) JOIN files f USING (file) GROUP BY f.file",
        format, &err);
    cn_study_db_close(db);
    return code;
}

static int export(const struct arguments *a)
{
    struct cn_study_db *db;
    struct cn_error err = { "" };
    char sql[256];
    double known;
    const char *path = a->words.n > 1 ? a->words.items[1] : a->db;
    enum cn_status status = cn_study_db_open(path, CN_STUDY_READ, &db, &err);
    if (status != CN_OK)
        return failed(&err);
    status = cn_study_number(db, &known, &err,
                             "SELECT count(*) FROM sqlite_master WHERE type IN ('table', 'view') "
                             "AND name = ?1",
                             "s", a->table);
    if (status == CN_OK && known < 1) {
        cn_study_db_close(db);
        return cn_usage_error("--table: results, runs, phases, files, cells, quality, devices, "
                              "limits, ... expected, '%s' given",
                              a->table);
    }
    snprintf(sql, sizeof sql, "SELECT * FROM \"%s\" ORDER BY 1, 2", a->table);
    const int code =
        status == CN_OK ? print_select(db, a->table, sql, a->format, &err) : failed(&err);
    cn_study_db_close(db);
    return code;
}

static int merge(const struct arguments *a)
{
    struct cn_error err = { "" };
    if (a->words.n < 3)
        return cn_usage_error("merge OUT DB... expected");
    enum cn_status status =
        cn_study_merge(a->words.items[1], a->words.items + 2, a->words.n - 2, &err);
    return status == CN_OK ? print_status(a->words.items[1], a->format) : failed(&err);
}

static int import_samples(const struct arguments *a)
{
    struct cn_error err = { "" };
    struct cn_attribute_options o = { .offset_ms = a->offset_ms };
    const char *target = a->targets.n ? a->targets.items[0] : NULL;
    size_t joined, traced;
    if (a->words.n != 2 || a->targets.n > 1)
        return cn_usage_error("import-samples FILE expected, and at most one --target");
    enum cn_status status =
        cn_study_import_samples(a->db, a->words.items[1], target, &o, &joined, &traced, &err);
    if (status != CN_OK)
        return failed(&err);
    if (joined < traced)
        cn_warn("%zu of %zu runs with a trace got joules; the samples do not cover the others",
                joined, traced);
    return print_status(a->db, a->format);
}

static int dispatch(const struct arguments *a)
{
    const char *verb = a->words.items[0];
    bool one = a->words.n <= 2;
    if (strcmp(verb, "run") == 0 && one)
        return run(a);
    if (strcmp(verb, "status") == 0 && one)
        return print_status(a->words.n > 1 ? a->words.items[1] : a->db, a->format);
    if (strcmp(verb, "export") == 0 && one)
        return export(a);
    if (strcmp(verb, "merge") == 0)
        return merge(a);
    if (strcmp(verb, "import-samples") == 0)
        return import_samples(a);
    return cn_usage_error("run [PLAN], status [DB], export [DB], merge OUT DB... or import-samples "
                          "FILE expected, '%s' "
                          "given%s",
                          verb, one ? "" : " with too many words");
}

int cn_cmd_study(int argc, char **argv)
{
    struct arguments a = { .db = CN_STUDY_DB, .table = "results", .root = getenv("CARNOT_ROOT") };
    const struct cn_usage usage = {
        "carnot study run [PLAN] | status [DB] | export [DB] | merge OUT DB... | "
        "import-samples FILE [options]",
        "Measures every combination of the factors in a plan, many times, in random order.\n"
        "  run     begins the study of a plan, or goes on with one that was interrupted\n"
        "  status  how far it is, a row per model file\n"
        "  export  the runs, or with --table another table, as csv, json, jsonl or sql\n"
        "  merge   joins the databases of shards\n"
        "  import-samples  joules from what another meter recorded meanwhile, as carnot attribute\n"
        "          reads it, for runs that have a trace\n"
        "\n"
        "  carnot study run bench/plans/smoke.plan && carnot report\n"
        "  carnot study run bench/plans/phone-study.plan --target adb:R5CX --target adb:R5CY\n"
        "  parallel carnot study run P --db s{}.db --shard {}/4 ::: 1 2 3 4; carnot study merge "
        "all.db s?.db\n"
        "\n"
        "docs/STUDY.md tells what a plan can say, and what is in the database.",
    };
    /* clang-format off */
    const struct cn_option options[] = {
        { "--db",           NULL, CN_OPT_STRING, &a.db,      "FILE",   "the study (" CN_STUDY_DB ")", 0, 0 },
        { "--target",       NULL, CN_OPT_LIST,   &a.targets, "T",      "where runs happen: local, adb:SERIAL, ssh:HOST; may be repeated (local)", 0, 0 },
        { "--device-binary", NULL, CN_OPT_STRING, &a.binary, "FILE",   "program that adb and ssh targets run (the build beside this one for their machine)", 0, 0 },
        { "--shard",        NULL, CN_OPT_STRING, &a.shard,   "I/N",    "run every Nth block only, from the Ith", 0, 0 },
        { "--work",         NULL, CN_OPT_STRING, &a.work,    "DIR",    "where quantised models and files under way go (FILE.work)", 0, 0 },
        { "--force",        NULL, CN_OPT_FLAG,   &a.force,   NULL,     "go on where a check of the machine refuses", 0, 0 },
        { "--retry-failed", NULL, CN_OPT_FLAG,   &a.retry,   NULL,     "run failed runs once more", 0, 0 },
        { "--root",         NULL, CN_OPT_STRING, &a.root,    "DIR",    "where the meters' files are (/)", 0, 0 },
        { "--offset-ms",    NULL, CN_OPT_FLOAT,  &a.offset_ms, "X",    "added to the times of imported samples (0)", -1e12, 1e12 },
        { "--table",        NULL, CN_OPT_STRING, &a.table,   "NAME",   "what export prints: results, phases, files, quality, ... (results)", 0, 0 },
        { "--output",       "-o", CN_OPT_TABLE,  &a.format,  "FORMAT", "md, csv, json, jsonl or sql (md)", 0, 0 },
    };
    /* clang-format on */
    int code = cn_options_parse(argc, argv, &usage, options, sizeof options / sizeof *options,
                                &a.words, 1, SIZE_MAX);
    if (code < 0 && !*a.db)
        code = cn_usage_error("--db: the name of a file expected, '' given");
    if (code < 0)
        code = dispatch(&a);
    free(a.words.items);
    free(a.targets.items);
    return code;
}
