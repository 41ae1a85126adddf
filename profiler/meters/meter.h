/* SPDX-License-Identifier: MIT
 *
 * What a meter is: one file profiler/meter_<name>.c with one const struct cn_meter, and a row in
 * meters.def.
 */
#ifndef CN_METER_H
#define CN_METER_H

#include "profiler/profiler.h"
#include "profiler/samples/plausible.h"
#include "profiler/samples/series.h"

/* What the watched program says that it has done (cn_profiler_work). */
struct cn_work_done {
    _Atomic int64_t bytes, int8_ops, unpacked;
};

/* What is asked of a meter. */
struct cn_meter_request {
    const char *root; /* never NULL; "" stands for "/" */
    const char *arg;  /* after the colon of its name: "dram", a path; "" if there was none */
    bool force;
    const struct cn_work_done *work; /* NULL: nobody says */
};

/* A channel as a probe describes it. */
struct cn_channel {
    struct cn_meter_info info;
    bool automatic; /* may be taken when no meter was named */
};

struct cn_channel_list {
    struct cn_channel *items;
    size_t n, cap;
    bool out_of_memory;
};

/* Appends a channel that is ok, with these fields; the caller completes it. NULL if memory is short
 * (the list remembers it). period_ms may be NAN. */
struct cn_channel *cn_channel_add(struct cn_channel_list *list, const char *name,
                                  const char *boundary, const char *unit, double period_ms);
/* Makes a channel unusable. NULL channel is allowed. */
__attribute__((format(printf, 2, 3))) void cn_channel_reason(struct cn_channel *c,
                                                             const char *format, ...);
__attribute__((format(printf, 2, 3))) void cn_channel_remedy(struct cn_channel *c,
                                                             const char *format, ...);

/* What an opened channel is like. */
struct cn_opened {
    unsigned n_sources; /* counters or gauges that are added up: 1..CN_MAX_SOURCES */
    double quantum_uj;  /* step of a counter's values; 0: fine enough */
    double mean_ns;     /* a gauge's values are means over so long; 0: not known to be any */
    double min_hz;      /* reads per second needed so that no wrap is missed; 0: any */
};

enum { CN_MAX_SOURCES = 64 };

enum cn_read {
    CN_READ_OK,
    CN_READ_SKIP,  /* no value this time, nothing is lost (a write was under way) */
    CN_READ_BREAK, /* a value, but what was used since the last one is not known */
    CN_READ_FAIL   /* no value, and what was used since the last one is not known */
};

struct cn_reading {
    double value;  /* cumulative uJ without wraps, or uW; set with OK and BREAK */
    char why[200]; /* set with BREAK and FAIL */
};

struct cn_meter {
    const char *name;
    bool free_text; /* what follows the colon of its name is the user's text: a path, a command */
    /* Describes every channel under request->root, usable or not; at least one. */
    void (*probe)(const struct cn_meter_request *request, struct cn_channel_list *channels);
    /* Opens the channel `channel->info.name`. NULL: channel->info says why. */
    void *(*open)(const struct cn_meter_request *request, struct cn_channel *channel,
                  struct cn_opened *opened);
    /* Reads one source. Calls for one state never overlap. */
    enum cn_read (*read)(void *state, unsigned source, struct cn_reading *reading);
    /* NULL, or for meters whose samples are recorded elsewhere: called once, at the end, in place
     * of all `read`. Fills series[n_sources] on CLOCK_MONOTONIC. 0, and err->text may
     * hold a remark for cn_profiler_note; or -1 and a text. */
    int (*collect)(void *state, const struct cn_clock *clock, int64_t t0_ns, int64_t t1_ns,
                   struct cn_series *series, struct cn_profiler_error *err);
    /* NULL, or called once at the end, before close: what was found out meanwhile goes to
     * channel->info.sources, what is wrong to remark ("" on entry), for cn_profiler_note. */
    void (*conclude)(void *state, struct cn_channel *channel, char *remark, size_t n_bytes);
    void (*close)(void *state);
};

#define CN_METER(name) extern const struct cn_meter cn_meter_##name;
#include "profiler/meters/meters.def"
#undef CN_METER

/* The table of all meters, in order of preference. */
size_t cn_n_meters(void);
const struct cn_meter *cn_meter_at(size_t i);

/* Length of the first name of a list with commas in between. A comma within the text of a meter
 * that takes any ("model:4,18") ends the name only if the name of a meter follows. */
size_t cn_meters_name_length(const char *list);

/* The channel that `name` ("powercap", "powercap:dram", "file:PATH"; NULL: the best) asks for.
 * request->arg is set to point into name. *channel may turn out not ok. With NULL and nothing
 * usable *meter is NULL and *channel says why the likeliest one is not. -1 if there is no such
 * name. */
int cn_meters_pick(struct cn_meter_request *request, const char *name,
                   const struct cn_meter **meter, struct cn_channel *channel,
                   struct cn_profiler_error *err);

#endif
