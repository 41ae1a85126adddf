/* SPDX-License-Identifier: MIT
 *
 * What disturbed the runs of a study.
 */
#include "bench/report/report_part.h"

#include <stdio.h>
#include <string.h>

enum { MAX_KINDS = 8, MAX_TEXT = 64 };

/* A remark without its figures, which differ from run to run: up to the first bracket, and with
 * numbers left out. */
static void kind_of(const char *remark, size_t n, char kind[MAX_TEXT])
{
    size_t used = 0;
    for (size_t i = 0; i < n && remark[i] != '(' && used + 1 < MAX_TEXT; i++) {
        bool figure = (remark[i] >= '0' && remark[i] <= '9') || remark[i] == '%' ||
                      (remark[i] == '.' && i + 1 < n && remark[i + 1] != ' ');
        bool blank = remark[i] == ' ' && (used == 0 || kind[used - 1] == ' ');
        if (!figure && !blank)
            kind[used++] = remark[i];
    }
    while (used && kind[used - 1] == ' ')
        used--;
    kind[used] = 0;
}

int cn_report_disturbed(const struct cn_report *r, char *what, size_t n_bytes)
{
    char kinds[MAX_KINDS][MAX_TEXT];
    int counts[MAX_KINDS] = { 0 }, n_kinds = 0, n_runs = 0;
    for (int i = 0; i < r->n_runs; i++) {
        const char *at = r->runs[i].disturbed;
        n_runs += *at != 0;
        while (*at) { /* remarks of one run are apart by semicolons */
            size_t n = strcspn(at, ";");
            char kind[MAX_TEXT];
            int k = 0;
            kind_of(at, n, kind);
            while (k < n_kinds && strcmp(kinds[k], kind) != 0)
                k++;
            if (k == n_kinds && n_kinds < MAX_KINDS)
                memcpy(kinds[n_kinds++], kind, sizeof kind);
            if (k < n_kinds)
                counts[k]++;
            at += n + (at[n] == ';');
        }
    }
    size_t used = 0;
    what[0] = 0;
    for (int k = 0; k < n_kinds && used < n_bytes; k++)
        used += (size_t)snprintf(what + used, n_bytes - used, "%s%d time%s %s", k ? ", " : "",
                                 counts[k], counts[k] == 1 ? "" : "s", kinds[k]);
    return n_runs;
}
