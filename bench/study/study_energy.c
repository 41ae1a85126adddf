/* SPDX-License-Identifier: MIT
 *
 * Joules of a run: as its record tells them, or joined from samples that another meter recorded.
 */
#include "base/error.h"
#include "base/temporary.h"
#include "bench/model/run_record.h"
#include "bench/study/study_part.h"
#include "engine/tools.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum cn_status cn_study_store_phases(const struct cn_study *s, int64_t run,
                                     const struct cn_json_value *phases)
{
    CN_TRY(cn_study_exec(s->db, s->err, "DELETE FROM phases WHERE run = ?1", "i", run));
    const struct cn_json_value *p = phases && phases->type == CN_JSON_ARRAY ? phases->first : NULL;
    for (; p; p = p->next) {
        const struct cn_json_value *channel = cn_json_get(p, "channel");
        const struct cn_json_value *phase = cn_json_get(p, "phase");
        const struct cn_json_value *status = cn_json_get(p, "status");
        CN_RETURN_IF(!channel || channel->type != CN_JSON_NUMBER || !phase ||
                         phase->type != CN_JSON_STRING || !status || status->type != CN_JSON_STRING,
                     CN_ERR_FORMAT, s->err,
                     "record.json: a phase with channel, name and status "
                     "expected");
        CN_TRY(cn_study_exec(
            s->db, s->err,
            "INSERT INTO phases (run, channel, phase, status) VALUES (?1, ?2, ?3, ?4)", "idss", run,
            channel->number, phase->string, status->string));
        double rowid;
        CN_TRY(cn_study_number(s->db, &rowid, s->err, "SELECT last_insert_rowid()", ""));
        CN_TRY(cn_study_store(s, "phases", "meter", (int64_t)rowid, p));
    }
    return CN_OK;
}

enum cn_status cn_study_store_energy(const struct cn_study *s, int64_t run,
                                     const struct cn_json_value *energy)
{
    /* What the new meter cannot tell must not stay as the old one told it. */
    CN_TRY(cn_study_exec(s->db, s->err,
                         "UPDATE runs SET meter = NULL, boundary = NULL, energy_status = NULL, "
                         "energy_reason = NULL, joules = NULL, joules_net = NULL, "
                         "joules_uncertainty = NULL, watts = NULL, idle_before_w = NULL, "
                         "idle_after_w = NULL, current_a = NULL WHERE run = ?1",
                         "i", run));
    CN_TRY(cn_study_store(s, "runs", "input_tokens", run, energy));
    CN_TRY(cn_study_exec(s->db, s->err,
                         "UPDATE runs SET current_a = watts / voltage_v WHERE run = ?1 AND "
                         "boundary = 'battery'",
                         "i", run));
    return cn_study_store_phases(s, run, cn_json_get(energy, "phases"));
}

enum cn_status cn_study_join(const struct cn_study_outcome *outcome, const char *samples,
                             const struct cn_attribute_options *options, struct cn_json **json,
                             const struct cn_json_value **energy, struct cn_error *err)
{
    char trace[PATH_MAX + 32], out[PATH_MAX + 32];
    struct cn_profiler_error why = { "" };
    snprintf(trace, sizeof trace, "%s/trace.jsonl", outcome->folder);
    snprintf(out, sizeof out, "%s/energy.json", outcome->folder);
    struct cn_profiler *p = cn_attribute_files(trace, samples, options, &why);
    CN_RETURN_IF(!p, CN_ERR_FORMAT, err, "%s", why.text);
    enum cn_status status = cn_run_record_save_energy(p, out, err);
    cn_profiler_free(p);
    return status == CN_OK ? cn_study_job_json(outcome, "energy.json", json, energy, err) : status;
}

/* ---- samples of a whole study ---------------------------------------------------------------- */

/* Those that have a trace. */
static enum cn_status list_runs(const struct cn_study *s, const char *target, int64_t **runs,
                                size_t *n)
{
    struct cn_study_rows *rows;
    enum cn_status status = CN_OK;
    CN_TRY(cn_study_select(s->db, &rows, s->err,
                           "SELECT run FROM traces JOIN runs USING (run) JOIN blocks USING (block) "
                           "WHERE status = 'done' AND (?1 IS NULL OR target = ?1) ORDER BY run",
                           "s", target));
    while (status == CN_OK && cn_study_rows_next(rows)) {
        int64_t *more = realloc(*runs, (*n + 1) * sizeof **runs);
        if (!more) {
            status = cn_fail(s->err, CN_ERR_MEMORY, "out of memory");
            break;
        }
        *runs = more;
        more[(*n)++] = cn_study_rows_i64(rows, 0);
    }
    enum cn_status closed = cn_study_rows_close(rows, status == CN_OK ? s->err : NULL);
    return status == CN_OK ? closed : status;
}

static enum cn_status write_trace(const struct cn_study *s, int64_t run, const char *folder)
{
    char path[PATH_MAX + 32];
    struct cn_study_rows *rows;
    struct cn_outfile *file;
    snprintf(path, sizeof path, "%s/trace.jsonl", folder);
    CN_TRY(
        cn_study_select(s->db, &rows, s->err, "SELECT jsonl FROM traces WHERE run = ?1", "i", run));
    const char *text = cn_study_rows_next(rows) ? cn_study_rows_text(rows, 0) : NULL;
    enum cn_status status = cn_outfile_create(path, &file, s->err);
    if (status == CN_OK) {
        fputs(text ? text : "", cn_outfile_stream(file));
        status = cn_outfile_finish(file, s->err);
    }
    enum cn_status closed = cn_study_rows_close(rows, status == CN_OK ? s->err : NULL);
    return status == CN_OK ? closed : status;
}

/* *joined: whether the samples tell the energy of this run; if they do not because none falls into
 * it, `why` says so, as it does of a file that is none of samples. */
static enum cn_status import(const struct cn_study *s, int64_t run,
                             const struct cn_study_outcome *outcome, const char *samples,
                             const struct cn_attribute_options *options, bool *joined,
                             struct cn_error *why)
{
    struct cn_json *json = NULL;
    const struct cn_json_value *energy;
    *joined = false;
    CN_TRY(write_trace(s, run, outcome->folder));
    if (cn_study_join(outcome, samples, options, &json, &energy, why) != CN_OK)
        return CN_OK;
    const struct cn_json_value *joules = cn_json_get(energy, "joules");
    enum cn_status status = CN_OK;
    if (joules && joules->type == CN_JSON_NUMBER) {
        status = cn_study_begin(s->db, s->err);
        if (status == CN_OK) {
            status = cn_study_store_energy(s, run, energy);
            enum cn_status ended = cn_study_end(s->db, status == CN_OK, s->err);
            status = status == CN_OK ? ended : status;
        }
        *joined = status == CN_OK;
    }
    cn_json_free(json);
    return status;
}

enum cn_status cn_study_import_samples(const char *db, const char *samples, const char *target,
                                       const struct cn_attribute_options *options, size_t *n_joined,
                                       size_t *n_traced, struct cn_error *err)
{
    struct cn_study s = { .err = err };
    struct cn_study_outcome outcome = { .folder = "" };
    char folder[512];
    int64_t *runs = NULL;
    size_t n = 0, n_ok = 0;
    struct cn_error why = { "" };
    CN_RETURN_IF(access(samples, R_OK) != 0, CN_ERR_IO, err, "%s: %s", samples, strerror(errno));
    CN_TRY(cn_study_db_open(db, CN_STUDY_WRITE, &s.db, err));
    enum cn_status status = list_runs(&s, target, &runs, &n);
    if (status == CN_OK && n == 0)
        status = cn_fail(err, CN_ERR_ARGUMENT,
                         "%s: no finished run%s%s has a trace to join samples with; the plan has "
                         "to say 'traces keep'",
                         db, target ? " of " : "", target ? target : "");
    if (status == CN_OK)
        status = cn_temporary_folder(folder, sizeof folder, "", err);
    if (status == CN_OK)
        snprintf(outcome.folder, sizeof outcome.folder, "%s", folder);
    for (size_t i = 0; i < n && status == CN_OK; i++) {
        bool joined;
        status = import(&s, runs[i], &outcome, samples, options, &joined, &why);
        n_ok += joined;
    }
    if (status == CN_OK && n_ok == 0)
        status = cn_fail(err, CN_ERR_FORMAT, "%s",
                         why.text[0] ? why.text : "the samples are too few for any of the runs");
    if (status == CN_OK) {
        *n_joined = n_ok;
        *n_traced = n;
    }
    cn_study_job_forget(&outcome);
    enum cn_status rested = cn_study_db_rest(s.db, status == CN_OK ? err : NULL);
    status = status == CN_OK ? rested : status;
    cn_study_db_close(s.db);
    free(runs);
    return status;
}
