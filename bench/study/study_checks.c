/* SPDX-License-Identifier: MIT
 *
 * What is looked at before measuring: things that a user can mend, and that spoil joules or speeds.
 */
#include "bench/study/study_part.h"

#include "base/error.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
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
    bool on_battery = meter && strncmp(meter, "battery", 7) == 0;
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
