/* SPDX-License-Identifier: MIT
 *
 * What is looked at before measuring: things that a user can mend, and that spoil joules or speeds.
 */
#include "bench/study/study_part.h"

#include "base/error.h"
#include "base/json.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct report {
    const struct cn_study *s;
    const struct cn_study_site *site;
    int n_refused;
};

/* A line for what is not as it should be. */
__attribute__((format(printf, 3, 4))) static void found(struct report *r, bool refuse,
                                                        const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    refuse |= r->s->plan.checks == CN_CHECKS_REFUSE;
    r->n_refused += refuse;
    cn_study_note(r->s, "%s: %s%s", r->site->name, text,
                  refuse ? r->s->o->force ? " (forced)" : " (refused)" : "");
}

static void check_supply(struct report *r, const struct cn_system_state *now)
{
    const char *meter = r->s->plan.meter;
    bool on_battery =
        meter && (strncmp(meter, "battery", 7) == 0 || strncmp(meter, "dumpsys", 7) == 0);
    if (now->charger == 1 && !isnan(now->battery_percent))
        found(
            r, on_battery,
            "the charger is plugged in: the battery's meter would see what it supplies; unplug it");
    if (now->charger != 1 && now->battery_percent < 15)
        found(r, true, "the battery is at %.0f%%, where systems save power; charge it",
              now->battery_percent);
}

static void check_quiet(struct report *r, const struct cn_system_state *now)
{
    if (now->load_1min > 0.5)
        found(r, false, "the load is %.1f: other programs run; end them", now->load_1min);
    if (now->governor[0] && strcmp(now->governor, "performance") != 0)
        found(r, false,
              "the frequency governor is '%s': speeds follow what ran before; 'performance' holds "
              "them",
              now->governor);
    if (now->mhz_limit < 0.98 * now->mhz_max)
        found(r, false, "the frequency is limited to %.0f of %.0f MHz", now->mhz_limit,
              now->mhz_max);
    if (now->throttle_flags > 0)
        found(r, false, "the firmware holds the CPU back (flags %#x): supply or heat",
              (unsigned)now->throttle_flags);
}

static void check_heat(struct report *r, const struct cn_system_state *now)
{
    const struct cn_study_plan *p = &r->s->plan;
    bool gate = p->cooldown == CN_COOLDOWN_BELOW || p->cooldown == CN_COOLDOWN_RISE;
    if (gate && isnan(now->celsius))
        found(r, false,
              "no temperature can be read: the cool-down waits its limit of %.0f s each time",
              p->cooldown_s);
    else if (now->celsius > 80)
        found(r, false, "the CPU is at %.0f degrees before anything was run", now->celsius);
}

static enum cn_status check_memory(struct report *r)
{
    uint64_t free_bytes = r->site->target->free_memory(r->site->state);
    struct cn_study_rows *rows;
    if (!free_bytes)
        return CN_OK;
    CN_TRY(cn_study_select(r->s->db, &rows, r->s->err,
                           "SELECT model, quant, tensor_bytes FROM files WHERE tensor_bytes > ?1",
                           "i", (int64_t)free_bytes));
    while (cn_study_rows_next(rows))
        found(r, true, "%s %s needs %.1f GiB, %.1f GiB of memory are free",
              cn_study_rows_text(rows, 0), cn_study_rows_text(rows, 1),
              cn_study_rows_f64(rows, 2) / 1073741824, (double)free_bytes / 1073741824);
    return cn_study_rows_close(rows, r->s->err);
}

enum cn_status cn_study_check(const struct cn_study *s, const struct cn_study_site *site)
{
    struct report r = { .s = s, .site = site };
    struct cn_system_state now;
    if (s->plan.checks == CN_CHECKS_OFF)
        return CN_OK;
    CN_TRY(site->target->look(site->state, &now, s->err));
    check_supply(&r, &now);
    check_quiet(&r, &now);
    check_heat(&r, &now);
    CN_TRY(check_memory(&r));
    CN_RETURN_IF(r.n_refused && !s->o->force, CN_ERR_ARGUMENT, s->err,
                 "%s is not fit for measuring: %d checks refuse it (--force goes on all the same)",
                 site->name, r.n_refused);
    return CN_OK;
}

/* ---- the meter ------------------------------------------------------------------------------- */

static const char *text_of(const struct cn_json_value *row, const char *key)
{
    const struct cn_json_value *v = cn_json_get(row, key);
    return v && v->type == CN_JSON_STRING ? v->string : "";
}

/* One channel that the runs of a target would watch. */
static enum cn_status judge_meter(const struct cn_study *s, const char *target, bool ok,
                                  const char *reason, const char *remedy)
{
    const char *asked = s->plan.meter;
    if (ok)
        return CN_OK;
    if (!asked) {
        cn_study_note(s,
                      "%s: no energy meter was found, so the runs will have no joules: %s%s%s "
                      "(`meter none` in the plan says that none is wanted)",
                      target, reason, *remedy ? "; " : "", remedy);
        return CN_OK;
    }
    if (s->o->force) {
        cn_study_note(s, "%s: the plan's meter %s: %s (forced)", target, asked, reason);
        return CN_OK;
    }
    return cn_fail(s->err, CN_ERR_ARGUMENT,
                   "%s: the plan's meter %s cannot be read there: %s%s%s (--force measures all the "
                   "same)",
                   target, asked, reason, *remedy ? "; " : "", remedy);
}

static bool wants_meter(const struct cn_study *s)
{
    return !s->plan.meter || strcmp(s->plan.meter, "none") != 0;
}

enum cn_status cn_study_check_local_meter(const struct cn_study *s)
{
    struct cn_profiler_error err = { "" };
    enum cn_status status = CN_OK;
    if (!wants_meter(s))
        return CN_OK;
    struct cn_profiler *p = cn_profiler_create(
        &(struct cn_profiler_options){
            .root = s->o->root, .meter = s->plan.meter, .force = s->o->force },
        &err);
    CN_RETURN_IF(!p, CN_ERR_ARGUMENT, s->err, "%s", err.text);
    for (size_t i = 0; status == CN_OK && i < cn_profiler_n_channels(p); i++) {
        const struct cn_meter_info *m = cn_profiler_channel(p, i);
        status = judge_meter(s, "local", m->ok, m->reason, m->remedy);
    }
    cn_profiler_free(p);
    return status;
}

enum cn_status cn_study_check_meter(const struct cn_study *s, const struct cn_study_site *site)
{
    struct cn_study_args args = { .n = 0 };
    struct cn_study_outcome outcome = { .folder = "" };
    char reason[CN_STUDY_REASON];
    if (!wants_meter(s))
        return CN_OK;
    cn_study_arg(&args, "meters");
    cn_study_arg(&args, "--meter");
    cn_study_arg(&args, "%s", s->plan.meter ? s->plan.meter : "auto");
    if (s->o->root) {
        cn_study_arg(&args, "--root");
        cn_study_arg(&args, "%s", s->o->root);
    }
    cn_study_arg(&args, "-o");
    cn_study_arg(&args, "jsonl");
    CN_TRY(cn_study_job(s, site, "meters", &args, &outcome));
    cn_study_job_reason(&outcome, reason, sizeof reason);
    size_t n;
    char *text = NULL, *rest;
    enum cn_status status =
        reason[0] ? cn_fail(s->err, CN_ERR_IO, "%s: carnot meters: %s", site->name, reason)
                  : cn_study_job_text(&outcome, "stdout", &text, &n, s->err);
    cn_study_job_forget(&outcome);
    CN_TRY(status);
    rest = text;
    for (char *line; status == CN_OK && (line = strsep(&rest, "\n")) != NULL;) {
        struct cn_json *json = NULL;
        if (*line)
            status = cn_json_parse(line, strlen(line), "carnot meters", &json, s->err);
        const struct cn_json_value *row = json ? cn_json_root(json) : NULL;
        if (status == CN_OK && row)
            status = judge_meter(s, site->name, strcmp(text_of(row, "status"), "ok") == 0,
                                 text_of(row, "reason"), text_of(row, "remedy"));
        cn_json_free(json);
    }
    free(text);
    return status;
}
