/* SPDX-License-Identifier: MIT
 *
 * What one counter or gauge was seen to say over time, and the energy between two moments of it.
 *
 * A reader does not see the moment of an update, only that a value was still there at one read and
 * another at the next. So a point is a bracket: `value` appeared in (lo_ns, hi_ns]. Repeats of a
 * value only move last_ns, which keeps series short and shows how often the source really updates.
 */
#ifndef CN_SERIES_H
#define CN_SERIES_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What is not known, as a double. */
#define CN_UNKNOWN ((double)NAN)

/* CLOCK_REALTIME and CLOCK_BOOTTIME less CLOCK_MONOTONIC. */
struct cn_clock {
    int64_t realtime_offset_ns;
    int64_t boottime_offset_ns;
};

struct cn_point {
    int64_t lo_ns;                /* the value before was still there; INT64_MIN: no value before */
    int64_t hi_ns;                /* this value was there */
    int64_t last_ns;              /* and still was */
    double value;                 /* cumulative uJ, or uW */
    bool broken;                  /* what was used since the point before is not known */
    uint32_t n_seen;              /* reads that gave it, from the first on */
    int64_t gap_lo_ns, gap_hi_ns; /* the longest time between two of them */
    /* Set by cn_series_settle: */
    bool stale;     /* of a gauge: held longer than equal neighbours explain */
    double t_ns;    /* when the update most likely was */
    double w_ns;    /* half width of where it was, taken as uniform */
    double held_ns; /* of a gauge: from here on the power is a line to the next point */
    double cum_uj;  /* of a gauge: energy from the first point to hi_ns */
};

struct cn_series {
    struct cn_point *points;
    size_t n, cap;
    bool counter;       /* values are cumulative uJ; else uW */
    bool period_known;  /* period_ns is a fact (rows of a file), not to be estimated */
    bool pending_break; /* the next point will be `broken` */
    double declared_ns; /* period between updates as the meter declares it; 0: unknown */
    double period_ns;   /* the same, settled by evidence */
    double jitter_ns;   /* standard deviation of it */
    bool timed;         /* of a counter: updates were seen happening, which gave the period */
    double quantum_uj;  /* step of a counter's values */
    double mean_ns;     /* a gauge's values are means over so long, however often they come; or 0 */
    double hold_ns;     /* of a gauge: the longest that one value was seen to hold */
    char slow[128];     /* of a gauge: how long would have to be measured, in a sentence */
    uint64_t n_dropped; /* values that found no room */
};

/* Room for at least n points in all. False if memory is short. */
bool cn_series_reserve(struct cn_series *s, size_t n);
void cn_series_free(struct cn_series *s);

/* A read that lasted from t0_ns to t1_ns gave `value`. `broken`: what was used since the last value
 * is not known. Needs room (allocates nothing); without room the value is counted as dropped. */
void cn_series_add(struct cn_series *s, int64_t t0_ns, int64_t t1_ns, double value, bool broken);
/* After the rows of a file or of a command, whose declared period is that from row to row: whether
 * this is also the period of what they tell. */
void cn_series_rows(struct cn_series *s);
/* No value can be had at present: the next one is broken. */
void cn_series_break(struct cn_series *s);

/* After the last value: times the updates, finds period and jitter. */
void cn_series_settle(struct cn_series *s);

/* Drops what lies before t_ns, but for the values that times from there on are judged by. What was
 * learnt of a counter's period stays. */
void cn_series_forget(struct cn_series *s, int64_t t_ns);

struct cn_estimate {
    double uj;          /* NaN: not known */
    double var_uj2;     /* variance */
    double updates;     /* independent updates held: none in time that nobody watched, or through
                         * which a gauge showed one value */
    const char *reason; /* why not known; NULL if it is. A literal */
    const char
        *slow; /* what to say if the updates are too few; NULL: nothing. The series owns it */
};

/* Energy from t0_ns to t1_ns (t0_ns < t1_ns) of a settled series. Never negative for a counter.
 *
 * Counter: cumulative energy is a line between the times of updates. Where a stretch begins or ends
 * between two neighbouring updates, the power inside the stretch is carried to the edge, because
 * power tends to change just there. Behind the last update it grows by one more step at the most;
 * one that was seen to stand still for long has stopped. Gauge: the trapezoid over the moments at
 * which a value first showed; one that held for longer than a period is level until the period
 * before the next.
 *
 * The period of a gauge is found from its changes if there are many (the shorter holds, because
 * equal neighbours hide updates), else it is the longest hold that was seen, the first and the last
 * counting for as long as they were watched. A hold that equal neighbours do not explain is the
 * gauge's slowness: it counts for one update. Rows of a file whose changes are too few to tell are
 * believed to be updates, but not through a stretch of one value that neither begins nor ends with
 * it. */
void cn_series_span(const struct cn_series *s, int64_t t0_ns, int64_t t1_ns,
                    struct cn_estimate *estimate);

/* Energy in uJ from the first point of a settled series (n > 0) to t_ns, breaks bridged: to compare
 * moments, not to be stated. */
double cn_series_cumulative(const struct cn_series *s, double t_ns);

/* Mean power in uW around t_ns, for rough bounds; 0 if unknown. */
double cn_series_power(const struct cn_series *s, double t_ns);

#endif
