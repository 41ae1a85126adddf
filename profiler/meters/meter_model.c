/* SPDX-License-Identifier: MIT
 *
 * A model in place of a meter, for machines that have none. It is never taken unasked, and each
 * figure of it is `modelled`. Two kinds:
 *
 * model:W_IDLE,W_BUSY: watts grow in a line with the CPU time of this process, from W_IDLE with
 * none to W_BUSY with every core busy. It knows nothing of frequency, of memory, or of what the
 * cores do, and other programs' load is not seen.
 *
 * model:FILE: the energy model of a machine, fitted with a meter (carnot machine --energy): watts
 * at rest, and joules for each byte, operation and unpacked weight that the watched program says it
 * has used (cn_profiler_work).
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "profiler/energy_model.h"
#include "profiler/meters/meter.h"

struct state {
    double idle_w, busy_w, cores;
    int64_t start_ns, start_cpu_ns;
    bool fitted; /* by the model, from work */
    struct cn_energy_model model;
    const struct cn_work_done *work;
    struct cn_model_row start;
};

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

static void probe_file(const char *path, struct cn_channel *c)
{
    struct cn_energy_model m;
    struct cn_profiler_error err;
    if (cn_energy_model_load(path, &m, &err) != 0) {
        cn_channel_reason(c, "%.300s", err.text);
        cn_channel_remedy(c, "expected model:W_IDLE,W_BUSY, or model:FILE of an energy model that "
                             "carnot machine --energy --save FILE has fitted on a metered machine");
        return;
    }
    snprintf(c->info.boundary, sizeof c->info.boundary, "%.36s (modelled)",
             m.boundary[0] ? m.boundary : "machine");
    snprintf(
        c->info.sources, sizeof c->info.sources,
        "modelled: %.3g W + %.3g pJ/byte + %.3g pJ/int8 op + %.3g pJ/weight unpacked, fitted by "
        "%.60s",
        m.coef[0], 1e12 * m.coef[1], 1e12 * m.coef[2], 1e12 * m.coef[3], m.meter);
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
    bool numbers = parse(request->arg, &idle_w, &busy_w);
    /* What begins like a number was meant as one. */
    if (*request->arg && !numbers && !strchr("0123456789,+-", *request->arg)) {
        probe_file(request->arg, c);
        return;
    }
    if (!*request->arg)
        cn_channel_reason(c, "an estimate, made only when asked for");
    else if (!numbers)
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

static struct cn_model_row now(const struct state *s)
{
    struct cn_model_row row = { { 1e-9 * (double)(cn_now_ns(CLOCK_MONOTONIC) - s->start_ns) } };
    if (s->work) {
        row.x[1] = (double)s->work->bytes - s->start.x[1];
        row.x[2] = (double)s->work->int8_ops - s->start.x[2];
        row.x[3] = (double)s->work->unpacked - s->start.x[3];
    }
    return row;
}

static void *open_state(const struct cn_meter_request *request, struct cn_channel *channel,
                        struct cn_opened *opened)
{
    struct state *s = calloc(1, sizeof *s);
    struct cn_profiler_error err = { "out of memory" };
    if (s && !parse(request->arg, &s->idle_w, &s->busy_w))
        s->fitted = cn_energy_model_load(request->arg, &s->model, &err) == 0;
    if (!s || (!s->fitted && !parse(request->arg, &s->idle_w, &s->busy_w))) {
        cn_channel_reason(channel, "%.300s", err.text);
        free(s);
        return NULL;
    }
    s->cores = cores();
    s->start_ns = cn_now_ns(CLOCK_MONOTONIC);
    s->start_cpu_ns = cn_now_ns(CLOCK_PROCESS_CPUTIME_ID);
    s->work = request->work;
    s->start = now(s);
    opened->n_sources = 1;
    return s;
}

static enum cn_read read_model(void *opaque, unsigned source, struct cn_reading *r)
{
    (void)source;
    const struct state *s = opaque;
    if (s->fitted) {
        struct cn_model_row row = now(s);
        r->value = 1e6 * cn_energy_model_joules(&s->model, &row, NULL);
        return CN_READ_OK;
    }
    double time = (double)(cn_now_ns(CLOCK_MONOTONIC) - s->start_ns);
    double busy = (double)(cn_now_ns(CLOCK_PROCESS_CPUTIME_ID) - s->start_cpu_ns) / s->cores;
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
