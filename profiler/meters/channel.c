/* SPDX-License-Identifier: MIT
 *
 * The list of channels that meters describe themselves with.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/meters/meter.h"

struct cn_channel *cn_channel_add(struct cn_channel_list *list, const char *name,
                                  const char *boundary, const char *unit, double period_ms)
{
    if (list->n == list->cap) {
        size_t cap = list->cap ? 2 * list->cap : 8;
        struct cn_channel *items = realloc(list->items, cap * sizeof *items);
        if (!items) {
            list->out_of_memory = true;
            return NULL;
        }
        list->items = items;
        list->cap = cap;
    }
    struct cn_channel *c = &list->items[list->n++];
    memset(c, 0, sizeof *c);
    snprintf(c->info.name, sizeof c->info.name, "%s", name);
    snprintf(c->info.boundary, sizeof c->info.boundary, "%s", boundary);
    snprintf(c->info.unit, sizeof c->info.unit, "%s", unit);
    c->info.period_ms = period_ms;
    c->info.ok = true;
    return c;
}

void cn_channel_reason(struct cn_channel *c, const char *format, ...)
{
    if (!c)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(c->info.reason, sizeof c->info.reason, format, args);
    va_end(args);
    c->info.ok = false;
}

void cn_channel_remedy(struct cn_channel *c, const char *format, ...)
{
    if (!c)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(c->info.remedy, sizeof c->info.remedy, format, args);
    va_end(args);
}
