/* SPDX-License-Identifier: MIT
 *
 * One site working through its blocks: cool-down, run, store, the next.
 */
#include "bench/study/study_part.h"

#include "base/clock.h"
#include "base/error.h"
#include "engine/tools.h"
#include "profiler/profiler.h"
#include "quant/quant.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

/* A run that is to be done. */
struct run {
    int64_t id, block, input_length, output_length, threads, threads_prefill;
    char tiers[64], kv[8], lever[200], model[80], quant[80], sha256[80], path[PATH_MAX];
    int64_t prompt;
    double started_s, begun_s; /* by the wall clock, as cn_seconds() */
};

struct worker {
    struct cn_study *s;
    struct cn_study_site site;
    bool alone;
    int64_t done, total; /* of this call */
    bool ran;            /* something, so that there is something to cool down from */
};

static bool cancelled(const struct cn_study *s)
{
    return s->o->cancel && s->o->cancel(s->o->user);
}

/* Seconds in small steps; CN_ERR_CANCELLED in between. */
static enum cn_status wait_for(const struct cn_study *s, double seconds)
{
    for (double until = cn_seconds() + seconds; cn_seconds() < until;) {
        CN_RETURN_IF(cancelled(s), CN_ERR_CANCELLED, s->err, "interrupted");
        double left = until - cn_seconds();
        long ns = left > 0.1 ? 100000000 : left > 0 ? (long)(left * 1e9) : 0;
        nanosleep(&(struct timespec){ 0, ns }, NULL);
    }
    return CN_OK;
}

/* ---- what is next ---------------------------------------------------------------------------- */

#define IN_SHARD " (block - ?1) % ?2 = 0 "

/* Takes the first block that has work and no target yet. *block is 0 if there is none. */
static enum cn_status take_block(const struct worker *w, double *block)
{
    struct cn_study *s = w->s;
    int64_t i = s->shard.i, n = s->shard.n;
    *block = 0;
    CN_TRY(cn_study_begin(s->db, s->err));
    enum cn_status status =
        cn_study_number(s->db, block, s->err,
                        "SELECT min(block) FROM runs JOIN blocks USING (block) WHERE status = "
                        "'pending' AND " IN_SHARD "AND (target = ?3 OR target IS NULL)",
                        "iis", i, n, w->site.name);
    if (status == CN_OK && isnan(*block))
        *block = 0;
    if (status == CN_OK && *block > 0)
        status = cn_study_exec(s->db, s->err, "UPDATE blocks SET target = ?2 WHERE block = ?1",
                               "is", (int64_t)*block, w->site.name);
    enum cn_status ended = cn_study_end(s->db, status == CN_OK, s->err);
    return status == CN_OK ? ended : status;
}

#define RUN_COLUMNS                                                                          \
    "SELECT r.run, r.block, c.input_length, c.output_length, c.threads, c.threads_prefill, " \
    "c.tiers, c.kv, f.model, f.quant, f.sha256, f.path, c.prompt, c.lever FROM runs r "      \
    "JOIN cells c "                                                                          \
    "USING (cell) JOIN files f USING (file) "

static void copy(char *to, size_t n_bytes, const char *text)
{
    snprintf(to, n_bytes, "%s", text ? text : "");
}

static void take_row(struct cn_study_rows *rows, struct run *r)
{
    r->id = cn_study_rows_i64(rows, 0);
    r->block = cn_study_rows_i64(rows, 1);
    r->input_length = cn_study_rows_i64(rows, 2);
    r->output_length = cn_study_rows_i64(rows, 3);
    r->threads = cn_study_rows_i64(rows, 4);
    r->threads_prefill = cn_study_rows_i64(rows, 5);
    copy(r->tiers, sizeof r->tiers, cn_study_rows_text(rows, 6));
    copy(r->kv, sizeof r->kv, cn_study_rows_text(rows, 7));
    copy(r->model, sizeof r->model, cn_study_rows_text(rows, 8));
    copy(r->quant, sizeof r->quant, cn_study_rows_text(rows, 9));
    copy(r->sha256, sizeof r->sha256, cn_study_rows_text(rows, 10));
    copy(r->path, sizeof r->path, cn_study_rows_text(rows, 11));
    r->prompt = cn_study_rows_i64(rows, 12);
    copy(r->lever, sizeof r->lever, cn_study_rows_text(rows, 13));
}

/* *found: whether there is one. */
static enum cn_status next_run(const struct worker *w, struct run *r, bool *found)
{
    struct cn_study_rows *rows;
    double block;
    *found = false;
    CN_TRY(take_block(w, &block));
    if (block < 1)
        return CN_OK;
    CN_TRY(cn_study_select(w->s->db, &rows, w->s->err,
                           RUN_COLUMNS "WHERE r.block = ?1 AND r.status = 'pending' ORDER BY run "
                                       "LIMIT 1",
                           "i", (int64_t)block));
    *found = cn_study_rows_next(rows);
    if (*found)
        take_row(rows, r);
    return cn_study_rows_close(rows, w->s->err);
}

/* ---- the command ----------------------------------------------------------------------------- */

/* The prompt's ids, cut or repeated to the cell's input length, in a file. */
static enum cn_status put_ids(const struct cn_study *s, const struct run *r, const char *ids,
                              const char *path, int64_t *n_ids)
{
    struct cn_outfile *file;
    CN_RETURN_IF(!ids || !*ids, CN_ERR_FORMAT, s->err, "%s has no tokens for prompt %lld", r->model,
                 (long long)r->prompt);
    CN_TRY(cn_outfile_create(path, &file, s->err));
    const bool as_is = r->input_length < 0;
    *n_ids = 0;
    for (const char *at = ids; as_is ? *at != 0 : *n_ids < r->input_length; ++*n_ids) {
        if (!*at)
            at = ids;
        size_t n = strcspn(at, " ");
        fprintf(cn_outfile_stream(file), "%.*s ", (int)n, at);
        at += n + (at[n] == ' ');
    }
    return cn_outfile_finish(file, s->err);
}

static enum cn_status write_ids(const struct cn_study *s, const struct run *r, char path[PATH_MAX],
                                int64_t *n_ids)
{
    struct cn_study_rows *rows;
    CN_TRY(cn_study_select(s->db, &rows, s->err,
                           "SELECT ids FROM tokens WHERE model = ?1 AND prompt = ?2", "si",
                           r->model, r->prompt));
    const char *ids = cn_study_rows_next(rows) ? cn_study_rows_text(rows, 0) : NULL;
    snprintf(path, PATH_MAX, "%.3800s/%s-%s-%lld-%lld.ids", s->work, s->tag, r->model,
             (long long)r->prompt, (long long)(r->input_length > 0 ? r->input_length : 0));
    enum cn_status status = put_ids(s, r, ids, path, n_ids);
    enum cn_status closed = cn_study_rows_close(rows, status == CN_OK ? s->err : NULL);
    return status == CN_OK ? closed : status;
}

/* What the run's lever asks for. */
static enum cn_status lever_arguments(const struct worker *w, const struct run *r,
                                      struct cn_study_args *a)
{
    const struct cn_study_plan *plan = &w->s->plan;
    const struct cn_study_lever *l = NULL;
    char draft[PATH_MAX];
    for (size_t i = 0; i < plan->n_levers; i++)
        if (strcmp(plan->levers[i].name, r->lever) == 0)
            l = &plan->levers[i];
    CN_RETURN_IF(!l, CN_ERR_FORMAT, w->s->err, "the plan has no lever '%s'", r->lever);
    if (l->draft) {
        CN_TRY(w->site.target->push(w->site.state, l->draft, NULL, draft, w->s->err));
        cn_study_arg(a, "--draft");
        cn_study_arg(a, "%s", draft);
    }
    if (l->lookup) {
        cn_study_arg(a, "--lookup");
        cn_study_arg(a, "%d", l->lookup);
    }
    if (l->mtp)
        cn_study_arg(a, "--mtp");
    if (l->lanes) {
        cn_study_arg(a, "--lanes");
        cn_study_arg(a, "%d", l->lanes);
    }
    if (l->mhz > 0) {
        cn_study_arg(a, "--frequency");
        cn_study_arg(a, "%.9g", l->mhz);
    }
    if (l->governor) {
        cn_study_arg(a, "--governor");
        cn_study_arg(a, "%s", l->governor);
    }
    if (l->watts > 0) {
        cn_study_arg(a, "--power-limit");
        cn_study_arg(a, "%.9g", l->watts);
    }
    return CN_OK;
}

static enum cn_status command(const struct worker *w, const struct run *r, struct cn_study_args *a)
{
    const struct cn_study *s = w->s;
    const struct cn_study_target *t = w->site.target;
    char ids[PATH_MAX], model[PATH_MAX], tokens[PATH_MAX];
    int64_t n_ids = 0;
    if (s->plan.kernels.formats.n)
        return cn_study_kernels_command(s, r->quant, r->tiers, r->threads, r->prompt, a);
    CN_TRY(write_ids(s, r, ids, &n_ids));
    CN_TRY(t->push(w->site.state, r->path, r->sha256, model, s->err));
    CN_TRY(t->push(w->site.state, ids, NULL, tokens, s->err));
    *a = (struct cn_study_args){ .n = 0 };
    cn_study_arg(a, "run");
    cn_study_arg(a, "-m");
    cn_study_arg(a, "%s", model);
    cn_study_arg(a, "--tokens");
    cn_study_arg(a, "@%s", tokens);
    cn_study_arg(a, "-n");
    cn_study_arg(a, "%lld", (long long)r->output_length);
    cn_study_arg(a, "-c");
    cn_study_arg(a, "%lld",
                 (long long)(s->plan.context ? s->plan.context : n_ids + r->output_length));
    if (s->plan.fill > 0) {
        cn_study_arg(a, "--fill");
        cn_study_arg(a, "%d", s->plan.fill);
    }
    cn_study_arg(a, "--ignore-eos");
    cn_study_arg(a, "--temp");
    cn_study_arg(a, "0");
    cn_study_arg(a, "--kv");
    cn_study_arg(a, "%s", r->kv);
    if (r->threads > 0) {
        cn_study_arg(a, "-t");
        cn_study_arg(a, "%lld", (long long)r->threads);
    }
    if (r->threads_prefill > 0) {
        cn_study_arg(a, "--threads-prefill");
        cn_study_arg(a, "%lld", (long long)r->threads_prefill);
    }
    if (r->tiers[0]) {
        cn_study_arg(a, "--tiers");
        cn_study_arg(a, "%s", r->tiers);
    }
    CN_TRY(lever_arguments(w, r, a));
    if (s->plan.meter) {
        cn_study_arg(a, "--meter");
        cn_study_arg(a, "%s", s->plan.meter);
    }
    if (s->o->root) {
        cn_study_arg(a, "--root");
        cn_study_arg(a, "%s", s->o->root);
    }
    if (s->o->force)
        cn_study_arg(a, "--force-meter");
    if (s->plan.idle_s > 0) {
        cn_study_arg(a, "--idle");
        cn_study_arg(a, "%g", s->plan.idle_s);
    }
    cn_study_arg(a, "--record");
    cn_study_arg(a, "record.json");
    cn_study_arg(a, "--trace");
    cn_study_arg(a, "trace.jsonl");
    return CN_OK;
}

/* As it can be pasted into a shell; malloc'ed. */
static char *command_text(const struct cn_study_args *a)
{
    char *text = NULL;
    size_t n;
    FILE *out = open_memstream(&text, &n);
    if (!out)
        return NULL;
    fputs("carnot", out);
    for (int i = 0; i < a->n; i++) {
        bool plain = a->argv[i][strspn(a->argv[i], "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRST"
                                                   "UVWXYZ0123456789_@%+=:,./-")] == 0;
        fputs(plain ? " " : " '", out);
        for (const char *c = a->argv[i]; *c; c++)
            fputs(*c == '\'' ? "'\\''" : (char[]){ *c, 0 }, out);
        fputs(plain ? "" : "'", out);
    }
    if (fclose(out) == 0)
        return text;
    free(text);
    return NULL;
}

/* ---- cool-down ------------------------------------------------------------------------------- */

static double temperature(const struct worker *w)
{
    struct cn_system_state now;
    return w->site.target->look(w->site.state, &now, NULL) == CN_OK ? now.celsius : (double)NAN;
}

/* *status: a literal. */
static enum cn_status cool_down(const struct worker *w, double *seconds, const char **status)
{
    const struct cn_study_plan *p = &w->s->plan;
    double start = cn_seconds();
    *status = "none";
    *seconds = 0;
    if (p->cooldown == CN_COOLDOWN_NONE || (p->cooldown == CN_COOLDOWN_TIME && !w->ran))
        return CN_OK;
    if (p->cooldown == CN_COOLDOWN_TIME) {
        *status = "time";
        CN_TRY(wait_for(w->s, p->cooldown_s));
    } else {
        double goal = p->cooldown_celsius;
        if (p->cooldown == CN_COOLDOWN_RISE)
            goal += w->site.celsius;
        *status = "cool";
        for (;;) {
            double now = temperature(w);
            bool sensor = !isnan(now) && !isnan(goal);
            if (sensor ? now <= goal : !w->ran)
                break;
            double left = p->cooldown_s - (cn_seconds() - start);
            if (left <= 0) {
                *status = sensor ? "limit" : "no sensor";
                break;
            }
            CN_TRY(wait_for(w->s, left < 1 ? left : 1));
        }
    }
    *seconds = cn_seconds() - start;
    return CN_OK;
}

/* ---- one run --------------------------------------------------------------------------------- */

/* What came of it, in the transaction that makes the run done. `object` is the record; trace: NULL
 * if it is not kept. */
static enum cn_status store_record(const struct cn_study *s, const struct run *r, const char *trace,
                                   const struct cn_json_value *object)
{
    CN_TRY(cn_study_store(s, "runs", "input_tokens", r->id, object));
    CN_TRY(cn_study_store_phases(s, r->id, cn_json_get(object, "phases")));
    CN_TRY(cn_study_exec(s->db, s->err,
                         "UPDATE runs SET current_a = watts / voltage_v WHERE run = ?1 AND "
                         "boundary = 'battery'",
                         "i", r->id));
    return trace ? cn_study_exec(s->db, s->err,
                                 "INSERT OR REPLACE INTO traces (run, jsonl) VALUES (?1, ?2)", "is",
                                 r->id, trace)
                 : CN_OK;
}

/* The energy once more, where the target brought samples of a meter of its own along. */
static enum cn_status join_own_samples(const struct cn_study *s,
                                       const struct cn_study_outcome *outcome,
                                       struct cn_json **energy, const struct cn_json_value **object)
{
    char samples[PATH_MAX + 32];
    snprintf(samples, sizeof samples, "%s/samples", outcome->folder);
    return access(samples, R_OK) == 0
               ? cn_study_join(outcome, samples, NULL, energy, object, s->err)
               : CN_OK;
}

static const char *output_problem(const struct run *r, const struct cn_json_value *object)
{
    const struct cn_json_value *n = cn_json_get(object, "output_tokens");
    if (!n || n->type != CN_JSON_NUMBER)
        return "the record does not tell how many tokens were generated";
    return n->number < (double)r->output_length
               ? "fewer tokens than asked were generated (is the context large enough?)"
               : NULL;
}

/* Where nothing can be written any more, whatever went wrong is no fault of the run, and those that
 * follow would fail alike. */
static bool is_full(const char *folder)
{
    struct statvfs fs;
    return statvfs(folder, &fs) == 0 && fs.f_blocks > 0 && fs.f_bavail == 0;
}

/* One transaction. A run that failed keeps its reason; nothing else of it is believed. */
static enum cn_status store(const struct worker *w, const struct run *r,
                            const struct cn_study_outcome *outcome)
{
    const struct cn_study *s = w->s;
    char reason[CN_STUDY_REASON];
    struct cn_json *json = NULL, *energy = NULL;
    const struct cn_json_value *object = NULL, *joined = NULL;
    cn_study_job_reason(outcome, reason, sizeof reason);
    struct cn_error err = { "" };
    size_t n;
    char *trace = NULL;
    const bool kernels = s->plan.kernels.formats.n > 0;
    if (!reason[0] && kernels)
        cn_study_kernels_problem(outcome, reason);
    if (!reason[0] && !kernels &&
        cn_study_job_json(outcome, "record.json", &json, &object, &err) != CN_OK)
        copy(reason, sizeof reason, err.text);
    if (!reason[0] && !kernels && output_problem(r, object))
        copy(reason, sizeof reason, output_problem(r, object));
    if (!reason[0] && s->plan.keep_traces &&
        cn_study_job_text(outcome, "trace.jsonl", &trace, &n, &err) != CN_OK)
        copy(reason, sizeof reason, err.text);
    if (!reason[0] && join_own_samples(s, outcome, &energy, &joined) != CN_OK)
        copy(reason, sizeof reason, s->err->text);
    enum cn_status status = CN_OK;
    if (reason[0] && is_full(s->work)) {
        errno = ENOSPC;
        status = cn_fail_errno(s->err, "%s", s->work);
        cn_study_exec(s->db, NULL, "UPDATE runs SET status = 'pending' WHERE run = ?1", "i", r->id);
        reason[0] = 0;
    } else {
        status = cn_study_begin(s->db, s->err);
    }
    if (status == CN_OK) {
        status = cn_study_exec(s->db, s->err,
                               "UPDATE runs SET status = ?2, reason = ?3, ended_s = ?4 WHERE run = "
                               "?1",
                               "issd", r->id, reason[0] ? "failed" : "done",
                               reason[0] ? reason : NULL, r->started_s + cn_seconds() - r->begun_s);
        if (status == CN_OK && !reason[0])
            status = kernels ? cn_study_kernels_store(s, r->id, outcome)
                             : store_record(s, r, trace, object);
        if (status == CN_OK && joined)
            status = cn_study_store_energy(s, r->id, joined);
        enum cn_status ended = cn_study_end(s->db, status == CN_OK, s->err);
        status = status == CN_OK ? ended : status;
    }
    if (reason[0])
        cn_study_note(s, "run %lld (%s %s) failed: %s", (long long)r->id, r->model, r->quant,
                      reason);
    cn_json_free(json);
    cn_json_free(energy);
    free(trace);
    return status;
}

/* What the run needs and the device has not, as text; false: it has everything. */
static bool lacks(const struct worker *w, const struct run *r, char *text, size_t n_bytes)
{
    uint32_t has, wants;
    const char *bad;
    size_t bad_len;
    int64_t threads = r->threads > r->threads_prefill ? r->threads : r->threads_prefill;
    if ((double)threads > w->site.cpus) {
        snprintf(text, n_bytes, "%s has %.0f CPUs", w->site.name, w->site.cpus);
        return true;
    }
    if (!r->tiers[0] || !cn_tiers_parse(w->site.tiers, &has, &bad, &bad_len) ||
        !cn_tiers_parse(r->tiers, &wants, &bad, &bad_len))
        return false;
    for (int t = 0; t < CN_N_TIERS; t++)
        if ((wants & ~has) >> t & 1) {
            snprintf(text, n_bytes, "%s lacks %s", w->site.name, cn_tier_name((enum cn_tier)t));
            return true;
        }
    return false;
}

static enum cn_status do_run(struct worker *w, struct run *r)
{
    const struct cn_study *s = w->s;
    struct cn_study_args args;
    struct cn_study_outcome outcome;
    const char *cooled;
    char name[32], lack[200];
    double cooldown_s;
    if (lacks(w, r, lack, sizeof lack))
        return cn_study_exec(s->db, s->err,
                             "UPDATE runs SET status = 'skipped', device = ?2, reason = ?3 WHERE "
                             "run = ?1",
                             "iis", r->id, w->site.id, lack);
    CN_TRY(command(w, r, &args));
    CN_TRY(cool_down(w, &cooldown_s, &cooled));
    char *text = command_text(&args);
    /* The wall clock may be set meanwhile: it says when the run began, not how long it took. */
    r->started_s = cn_now_s(CLOCK_REALTIME);
    r->begun_s = cn_seconds();
    enum cn_status status = cn_study_exec(
        s->db, s->err,
        "UPDATE runs SET status = 'running', attempts = attempts + 1, device = ?2, started_s = ?3, "
        "cooldown_s = ?4, cooldown_status = ?5, command = ?6 WHERE run = ?1",
        "iiddss", r->id, w->site.id, r->started_s, cooldown_s, cooled, text);
    free(text);
    snprintf(name, sizeof name, "run-%lld", (long long)r->id);
    if (status == CN_OK) {
        status = cn_study_job(s, &w->site, name, &args, &outcome);
        if (status == CN_OK)
            status = store(w, r, &outcome);
        if (status == CN_ERR_CANCELLED)
            cn_study_exec(s->db, NULL, "UPDATE runs SET status = 'pending' WHERE run = ?1", "i",
                          r->id);
        cn_study_job_forget(&outcome);
    }
    w->ran = true;
    return status;
}

/* ---- all of them ----------------------------------------------------------------------------- */

/* One run of each file that is measured here; *runs is the caller's, also after a failure. */
static enum cn_status list_warm_ups(const struct worker *w, struct run **runs, size_t *n)
{
    const struct cn_study *s = w->s;
    struct cn_study_rows *rows;
    CN_TRY(cn_study_select(
        s->db, &rows, s->err,
        RUN_COLUMNS "JOIN blocks b USING (block) WHERE r.status = 'pending' AND (block - ?1) "
                    "% ?2 = 0 AND (b.target IS NULL OR b.target = ?3) GROUP BY c.file "
                    "ORDER BY min(r.run)",
        "iis", (int64_t)s->shard.i, (int64_t)s->shard.n, w->site.name));
    enum cn_status status = CN_OK;
    while (status == CN_OK && cn_study_rows_next(rows)) {
        struct run *more = realloc(*runs, (*n + 1) * sizeof **runs);
        if (more) {
            *runs = more;
            take_row(rows, &more[(*n)++]);
        } else {
            status = cn_fail(s->err, CN_ERR_MEMORY, "out of memory");
        }
    }
    enum cn_status closed = cn_study_rows_close(rows, status == CN_OK ? s->err : NULL);
    return status == CN_OK ? closed : status;
}

static enum cn_status warm_up_with(struct worker *w, const struct run *r)
{
    struct cn_study_args args;
    struct cn_study_outcome outcome;
    char lack[200];
    if (lacks(w, r, lack, sizeof lack))
        return CN_OK;
    CN_TRY(command(w, r, &args));
    CN_TRY(cn_study_job(w->s, &w->site, "warm-up", &args, &outcome));
    cn_study_job_forget(&outcome);
    w->ran = true;
    return CN_OK;
}

/* Each file that will be measured is run first without being counted: the file gets into the page
 * cache, the CPU out of its sleep. */
static enum cn_status warm_up(struct worker *w)
{
    const struct cn_study *s = w->s;
    struct run *runs = NULL;
    size_t n = 0;
    if (!s->plan.warmup)
        return CN_OK;
    enum cn_status status = list_warm_ups(w, &runs, &n);
    for (size_t i = 0; i < n * (size_t)s->plan.warmup && status == CN_OK; i++) {
        if (w->alone && s->o->progress)
            s->o->progress(s->o->user, "warm-up", (double)i, (double)(n * (size_t)s->plan.warmup));
        status = warm_up_with(w, &runs[i % n]);
    }
    free(runs);
    return status;
}
static enum cn_status work(struct worker *w)
{
    struct cn_study *s = w->s;
    double left;
    CN_TRY(cn_study_describe(s, &w->site));
    /* Begun by this target and not finished when the study ended: once more. */
    CN_TRY(cn_study_exec(s->db, s->err,
                         "UPDATE runs SET status = 'pending' WHERE status = 'running' AND block IN "
                         "(SELECT block FROM blocks WHERE target = ?1)",
                         "s", w->site.name));
    CN_TRY(cn_study_number(s->db, &left, s->err,
                           "SELECT count(*) FROM runs JOIN blocks USING (block) WHERE status = "
                           "'pending' AND" IN_SHARD "AND (target IS NULL OR target = ?3)",
                           "iis", (int64_t)s->shard.i, (int64_t)s->shard.n, w->site.name));
    if (left < 1)
        return CN_OK;
    w->total = (int64_t)left;
    if (strcmp(w->site.name, "local") != 0) /* this machine was looked at before all else */
        CN_TRY(cn_study_check_meter(s, &w->site));
    CN_TRY(cn_study_check(s, &w->site));
    w->site.celsius = temperature(w);
    CN_TRY(warm_up(w));
    for (bool found = true; found;) {
        struct run r;
        CN_RETURN_IF(cancelled(s), CN_ERR_CANCELLED, s->err, "interrupted");
        if (w->alone && s->o->progress)
            s->o->progress(s->o->user, "runs", (double)w->done, (double)w->total);
        CN_TRY(next_run(w, &r, &found));
        if (found)
            CN_TRY(do_run(w, &r));
        w->done++;
    }
    return CN_OK;
}

enum cn_status cn_study_work(struct cn_study *s, const char *target, bool alone)
{
    struct worker *w = calloc(1, sizeof *w);
    CN_RETURN_IF(!w, CN_ERR_MEMORY, s->err, "out of memory");
    w->s = s;
    w->alone = alone;
    enum cn_status status = cn_study_site_open(s, target, &w->site);
    if (status == CN_OK)
        status = work(w);
    cn_study_site_close(&w->site);
    free(w);
    return status;
}
