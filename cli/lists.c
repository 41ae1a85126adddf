/* SPDX-License-Identifier: MIT */
#include "cli/lists.h"

#include "cli/cli.h"
#include "quant/quant.h"

#include <stdlib.h>
#include <string.h>

/* The tiers asked for; `all` if none are. */
static int read_tiers(const char *source, const char *list, uint32_t all, uint32_t *asked)
{
    const char *bad;
    size_t bad_len;
    char text[64];
    *asked = all;
    if (!list)
        list = getenv("CARNOT_TIERS");
    if (list && *list && !cn_tiers_parse(list, asked, &bad, &bad_len))
        return cn_usage_error("%s takes tiers separated by commas (%s), not '%.*s'", source,
                              cn_tiers_format(UINT32_MAX, text, sizeof text), (int)bad_len, bad);
    return -1;
}

int cn_check_tiers(const char *list)
{
    uint32_t asked;
    return read_tiers(list ? "--tiers" : "CARNOT_TIERS", list, 0, &asked);
}

int cn_parse_tiers(const char *name, const char *list, uint32_t *mask)
{
    const char *source = list ? name : "CARNOT_TIERS";
    const uint32_t here = cn_tiers_detect();
    uint32_t asked;
    char text[64];
    int code = read_tiers(source, list, here, &asked);
    if (code >= 0)
        return code;
    if (asked & ~here)
        cn_warn("%s: not on this machine: %s", source,
                cn_tiers_format(asked & ~here, text, sizeof text));
    *mask = here & asked;
    return -1;
}

int cn_meter_refused(const char *why)
{
    return strcmp(why, "out of memory") == 0 ? cn_die("%s", why) : cn_usage_error("%s", why);
}

int cn_parse_counts(const char *name, const char *list, int max, int *counts, int *n)
{
    *n = 0;
    for (const char *p = list;; p++) {
        char *end;
        size_t len = strcspn(p, ",");
        long value = *p >= '0' && *p <= '9' ? strtol(p, &end, 10) : 0;
        if (value < 1 || value > max || end != p + len)
            return cn_usage_error("%s takes whole numbers from 1 to %d, separated by commas, not "
                                  "'%.*s'",
                                  name, max, (int)len, p);
        if (*n == CN_MAX_COUNTS)
            return cn_usage_error("%s takes at most %d numbers", name, CN_MAX_COUNTS);
        counts[(*n)++] = (int)value;
        p += len;
        if (!*p)
            return -1;
    }
}

int cn_default_counts(int most, int *counts)
{
    int n = 0;
    for (int c = 1; c < most && n < CN_MAX_COUNTS - 1; c *= 2)
        counts[n++] = c;
    counts[n++] = most;
    return n;
}
