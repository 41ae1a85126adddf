/* SPDX-License-Identifier: MIT */
#include "profiler/samples/dumpsys.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void cn_dumpsys_begin(struct cn_dumpsys *d)
{
    *d = (struct cn_dumpsys){ .current = (double)NAN,
                              .voltage = (double)NAN,
                              .celsius = (double)NAN,
                              .flow = CN_FLOW_NOT_SAID,
                              .charger = -1 };
}

/* BatteryManager's numbers for a status. */
static enum cn_flow flow_of_number(int status)
{
    return status == 2                  ? CN_FLOW_IN
           : status == 3                ? CN_FLOW_OUT
           : status == 4 || status == 5 ? CN_FLOW_STILL
                                        : CN_FLOW_NOT_SAID;
}

void cn_dumpsys_line(struct cn_dumpsys *d, const char *line)
{
    line += strspn(line, " \t");
    const char *colon = strchr(line, ':');
    if (!colon)
        return;
    const size_t n = (size_t)(colon - line);
    const char *value = colon + 1 + strspn(colon + 1, " \t");
    d->begun |= !strncmp(line, "Current Battery Service state", 29);
    if (n > 8 && !strncmp(colon - 8, " powered", 8)) {
        if (!strncmp(value, "true", 4)) {
            d->charger = 1;
            snprintf(d->charger_name, sizeof d->charger_name, "%.*s",
                     (int)(n - 8 < 15 ? n - 8 : 15), line);
        } else if (d->charger < 0) {
            d->charger = 0;
        }
        return;
    }
    char *end;
    const double v = strtod(value, &end);
    if (end == value || !isfinite(v))
        return;
    /* Samsung has a second set of lines ("current avg"), and others write "current_now". */
    if (n == 11 && !strncmp(line, "current", 7) && !strncmp(line + 8, "now", 3))
        d->current = v;
    else if (n == 7 && !strncmp(line, "voltage", 7) && isnan(d->voltage))
        d->voltage = v;
    else if (n == 6 && !strncmp(line, "status", 6) && fabs(v) < 100)
        d->flow = flow_of_number((int)v);
    else if (n == 11 && !strncmp(line, "temperature", 11))
        d->celsius = v / 10;
}
