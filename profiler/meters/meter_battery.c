/* SPDX-License-Identifier: MIT
 *
 * Batteries: /sys/class/power_supply, entries of type Battery that feed the system. A gauge in uW:
 * power_now, or current_now x voltage_now, all batteries added up.
 *
 * What drivers disagree about is settled by evidence and said in `sources`:
 * - sign: the meaning differs between vendors, so the sign comes from `status`, not from the
 * number;
 * - unit: current_now should be uA, but many give mA. No system runs on less than 20 mA, so a
 *   smaller total is in mA (power and voltage likewise).
 * What is left in the battery (energy_now, or charge_now x voltage_now) falls by what the power
 * adds up to: over a long run that is a check of unit and scale, and its outcome is reported. It is
 * not used as the meter, because it comes in steps of minutes. While a charger feeds the system the
 * battery shows the charger's balance, not the system's use, so that is refused. Forced, the meter
 * is taken, as the charger may come and go, but what is used while it feeds stays unknown.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "profiler/meters/meter.h"
#include "profiler/sysfs.h"

static const char class_dir[] = "/sys/class/power_supply";

enum {
    MAX_BATTERIES = 8,
    LEAST = 20000,   /* uA or uW that a running system draws */
    LEAST_STEPS = 8, /* of what is left, for a word about it */
};

/* Disagreement of the power with what is left that is worth a remark: gauges are good to some
 * percent. */
static const double WRONG = 0.15;

struct battery {
    char name[64];
    struct cn_sysfs_file status, power, current, voltage; /* fd -1: not there */
    struct cn_sysfs_file energy, charge;                  /* one of them, or none */
};

/* What leaves the batteries, against the power's integral. Steps are what counts: from the first to
 * the last both sums are of the same time. */
struct check {
    bool off; /* cannot be had, or has gone up */
    int n_steps;
    int64_t left[MAX_BATTERIES];        /* uWh or uAh */
    double fell_uj;                     /* since the first step */
    double sum_uj, first_sum, last_sum; /* integral of power: now, at the first, at the last step */
    double power_uw;
    int64_t t_ns;
};

struct state {
    struct battery batteries[MAX_BATTERIES];
    size_t n;
    bool external;    /* a charger was plugged in at the start */
    int current_unit; /* uA per unit: 0 not known yet, 1 or 1000 */
    int power_unit;
    struct check check;
};

/* ---- finding
 * ------------------------------------------------------------------------------------- */

static void text_of(const char *dir, const char *file, char *text, size_t n_bytes)
{
    char path[CN_PATH_MAX];
    if (!cn_sysfs_path(path, dir, "/%s", file) || cn_sysfs_text_at(path, text, n_bytes) < 0)
        text[0] = 0;
}

static int open_in(struct cn_sysfs_file *f, const char *dir, const char *file)
{
    char path[CN_PATH_MAX];
    return cn_sysfs_path(path, dir, "/%s", file) ? cn_sysfs_open(f, path) : -ENAMETOOLONG;
}

static void close_battery(struct battery *b)
{
    cn_sysfs_close(&b->status);
    cn_sysfs_close(&b->power);
    cn_sysfs_close(&b->current);
    cn_sysfs_close(&b->voltage);
    cn_sysfs_close(&b->energy);
    cn_sysfs_close(&b->charge);
}

static void close_state(void *opaque)
{
    struct state *s = opaque;
    for (size_t i = 0; s && i < s->n; i++)
        close_battery(&s->batteries[i]);
    free(s);
}

/* Opens one battery; false with a reason if its power cannot be known. */
static bool open_battery(struct battery *b, const char *dir, const char *name,
                         struct cn_channel *channel)
{
    *b = (struct battery){ .status = { .fd = -1 },
                           .power = { .fd = -1 },
                           .current = { .fd = -1 },
                           .voltage = { .fd = -1 },
                           .energy = { .fd = -1 },
                           .charge = { .fd = -1 } };
    snprintf(b->name, sizeof b->name, "%s", name);
    int64_t v;
    (void)open_in(&b->status, dir, "status"); /* absent: unknown */
    int power = open_in(&b->power, dir, "power_now");
    if (!power && (power = cn_sysfs_i64(&b->power, &v)) != 0)
        cn_sysfs_close(&b->power);
    int current = open_in(&b->current, dir, "current_now");
    if (!current)
        current = cn_sysfs_i64(&b->current, &v);
    int voltage = open_in(&b->voltage, dir, "voltage_now");
    if (!voltage)
        voltage = cn_sysfs_i64(&b->voltage, &v);
    if (current || voltage) {
        cn_sysfs_close(&b->current);
        cn_sysfs_close(&b->voltage);
    }
    if (open_in(&b->energy, dir, "energy_now") != 0 && !voltage)
        (void)open_in(&b->charge, dir, "charge_now");
    if (!power || (!current && !voltage))
        return true;
    int error = power != -ENOENT ? power : current ? current : voltage;
    const char *file = power != -ENOENT ? "power_now" : current ? "current_now" : "voltage_now";
    cn_channel_reason(channel, "%s/%s: %s", name, file, cn_sysfs_strerror(error));
    cn_channel_remedy(
        channel, "%s",
        error == -EACCES || error == -EPERM
            ? "run as root; on a phone that forbids it, record the battery with an app "
              "(BatteryManager) and join the samples with carnot attribute"
            : "record an outside meter and join the samples with carnot attribute");
    close_battery(b);
    return false;
}

/* Opens every battery of the system. channel then says if and why not. */
static struct state *open_all(const struct cn_meter_request *request, struct cn_channel *channel)
{
    char dir[CN_PATH_MAX], **names;
    size_t n;
    int error = cn_sysfs_path(dir, request->root, "%s", class_dir) ? cn_sysfs_list(dir, &names, &n)
                                                                   : -ENAMETOOLONG;
    if (error) {
        cn_channel_reason(channel, "%s%s: %s", request->root, class_dir, cn_sysfs_strerror(error));
        return NULL;
    }
    struct state *s = calloc(1, sizeof *s);
    bool ok = s != NULL;
    if (!s)
        cn_channel_reason(channel, "out of memory");
    for (size_t i = 0; i < n && ok; i++) {
        char entry[CN_PATH_MAX], type[32], scope[32], text[32];
        if (!cn_sysfs_path(entry, dir, "/%s", names[i]))
            continue;
        text_of(entry, "type", type, sizeof type);
        text_of(entry, "scope", scope, sizeof scope);
        if (!strcmp(scope, "Device"))
            continue; /* a mouse, a headset */
        if (strcmp(type, "Battery") != 0) {
            text_of(entry, "online", text, sizeof text);
            s->external |= !strcmp(text, "1") || !strcmp(text, "2");
            continue;
        }
        text_of(entry, "present", text, sizeof text);
        if (!strcmp(text, "0") || s->n == MAX_BATTERIES)
            continue;
        ok = open_battery(&s->batteries[s->n], entry, names[i], channel);
        s->n += ok;
    }
    cn_sysfs_list_free(names, n);
    if (ok && s->n == 0) {
        cn_channel_reason(channel, "no battery that feeds the system in %s%s", request->root,
                          class_dir);
        ok = false;
    }
    if (!ok) {
        close_state(s);
        return NULL;
    }
    return s;
}

/* ---- reading
 * ------------------------------------------------------------------------------------- */

enum flow { DISCHARGING, CHARGING, STILL, NOT_SAID };

static enum flow flow_of(struct battery *b)
{
    char text[32];
    if (b->status.fd < 0 || cn_sysfs_text(&b->status, text, sizeof text) < 0)
        return NOT_SAID;
    if (!strcmp(text, "Discharging"))
        return DISCHARGING;
    if (!strcmp(text, "Charging"))
        return CHARGING;
    return !strcmp(text, "Full") || !strcmp(text, "Not charging") ? STILL : NOT_SAID;
}

static double magnitude(int64_t v)
{
    return fabs((double)v);
}

static double volts(int64_t raw)
{
    double v = magnitude(raw);
    return v < 100000 ? 1e-3 * v : 1e-6 * v; /* under 0.1 V: it was mV */
}

struct sums {
    double power;   /* power_now, as given */
    double current; /* current_now, as given, and times volts */
    double current_volts;
};

static int read_sums(struct state *s, struct sums *sums)
{
    *sums = (struct sums){ 0 };
    for (size_t i = 0; i < s->n; i++) {
        struct battery *b = &s->batteries[i];
        int64_t power = 0, current = 0, voltage = 0;
        int error = 0;
        if (b->power.fd >= 0)
            error = cn_sysfs_i64(&b->power, &power);
        /* Some drivers have a power_now that is always 0. */
        if (!error && power == 0 && b->current.fd >= 0) {
            error = cn_sysfs_i64(&b->current, &current);
            if (!error)
                error = cn_sysfs_i64(&b->voltage, &voltage);
        }
        if (error)
            return error;
        sums->power += magnitude(power);
        sums->current += magnitude(current);
        sums->current_volts += magnitude(current) * volts(voltage);
    }
    return 0;
}

static void settle_unit(int *unit, double sum)
{
    if (*unit == 0 && sum > 0)
        *unit = sum < LEAST ? 1000 : 1;
}

/* Whether the battery's number is the system's use now; if not, why. */
static bool flows_out(struct state *s, char *why, size_t n_bytes)
{
    bool out = false, said = false;
    for (size_t i = 0; i < s->n; i++) {
        enum flow flow = flow_of(&s->batteries[i]);
        if (flow == CHARGING) {
            snprintf(why, n_bytes, "%s is charging: its current is the charger's balance",
                     s->batteries[i].name);
            return false;
        }
        out |= flow == DISCHARGING;
        said |= flow != NOT_SAID;
    }
    if (out || (!said && !s->external))
        return true;
    snprintf(why, n_bytes,
             said ? "%s is not discharging: a charger feeds the system"
                  : "%s has no status and a charger is plugged in",
             s->batteries[0].name);
    return false;
}

/* What left the batteries since the last look, in uJ; NaN if that is not known. */
static double left_since(struct state *s, bool first)
{
    double uj = 0;
    for (size_t i = 0; i < s->n; i++) {
        struct battery *b = &s->batteries[i];
        int64_t left, voltage;
        double unit = 3600;
        if (b->energy.fd < 0) {
            if (b->charge.fd < 0 || cn_sysfs_i64(&b->voltage, &voltage) != 0)
                return CN_UNKNOWN;
            unit *= volts(voltage);
        }
        if (cn_sysfs_i64(b->energy.fd < 0 ? &b->charge : &b->energy, &left) != 0 ||
            (!first && left > s->check.left[i]))
            return CN_UNKNOWN;
        uj += first ? 0 : unit * ((double)s->check.left[i] - (double)left);
        s->check.left[i] = left;
    }
    return uj;
}

/* A power was read: integrates, and looks whether there is less left. */
static void follow_charge(struct state *s, double power_uw)
{
    struct check *c = &s->check;
    if (c->off)
        return;
    const int64_t now = cn_now_ns(CLOCK_MONOTONIC);
    bool first = c->t_ns == 0;
    double uj = left_since(s, first);
    c->off = isnan(uj);
    if (!first)
        c->sum_uj += 0.5e-9 * (c->power_uw + power_uw) * (double)(now - c->t_ns);
    c->t_ns = now;
    c->power_uw = power_uw;
    if (!(uj > 0))
        return;
    if (c->n_steps++ == 0)
        c->first_sum = c->sum_uj;
    else
        c->fell_uj += uj;
    c->last_sum = c->sum_uj;
}

static void conclude(void *opaque, struct cn_channel *channel, char *remark, size_t n_bytes)
{
    struct state *s = opaque;
    const struct check *c = &s->check;
    const char *file = s->batteries[0].energy.fd >= 0 ? "energy_now" : "charge_now";
    double fell = 1e-6 * c->fell_uj, sum = 1e-6 * (c->last_sum - c->first_sum);
    if (c->off || c->n_steps < LEAST_STEPS)
        return;
    if (fabs(sum / fell - 1) > WRONG) {
        snprintf(remark, n_bytes,
                 "battery: %s fell by %.4g J while the power adds up to %.4g J: one of them is off",
                 file, fell, sum);
        return;
    }
    size_t used = strlen(channel->info.sources);
    snprintf(channel->info.sources + used, sizeof channel->info.sources - used,
             "; %s fell by %.4g J, the power adds up to %.4g J", file, fell, sum);
}

static enum cn_read read_power(void *opaque, unsigned source, struct cn_reading *r)
{
    (void)source;
    struct state *s = opaque;
    if (!flows_out(s, r->why, sizeof r->why))
        return CN_READ_FAIL;
    struct sums sums;
    int error = read_sums(s, &sums);
    if (error) {
        snprintf(r->why, sizeof r->why, "battery: %s", cn_sysfs_strerror(error));
        return CN_READ_FAIL;
    }
    settle_unit(&s->current_unit, sums.current);
    settle_unit(&s->power_unit, sums.power);
    /* 20 A or 20 kW would follow if the unit was guessed wrong from a quiet moment. */
    if ((s->current_unit == 1000 && sums.current >= LEAST) ||
        (s->power_unit == 1000 && sums.power >= 50.0 * LEAST)) {
        snprintf(r->why, sizeof r->why,
                 "the battery's numbers fit neither micro nor milli units all along");
        return CN_READ_FAIL;
    }
    r->value = sums.power * s->power_unit + sums.current_volts * s->current_unit;
    if (r->value > 0) {
        follow_charge(s, r->value);
        return CN_READ_OK;
    }
    snprintf(r->why, sizeof r->why, "the battery reports 0 W although it is discharging");
    return CN_READ_FAIL;
}

/* ---- probe
 * ----------------------------------------------------------------------------------------- */

static void describe(struct state *s, struct cn_channel *channel)
{
    char *text = channel->info.sources;
    size_t n_bytes = sizeof channel->info.sources, used = 0;
    struct sums sums;
    int current_unit = 0, power_unit = 0;
    if (read_sums(s, &sums) == 0) {
        settle_unit(&current_unit, sums.current);
        settle_unit(&power_unit, sums.power);
    }
    for (size_t i = 0; i < s->n && used < n_bytes; i++) {
        bool power = s->batteries[i].power.fd >= 0 && sums.power > 0;
        bool milli = (power ? power_unit : current_unit) == 1000;
        used += (size_t)snprintf(text + used, n_bytes - used, "%s%s (%s%s)", i ? " + " : "",
                                 s->batteries[i].name,
                                 power ? "power_now" : "current_now x voltage_now",
                                 !milli  ? ""
                                 : power ? ", taken as mW"
                                         : ", taken as mA");
    }
}

static struct cn_channel *add(struct cn_channel_list *channels)
{
    /* Gauges of phones were seen to refresh every 310 ms; until repeats show better, half a second
     * is assumed. */
    struct cn_channel *c = cn_channel_add(channels, "battery", "battery", "uW", 500);
    if (c)
        c->automatic = true;
    return c;
}

static void probe(const struct cn_meter_request *request, struct cn_channel_list *channels)
{
    struct cn_channel *c = add(channels);
    if (!c)
        return;
    struct state *s = open_all(request, c);
    if (!s) {
        if (!c->info.remedy[0])
            cn_channel_remedy(c, "laptops and phones have one; elsewhere use another meter");
        return;
    }
    describe(s, c);
    char why[200];
    if (!request->force && !flows_out(s, why, sizeof why)) {
        cn_channel_reason(c, "%s", why);
        cn_channel_remedy(c, "unplug the charger (on a phone: adb over Wi-Fi); --force-meter takes "
                             "the battery all the same, for what is used while none feeds: the "
                             "rest stays unresolved");
    }
    close_state(s);
}

static void *open_state(const struct cn_meter_request *request, struct cn_channel *channel,
                        struct cn_opened *opened)
{
    opened->n_sources = 1;
    return open_all(request, channel);
}

const struct cn_meter cn_meter_battery = {
    .name = "battery",
    .probe = probe,
    .open = open_state,
    .read = read_power,
    .conclude = conclude,
    .close = close_state,
};
