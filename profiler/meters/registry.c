/* SPDX-License-Identifier: MIT
 *
 * The table of meters, and choosing one of their channels.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/meters/meter.h"

#define CN_METER(name) &cn_meter_##name,
static const struct cn_meter *const meters[] = {
#include "profiler/meters/meters.def"
};
#undef CN_METER

size_t cn_n_meters(void)
{
    return sizeof meters / sizeof *meters;
}

const struct cn_meter *cn_meter_at(size_t i)
{
    return meters[i];
}

int cn_meters_enumerate(const char *root, struct cn_meter_list *out)
{
    struct cn_channel_list all = { 0 };
    struct cn_meter_request request = { .root = root ? root : "", .arg = "" };
    for (size_t i = 0; i < cn_n_meters(); i++)
        meters[i]->probe(&request, &all);
    struct cn_meter_info *items = all.out_of_memory ? NULL : calloc(all.n + 1, sizeof *items);
    if (items)
        for (size_t i = 0; i < all.n; i++)
            items[i] = all.items[i].info;
    size_t n = all.n;
    free(all.items);
    if (!items)
        return -1;
    *out = (struct cn_meter_list){ items, n };
    return 0;
}

void cn_meter_list_free(struct cn_meter_list *list)
{
    if (!list)
        return;
    free(list->items);
    *list = (struct cn_meter_list){ 0 };
}

const char *cn_energy_status_name(enum cn_energy_status status)
{
    switch (status) {
    case CN_ENERGY_MEASURED:
        return "measured";
    case CN_ENERGY_MODELLED:
        return "modelled";
    case CN_ENERGY_UNRESOLVED:
        return "unresolved";
    case CN_ENERGY_UNSUPPORTED:
        break;
    }
    return "unsupported";
}

/* ---- choosing -------------------------------------------------------------------------------- */

static int fail(struct cn_profiler_error *err, const char *text)
{
    if (err)
        snprintf(err->text, sizeof err->text, "%s", text);
    return -1;
}

/* The meter that a text begins with, up to `:`, `,` or its end. */
static const struct cn_meter *named(const char *text)
{
    size_t len = strcspn(text, ":,");
    for (size_t i = 0; i < cn_n_meters(); i++)
        if (strlen(meters[i]->name) == len && !strncmp(meters[i]->name, text, len))
            return meters[i];
    return NULL;
}

size_t cn_meters_name_length(const char *list)
{
    const struct cn_meter *meter = named(list);
    size_t len = strcspn(list, ",");
    while (meter && meter->free_text && list[len] && !named(list + len + 1) &&
           strcmp(list + len + 1, "none") != 0)
        len += 1 + strcspn(list + len + 1, ",");
    return len;
}

static int pick_best(struct cn_meter_request *request, const struct cn_meter **meter,
                     struct cn_channel *channel, struct cn_profiler_error *err)
{
    struct cn_channel why = { 0 };
    bool have_why = false;
    for (size_t i = 0; i < cn_n_meters(); i++) {
        struct cn_channel_list list = { 0 };
        meters[i]->probe(request, &list);
        if (list.out_of_memory) {
            free(list.items);
            return fail(err, "out of memory");
        }
        for (size_t k = 0; k < list.n; k++) {
            const struct cn_channel *c = &list.items[k];
            if (!c->automatic)
                continue;
            if (c->info.ok) {
                *meter = meters[i];
                *channel = *c;
                free(list.items);
                return 0;
            }
            if (!have_why) {
                why = *c;
                have_why = true;
            }
        }
        free(list.items);
    }
    *meter = NULL;
    *channel = why;
    /* The reason is that of the likeliest meter; its boundary is not that of any reading. */
    channel->info.boundary[0] = 0;
    return 0;
}

static void join(char *text, size_t n_bytes, const struct cn_channel_list *list)
{
    size_t used = 0, n = list ? list->n : cn_n_meters();
    text[0] = 0;
    for (size_t i = 0; i < n && used < n_bytes; i++) {
        const char *item = list ? list->items[i].info.name : meters[i]->name;
        used += (size_t)snprintf(text + used, n_bytes - used, "%s%s", i ? ", " : "", item);
    }
}

static int unknown_meter(const char *name, size_t len, struct cn_profiler_error *err)
{
    char known[200], text[400];
    join(known, sizeof known, NULL);
    snprintf(text, sizeof text, "no meter \"%.*s\"; there are %s, none", (int)(len < 80 ? len : 80),
             name, known);
    return fail(err, text);
}

int cn_meters_check(const char *list, struct cn_profiler_error *err)
{
    for (const char *name = list;; name++) {
        size_t len = cn_meters_name_length(name);
        if (!named(name) && !(len == 4 && !strncmp(name, "none", len)))
            return unknown_meter(name, len, err);
        name += len;
        if (!*name)
            return 0;
    }
}

/* A meter that is known, a channel that is not there: the machine's lack, not a wrong name. */
static void not_here(struct cn_channel *c, const char *name, const struct cn_channel_list *list)
{
    char known[200];
    join(known, sizeof known, list);
    memset(c, 0, sizeof *c);
    snprintf(c->info.name, sizeof c->info.name, "%s", name);
    c->info.period_ms = CN_UNKNOWN;
    cn_channel_reason(c, "this machine has no such channel; it has %s", known);
}

int cn_meters_pick(struct cn_meter_request *request, const char *name,
                   const struct cn_meter **meter, struct cn_channel *channel,
                   struct cn_profiler_error *err)
{
    request->arg = "";
    if (!name)
        return pick_best(request, meter, channel, err);
    size_t len = strcspn(name, ":");
    const struct cn_meter *found = named(name);
    if (!found)
        return unknown_meter(name, strlen(name), err);
    request->arg = name[len] ? name + len + 1 : "";
    struct cn_channel_list list = { 0 };
    found->probe(request, &list);
    if (list.out_of_memory) {
        free(list.items);
        return fail(err, "out of memory");
    }
    const struct cn_channel *best = NULL;
    for (size_t k = 0; k < list.n; k++) {
        const struct cn_channel *c = &list.items[k];
        /* By its full name; by the meter's name alone, the first that works, else the first. */
        if (*request->arg ? !strncmp(c->info.name, name, sizeof c->info.name - 1)
                          : !best || (!best->info.ok && c->info.ok))
            best = c;
    }
    /* Where a meter finds nothing at all, its one entry answers for each of its channels. */
    if (!best && list.n == 1 && !list.items[0].info.ok)
        best = &list.items[0];
    *meter = found;
    if (best)
        *channel = *best;
    else
        not_here(channel, name, &list);
    free(list.items);
    return 0;
}
