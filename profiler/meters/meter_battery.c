/* SPDX-License-Identifier: MIT
 *
 * Batteries: /sys/class/power_supply, entries of type Battery that feed the system. A gauge in uW:
 * power_now, or current_now x voltage_now, all batteries added up.
 *
 * What drivers disagree about is settled by evidence and said in `sources`:
 * - sign: its meaning differs between vendors, so `status` says which way it flows, and the sign
 *   only whether that has changed since;
 * - unit: current_now should be uA, but many give mA. No system runs on less than 20 mA, so a
 *   smaller total is in mA (power likewise); a voltage can only be one of V, mV and uV;
 * - which: a fuel gauge and a charger chip may both be of type Battery and see one cell. Two that
 *   give the same voltage and current count once.
 * What is left in the battery (energy_now, or charge_now x voltage_now) falls by what the power
 * adds up to: over a long run that is a check of unit and scale, and its outcome is reported. It is
 * not used as the meter, because it comes in steps of minutes. While a charger is online the
 * battery shows the charger's balance, or what a weak one leaves to it, not the system's use, so
 * that is refused. Forced, the meter is taken, as the charger may come and go, but what is used
 * while it is there stays unknown.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "profiler/meters/meter.h"
#include "profiler/sysfs.h"

static const char class_dir[] = "/sys/class/power_supply";

enum {
    MAX_BATTERIES = 8,
    MAX_CHARGERS = 16,
    LEAST_STEPS = 8, /* of what is left, for a word about it */
};

/* How near to each other two gauges of one cell read: their moments differ, and so does noise. */
static const double SAME_CURRENT = 0.1, SAME_VOLTAGE = 0.01;

/* Disagreement of the power with what is left that is worth a remark: gauges are good to some
 * percent. */
static const double WRONG = 0.15;

struct battery {
    char name[64];
    struct cn_sysfs_file status, power, current, voltage; /* fd -1: not there */
    struct cn_sysfs_file energy, charge;                  /* one of them, or none */
    struct cn_signs signs;
    double amount, volts; /* as last read: current or power as given; V, or 0 */
    int twin;             /* of the battery whose cell this one sees, too; -1: of none */
};

/* A supply that may feed the system. */
struct charger {
    char name[64];
    struct cn_sysfs_file online;
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
    struct charger chargers[MAX_CHARGERS];
    size_t n_chargers;
    uint64_t n_reads, n_alike; /* of pairs: readings, and in which of them one cell was seen */
    int current_unit;          /* uA per unit: 0 not known yet, 1 or 1000 */
    int power_unit;
    struct check check;
};

/* ---- finding --------------------------------------------------------------------------------- */

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
    for (size_t i = 0; s && i < s->n_chargers; i++)
        cn_sysfs_close(&s->chargers[i].online);
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
                           .charge = { .fd = -1 },
                           .twin = -1 };
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

/* Whether an entry of type Battery may feed the system: without a scope, it is a keyboard's or a
 * pen's if no file is there that tells power, current or energy. */
static bool feeds(const char *entry)
{
    static const char *const files[] = { "power_now", "current_now", "energy_now", "charge_now" };
    char path[CN_PATH_MAX], text[32];
    text_of(entry, "scope", text, sizeof text);
    if (text[0])
        return strcmp(text, "Device") != 0;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (cn_sysfs_path(path, entry, "/%s", files[i]) && access(path, F_OK) == 0)
            return true;
    return false;
}

static void add_charger(struct state *s, const char *entry, const char *name)
{
    char scope[32];
    text_of(entry, "scope", scope, sizeof scope);
    if (!strcmp(scope, "Device") || s->n_chargers == MAX_CHARGERS)
        return;
    struct charger *c = &s->chargers[s->n_chargers];
    snprintf(c->name, sizeof c->name, "%s", name);
    s->n_chargers += open_in(&c->online, entry, "online") == 0;
}

static void find_twins(struct state *s, const char *dir);

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
        char entry[CN_PATH_MAX], type[32], text[32];
        if (!cn_sysfs_path(entry, dir, "/%s", names[i]))
            continue;
        text_of(entry, "type", type, sizeof type);
        if (strcmp(type, "Battery") != 0) {
            add_charger(s, entry, names[i]);
            continue;
        }
        text_of(entry, "present", text, sizeof text);
        if (!strcmp(text, "0") || s->n == MAX_BATTERIES || !feeds(entry))
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
    find_twins(s, dir);
    return s;
}

/* ---- reading --------------------------------------------------------------------------------- */

static enum cn_flow flow_of(struct battery *b)
{
    char text[32];
    if (b->status.fd < 0 || cn_sysfs_text(&b->status, text, sizeof text) < 0)
        return CN_FLOW_NOT_SAID;
    return cn_flow_of(text);
}

static double magnitude(int64_t v)
{
    return fabs((double)v);
}

struct sums {
    double power;   /* power_now, as given */
    double current; /* current_now, as given, and times volts */
    double current_volts;
};

/* Reads what one battery gives. CN_READ_OK, or FAIL with why. */
static enum cn_read read_battery(struct battery *b, char *why, size_t n_bytes)
{
    char what[96];
    int64_t power = 0, amount = 0, voltage = 0;
    bool by_power = b->power.fd >= 0;
    int error = by_power ? cn_sysfs_i64(&b->power, &power) : 0;
    amount = power;
    /* Some drivers have a power_now that is always 0. */
    if (!error && power == 0 && b->current.fd >= 0) {
        by_power = false;
        error = cn_sysfs_i64(&b->current, &amount);
        if (!error)
            error = cn_sysfs_i64(&b->voltage, &voltage);
    }
    if (error) {
        snprintf(why, n_bytes, "battery: %s", cn_sysfs_strerror(error));
        return CN_READ_FAIL;
    }
    snprintf(what, sizeof what, "%s/%s", b->name, by_power ? "power_now" : "current_now");
    b->volts = 0;
    b->amount = (double)amount;
    if (!cn_power_plausible(b->amount, 0, what, why, n_bytes))
        return CN_READ_FAIL;
    if (by_power || amount == 0)
        return CN_READ_OK;
    b->volts = 1e-6 * cn_voltage_unit(magnitude(voltage)) * magnitude(voltage);
    if (b->volts > 0 && !cn_means_unknown((double)voltage))
        return CN_READ_OK;
    snprintf(why, n_bytes, "%.60s/voltage_now says %lld, which is no battery's in V, mV or uV",
             b->name, (long long)voltage);
    return CN_READ_FAIL;
}

static enum cn_read read_sums(struct state *s, struct sums *sums, char *why, size_t n_bytes)
{
    *sums = (struct sums){ 0 };
    for (size_t i = 0; i < s->n; i++) {
        struct battery *b = &s->batteries[i];
        if (read_battery(b, why, n_bytes) != CN_READ_OK)
            return CN_READ_FAIL;
        if (b->twin >= 0)
            continue;
        if (b->volts > 0) {
            sums->current += fabs(b->amount);
            sums->current_volts += fabs(b->amount) * b->volts;
        } else {
            sums->power += fabs(b->amount);
        }
    }
    return CN_READ_OK;
}

static void settle_unit(int *unit, double sum)
{
    if (*unit == 0)
        *unit = cn_micro_or_milli(sum);
}

static int charger_online(struct state *s, const char **name)
{
    int online = -1;
    for (size_t i = 0; i < s->n_chargers; i++) {
        int64_t v;
        if (cn_sysfs_i64(&s->chargers[i].online, &v) != 0)
            continue;
        if (v > 0) {
            *name = s->chargers[i].name;
            return 1;
        }
        online = 0;
    }
    return online;
}

/* Whether the batteries' number is the system's use now; if not, why. One that discharges speaks
 * for others that rest. */
static bool flows_out(struct state *s, char *why, size_t n_bytes)
{
    struct cn_supply supply = { .charger = -1 };
    supply.charger = charger_online(s, &supply.charger_name);
    bool out = false;
    enum cn_flow flows[MAX_BATTERIES];
    for (size_t i = 0; i < s->n; i++) {
        flows[i] = flow_of(&s->batteries[i]);
        out |= flows[i] == CN_FLOW_OUT;
    }
    for (size_t i = 0; i < s->n; i++) {
        supply.battery = s->batteries[i].name;
        supply.flow = out && flows[i] != CN_FLOW_IN ? CN_FLOW_OUT : flows[i];
        if (!cn_battery_is_all(&supply, why, n_bytes))
            return false;
    }
    return true;
}

/* ---- two gauges of one cell ------------------------------------------------------------------ */

static bool near(double a, double b, double share)
{
    return fabs(a - b) <= share * fmax(a, b);
}

/* Whether two gauges read the same at this moment. */
static bool alike(const struct battery *a, const struct battery *b)
{
    return a->amount != 0 && near(fabs(a->amount), fabs(b->amount), SAME_CURRENT) &&
           (a->volts > 0) == (b->volts > 0) && near(a->volts, b->volts, SAME_VOLTAGE);
}

/* Whether files that do not change say that two entries are of two batteries. */
static bool distinct(const char *dir, const char *a, const char *b)
{
    static const char *const files[] = { "serial_number",      "manufacturer", "model_name",
                                         "energy_full_design", "charge_full",  "energy_full",
                                         "charge_full_design", "capacity" };
    char entry[CN_PATH_MAX], one[64], other[64];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        one[0] = other[0] = 0;
        if (cn_sysfs_path(entry, dir, "/%s", a))
            text_of(entry, files[i], one, sizeof one);
        if (cn_sysfs_path(entry, dir, "/%s", b))
            text_of(entry, files[i], other, sizeof other);
        if (one[0] && other[0] && strcmp(one, other) != 0)
            return true;
    }
    return false;
}

static void find_twins(struct state *s, const char *dir)
{
    char why[200];
    struct sums sums;
    if (s->n < 2 || read_sums(s, &sums, why, sizeof why) != CN_READ_OK)
        return;
    for (size_t i = 1; i < s->n; i++)
        for (size_t k = 0; k < i && s->batteries[i].twin < 0; k++)
            if (s->batteries[k].twin < 0 && alike(&s->batteries[k], &s->batteries[i]) &&
                !distinct(dir, s->batteries[k].name, s->batteries[i].name))
                s->batteries[i].twin = (int)k;
}

/* Follows whether those that were taken for one cell go on to read alike. */
static void follow_twins(struct state *s)
{
    for (size_t i = 1; i < s->n; i++)
        if (s->batteries[i].twin >= 0) {
            s->n_reads++;
            s->n_alike += alike(&s->batteries[s->batteries[i].twin], &s->batteries[i]);
        }
}

/* ---- what is left ---------------------------------------------------------------------------- */

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
            unit *= 1e-6 * cn_voltage_unit(magnitude(voltage)) * magnitude(voltage);
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
    for (size_t i = 0; i < s->n; i++)
        if (cn_signs_contradict(&s->batteries[i].signs))
            cn_channel_reason(channel,
                              "the sign of %.60s flipped in the run while its status stayed, and "
                              "began above 0: which of them is use cannot be told",
                              s->batteries[i].name);
    if (s->n_alike < s->n_reads - s->n_reads / 4)
        cn_channel_reason(channel, "two batteries that seemed to see one cell, voltage and current "
                                   "alike, then read differently: what they add up to is open");
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
    if (read_sums(s, &sums, r->why, sizeof r->why) != CN_READ_OK)
        return CN_READ_FAIL;
    follow_twins(s);
    for (size_t i = 0; i < s->n; i++) {
        struct battery *b = &s->batteries[i];
        if (!cn_sign_is_use(&b->signs, b->amount, b->name, r->why, sizeof r->why))
            return CN_READ_FAIL;
    }
    settle_unit(&s->current_unit, sums.current);
    settle_unit(&s->power_unit, sums.power);
    /* 20 A or 20 kW would follow if the unit was guessed wrong from a quiet moment. */
    if ((s->current_unit == 1000 && sums.current >= CN_LEAST_MICRO) ||
        (s->power_unit == 1000 && sums.power >= 50.0 * CN_LEAST_MICRO)) {
        snprintf(r->why, sizeof r->why,
                 "the battery's numbers fit neither micro nor milli units all along");
        return CN_READ_FAIL;
    }
    r->value = sums.power * s->power_unit + sums.current_volts * s->current_unit;
    if (!cn_power_plausible(sums.power + sums.current, r->value, "battery", r->why, sizeof r->why))
        return CN_READ_FAIL;
    if (r->value > 0) {
        follow_charge(s, r->value);
        return CN_READ_OK;
    }
    snprintf(r->why, sizeof r->why, "the battery reports 0 W although it is discharging");
    return CN_READ_FAIL;
}

/* ---- probe ----------------------------------------------------------------------------------- */

static void describe(struct state *s, struct cn_channel *channel)
{
    char *text = channel->info.sources, why[200], unit[4];
    size_t n_bytes = sizeof channel->info.sources, used = 0;
    struct sums sums;
    int current_unit = 0, power_unit = 0;
    if (read_sums(s, &sums, why, sizeof why) == CN_READ_OK) {
        settle_unit(&current_unit, sums.current);
        settle_unit(&power_unit, sums.power);
    }
    for (size_t i = 0; i < s->n && used < n_bytes; i++) {
        struct battery *b = &s->batteries[i];
        if (b->twin >= 0) {
            used += (size_t)snprintf(text + used, n_bytes - used,
                                     "; %s sees the cell of %s (voltage and current alike) and is "
                                     "not added",
                                     b->name, s->batteries[b->twin].name);
            continue;
        }
        bool power = b->power.fd >= 0 && b->volts <= 0;
        bool milli = (power ? power_unit : current_unit) == 1000;
        int64_t raw = 0;
        double volt_unit = 1;
        if (!power && cn_sysfs_i64(&b->voltage, &raw) == 0)
            volt_unit = cn_voltage_unit(magnitude(raw));
        used += (size_t)snprintf(text + used, n_bytes - used, "%s%s (%s%s", i ? " + " : "", b->name,
                                 power ? "power_now" : "current_now x voltage_now",
                                 !milli  ? ""
                                 : power ? ", taken as mW"
                                         : ", taken as mA");
        if (volt_unit > 1 && used < n_bytes)
            used +=
                (size_t)snprintf(text + used, n_bytes - used, "%s taken as %s",
                                 milli ? " and" : ", voltage", cn_unit_name(volt_unit, 'V', unit));
        if (used < n_bytes)
            used += (size_t)snprintf(text + used, n_bytes - used, ")");
    }
}

static struct cn_channel *add(struct cn_channel_list *channels)
{
    /* From 0.3 s on phones to a minute on laptops: only its changes tell. */
    struct cn_channel *c = cn_channel_add(channels, "battery", "battery", "uW", CN_UNKNOWN);
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
        cn_channel_remedy(c,
                          "unplug every charger (on a phone: adb over Wi-Fi); --force-meter takes "
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
