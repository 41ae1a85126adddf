/* SPDX-License-Identifier: MIT */
#include "profiler/samples/rows.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/samples/plausible.h"

/* Times lie within this of 0 (1970 to 2065): differences of two, and sums with the offsets that
 * traces and users may give, stay in range. */
static const int64_t LAST_NS = INT64_C(3000000000000000000);

/* Power by two ways in one file agrees so well; meters differ by less. */
static const double AGREES = 0.15;

int cn_rows_fault(struct cn_rows *r, const char *format, ...)
{
    if (r->err) {
        char what[400], line[32] = "";
        va_list args;
        va_start(args, format);
        vsnprintf(what, sizeof what, format, args);
        va_end(args);
        if (r->line)
            snprintf(line, sizeof line, "line %zu: ", r->line);
        snprintf(r->err->text, sizeof r->err->text, "%.150s: %s%.320s", r->path, line, what);
    }
    return -1;
}

void cn_rows_free(struct cn_rows *r)
{
    free(r->rows);
    r->rows = NULL;
}

/* ---- cells ----------------------------------------------------------------------------------- */

struct cn_cells cn_no_cells(void)
{
    struct cn_cells c = { 0 };
    for (int i = 0; i < CN_N_ROLES; i++)
        c.of[i] = CN_UNKNOWN;
    return c;
}

void cn_cells_time(struct cn_cells *c, double scale, double number, int64_t integer,
                   bool is_integer)
{
    const double t = fabs(number);
    if (scale <= 0)
        scale = t > 1e17 ? 1 : t > 1e14 ? 1e3 : t > 1e11 ? 1e6 : 1e9;
    const double ns = number * scale;
    c->has_time = true;
    c->bad = c->bad || !(fabs(ns) < (double)LAST_NS);
    if (!c->bad)
        /* Integers of nanoseconds since 1970 do not fit a double. */
        c->t_ns = is_integer && fabs((double)integer * scale) < (double)LAST_NS
                      ? integer * (int64_t)scale
                      : (int64_t)ns;
}

void cn_cells_put(struct cn_rows *r, struct cn_cells *c, enum cn_role role, double number)
{
    const double scale = r->kind[role].scale;
    if (role != CN_ROLE_ENERGY && cn_means_unknown(number)) {
        r->n_unknown++;
        return;
    }
    c->of[role] = number * (scale > 0 ? scale : 1);
}

/* ---- rows of one stamp ----------------------------------------------------------------------- */

static uint64_t hash(const char *text)
{
    uint64_t h = 14695981039346656037u; /* FNV-1a */
    for (; *text; text++)
        h = (h ^ (unsigned char)*text) * 1099511628211u;
    return h;
}

void cn_rows_other(struct cn_rows *r, size_t other, const char *text)
{
    struct cn_other *o = &r->others[other];
    o->seen[o->n_seen < 8 ? o->n_seen : 7] = hash(text);
    o->n_seen++;
}

/* The rows of a stamp are complete but for the last cell of each column, which is of the next. */
static void end_group(struct cn_rows *r)
{
    for (size_t i = 0; i < r->n_others; i++) {
        struct cn_other *o = &r->others[i];
        if (o->n_seen == 0)
            continue;
        const uint32_t n = o->n_seen - 1;
        const uint64_t next = o->seen[n < 8 ? n : 7];
        if (n > 1 && n < 8) {
            uint64_t set = 0;
            bool twice = false;
            for (uint32_t a = 0; a < n; a++) {
                set += o->seen[a] * 0x9e3779b97f4a7c15u;
                for (uint32_t b = 0; b < a; b++)
                    twice |= o->seen[a] == o->seen[b];
            }
            o->n_groups++;
            o->n_same += !twice && o->n_set == n && o->set == set;
            o->n_set = twice ? 0 : n;
            o->set = set;
        }
        o->seen[0] = next;
        o->n_seen = 1;
    }
}

/* A column whose cells tell the rows of a stamp apart, the same way at most stamps. */
static const struct cn_other *second_key(const struct cn_rows *r)
{
    for (size_t i = 0; i < r->n_others; i++)
        if (r->others[i].n_groups >= 3 && r->others[i].n_same * 10 >= r->others[i].n_groups * 7)
            return &r->others[i];
    return NULL;
}

static void merge(struct cn_row *into, const struct cn_row *row)
{
    into->n++;
    into->missing |= row->missing;
    for (int k = 0; k < CN_N_ROLES; k++)
        into->of[k] += (row->of[k] - into->of[k]) / into->n;
}

int cn_rows_add(struct cn_rows *r, const struct cn_cells *c)
{
    struct cn_row row = { .t_ns = c->t_ns, .n = 1, .missing = c->charger };
    if (!c->has_time || c->bad)
        return cn_rows_fault(r, "expected a time, found none in range");
    memcpy(row.of, c->of, sizeof row.of);
    r->n_charger += c->charger;
    struct cn_row *last = r->n ? &r->rows[r->n - 1] : NULL;
    if (last && row.t_ns < last->t_ns)
        return cn_rows_fault(r, "time goes back");
    if (last && row.t_ns == last->t_ns) {
        merge(last, &row);
        r->n_doubled++;
        return 0;
    }
    end_group(r);
    if (r->n == r->cap) {
        size_t cap = r->cap ? 2 * r->cap : 1024;
        struct cn_row *rows = realloc(r->rows, cap * sizeof *rows);
        if (!rows)
            return cn_rows_fault(r, "out of memory");
        r->rows = rows;
        r->cap = cap;
    }
    r->rows[r->n++] = row;
    return 0;
}

/* ---- units ----------------------------------------------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void note(struct cn_samples *samples,
                                                       const char *format, ...)
{
    size_t used = strlen(samples->note);
    va_list args;
    if (used && used < sizeof samples->note)
        used += (size_t)snprintf(samples->note + used, sizeof samples->note - used, "; ");
    if (used >= sizeof samples->note)
        return;
    va_start(args, format);
    vsnprintf(samples->note + used, sizeof samples->note - used, format, args);
    va_end(args);
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The size that `share` of a quantity's numbers other than 0 do not exceed; 0 if there are none,
 * NaN if memory is short. */
static double size_at(const struct cn_rows *r, enum cn_role role, double share)
{
    double *size = malloc((r->n + 1) * sizeof *size), at = 0;
    size_t n = 0;
    if (!size)
        return CN_UNKNOWN;
    for (size_t i = 0; i < r->n; i++)
        if (fabs(r->rows[i].of[role]) > 0)
            size[n++] = fabs(r->rows[i].of[role]);
    if (n) {
        qsort(size, n, sizeof *size, compare);
        at = size[(size_t)(share * (double)(n - 1))];
    }
    free(size);
    return at;
}

static void scale(struct cn_rows *r, enum cn_role role, double by)
{
    for (size_t i = 0; i < r->n; i++)
        r->rows[i].of[role] *= by;
}

/* V, mV or uV by what there can be; a voltage that was named with its unit keeps it unless that
 * cannot be, as instruments measure rails and mains, too. */
static int settle_voltage(struct cn_rows *r, struct cn_samples *samples)
{
    const double uv = size_at(r, CN_ROLE_VOLTAGE, 0.5), named = r->kind[CN_ROLE_VOLTAGE].scale;
    char unit[4], was[4];
    if (!r->has[CN_ROLE_VOLTAGE] || uv == 0 || (named > 0 && uv >= 0.25e6 && uv <= 1000e6))
        return isnan(uv) ? cn_rows_fault(r, "out of memory") : 0;
    const double given = named > 0 ? uv / named : uv, found = cn_voltage_unit(given);
    if (found <= 0)
        return cn_rows_fault(r,
                             "voltage is %.4g, which is no battery's in V, mV or uV: name its "
                             "unit (voltage_v, voltage_mv)",
                             given);
    scale(r, CN_ROLE_VOLTAGE, found / (named > 0 ? named : 1));
    if (named > 0)
        note(samples, "voltage taken as %s (as %s it would be no battery's)",
             cn_unit_name(found, 'V', unit), cn_unit_name(named, 'V', was));
    r->kind[CN_ROLE_VOLTAGE].scale = found;
    return 0;
}

/* A battery's own number is often in mA where uA is said; instruments know their units. */
static int settle_current(struct cn_rows *r, struct cn_samples *samples)
{
    struct cn_column_kind *kind = &r->kind[CN_ROLE_CURRENT];
    const double ua = size_at(r, CN_ROLE_CURRENT, 0.5);
    char unit[4], was[4];
    if (!r->has[CN_ROLE_CURRENT] || ua == 0 || isnan(ua))
        return isnan(ua) ? cn_rows_fault(r, "out of memory") : 0;
    const bool can_be = ua < 200e6 && !(kind->phone && ua < CN_LEAST_MICRO);
    if (kind->scale > 0 && can_be)
        return 0;
    const double given = kind->scale > 0 ? ua / kind->scale : ua;
    const double found = cn_current_unit(given);
    if (found <= 0 && kind->scale > 0)
        return 0; /* as small as it is said to be, or too large: the power will tell */
    if (found <= 0)
        return cn_rows_fault(r,
                             "current is %.4g without a unit, which is no system's in A, mA or "
                             "uA: name its unit (current_ma)",
                             given);
    scale(r, CN_ROLE_CURRENT, found / (kind->scale > 0 ? kind->scale : 1));
    if (kind->scale > 0)
        note(samples, "current taken as %s (as %s it would be %s any such system draws)",
             cn_unit_name(found, 'A', unit), cn_unit_name(kind->scale, 'A', was),
             ua < 200e6 ? "less than" : "more than");
    kind->scale = found;
    return 0;
}

/* ---- two ways to one thing ------------------------------------------------------------------- */

/* Mean of power, and of current x voltage, over rows that have all three, in uW. */
static void means(const struct cn_rows *r, double *power, double *product)
{
    double n = 0;
    *power = *product = 0;
    for (size_t i = 0; i < r->n; i++) {
        const double *of = r->rows[i].of;
        const double uw = 1e-6 * of[CN_ROLE_CURRENT] * of[CN_ROLE_VOLTAGE];
        if (isnan(uw) || isnan(of[CN_ROLE_POWER]))
            continue;
        *power += fabs(of[CN_ROLE_POWER]);
        *product += fabs(uw);
        n++;
    }
    *power /= n;
    *product /= n;
}

static bool agree(double a, double b, double slack)
{
    return fabs(a - b) <= AGREES * fmax(fabs(a), fabs(b)) + slack;
}

/* Power without a unit: what current and voltage say beside it, else watts if that can be. */
static int settle_power(struct cn_rows *r, struct cn_samples *samples)
{
    struct cn_column_kind *kind = &r->kind[CN_ROLE_POWER];
    double power, product;
    char unit[4];
    if (!r->has[CN_ROLE_POWER])
        return 0;
    means(r, &power, &product);
    const double uv = size_at(r, CN_ROLE_VOLTAGE, 0.5), size = size_at(r, CN_ROLE_POWER, 0.5);
    if (isnan(uv) || isnan(size))
        return cn_rows_fault(r, "out of memory");
    const bool direct = product > 0 && uv < 60e6; /* no mains */
    if (kind->scale <= 0) {
        double found = 1e6;
        for (double u = 1e6; direct && u >= 1; u /= 1000)
            if (agree(u * power, product, 0))
                found = u;
        const double w = 1e-6 * found * size;
        if (w > 1000 || (w > 0 && w < 0.02))
            return cn_rows_fault(r,
                                 "power has no unit: as W it would be %.4g W; name it power_w, "
                                 "power_mw, or --column power=NAME:mW",
                                 w);
        scale(r, CN_ROLE_POWER, found);
        if (found < 1e6)
            note(samples, "power taken as %s, as current x voltage says",
                 cn_unit_name(found, 'W', unit));
        kind->scale = found;
        power *= found;
    }
    if (direct && !agree(power, product, 0))
        return cn_rows_fault(r,
                             "power is %.4g W on average, and current x voltage beside it %.4g "
                             "W: one of them is off; --column power=NAME takes one alone",
                             1e-6 * power, 1e-6 * product);
    return 0;
}

/* What energy has grown by, in its unit, its smallest step, and what power adds up to, in uJ, over
 * the rows that have both. Returns how often it grew. */
static int growth(const struct cn_rows *r, double *grown, double *step, double *uj)
{
    const struct cn_row *last = NULL;
    int n_steps = 0;
    *grown = *uj = 0;
    *step = (double)INFINITY;
    for (size_t i = 0; i < r->n; i++) {
        const struct cn_row *row = &r->rows[i];
        if (isnan(row->of[CN_ROLE_ENERGY]) || isnan(row->of[CN_ROLE_POWER]))
            continue;
        const double d = last ? row->of[CN_ROLE_ENERGY] - last->of[CN_ROLE_ENERGY] : -1;
        if (d >= 0) {
            *grown += d;
            *step = d > 0 ? fmin(*step, d) : *step;
            n_steps += d > 0;
            *uj += 0.5e-9 * (row->of[CN_ROLE_POWER] + last->of[CN_ROLE_POWER]) *
                   (double)(row->t_ns - last->t_ns);
        }
        last = row;
    }
    return n_steps;
}

/* Energy and power in one file: *by_energy says which to go by. */
static int settle_energy(struct cn_rows *r, struct cn_samples *samples, bool *by_energy)
{
    static const struct {
        const char *name;
        double scale;
    } units[] = {
        {"J",    1e6   },
        { "mJ",  1e3   },
        { "uJ",  1     },
        { "Wh",  3600e6},
        { "mWh", 3600e3},
        { "kWh", 3600e9}
    };
    const double named = r->kind[CN_ROLE_ENERGY].scale;
    double grown, step, uj;
    *by_energy = r->has[CN_ROLE_ENERGY];
    if (!r->has[CN_ROLE_ENERGY])
        return 0;
    if (!r->has[CN_ROLE_POWER])
        return named > 0 ? 0
                         : cn_rows_fault(r, "energy has no unit, and no power beside it to tell: "
                                            "name it energy_j, energy_wh, or --column "
                                            "energy=NAME:Wh");
    enum { LEAST_STEPS = 8 };
    const int n_steps = growth(r, &grown, &step, &uj);
    *by_energy = named > 0 && n_steps >= LEAST_STEPS && 2 * (size_t)n_steps >= r->n;
    if (n_steps < LEAST_STEPS) {
        note(samples, "by power: energy %s",
             n_steps ? "comes in steps too few to tell" : "stands still");
        return 0;
    }
    if (named > 0 && !agree(grown, uj, 2 * step))
        return cn_rows_fault(r,
                             "energy grows by %.4g J, and power beside it adds up to %.4g J: "
                             "one of them is off; --column power=NAME takes one alone",
                             1e-6 * grown, 1e-6 * uj);
    if (named > 0) {
        if (!*by_energy)
            note(samples, "by power: energy comes in coarser steps, which agree");
        return 0;
    }
    const char *fits = NULL;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (agree(grown * units[i].scale, uj, fmin(2 * step * units[i].scale, fabs(uj))))
            fits = fits ? fits : units[i].name;
    if (!fits)
        return cn_rows_fault(r,
                             "energy has no unit, and in none of J, mJ, uJ, Wh, mWh, kWh does it "
                             "agree with power, which adds up to %.4g J",
                             1e-6 * uj);
    note(samples, "by power, which energy as %s agrees with", fits);
    return 0;
}

/* ---- signs ----------------------------------------------------------------------------------- */

/* The value of a row in uW or uJ, and a current whose sign is the battery's; NaN: missing. */
static double value_of(const struct cn_rows *r, const struct cn_row *row, bool by_energy,
                       double sign)
{
    if (row->missing)
        return CN_UNKNOWN;
    if (by_energy)
        return row->of[CN_ROLE_ENERGY];
    if (r->has[CN_ROLE_POWER])
        return row->of[CN_ROLE_POWER];
    const double uv =
        r->has[CN_ROLE_VOLTAGE] ? fabs(row->of[CN_ROLE_VOLTAGE]) : 1e6 * r->options->volts;
    return 1e-6 * sign * row->of[CN_ROLE_CURRENT] * uv;
}

/* What is no consumption becomes missing. Of currents the sign of most of it is discharge, and
 * samples of the other sign were taken while charging; power says itself which way it flows. Near 0
 * both are an instrument's noise. */
static int settle_sign(struct cn_rows *r, bool by_energy, double *values,
                       struct cn_samples *samples)
{
    static const char charging[] = "samples of the other sign left out as charging",
                      below[] = "samples below 0 W left out: no consumption";
    static const double NOISE = 0.05;
    const bool by_current = !by_energy && !r->has[CN_ROLE_POWER];
    const enum cn_role role = by_current ? CN_ROLE_CURRENT : CN_ROLE_POWER;
    double sum = 0, noise = 0;
    size_t n_charging = 0, n_below = 0, n_missing = 0, n_impossible = 0;
    for (size_t i = 0; i < r->n && by_current; i++)
        sum += isnan(r->rows[i].of[role]) ? 0 : r->rows[i].of[role];
    if (!by_energy && !r->log && !r->kind[role].phone)
        noise = NOISE * size_at(r, role, 0.9);
    if (isnan(noise))
        return cn_rows_fault(r, "out of memory");
    for (size_t i = 0; i < r->n; i++) {
        values[i] = value_of(r, &r->rows[i], by_energy, sum < 0 ? -1 : 1);
        n_missing += isnan(values[i]);
        const bool no_use = !by_energy && values[i] < 0 && fabs(r->rows[i].of[role]) > noise;
        const bool impossible = !by_energy && !isnan(values[i]) && !cn_watts_possible(values[i]);
        n_charging += no_use && by_current;
        n_below += no_use && !by_current;
        n_impossible += impossible && !no_use;
        if (no_use || impossible)
            values[i] = CN_UNKNOWN;
    }
    if (n_below && n_below + n_missing == r->n)
        return cn_rows_fault(r,
                             "expected power above 0, which is consumed, found only samples below");
    if (n_missing + n_charging + n_below + n_impossible == r->n)
        return cn_rows_fault(r, n_impossible
                                    ? "expected power up to 20 kW, found only more"
                                    : "no value in any row: all are missing, not known, or "
                                      "beside a charger");
    if (n_charging)
        note(samples, "%s", charging);
    if (n_below)
        note(samples, "%s", below);
    if (n_impossible)
        note(samples, "%zu samples above 20 kW left out", n_impossible);
    if (!n_missing && !n_impossible && (n_charging > 0) != (n_below > 0))
        snprintf(samples->left_out, sizeof samples->left_out, "%s", n_below ? below : charging);
    return 0;
}

/* ---- the series ------------------------------------------------------------------------------ */

static int64_t row_spacing(const struct cn_rows *r)
{
    double *gap = r->n > 1 ? malloc((r->n - 1) * sizeof *gap) : NULL;
    if (!gap)
        return 0;
    for (size_t i = 1; i < r->n; i++)
        gap[i - 1] = (double)(r->rows[i].t_ns - r->rows[i - 1].t_ns);
    qsort(gap, r->n - 1, sizeof *gap, compare);
    int64_t median = (int64_t)gap[(r->n - 1) / 2];
    free(gap);
    return median;
}

static int make_series(struct cn_rows *r, bool by_energy, const double *values,
                       struct cn_samples *samples)
{
    struct cn_series *s = &samples->series;
    s->counter = by_energy;
    s->declared_ns = (double)row_spacing(r);
    if (!cn_series_reserve(s, r->n))
        return cn_rows_fault(r, "out of memory");
    double base = 0, last = CN_UNKNOWN;
    int64_t last_ns = 0;
    for (size_t i = 0; i < r->n; i++) {
        const int64_t t = r->rows[i].t_ns;
        if (isnan(values[i])) {
            cn_series_break(s);
            continue;
        }
        bool back = by_energy && values[i] < last;
        if (back)
            base += last - values[i];
        const bool jump = by_energy && !back && values[i] > last &&
                          !cn_joules_possible(values[i] - last, t - last_ns);
        cn_series_add(s, t, t, values[i] + base, back || jump);
        last = values[i];
        last_ns = t;
    }
    cn_series_rows(s);
    s->period_known &= !r->log;
    samples->first_ns = r->rows[0].t_ns;
    samples->last_ns = r->rows[r->n - 1].t_ns;
    return 0;
}

int cn_rows_finish(struct cn_rows *r, struct cn_samples *samples)
{
    bool by_energy = false;
    r->line = 0;
    if (r->n == 0)
        return cn_rows_fault(r, "no samples in the file");
    const struct cn_other *key = second_key(r);
    if (key)
        return cn_rows_fault(r,
                             "several rows for one time, told apart by column \"%s\": keep the "
                             "rows of one",
                             key->name);
    if (settle_voltage(r, samples) != 0 || settle_current(r, samples) != 0 ||
        settle_power(r, samples) != 0 || settle_energy(r, samples, &by_energy) != 0)
        return -1;
    if (!by_energy && !r->has[CN_ROLE_POWER] && size_at(r, CN_ROLE_VOLTAGE, 0.5) > 100e6)
        return cn_rows_fault(r, "current x voltage of mains is apparent power, of which a part "
                                "only is used: a column of power is needed");
    double *values = malloc(r->n * sizeof *values);
    int result = values ? settle_sign(r, by_energy, values, samples) : 0;
    if (values && !result)
        result = make_series(r, by_energy, values, samples);
    else if (!values)
        result = cn_rows_fault(r, "out of memory");
    free(values);
    if (result)
        return result;
    if (r->n_doubled)
        note(samples, "rows of one time averaged");
    if (r->n_unknown)
        note(samples, "%zu numbers by which is meant that it is not known are missing",
             r->n_unknown);
    if (r->n_charger)
        note(samples, "%zu rows beside a charger left out", r->n_charger);
    if (r->no_zone)
        note(samples, "times without a zone taken as local ones");
    return 0;
}
