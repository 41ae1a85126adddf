/* SPDX-License-Identifier: MIT
 *
 * A file of samples (`file:PATH`): recorded by another meter while the run goes on, and joined by
 * its clock when the run ends; or recorded before, and then replayed from the start of the run. The
 * forms are those of cn_attribute_files. PATH is not under the root: it is the user's file.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "profiler/meters/meter.h"
#include "profiler/samples/samples.h"

struct state {
    char *path;
};

static void probe(const struct cn_meter_request *request, struct cn_channel_list *channels)
{
    char name[sizeof(((struct cn_meter_info *)0)->name)];
    snprintf(name, sizeof name, "file%s%s", *request->arg ? ":" : "", request->arg);
    struct cn_channel *c = cn_channel_add(channels, name, "file", "uW", CN_UNKNOWN);
    if (!c)
        return;
    if (!*request->arg) {
        cn_channel_reason(c, "no file was named");
        cn_channel_remedy(c, "--meter file:PATH, a CSV or JSON lines of time and power or energy");
        return;
    }
    struct cn_samples samples;
    struct cn_profiler_error err;
    if (cn_samples_load(request->arg, NULL, &samples, &err) != 0) {
        cn_channel_reason(c, "%.300s", err.text);
        cn_channel_remedy(c, "see the forms that are read in: carnot attribute --help");
        return;
    }
    c->info.counter = samples.series.counter;
    if (c->info.counter)
        snprintf(c->info.unit, sizeof c->info.unit, "uJ");
    cn_series_settle(&samples.series);
    c->info.period_ms = samples.series.period_ns > 0 ? 1e-6 * samples.series.period_ns : CN_UNKNOWN;
    snprintf(c->info.sources, sizeof c->info.sources, "%s", samples.note);
    cn_samples_free(&samples);
}

static void *open_state(const struct cn_meter_request *request, struct cn_channel *channel,
                        struct cn_opened *opened)
{
    struct state *s = calloc(1, sizeof *s);
    if (s)
        s->path = strdup(request->arg);
    if (!s || !s->path) {
        free(s);
        cn_channel_reason(channel, "out of memory");
        return NULL;
    }
    opened->n_sources = 1;
    return s;
}

static int collect(void *opaque, const struct cn_clock *clock, int64_t t0_ns, int64_t t1_ns,
                   struct cn_series *series, struct cn_profiler_error *err)
{
    const struct state *s = opaque;
    struct cn_samples samples;
    /* Anew, because it may have grown since the start. */
    if (cn_samples_load(s->path, NULL, &samples, err) != 0)
        return -1;
    if (!cn_samples_join(&samples, clock, t0_ns, t1_ns, 0))
        cn_samples_shift(&samples, t0_ns - samples.first_ns);
    cn_series_free(series);
    *series = samples.series;
    return 0;
}

static void close_state(void *opaque)
{
    struct state *s = opaque;
    if (s)
        free(s->path);
    free(s);
}

const struct cn_meter cn_meter_file = {
    .name = "file",
    .free_text = true,
    .probe = probe,
    .open = open_state,
    .collect = collect,
    .close = close_state,
};
