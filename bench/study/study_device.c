/* SPDX-License-Identifier: MIT
 *
 * What a device is and can do: asked of the program itself, on the device.
 */
#include "bench/study/study_part.h"

#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static enum cn_status ask(const struct cn_study *s, const struct cn_study_site *site,
                          const char *name, const struct cn_study_args *args,
                          struct cn_study_outcome *outcome)
{
    char reason[512];
    CN_TRY(cn_study_job(s, site, name, args, outcome));
    cn_study_job_reason(outcome, reason, sizeof reason);
    if (!reason[0])
        return CN_OK;
    cn_study_job_forget(outcome);
    return cn_fail(s->err, CN_ERR_IO, "%s: carnot %s: %s", site->name, args->argv[0], reason);
}

/* The tiers of `carnot --version`. */
static enum cn_status ask_version(const struct cn_study *s, struct cn_study_site *site)
{
    struct cn_study_args args = { .n = 0 };
    struct cn_study_outcome outcome;
    size_t n;
    cn_study_arg(&args, "--version");
    CN_TRY(ask(s, site, "version", &args, &outcome));
    char *text = NULL;
    enum cn_status status = cn_study_job_text(&outcome, "stdout", &text, &n, s->err);
    const char *at = text ? strstr(text, "in force  ") : NULL;
    if (at)
        snprintf(site->tiers, sizeof site->tiers, "%.*s", (int)strcspn(at + 10, " \n"), at + 10);
    free(text);
    cn_study_job_forget(&outcome);
    CN_TRY(status);
    CN_RETURN_IF(!at, CN_ERR_FORMAT, s->err, "%s: carnot --version tells no tiers", site->name);
    return CN_OK;
}

static enum cn_status put_limits(const struct cn_study *s, const struct cn_study_site *site,
                                 const struct cn_study_outcome *outcome, bool timed)
{
    size_t n;
    char *text, *rest;
    CN_TRY(cn_study_job_text(outcome, "stdout", &text, &n, s->err));
    enum cn_status status = CN_OK;
    rest = text;
    for (char *line; status == CN_OK && (line = strsep(&rest, "\n")) != NULL;) {
        struct cn_json *json = NULL;
        if (!*line)
            continue;
        status = cn_json_parse(line, strlen(line), "carnot machine", &json, s->err);
        if (status != CN_OK)
            break;
        const struct cn_json_value *row = cn_json_root(json);
        const struct cn_json_value *threads = cn_json_get(row, "threads");
        const struct cn_json_value *tier = cn_json_get(row, "tier");
        status = cn_study_store(s, "devices", "cpu", site->id, row);
        bool put = timed && threads && threads->type == CN_JSON_NUMBER && tier &&
                   tier->type == CN_JSON_STRING;
        if (status == CN_OK && put)
            status = cn_study_exec(
                s->db, s->err,
                "INSERT OR REPLACE INTO limits (device, threads, tier) VALUES (?1, ?2, ?3)", "ids",
                site->id, threads->number, tier->string);
        double rowid;
        if (status == CN_OK && put)
            status = cn_study_number(s->db, &rowid, s->err, "SELECT last_insert_rowid()", "");
        if (status == CN_OK && put)
            status = cn_study_store(s, "limits", "read_gbps", (int64_t)rowid, row);
        cn_json_free(json);
    }
    free(text);
    return status;
}

/* Thread counts of the plan that the device has; "" with *every: every core is asked for too, and
 * which counts those are the device knows best. */
static void thread_list(const struct cn_study_plan *plan, double cpus, char *text, size_t n_bytes,
                        bool *every)
{
    size_t n = 0;
    text[0] = 0;
    *every = false;
    for (size_t i = 0; i < plan->n_threads; i++) {
        const int count = plan->threads[i].decode;
        *every |= !count;
        if (count && count <= cpus)
            n += (size_t)snprintf(text + n, n < n_bytes ? n_bytes - n : 0, "%s%d", n ? "," : "",
                                  count);
    }
    if (*every)
        text[0] = 0;
}

/* `carnot machine` there; its rows into devices and, if timed, limits. threads "": its own choice.
 */
static enum cn_status ask_machine(const struct cn_study *s, const struct cn_study_site *site,
                                  bool timed, const char *threads)
{
    struct cn_study_args args = { .n = 0 };
    struct cn_study_outcome outcome;
    cn_study_arg(&args, "machine");
    cn_study_arg(&args, "-o");
    cn_study_arg(&args, "jsonl");
    cn_study_arg(&args, "--seconds");
    cn_study_arg(&args, "%g", timed ? s->plan.limits_s : 0.0);
    if (threads[0]) {
        cn_study_arg(&args, "-t");
        cn_study_arg(&args, "%s", threads);
    }
    if (!timed) {
        cn_study_arg(&args, "--tiers");
        cn_study_arg(&args, "ref");
    }
    CN_TRY(ask(s, site, "machine", &args, &outcome));
    enum cn_status status = cn_study_begin(s->db, s->err);
    if (status == CN_OK) {
        status = put_limits(s, site, &outcome, timed);
        if (status == CN_OK) /* set when all is known */
            status = cn_study_exec(
                s->db, s->err, "UPDATE devices SET tiers = NULL WHERE device = ?1", "i", site->id);
        enum cn_status ended = cn_study_end(s->db, status == CN_OK, s->err);
        status = status == CN_OK ? ended : status;
    }
    cn_study_job_forget(&outcome);
    return status;
}

static enum cn_status count_cpus(const struct cn_study *s, struct cn_study_site *site)
{
    return cn_study_number(s->db, &site->cpus, s->err, "SELECT cpus FROM devices WHERE device = ?1",
                           "i", site->id);
}

/* What it is first, then how fast: with as many threads as it has CPUs at most. */
static enum cn_status learn(const struct cn_study *s, struct cn_study_site *site)
{
    char threads[512];
    bool every;
    CN_TRY(ask_machine(s, site, false, "1"));
    CN_TRY(count_cpus(s, site));
    thread_list(&s->plan, site->cpus, threads, sizeof threads, &every);
    if (s->plan.limits_s > 0 && (every || threads[0]))
        CN_TRY(ask_machine(s, site, true, threads));
    return cn_study_exec(s->db, s->err, "UPDATE devices SET tiers = ?2 WHERE device = ?1", "is",
                         site->id, site->tiers);
}

enum cn_status cn_study_describe(const struct cn_study *s, struct cn_study_site *site)
{
    double id, known;
    CN_TRY(ask_version(s, site));
    CN_TRY(cn_study_exec(s->db, s->err,
                         "INSERT OR IGNORE INTO devices (target, name) VALUES (?1, ?2)", "ss",
                         site->name, site->device.name));
    CN_TRY(cn_study_exec(
        s->db, s->err, "UPDATE devices SET kernel = ?3 WHERE target = ?1 AND name = ?2", "sss",
        site->name, site->device.name, site->device.kernel[0] ? site->device.kernel : NULL));
    CN_TRY(cn_study_number(s->db, &id, s->err,
                           "SELECT device FROM devices WHERE target = ?1 AND name = ?2", "ss",
                           site->name, site->device.name));
    site->id = (int64_t)id;
    CN_TRY(cn_study_number(s->db, &known, s->err,
                           "SELECT count(*) FROM devices WHERE device = ?1 AND tiers IS NOT NULL",
                           "i", site->id));
    if (known < 1)
        CN_TRY(learn(s, site));
    return count_cpus(s, site);
}
