/* SPDX-License-Identifier: MIT
 *
 * A model in place of a meter (`model:W_IDLE,W_BUSY`), for machines that have none: watts grow in
 * a line with the CPU time of this process, from W_IDLE with none to W_BUSY with every core busy.
 * It knows nothing of frequency, of memory, or of what the cores do, and other programs' load is
 * not seen. So it is never taken unasked, and each figure of it is `modelled`.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "profiler/meter.h"

struct state {
    double idle_w, busy_w, cores;
    int64_t start_ns, start_cpu_ns;
};

static int64_t clock_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static bool parse(const char *text, double *idle_w, double *busy_w)
{
    char *end;
    *idle_w = strtod(text, &end);
    if (end == text || *end != ',')
        return false;
    text = end + 1;
    *busy_w = strtod(text, &end);
    return end != text && !*end && *idle_w >= 0 && *busy_w >= *idle_w && *busy_w <= 1e6;
}

static double cores(void)
{
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (double)n : 1;
}

static void probe(const struct cn_meter_request *request, struct cn_channel_list *channels)
{
    char name[sizeof(((struct cn_meter_info *)0)->name)];
    double idle_w, busy_w;
    snprintf(name, sizeof name, "model%s%s", *request->arg ? ":" : "", request->arg);
    /* It has a new value at every read; a period says how near to an edge one is wanted. */
    struct cn_channel *c = cn_channel_add(channels, name, "machine (modelled)", "uJ", 0.1);
    if (!c)
        return;
    c->info.counter = c->info.modelled = true;
    if (!*request->arg)
        cn_channel_reason(c, "an estimate, made only when asked for");
    else if (!parse(request->arg, &idle_w, &busy_w))
        cn_channel_reason(c,
                          "expected model:W_IDLE,W_BUSY, two numbers of watts with 0 <= W_IDLE <= "
                          "W_BUSY; found model:%.60s",
                          request->arg);
    else
        snprintf(c->info.sources, sizeof c->info.sources,
                 "modelled: %g W + %g W x CPU time of this process / (time x %g cores)", idle_w,
                 busy_w - idle_w, cores());
    if (!c->info.ok)
        cn_channel_remedy(c,
                          "--meter model:4,18 for a machine of 4 W idle and 18 W busy; a meter at "
                          "the plug tells both");
}

static void *open_state(const struct cn_meter_request *request, struct cn_channel *channel,
                        struct cn_opened *opened)
{
    struct state *s = calloc(1, sizeof *s);
    if (!s || !parse(request->arg, &s->idle_w, &s->busy_w)) {
        cn_channel_reason(channel, s ? "not two numbers of watts" : "out of memory");
        free(s);
        return NULL;
    }
    s->cores = cores();
    s->start_ns = clock_ns(CLOCK_MONOTONIC);
    s->start_cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    opened->n_sources = 1;
    return s;
}

static enum cn_read read_model(void *opaque, unsigned source, struct cn_reading *r)
{
    (void)source;
    const struct state *s = opaque;
    double time = (double)(clock_ns(CLOCK_MONOTONIC) - s->start_ns);
    double busy = (double)(clock_ns(CLOCK_PROCESS_CPUTIME_ID) - s->start_cpu_ns) / s->cores;
    r->value = 1e-3 * (s->idle_w * time + (s->busy_w - s->idle_w) * busy);
    return CN_READ_OK;
}

static void close_state(void *opaque)
{
    free(opaque);
}

const struct cn_meter cn_meter_model = {
    .name = "model",
    .free_text = true,
    .probe = probe,
    .open = open_state,
    .read = read_model,
    .close = close_state,
};
