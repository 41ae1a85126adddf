/* SPDX-License-Identifier: MIT
 *
 * profiler: what a stretch of time cost in joules. This floor includes nothing but itself and libc,
 * so it can watch any program; this is its only public header.
 *
 * The model of use: a cn_profiler watches one or more channels of meters (the package counter of
 * RAPL, a battery, a recorded file). The caller opens and closes phases ("load", "prefill", ...)
 * and, after stop, asks what each phase, or all phases of a kind together, cost.
 *
 * Honesty: a channel has one boundary and never adds domains that overlap. What is not known is NaN
 * with a status and a reason, never 0. A phase that holds fewer than CN_MIN_UPDATES independent
 * updates of its meter is `unresolved`.
 *
 * Nothing here prints or exits. No globals.
 */
#ifndef CN_PROFILER_H
#define CN_PROFILER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* One line: what failed, where, what was expected and what was found. */
struct cn_profiler_error {
    char text[512];
};

/* ---- meters --------------------------------------------------------------------------------- */

/* One channel of a meter, usable or not. */
struct cn_meter_info {
    char name[96];     /* "powercap:package": what --meter takes */
    char boundary[48]; /* what the joules are of: "package", "core", "dram", "psys", "battery", ...
                        */
    char unit[8];      /* of the source: "uJ" for counters, "uW" for gauges, ... */
    double period_ms;  /* how often the source gets a new value; NaN: not known beforehand */
    bool counter;      /* cumulative energy; else power */
    bool modelled;     /* estimated, not measured */
    bool ok;           /* usable now */
    char sources[256]; /* what is added up, and what was left out as a duplicate; may be "" */
    char reason[320];  /* why it is not usable; "" if it is */
    char remedy[320];  /* what to do about it; "" if nothing */
};

struct cn_meter_list {
    struct cn_meter_info *items;
    size_t n;
};

/* Every channel of every meter under `root` (a directory that stands for "/"; NULL or "": "/").
 * A meter that finds nothing gives one entry that says why. The caller frees the list. 0, or -1 if
 * memory is short (*list is then untouched). */
int cn_meters_enumerate(const char *root, struct cn_meter_list *list);
void cn_meter_list_free(struct cn_meter_list *list); /* NULL is allowed */

/* ---- results -------------------------------------------------------------------------------- */

enum cn_energy_status {
    CN_ENERGY_MEASURED,
    CN_ENERGY_MODELLED,   /* the meter estimates */
    CN_ENERGY_UNRESOLVED, /* there is a meter, but it cannot tell for this stretch */
    CN_ENERGY_UNSUPPORTED /* no usable meter */
};

/* "measured", "modelled", "unresolved", "unsupported". */
const char *cn_energy_status_name(enum cn_energy_status status);

/* Independent updates of its meter that a stretch must hold for its joules to be stated. */
enum { CN_MIN_UPDATES = 10 };

struct cn_energy {
    const char *phase;      /* kind of the phase; NULL if of all kinds */
    int64_t index;          /* of the phase; of an aggregate: how many phases are in it */
    int64_t t0_ns, t1_ns;   /* CLOCK_MONOTONIC; of an aggregate: first begin, last end */
    int64_t busy_ns;        /* time inside the phases */
    double joules;          /* gross; NaN unless measured or modelled */
    double joules_net;      /* less the idle baseline; may be negative; NaN without idle phases */
    double uncertainty;     /* J, half width of a 95% interval of `joules`; NaN as above, and if
                             * modelled: how far a model is off is not known */
    double uncertainty_net; /* the same of `joules_net`, with that of the baseline and its drift */
    int64_t updates;        /* independent meter updates held */
    enum cn_energy_status status;
    const char *reason; /* why not measured; NULL if it is. Lives as long as the profiler */
};

/* The idle baseline of a channel, from the phases of kind "idle". */
struct cn_baseline {
    double before_w, after_w; /* before the first and after the last other phase; NaN if none */
    double uncertainty_w;     /* half width of a 95% interval of the level used */
};

/* ---- profiler ------------------------------------------------------------------------------- */

struct cn_profiler; /* one thread opens and closes its phases */

struct cn_profiler_options {
    const char *root;  /* NULL: "/" */
    const char *meter; /* "powercap", "powercap:dram", "battery", "file:PATH", or several with
                        * commas in between (the first is the main one); "none"; NULL: the best
                        * there is, which is never a modelled one */
    double sample_hz;  /* of the sampler thread; 0: 20 */
    bool force;        /* take a battery that charges, for the time when it does not */
    size_t max_phases; /* room taken beforehand; 0: 65536. Later phases are counted as dropped */
};

/* options may be NULL. The only errors are a meter name that is not known, and memory: a meter that
 * is there but not usable gives a profiler whose channel says why, and phases that are
 * `unsupported`. NULL on error. */
struct cn_profiler *cn_profiler_create(const struct cn_profiler_options *options,
                                       struct cn_profiler_error *err);
/* Stops if need be. NULL is allowed. */
void cn_profiler_free(struct cn_profiler *p);

/* 0 if each name in such a list of meters is of one that there is, here or elsewhere; -1 with the
 * one that is not. Looks at no machine. */
int cn_meters_check(const char *list, struct cn_profiler_error *err);

/* Opens the meters, starts the sampler thread (none if no meter is usable), forgets phases of an
 * earlier start. Takes some milliseconds to time the updates of a counter. 0, or -1. */
int cn_profiler_start(struct cn_profiler *p, struct cn_profiler_error *err);

/* Phases may be nested (8 deep); end closes the innermost. `kind` must outlive the profiler; any
 * name will do, and these have a meaning: "idle" makes the baseline; "decode", "sample", "draft"
 * and "verify" are per token. Allocates nothing. Without a usable meter a pair costs two clock
 * reads.
 *
 * Around a phase that is not per token the profiler waits for an update of a counter (1 ms or so):
 * before t0 is stamped and after t1 is. So time work by the stamps, or inside the pair, not around
 * it. */
void cn_profiler_phase_begin(struct cn_profiler *p, const char *kind, int64_t index);
void cn_profiler_phase_end(struct cn_profiler *p);

/* The watched program tells what it has done since it last told: bytes read from memory, operations
 * of 8-bit integers (2 x multiply-adds), weights unpacked to them. Only an energy model that was
 * asked for as the meter (model:FILE) makes use of it. To be told within the phase it was done in.
 * Callable from any thread. */
void cn_profiler_work(struct cn_profiler *p, int64_t bytes, int64_t int8_ops, int64_t unpacked);

/* Joules that the main channel's counter shows now, from any beginning: for those who choose by
 * what the last milliseconds cost. Reads the counter. NaN: there is no counter, or one with updates
 * more than 10 ms apart, or it gives no value now. */
double cn_profiler_joules_now(struct cn_profiler *p);

/* ---- while it runs: for programs that do not end ----------------------------------------------
 */

/* A stretch of time of which a share was somebody's. */
struct cn_share {
    int64_t t0_ns, t1_ns; /* CLOCK_MONOTONIC, t0_ns < t1_ns */
    double share;         /* 0 to 1 */
};

/* Reads the counters, unless they were read within a quarter of their period, and returns the time:
 * to be called where stretches begin and end, so that their edges are known. Waits for nothing. */
int64_t cn_profiler_edge(struct cn_profiler *p);
/* What the shares cost together: stretches in order of time that do not overlap; those that meet
 * are taken as one in what is known of their ends. busy_ns, and the idle power that is subtracted,
 * are of the shares too. Meters whose values come when they are stopped are `unresolved`. */
void cn_profiler_shares(struct cn_profiler *p, size_t channel, const struct cn_share *shares,
                        size_t n, struct cn_energy *energy);
/* Nothing was done from t0_ns to t1_ns: a level for the idle power from now on, if the meter can
 * tell. The last 16 are kept. */
void cn_profiler_rested(struct cn_profiler *p, int64_t t0_ns, int64_t t1_ns);
/* Nobody will ask about times before t_ns: memory stays as it is in a program that runs for ever.
 */
void cn_profiler_forget(struct cn_profiler *p, int64_t t_ns);

/* Closes open phases, stops the thread, closes the meters. All below is to be asked after it. 0, or
 * -1 (a `file` could not be read; its channel then is not ok). */
int cn_profiler_stop(struct cn_profiler *p, struct cn_profiler_error *err);

/* Channels being watched; the first is the main one. At least 1: with no meter at all the first one
 * is not ok, and says why in `reason` and `remedy`. */
size_t cn_profiler_n_channels(const struct cn_profiler *p);
const struct cn_meter_info *cn_profiler_channel(const struct cn_profiler *p, size_t channel);

/* A sentence about what went wrong while watching (a file vanished, phases dropped); NULL if
 * nothing did. */
const char *cn_profiler_note(const struct cn_profiler *p);

/* What else was true of the machine. NaN, -1 or "": cannot be had. */
struct cn_system_state {
    double mhz;             /* now, mean of the CPUs */
    double mhz_limit;       /* what the system allows at present, mean */
    double mhz_max;         /* what the hardware can, mean */
    char governor[32];      /* of cpufreq; "mixed" if CPUs differ */
    double celsius;         /* the hottest zone of the CPU */
    char zone[32];          /* which that is */
    double throttle_count;  /* thermal throttling of all CPUs since boot (x86) */
    int throttle_flags;     /* of a Raspberry Pi, now: 1 under-voltage, 2 frequency capped,
                             * 4 throttled, 8 soft temperature limit */
    double battery_percent; /* of the emptiest */
    double battery_v;       /* its voltage */
    int charger;            /* 1: plugged in, 0: not */
    double screen;          /* brightness of the last backlight, 0 to 1 */
    double load_1min;
    double busy_s;    /* CPU time of all programs since boot */
    double own_cpu_s; /* of this process */
    double time_s;    /* CLOCK_MONOTONIC */
};

/* As it was at start and, after stop, at the end. NULL is allowed for either. */
void cn_profiler_state(const struct cn_profiler *p, struct cn_system_state *before,
                       struct cn_system_state *after);

/* A sentence about what was not as quiet as a measurement wants: other programs' load, throttling,
 * a limited or changed frequency, a charger plugged in between. NULL if nothing was; asked after
 * stop.
 */
const char *cn_profiler_disturbance(const struct cn_profiler *p);

/* How many phases were begun; may be asked at any time, to remember where a row of results starts.
 */
size_t cn_profiler_n_phases(const struct cn_profiler *p);

/* Phase i as channel `channel` saw it. */
void cn_profiler_phase(const struct cn_profiler *p, size_t channel, size_t i,
                       struct cn_energy *energy);

/* Phases [first, first + n) of a kind, or of several with commas in between, together (kind NULL:
 * of all kinds but "idle"; n SIZE_MAX: to the last). Neighbouring phases are taken as one stretch,
 * so that tokens shorter than an update of the meter still resolve as a sum. index is the number of
 * phases; 0 of them: unresolved. */
void cn_profiler_total(const struct cn_profiler *p, size_t channel, const char *kind, size_t first,
                       size_t n, struct cn_energy *energy);

void cn_profiler_baseline(const struct cn_profiler *p, size_t channel,
                          struct cn_baseline *baseline);

/* Writes the trace: JSON lines, one object per phase, with the keys
 *   phase, index, t0_ns, t1_ns (CLOCK_MONOTONIC), joules, joules_net, uncertainty, uncertainty_net,
 *   updates, status, reason, meter, boundary,
 *   realtime_offset_ns, boottime_offset_ns (add to t0_ns to have that clock),
 *   others: [{meter, boundary, joules, joules_net, uncertainty, updates, status}] of further
 * channels. What is not known is null. Written under a temporary name, then renamed. 0, or -1. */
int cn_profiler_write_trace(const struct cn_profiler *p, const char *path,
                            struct cn_profiler_error *err);
/* The same to a stream, whose errors are the caller's to look at. */
void cn_profiler_print_trace(const struct cn_profiler *p, FILE *out);

/* Writes what a channel's sampler saw as JSON lines {"t_ns", "energy_uj" or "power_uw"}, the
 * sources added up, in a form that the `file` meter and cn_attribute_files read. 0, or -1. */
int cn_profiler_write_samples(const struct cn_profiler *p, size_t channel, const char *path,
                              struct cn_profiler_error *err);

/* ---- joining a trace with samples from elsewhere --------------------------------------------- */

struct cn_attribute_options {
    double offset_ms;    /* added to the time of every sample */
    double search_ms;    /* > 0: another offset, up to so much more or less, is found from how power
                          * and phases change together; the channel's `sources` say which */
    const char *columns; /* "time=NAME,power=NAME:mW": which column of a table is what; NULL: by
                          * their names */
    double volts;        /* of an instrument that records current alone; 0: none */
};

/* Phases of a trace file priced with a sample file, as CSV (a header names time and power, energy,
 * or current and voltage with their units: "t_ms,power_mw", "Time (s),Main Avg Power (mW)"; two
 * columns without a header: seconds, watts), JSON lines with such keys, logcat lines "stats =>
 * ts_ms,uA,mV,percent,0.1C", or the output of dumpsys battery, tegrastats, powermetrics, perf stat
 * -I. Samples since 1970 are joined by the realtime_offset_ns of the phases around them, others by
 * boottime or CLOCK_MONOTONIC, whichever overlaps. NULL on error. What is returned answers
 * n_phases, phase, total, baseline, channel, write_trace, note. */
struct cn_profiler *cn_attribute_files(const char *trace, const char *samples,
                                       const struct cn_attribute_options *options,
                                       struct cn_profiler_error *err);

#endif
