/* SPDX-License-Identifier: MIT
 *
 * An Android phone without root or an app: where the shell may not read /sys/class/power_supply, it
 * may still ask the battery service, `dumpsys battery`, which tells voltage, chargers, status, and
 * on many phones "current now". What makers disagree about is settled like the battery's own
 * numbers (samples/plausible.h): mA or uA, V, mV or uV, the sign, and chargers beside it.
 *
 * Each question starts a process on the phone, so they are not asked more often than it takes to
 * see the service's values change: twice a second at first, and then a quarter of the time that a
 * value was seen to hold at the least, up to 5 s.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/child.h"
#include "base/clock.h"
#include "profiler/meters/meter.h"
#include "profiler/samples/dumpsys.h"
#include "profiler/sysfs.h"

static const char program[] = "/system/bin/dumpsys";

enum { TIMEOUT_MS = 2000, FIRST_NS = 500000000 };
static const int64_t SLOWEST_NS = 5000000000;

struct state {
    char path[CN_PATH_MAX];
    int64_t asked_ns, wait_ns;
    int64_t changed_ns; /* when a new value was last seen; 0: none yet */
    double last;        /* value, uW */
    bool complete;      /* the value before that was seen to come, too */
    int current_unit;   /* uA per unit; 0: not known yet */
    struct cn_signs signs;
};

/* ---- one answer ------------------------------------------------------------------------------ */

static bool ask(const char *path, struct cn_dumpsys *d, char *why, size_t n_bytes)
{
    const char *const argv[] = { path, "battery", NULL };
    char text[16384], how[40];
    int status = 0;
    const int n = cn_child_run(argv, TIMEOUT_MS, text, sizeof text, &status);
    cn_dumpsys_begin(d);
    if (n < 0 || status != 0) {
        cn_child_describe(status, how, sizeof how);
        snprintf(why, n_bytes, "dumpsys battery: %s",
                 n == -ETIMEDOUT ? "no answer in 2 s"
                 : n < 0         ? cn_sysfs_strerror(n)
                                 : how);
        return false;
    }
    for (char *save = text, *line; (line = strsep(&save, "\n")) != NULL;)
        cn_dumpsys_line(d, line);
    if (!d->begun)
        snprintf(why, n_bytes, "dumpsys battery does not tell of the battery service");
    else if (isnan(d->current))
        snprintf(why, n_bytes, "dumpsys battery tells no current (current now) on this phone");
    else if (!(cn_voltage_unit(fabs(d->voltage)) > 0))
        snprintf(why, n_bytes, "dumpsys battery tells no voltage that can be a battery's");
    else
        return true;
    return false;
}

/* Whether it is the system's use; and then how much, in uW. */
static bool price(const struct cn_dumpsys *d, struct cn_signs *signs, int *current_unit, double *uw,
                  char *why, size_t n_bytes)
{
    const struct cn_supply supply = { .battery = "the battery",
                                      .flow = d->flow,
                                      .charger = d->charger,
                                      .charger_name = d->charger_name };
    if (!cn_battery_is_all(&supply, why, n_bytes) ||
        !cn_power_plausible(d->current, 0, "dumpsys battery", why, n_bytes) ||
        !cn_sign_is_use(signs, d->current, "dumpsys battery", why, n_bytes))
        return false;
    const double size = fabs(d->current);
    if (*current_unit == 0)
        *current_unit = cn_micro_or_milli(size);
    if (size <= 0) {
        snprintf(why, n_bytes, "dumpsys battery tells 0 A although the battery is discharging");
        return false;
    }
    if (*current_unit == 1000 && size >= CN_LEAST_MICRO) {
        snprintf(why, n_bytes, "current now of dumpsys fits neither mA nor uA all along");
        return false;
    }
    const double volts = 1e-6 * cn_voltage_unit(fabs(d->voltage)) * fabs(d->voltage);
    *uw = size * *current_unit * volts;
    return cn_power_plausible(d->current, *uw, "dumpsys battery", why, n_bytes);
}

/* ---- the meter ------------------------------------------------------------------------------- */

static void probe(const struct cn_meter_request *request, struct cn_channel_list *channels)
{
    char path[CN_PATH_MAX], why[200], amps[4], volts[4];
    struct cn_channel *c = cn_channel_add(channels, "dumpsys", "battery", "uW", CN_UNKNOWN);
    if (!c)
        return;
    c->automatic = true;
    if (!cn_sysfs_path(path, request->root, "%s", program) || access(path, X_OK) != 0) {
        cn_channel_reason(c, "no %s%s: this is no Android", request->root, program);
        cn_channel_remedy(c, "Android phones have it; elsewhere use another meter");
        return;
    }
    struct cn_dumpsys d;
    if (!ask(path, &d, why, sizeof why)) {
        cn_channel_reason(c, "%s", why);
        cn_channel_remedy(c, "record the battery with an app (BatteryManager), or a meter at the "
                             "terminals, and join the samples with carnot attribute");
        return;
    }
    struct cn_signs signs = { 0 };
    double uw;
    int unit = 0;
    if (!price(&d, &signs, &unit, &uw, why, sizeof why) && !request->force) {
        cn_channel_reason(c, "%s", why);
        cn_channel_remedy(c, "unplug every charger (adb over Wi-Fi); --force-meter takes the "
                             "battery all the same, for what is used while none feeds: the rest "
                             "stays unresolved");
    }
    unit = unit ? unit : cn_micro_or_milli(fabs(d.current));
    snprintf(c->info.sources, sizeof c->info.sources,
             "dumpsys battery: current now, taken as %s, x voltage, taken as %s",
             cn_unit_name(unit, 'A', amps),
             cn_unit_name(cn_voltage_unit(fabs(d.voltage)), 'V', volts));
}

static void *open_state(const struct cn_meter_request *request, struct cn_channel *channel,
                        struct cn_opened *opened)
{
    struct state *s = calloc(1, sizeof *s);
    if (!s || !cn_sysfs_path(s->path, request->root, "%s", program)) {
        cn_channel_reason(channel, "out of memory");
        free(s);
        return NULL;
    }
    s->wait_ns = FIRST_NS;
    opened->n_sources = 1;
    return s;
}

/* How long to wait for the next question, by how long values held. */
static void follow(struct state *s, double uw, int64_t now)
{
    if (s->changed_ns && fabs(uw - s->last) <= 0)
        return;
    if (s->changed_ns) {
        const int64_t held = (now - s->changed_ns) / 4;
        if (s->complete && (s->wait_ns == FIRST_NS || held < s->wait_ns))
            s->wait_ns = held < FIRST_NS ? FIRST_NS : held > SLOWEST_NS ? SLOWEST_NS : held;
        s->complete = true;
    }
    s->changed_ns = now;
    s->last = uw;
}

static enum cn_read read_power(void *opaque, unsigned source, struct cn_reading *r)
{
    (void)source;
    struct state *s = opaque;
    const int64_t now = cn_now_ns(CLOCK_MONOTONIC);
    struct cn_dumpsys d;
    /* A twentieth of a second early is soon enough: the sampler's turns are no multiple of it. */
    if (s->asked_ns && now - s->asked_ns < s->wait_ns - 50000000)
        return CN_READ_SKIP;
    s->asked_ns = now;
    if (!ask(s->path, &d, r->why, sizeof r->why) ||
        !price(&d, &s->signs, &s->current_unit, &r->value, r->why, sizeof r->why))
        return CN_READ_FAIL;
    follow(s, r->value, now);
    return CN_READ_OK;
}

static void conclude(void *opaque, struct cn_channel *channel, char *remark, size_t n_bytes)
{
    const struct state *s = opaque;
    (void)remark;
    (void)n_bytes;
    if (cn_signs_contradict(&s->signs))
        cn_channel_reason(channel,
                          "the sign of current now flipped in the run while its status "
                          "stayed, and began above 0: which of them is use cannot be told");
}

static void close_state(void *opaque)
{
    free(opaque);
}

const struct cn_meter cn_meter_dumpsys = {
    .name = "dumpsys",
    .probe = probe,
    .open = open_state,
    .read = read_power,
    .conclude = conclude,
    .close = close_state,
};
