/* SPDX-License-Identifier: MIT
 *
 * The inside of a cn_profiler, for the files of this floor.
 */
#ifndef CN_WATCH_H
#define CN_WATCH_H

#include <pthread.h>

#include "profiler/meters/meter.h"
#include "profiler/profiler.h"
#include "profiler/samples/series.h"

struct cn_phase {
    const char *kind;
    int64_t index, t0_ns, t1_ns;
    int64_t realtime_offset_ns; /* of phases read from a file; else that of the profiler's clock */
};

/* An idle phase that its meter could resolve. */
struct cn_idle {
    double t_ns; /* its middle */
    double w, var_w2;
};

/* One channel and what was seen of it. */
struct cn_watch {
    const struct cn_meter *meter; /* NULL: no meter */
    char *name; /* as the user named it; owns what request.arg points into; NULL: "" */
    struct cn_meter_request request;
    struct cn_channel channel;
    void *state; /* NULL while not open */
    struct cn_opened opened;
    struct cn_series *series; /* [opened.n_sources] */
    bool chase;               /* its updates are regular enough to be waited for */
    _Atomic int64_t read_ns;  /* when it was last read; written under the lock, looked at without */
    char failure[256];        /* the first thing that went wrong; "" if nothing did */
    bool failed_otherwise;    /* and something else did later */
    struct cn_idle *idle;     /* [n_idle] the baseline, in order of time */
    size_t n_idle;
    /* Held while meter and series are used: the sampler and the phases' edges meet here. */
    pthread_mutex_t lock;
};

struct cn_sampler {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    int64_t period_ns;
    struct cn_watch *watches;
    size_t n_watches;
    bool running, stop;
};

enum { CN_PHASE_DEPTH = 8, CN_MAX_WATCHES = 8 };

struct cn_profiler {
    char *root;
    double sample_hz;
    bool started;
    struct cn_watch watches[CN_MAX_WATCHES];
    size_t n_watches;
    struct cn_phase *phases;
    size_t n_phases, max_phases, n_dropped;
    ptrdiff_t open[CN_PHASE_DEPTH]; /* -1: a phase that found no room */
    unsigned depth;                 /* may exceed CN_PHASE_DEPTH: those are counted, not kept */
    bool metered;                   /* some channel is read at edges */
    int64_t start_ns, end_ns;
    int64_t chase_ns, edge_ns; /* spent at edges of tokens: waiting for updates; reading */
    int64_t chased_ns;         /* end of the last wait */
    struct cn_clock clock;
    char **kinds; /* names of phases read from a file */
    size_t n_kinds;
    char note[512];
    struct cn_system_state before, after;
    char disturbance[400]; /* "" if none */
    struct cn_sampler sampler;
    struct cn_work_done work;
};

/* How the clocks stand to each other now. */
struct cn_clock cn_clock_pair(void);

/* ---- watch.c: all need no lock held ------------------------------------------------------- */

/* Reads every source of a channel once. grow: make room when it gets short (allocates). */
void cn_watch_read(struct cn_watch *w, bool grow);
/* Starts the thread that reads all watches at `hz`. 0 or an errno. */
int cn_sampler_start(struct cn_sampler *s, struct cn_watch *watches, size_t n, double hz);
/* Ends it; nothing if it does not run. */
void cn_sampler_stop(struct cn_sampler *s);

/* ---- attribution.c: after the series are settled --------------------------------------------- */

/* Finds w->idle. False if memory is short. */
bool cn_attribute_baseline(const struct cn_profiler *p, struct cn_watch *w);
/* What shares of stretches cost (cn_profiler_shares). */
void cn_attribute_shares(const struct cn_watch *w, const struct cn_share *shares, size_t n,
                         struct cn_energy *energy);
/* The power from t0_ns to t1_ns, if the channel resolves it. */
bool cn_attribute_idle(const struct cn_watch *w, int64_t t0_ns, int64_t t1_ns,
                       struct cn_idle *idle);

#endif
