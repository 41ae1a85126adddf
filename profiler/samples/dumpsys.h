/* SPDX-License-Identifier: MIT
 *
 * What `dumpsys battery` of Android says, line by line:
 *
 *     Current Battery Service state:
 *       AC powered: false
 *       USB powered: false
 *       status: 3
 *       voltage: 4012
 *       current now: -412
 *
 * Units and signs of current and voltage differ from maker to maker; here they are as given.
 */
#ifndef CN_DUMPSYS_H
#define CN_DUMPSYS_H

#include "profiler/samples/plausible.h"

struct cn_dumpsys {
    bool begun;              /* the first line above was seen */
    double current, voltage; /* NaN: not said */
    double celsius;          /* NaN: not said */
    enum cn_flow flow;
    int charger;           /* 1: one is online; 0: none is; -1: not said */
    char charger_name[16]; /* "AC", "USB", ... of the one that is online */
};

void cn_dumpsys_begin(struct cn_dumpsys *d);
/* Lines that say nothing of these are left out. The line is not kept. */
void cn_dumpsys_line(struct cn_dumpsys *d, const char *line);

#endif
