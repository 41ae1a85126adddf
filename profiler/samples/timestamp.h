/* SPDX-License-Identifier: MIT
 *
 * Times as instruments write them.
 */
#ifndef CN_TIMESTAMP_H
#define CN_TIMESTAMP_H

#include <stdbool.h>
#include <stdint.h>

struct cn_timestamp {
    int64_t ns;   /* since 1970 */
    bool no_zone; /* none was written: taken as this machine's local time */
};

/* ISO-8601 date and time (2025-11-24T16:16:39.5+01:00, a blank for the T), that of tegrastats
 * (11-24-2025 16:16:39), or of powermetrics (Mon Nov 24 16:16:39 2025 +0000), at the beginning of
 * text. False if it is none, or none from 1970 to 2065. *end, if not NULL, is behind it. */
bool cn_timestamp_parse(const char *text, struct cn_timestamp *t, const char **end);

#endif
