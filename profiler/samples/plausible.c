/* SPDX-License-Identifier: MIT */
#include "profiler/samples/plausible.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const double most_w = 20000;

bool cn_means_unknown(double raw)
{
    static const double said[] = { 65535, 2147483647, 4294967295 };
    if (raw == -2147483648.0 || raw == -2147483648000.0 || fabs(raw) >= 9.2e18)
        return true;
    for (size_t i = 0; i < sizeof said / sizeof *said; i++)
        /* The kernel makes micro units of the milli units of firmware. */
        if (raw == said[i] || raw == 1000 * said[i])
            return true;
    return false;
}

bool cn_joules_possible(double added_uj, int64_t ns)
{
    static const double slack_us = 20000;
    return added_uj <= most_w * (1e-3 * (double)ns + slack_us);
}

bool cn_watts_possible(double uw)
{
    return fabs(uw) <= 1e6 * most_w;
}

bool cn_power_plausible(double raw, double uw, const char *what, char *why, size_t n_bytes)
{
    if (cn_means_unknown(raw))
        snprintf(why, n_bytes, "%.60s says %.0f, by which is meant that it does not know", what,
                 raw);
    else if (!cn_watts_possible(uw))
        snprintf(why, n_bytes, "%.60s says %.0f: more than the 20 kW that can be", what, raw);
    else
        return true;
    return false;
}

/* ---- units of batteries ---------------------------------------------------------------------- */

static double unit_of(double size, double least, double most)
{
    for (double unit = 1e6; unit >= 1; unit /= 1000) {
        const double value = 1e-6 * unit * size;
        if (value >= least && value < most)
            return unit;
    }
    return 0;
}

double cn_voltage_unit(double size)
{
    return unit_of(size, 2, 100);
}

double cn_current_unit(double size)
{
    return unit_of(size, 0.02, 20);
}

int cn_micro_or_milli(double size)
{
    return !(size > 0) ? 0 : size < CN_LEAST_MICRO ? 1000 : 1;
}

const char *cn_unit_name(double micro_per_unit, char quantity, char name[4])
{
    const char *prefix = micro_per_unit > 1e5 ? "" : micro_per_unit > 100 ? "m" : "u";
    snprintf(name, 4, "%s%c", prefix, quantity);
    return name;
}

/* ---- what a battery's number is of ----------------------------------------------------------- */

enum cn_flow cn_flow_of(const char *status)
{
    if (!strcmp(status, "Discharging"))
        return CN_FLOW_OUT;
    if (!strcmp(status, "Charging"))
        return CN_FLOW_IN;
    return !strcmp(status, "Full") || !strcmp(status, "Not charging") ? CN_FLOW_STILL
                                                                      : CN_FLOW_NOT_SAID;
}

bool cn_battery_is_all(const struct cn_supply *supply, char *why, size_t n_bytes)
{
    const char *name = supply->battery;
    if (supply->flow == CN_FLOW_IN) {
        snprintf(why, n_bytes, "%.60s is charging: its current is the charger's balance", name);
    } else if (supply->charger == 1 && supply->flow == CN_FLOW_OUT) {
        snprintf(why, n_bytes,
                 "%.60s is discharging beside a charger (%.60s is online): it gives only a part of "
                 "what the system uses",
                 name, supply->charger_name ? supply->charger_name : "one");
    } else if (supply->charger == 1 && supply->flow == CN_FLOW_NOT_SAID) {
        snprintf(why, n_bytes, "%.60s has no status and a charger is plugged in", name);
    } else if (supply->charger != 0 && supply->flow == CN_FLOW_STILL) {
        snprintf(why, n_bytes, "%.60s is not discharging: a charger feeds the system", name);
    } else {
        return true;
    }
    return false;
}

bool cn_sign_is_use(struct cn_signs *signs, double raw, const char *what, char *why, size_t n_bytes)
{
    const int sign = raw < 0 ? -1 : raw > 0;
    if (signs->first == 0)
        signs->first = sign;
    if (sign * signs->first >= 0)
        return true;
    signs->flipped = true;
    snprintf(why, n_bytes,
             "the sign of %.60s flips while its status stays: the battery is being charged", what);
    return false;
}

bool cn_signs_contradict(const struct cn_signs *signs)
{
    return signs->flipped && signs->first > 0;
}
