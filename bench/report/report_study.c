/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "bench/page/plot.h"
#include "bench/report/report.h"
#include "bench/report/report_part.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void date(double seconds, char *buf, size_t n)
{
    time_t t = (time_t)seconds;
    struct tm tm;
    if (!(fabs(seconds) < 1e11) || !gmtime_r(&t, &tm) ||
        strftime(buf, n, "%Y-%m-%d %H:%M UTC", &tm) == 0)
        snprintf(buf, n, "unknown");
}

enum { MAX_COLUMNS = 64 };

/* Which columns of a SELECT hold anything. */
static enum cn_status find_filled(struct cn_report *r, bool *filled, struct cn_error *err,
                                  const char *sql)
{
    struct cn_study_rows *rows;
    CN_TRY(cn_study_select(r->db, &rows, err, sql, ""));
    while (cn_study_rows_next(rows))
        for (int c = 0; c < MAX_COLUMNS && c < cn_study_rows_width(rows); c++)
            filled[c] |= cn_study_rows_type(rows, c) != 'n';
    return cn_study_rows_close(rows, err);
}

/* A SELECT as it is: titles are the names of the columns. Those that hold nothing are left out. */
static enum cn_status put_select(struct cn_report *r, bool sortable, struct cn_error *err,
                                 const char *sql)
{
    bool filled[MAX_COLUMNS] = { false };
    struct cn_study_rows *rows;
    CN_TRY(find_filled(r, filled, err, sql));
    CN_TRY(cn_study_select(r->db, &rows, err, sql, ""));
    struct cn_table *t = cn_table_create("rows");
    int n = t ? cn_study_rows_width(rows) : 0;
    for (int c = 0; c < n; c++)
        cn_table_column(t, cn_study_rows_name(rows, c),
                        c >= MAX_COLUMNS || filled[c] ? cn_study_rows_name(rows, c) : NULL, -1);
    while (t && cn_study_rows_next(rows)) {
        cn_table_row(t);
        for (int c = 0; c < n; c++) {
            const char *key = cn_study_rows_name(rows, c);
            char short_number[32];
            switch (cn_study_rows_type(rows, c)) {
            case 'i':
                cn_table_i64(t, key, cn_study_rows_i64(rows, c));
                break;
            case 'd': /* six digits are more than any of these is good for */
                snprintf(short_number, sizeof short_number, "%.6g", cn_study_rows_f64(rows, c));
                cn_table_f64(t, key, strtod(short_number, NULL));
                break;
            case 's':
                cn_table_str(t, key, cn_study_rows_text(rows, c));
                break;
            }
        }
    }
    enum cn_status status = cn_study_rows_close(rows, err);
    if (t && status == CN_OK)
        cn_page_table(r->page, t, sortable);
    cn_table_free(t);
    return t ? status : cn_fail(err, CN_ERR_MEMORY, "out of memory");
}

enum cn_status cn_report_raw(struct cn_report *r, struct cn_error *err)
{
    cn_page_section(r->page, "runs", "All runs");
    cn_page_note(r->page,
                 "A click on a title sorts. Columns without any value are left out; everything "
                 "that was recorded, the responses too, comes from carnot study export.");
    return put_select(
        r, true, err,
        "SELECT run, block, position, status, model, quant, round(bpw, 3) AS bpw, device, "
        "tiers_asked AS tiers, threads, kv, prompt, input_tokens, output_tokens, load_s, "
        "prefill_s, decode_s, ttft_s, prefill_tps, decode_tps, boundary, energy_status, joules, "
        "joules_net, joules_uncertainty, prefill_j_per_token, decode_j_per_token, watts, "
        "peak_bytes / 1048576.0 AS peak_mib, celsius_before, celsius_max, mhz_after, throttled, "
        "cooldown_s, attempts, coalesce(disturbed, reason) AS remark FROM results ORDER BY run");
}

enum cn_status cn_report_provenance(struct cn_report *r, struct cn_error *err)
{
    cn_page_section(r->page, "provenance", "Provenance");
    cn_page_heading(r->page, "Devices");
    CN_TRY(put_select(r, false, err, "SELECT * FROM devices ORDER BY device"));
    if (r->n_limits)
        cn_page_heading(r->page, "Limits of the devices");
    if (r->n_limits)
        CN_TRY(put_select(r, false, err,
                          "SELECT name AS device, threads, tier, read_gbps AS \"read, GB/s\", "
                          "int8_gops AS \"int8, Gop/s\", f32_gflops AS \"float, Gflop/s\" FROM "
                          "limits JOIN devices USING (device) ORDER BY device, tier, threads"));
    cn_page_heading(r->page, "Programs and meters");
    CN_TRY(put_select(
        r, false, err,
        "SELECT carnot, kernel, governor, tiers, meter, boundary, count(*) AS runs, "
        "round(min(idle_before_w), 3) AS \"idle from, W\", round(max(idle_before_w), 3) AS "
        "\"to, W\", round(min(celsius_before), 1) AS \"before, least \u00b0C\", "
        "round(max(celsius_max), 1) AS \"most \u00b0C\", sum(throttled) AS throttled, "
        "count(disturbed) AS disturbed FROM runs WHERE status = 'done' GROUP BY 1, 2, 3, 4, 5, 6 "
        "ORDER BY runs DESC LIMIT 200"));
    cn_page_heading(r->page, "Model files");
    CN_TRY(
        put_select(r, false, err,
                   "SELECT model, quant, architecture, round(bpw, 3) AS bpw, n_params AS "
                   "parameters, n_active_params AS active, file_bytes / 1048576.0 AS "
                   "\"file, MiB\", decode_bytes AS \"bytes per token\", sha256, imatrix, "
                   "(SELECT group_concat(key || ' ' || json_extract(value, '$.tensors'), ', ') "
                   "FROM json_each(CASE WHEN json_valid(tensor_types) THEN tensor_types ELSE "
                   "'{}' END)) AS \"tensors by type\", status, reason FROM files ORDER BY file"));
    cn_page_heading(r->page, "Plan");
    cn_page_code(r->page, r->study.plan);
    return CN_OK;
}

static void put_head(struct cn_report *r)
{
    const struct cn_report_study_info *s = &r->study;
    char when[64];
    date(s->created_s, when, sizeof when);
    cn_page_note(
        r->page,
        "Study \u201c%s\u201d, begun %s: %lld runs planned in %lld blocks (seed %lld), %lld "
        "done, %lld failed, %lld skipped, %lld not yet. %d model file%s, %d setting%s, %d "
        "device%s.",
        s->name, when, (long long)s->n_planned, (long long)s->n_blocks, (long long)s->seed,
        (long long)s->n_done, (long long)s->n_failed, (long long)s->n_skipped, (long long)s->n_open,
        r->n_files, r->n_files == 1 ? "" : "s", r->n_settings, r->n_settings == 1 ? "" : "s",
        r->n_devices, r->n_devices == 1 ? "" : "s");
    if (s->n_other_root)
        cn_page_text(r->page,
                     "In %lld of these runs the meters were read below a folder that stood for / "
                     "(--root): their joules are of whatever wrote there, a simulated machine "
                     "perhaps, and need not be of this device.",
                     (long long)s->n_other_root);
}

static enum cn_status chapters(struct cn_report *r, struct cn_error *err)
{
    bool (*const parts[])(struct cn_report *) = {
        cn_report_findings, cn_report_speed,           cn_report_energy_chapter,
        cn_report_memory,   cn_report_quality_chapter, cn_report_roofline,
        cn_report_front,    cn_report_energy_model,
    };
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        CN_RETURN_IF(!parts[i](r), CN_ERR_MEMORY, err, "out of memory");
    CN_TRY(cn_report_raw(r, err));
    return cn_report_provenance(r, err);
}

static enum cn_status make(struct cn_report *r, const char *out, struct cn_report_made *made,
                           struct cn_error *err)
{
    char title[256];
    CN_TRY(cn_report_load(r, err));
    CN_RETURN_IF(!cn_metric_choose_units(r), CN_ERR_MEMORY, err, "out of memory");
    made->missing = cn_plot_missing();
    made->n_runs = r->n_runs;
    r->plots = !made->missing;
    snprintf(title, sizeof title, "Carnot: %s", r->study.name);
    r->page = cn_page_create(title);
    CN_RETURN_IF(!r->page, CN_ERR_MEMORY, err, "out of memory");
    if (made->missing)
        cn_page_text(r->page, "%s", made->missing);
    CN_RETURN_IF(!cn_report_opening(r), CN_ERR_MEMORY, err, "out of memory");
    put_head(r);
    CN_TRY(chapters(r, err));
    return cn_page_save(r->page, out, err);
}

enum cn_status cn_report_study(const char *path, const char *out, struct cn_report_made *made,
                               struct cn_error *err)
{
    struct cn_report r = { 0 };
    CN_TRY(cn_study_db_open(path, CN_STUDY_READ, &r.db, err));
    enum cn_status status = make(&r, out, made, err);
    struct cn_study_db *db = r.db;
    cn_page_free(r.page);
    cn_report_empty(&r);
    cn_study_db_close(db);
    return status;
}
