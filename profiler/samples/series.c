/* SPDX-License-Identifier: MIT */
#include "profiler/samples/series.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A bracket this much narrower than the period counts as having seen the update happen. */
static const double tight = 0.25;

bool cn_series_reserve(struct cn_series *s, size_t n)
{
    if (n <= s->cap)
        return true;
    if (n > SIZE_MAX / sizeof *s->points)
        return false;
    struct cn_point *points = realloc(s->points, n * sizeof *points);
    if (!points)
        return false;
    s->points = points;
    s->cap = n;
    return true;
}

void cn_series_free(struct cn_series *s)
{
    free(s->points);
    memset(s, 0, sizeof *s);
}

void cn_series_add(struct cn_series *s, int64_t t0_ns, int64_t t1_ns, double value, bool broken)
{
    struct cn_point *last = s->n ? &s->points[s->n - 1] : NULL;
    broken |= s->pending_break;
    if (last && !broken && value == last->value) {
        if (t0_ns - last->last_ns > last->gap_hi_ns - last->gap_lo_ns) {
            last->gap_lo_ns = last->last_ns;
            last->gap_hi_ns = t0_ns;
        }
        last->last_ns = t0_ns > last->last_ns ? t0_ns : last->last_ns;
        last->n_seen++;
        return;
    }
    if (s->n == s->cap) {
        /* A counter loses nothing by it: the next value covers the time. */
        s->n_dropped++;
        return;
    }
    s->points[s->n++] = (struct cn_point){
        .lo_ns = last ? last->last_ns : INT64_MIN,
        .hi_ns = t1_ns,
        .last_ns = t0_ns,
        .value = value,
        .broken = last && broken,
        .n_seen = 1,
        .gap_lo_ns = t0_ns,
        .gap_hi_ns = t0_ns,
    };
    s->pending_break = false;
}

/* What all steps of a counter are multiples of, up to 1/10000 of the smallest (Euclid's algorithm);
 * next to nothing for one that is read out of something finer. */
static double common_step(const struct cn_series *s)
{
    double common = 0, least = (double)INFINITY;
    for (size_t k = 1; k < s->n; k++)
        if (!s->points[k].broken)
            least = fmin(least, fabs(s->points[k].value - s->points[k - 1].value));
    for (size_t k = 1; k < s->n; k++) {
        double a = fabs(s->points[k].value - s->points[k - 1].value), b = common;
        if (s->points[k].broken)
            continue;
        while (b > 1e-4 * least) {
            const double rest = fmod(a, b);
            a = b;
            b = fmin(rest, b - rest); /* just below a multiple is one, too */
        }
        common = a;
    }
    return common;
}

/* Changes that are many enough to tell how often a gauge is updated. */
enum { MANY = 10 };

/* The hold from point k - 1 to k began within what was watched, and ended there. */
static bool whole_hold(const struct cn_series *s, size_t k)
{
    return k > 1 && !s->points[k].broken && !s->points[k - 1].broken;
}

/* Whether a gauge changed often, or evenly. */
static bool changes_tell(const struct cn_series *s)
{
    enum { SOME = 3 };
    double least = (double)INFINITY, most = 0;
    size_t n = 0;
    for (size_t k = 1; k < s->n; k++) {
        if (!whole_hold(s, k))
            continue;
        const double gap = (double)(s->points[k].hi_ns - s->points[k - 1].hi_ns);
        least = fmin(least, gap);
        most = fmax(most, gap);
        n++;
    }
    return n >= MANY || (n >= SOME && most <= 1.5 * least);
}

/* A gauge may be logged more often than it changes: its repeats tell, if there are changes enough.
 * A counter that moves in nearly every row is read out of something finer; one that stands still in
 * many has steps of its own. */
void cn_series_rows(struct cn_series *s)
{
    size_t n_rows = 0;
    for (size_t k = 0; k < s->n; k++)
        n_rows += s->points[k].n_seen;
    s->period_known = s->counter ? 10 * s->n >= 9 * n_rows : !changes_tell(s);
    if (s->counter)
        s->quantum_uj = common_step(s);
}

void cn_series_break(struct cn_series *s)
{
    s->pending_break = true;
}

void cn_series_forget(struct cn_series *s, int64_t t_ns)
{
    enum { BESIDE = 64 /* points before, for the power around and the period */ };
    size_t n = 0;
    while (n < s->n && s->points[n].hi_ns < t_ns)
        n++;
    if (n <= 2 * BESIDE)
        return;
    n -= BESIDE;
    if (s->counter && s->timed)
        s->declared_ns = s->period_ns;
    memmove(s->points, s->points + n, (s->n - n) * sizeof *s->points);
    s->n -= n;
}

/* ---- settling ------------------------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double bracket(const struct cn_point *p, double period_ns)
{
    if (p->lo_ns == INT64_MIN)
        return period_ns;
    return fmin((double)(p->hi_ns - p->lo_ns), period_ns);
}

/* Gaps between neighbouring updates whose moments are known to within `share` of the gap. A value
 * that was watched nearly all the time until the next one came shows that none was missed. */
static size_t seen_gaps(const struct cn_series *s, double share, double *gaps)
{
    size_t n = 0;
    for (size_t k = 1; k < s->n; k++) {
        const struct cn_point *a = &s->points[k - 1], *b = &s->points[k];
        if (b->broken || a->lo_ns == INT64_MIN)
            continue;
        double before = (double)(a->hi_ns - a->lo_ns), after = (double)(b->hi_ns - b->lo_ns);
        double gap = (double)(b->hi_ns - a->hi_ns) - 0.5 * (after - before);
        if (before <= share * gap && after <= share * gap)
            gaps[n++] = gap;
    }
    return n;
}

/* How long the value of point k was seen to hold, less the longest time in which nobody looked, if
 * it stands out from the others between two looks. */
static double hold(const struct cn_series *s, size_t k)
{
    const struct cn_point *p = &s->points[k];
    const bool ends = k + 1 < s->n && !s->points[k + 1].broken;
    const double whole = ends ? (double)(s->points[k + 1].hi_ns - p->hi_ns)
                              : fmax(0, (double)(p->last_ns - p->hi_ns));
    const double gap = (double)(p->gap_hi_ns - p->gap_lo_ns);
    return gap * p->n_seen > 3 * whole ? fmax(0, whole - gap) : whole;
}

/* Longest hold that equal neighbours explain, if one of 20 series may have a longer one: the share
 * of updates that gave the value before is that of the holds that are longer than a period. */
static double chance_hold(const double *gaps, size_t n, double period)
{
    enum { LIKELY = 12 /* holds of a coarse gauge while the power is level */ };
    size_t n_long = 0;
    for (size_t i = 0; i < n; i++)
        n_long += gaps[i] > 1.5 * period;
    const double share = ((double)n_long + 1) / ((double)n + 2);
    return fmax(LIKELY, 1.5 + ceil(log(20.0 * (double)n) / -log(share))) * period;
}

static void say_slow(struct cn_series *s, bool known)
{
    enum { WANTED = 10 };
    const double ns = known ? s->period_ns : fmax(s->period_ns, s->hold_ns);
    const double seconds = ns < 9.5e9 ? 0.1 * ceil(1e-8 * ns - 0.5) : ceil(1e-9 * ns - 0.5);
    snprintf(s->slow, sizeof s->slow,
             "too few new values of the gauge: it refreshes every %.*f s%s: measure %.0f s",
             seconds < 9.5, seconds, known ? "" : " or slower", fmax(1, WANTED * seconds));
}

static void settle_gauge_period(struct cn_series *s)
{
    double *gaps = s->n >= 2 ? malloc(s->n * sizeof *gaps) : NULL, limit = (double)INFINITY;
    size_t n = 0;
    s->hold_ns = 0;
    for (size_t k = 0; k < s->n; k++)
        s->hold_ns = fmax(s->hold_ns, hold(s, k));
    for (size_t k = 1; gaps && k < s->n; k++)
        if (whole_hold(s, k))
            gaps[n++] = (double)(s->points[k].hi_ns - s->points[k - 1].hi_ns);
    const bool many = n + 1 >= MANY && !s->period_known;
    if (many) {
        /* Equal neighbours hide updates, so the shorter gaps are nearer the truth. */
        qsort(gaps, n, sizeof *gaps, by_size);
        s->period_ns = fmax(gaps[n / 4], s->mean_ns);
        limit = chance_hold(gaps, n, s->period_ns);
    } else if (!s->period_known) {
        s->period_ns = fmax(s->declared_ns, s->hold_ns);
    }
    if (!(s->period_ns > 0))
        s->period_ns = 1e9; /* one value, read once */
    for (size_t k = 0; k < s->n; k++)
        s->points[k].stale = hold(s, k) > limit;
    free(gaps);
    say_slow(s, many && s->hold_ns <= limit);
}

static void settle_period(struct cn_series *s)
{
    s->period_ns = s->declared_ns;
    s->jitter_ns = 0.3 * s->declared_ns; /* a declared period is only roughly true */
    s->timed = false;
    s->slow[0] = 0;
    if (!s->counter) {
        settle_gauge_period(s);
        return;
    }
    double *gaps = !s->period_known && s->n >= 2 ? malloc(s->n * sizeof *gaps) : NULL;
    if (!gaps)
        return;
    size_t n = seen_gaps(s, tight, gaps);
    if (n < 3)
        n = seen_gaps(s, 2 * tight, gaps);
    if (n >= 3) {
        qsort(gaps, n, sizeof *gaps, by_size);
        s->period_ns = gaps[n / 2];
        /* A few gaps say little of their scatter: begin as if 4 had been seen to be 12% off.
         * And the median itself is known no better than 1.25 jitter / sqrt(n). */
        double prior = 0.12 * s->period_ns, sum2 = 4 * prior * prior;
        for (size_t i = 0; i < n; i++) {
            double off = fmin(fabs(gaps[i] - s->period_ns), s->period_ns / 2);
            sum2 += off * off;
        }
        s->jitter_ns = sqrt(sum2 / (double)(n + 3) * (1 + 1.57 / (double)n));
        s->timed = true;
    }
    free(gaps);
}

static void settle_counter(struct cn_series *s)
{
    double period = s->period_ns;
    double jitter = s->jitter_ns;
    for (size_t k = 0; k < s->n; k++) {
        struct cn_point *p = &s->points[k];
        /* Rows of a file say when, not between when. */
        double b = s->period_known ? 0 : bracket(p, period);
        p->t_ns = (double)p->hi_ns - b / 2;
        p->w_ns = b / 2;
    }
    /* An update that was missed is one period before one that was seen, if no other fits between.
     */
    for (size_t k = s->n; k-- > 1;) {
        const struct cn_point *b = &s->points[k];
        struct cn_point *a = &s->points[k - 1];
        if (b->broken || 2 * a->w_ns <= tight * period || 2 * b->w_ns > tight * period)
            continue;
        double t = b->t_ns - period;
        double lo = (double)a->hi_ns - 2 * a->w_ns, hi = (double)a->hi_ns;
        a->t_ns = fmin(fmax(t, lo), hi);
        a->w_ns = fmin(a->w_ns, sqrt(3) * jitter + b->w_ns);
    }
}

static double last_seen(const struct cn_point *p)
{
    return (double)(p->last_ns > p->hi_ns ? p->last_ns : p->hi_ns);
}

static void settle_gauge(struct cn_series *s)
{
    for (size_t k = 0; k < s->n; k++) {
        struct cn_point *p = &s->points[k];
        p->t_ns = (double)p->hi_ns;
        p->w_ns = s->period_ns / 2;
        p->cum_uj = 0;
        p->held_ns = last_seen(p);
        if (k == 0)
            continue;
        struct cn_point *a = &s->points[k - 1];
        /* The repeats within one period are the gauge's slowness, not a level power: taken as such
         * they would put every change half a period late. */
        a->held_ns = fmax(a->t_ns, fmin(a->held_ns, p->t_ns - s->period_ns));
        double held = a->held_ns - a->t_ns, line = fmax(0, p->t_ns - a->held_ns);
        p->cum_uj = a->cum_uj + 1e-9 * (a->value * held + 0.5 * (a->value + p->value) * line);
    }
}

void cn_series_settle(struct cn_series *s)
{
    settle_period(s);
    if (s->counter)
        settle_counter(s);
    else
        settle_gauge(s);
}

/* ---- looking up ----------------------------------------------------------------------------- */

/* The last point with t_ns <= t, or -1. */
static ptrdiff_t find(const struct cn_series *s, double t)
{
    size_t lo = 0, hi = s->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (s->points[mid].t_ns <= t)
            lo = mid + 1;
        else
            hi = mid;
    }
    return (ptrdiff_t)lo - 1;
}

/* The pair of points k, k + 1 whose line serves t: at the ends the nearest pair. */
static size_t segment(const struct cn_series *s, double t)
{
    ptrdiff_t k = find(s, t);
    ptrdiff_t most = (ptrdiff_t)s->n - 2;
    return (size_t)(k < 0 ? 0 : k > most ? most : k);
}

static double slope(const struct cn_point *a, const struct cn_point *b)
{
    double d = b->t_ns - a->t_ns;
    return d > 0 ? (b->value - a->value) / d : 0;
}

double cn_series_power(const struct cn_series *s, double t)
{
    if (s->n < 2)
        return s->n && !s->counter ? s->points[0].value : 0;
    size_t k = segment(s, t);
    if (s->counter)
        return 1e9 * slope(&s->points[k], &s->points[k + 1]);
    return t > (double)s->points[k + 1].hi_ns ? s->points[k + 1].value : s->points[k].value;
}

static bool crosses_break(const struct cn_series *s, double t0, double t1)
{
    ptrdiff_t k = find(s, t0);
    for (size_t i = (size_t)(k < 0 ? 0 : k) + 1; i < s->n; i++) {
        if (s->points[i].broken && (double)s->points[i - 1].last_ns < t1 && s->points[i].t_ns > t0)
            return true;
        if (s->points[i].t_ns > t1)
            break;
    }
    return s->n && s->pending_break && t1 > last_seen(&s->points[s->n - 1]);
}

/* ---- counters ------------------------------------------------------------------------------- */

struct edge {
    double uj, var;
};

/* Periods: an edge farther than NEAR from what was seen beside it is a guess; a counter that was
 * seen to stand still for STOPPED has stopped. */
enum { NEAR = 5, STOPPED = 100 };

/* How much the power may differ on the two sides of a moment between k and k + 1: as much as it
 * does between the neighbouring segments, and at least by a quarter. */
static double contrast(const struct cn_series *s, size_t k)
{
    double here = slope(&s->points[k], &s->points[k + 1]), most = here / 4;
    if (k > 0)
        most = fmax(most, fabs(here - slope(&s->points[k - 1], &s->points[k])));
    if (k + 2 < s->n)
        most = fmax(most, fabs(here - slope(&s->points[k + 1], &s->points[k + 2])));
    return most;
}

/* How far the powers just inside of an edge between points k and k + 1 are from their mean. */
static double roughness(const struct cn_series *s, size_t k, double inside, bool begin)
{
    double sum2 = 0, n = 0;
    for (size_t i = 1; i <= NEAR; i++) {
        const size_t j = begin ? k + i : k - i;
        if (j > k + NEAR || j + 1 >= s->n) /* k - i wraps around below 0 */
            break;
        const double off = slope(&s->points[j], &s->points[j + 1]) - inside;
        sum2 += off * off;
        n++;
    }
    return n > 0 ? sqrt(sum2 / n) : 0;
}

/* Cumulative energy at t. inside: power within the stretch in uJ/ns, NaN if not known; it lies
 * after t if `begin`, else before. */
static struct edge counter_at(const struct cn_series *s, double t, double inside, bool begin)
{
    size_t k = segment(s, t);
    const struct cn_point *a = &s->points[k], *b = &s->points[k + 1];
    double d = b->t_ns - a->t_ns, power = slope(a, b);
    double left = t - a->t_ns, right = b->t_ns - t;
    double quantum = s->quantum_uj * s->quantum_uj / 12;
    if (left < 0 || right < 0 || d <= 0) { /* beyond the ends the neighbouring power goes on */
        double from = left < 0 ? a->t_ns : b->t_ns, value = left < 0 ? a->value : b->value;
        /* By a step at the most: one more would have been seen. */
        double far = copysign(fmin(fabs(power * (t - from)), fabs(b->value - a->value)), t - from);
        double w = power * (left < 0 ? a->w_ns : b->w_ns);
        /* What it would have been had the power gone on. */
        double lost = fabs(power * (t - from)) - fabs(far);
        return (struct edge){ value + far, (w * w + far * far / 4 + lost * lost) / 3 + quantum };
    }
    double share = left / d, far = begin ? right : left;
    if (!isnan(inside) && fmin(left, right) > s->period_ns / 8 && far <= NEAR * s->period_ns) {
        double uj = begin ? b->value - inside * right : a->value + inside * left;
        double w = inside * (begin ? b->w_ns : a->w_ns);
        double model = fmax(0.1 * inside, roughness(s, k, inside, begin)) * far;
        uj = fmin(fmax(uj, a->value), b->value);
        return (struct edge){ uj, (w * w + model * model) / 3 + quantum };
    }
    double wa = (1 - share) * a->w_ns * power, wb = share * b->w_ns * power;
    double model = contrast(s, k) * left * right / d;
    return (struct edge){ a->value + share * (b->value - a->value),
                          (wa * wa + wb * wb + model * model) / 3 + quantum };
}

/* Mean power between the first and last update within [t0, t1], in uJ/ns; NaN if there are too few.
 */
static double inside_power(const struct cn_series *s, double t0, double t1)
{
    double slack = s->period_ns / 8;
    ptrdiff_t last = find(s, t1 + slack), first = find(s, t0 - slack) + 1;
    if (last <= first)
        return CN_UNKNOWN;
    const struct cn_point *a = &s->points[first], *b = &s->points[last];
    return b->t_ns - a->t_ns >= 10 * s->period_ns ? slope(a, b) : CN_UNKNOWN;
}

/* Whether t lies deep in the time from a to b in which nobody looked. */
static bool unwatched(const struct cn_series *s, const struct cn_point *a, const struct cn_point *b,
                      double t)
{
    return fmin(t - fmax((double)a->last_ns, a->t_ns), b->t_ns - t) > NEAR * s->period_ns;
}

static double counter_updates(const struct cn_series *s, double t0, double t1)
{
    const double end = s->points[s->n - 1].t_ns;
    double updates = fmin(fmax(0, t1 - fmax(t0, end)), s->period_ns) / s->period_ns;
    for (size_t k = segment(s, t0); k + 1 < s->n && s->points[k].t_ns < t1; k++) {
        const struct cn_point *a = &s->points[k], *b = &s->points[k + 1];
        double d = b->t_ns - a->t_ns;
        if (d <= 0)
            continue;
        double from = k == 0 ? t0 : fmax(t0, a->t_ns), to = fmin(t1, b->t_ns);
        /* While a value stood still nothing was updated; in the rest of the time unseen updates may
         * have been. */
        double moving = b->t_ns - fmax((double)a->last_ns, a->t_ns);
        double held = fmax(1, moving / s->period_ns);
        double part = fmax(0, to - from) / d;
        /* Cut where nobody looked, they cannot be told from those on the other side: of the larger
         * part only as many are sure as it is larger by. */
        if (unwatched(s, a, b, t0) || unwatched(s, a, b, t1))
            part = fmax(fmin(part, 1 / held), 2 * part - 1);
        updates += held * part;
    }
    return updates;
}

static void counter_span(const struct cn_series *s, double t0, double t1, struct cn_estimate *e)
{
    double reach = 1.5 * s->period_ns;
    if (s->n < 2) {
        e->reason = s->n ? "the counter did not move" : "the meter gave no value";
        return;
    }
    if (t0 < s->points[0].t_ns - reach ||
        t1 > fmax(s->points[s->n - 1].t_ns, last_seen(&s->points[s->n - 1])) + reach) {
        e->reason = "the meter's values do not cover this time";
        return;
    }
    if (t1 > s->points[s->n - 1].t_ns + fmax(reach, STOPPED * s->period_ns)) {
        e->reason = "the counter stood still";
        return;
    }
    double inside = inside_power(s, t0, t1);
    struct edge a = counter_at(s, t0, inside, true), b = counter_at(s, t1, inside, false);
    e->uj = fmax(0, b.uj - a.uj);
    e->var_uj2 = a.var + b.var;
    e->updates = counter_updates(s, t0, t1);
}

/* ---- gauges --------------------------------------------------------------------------------- */

static double gauge_cum(const struct cn_series *s, double t)
{
    ptrdiff_t k = find(s, t);
    if (k < 0)
        return s->points[0].value * (t - s->points[0].t_ns) * 1e-9;
    const struct cn_point *a = &s->points[k];
    double held = a->held_ns;
    double uj = a->cum_uj + 1e-9 * a->value * (fmin(t, held) - a->t_ns);
    if (t <= held)
        return uj;
    if ((size_t)k + 1 == s->n)
        return uj + 1e-9 * a->value * (t - held);
    const struct cn_point *b = &s->points[k + 1];
    double d = b->t_ns - held, x = t - held;
    double end = a->value + (d > 0 ? (b->value - a->value) * x / d : 0);
    return uj + 1e-9 * 0.5 * (a->value + end) * x;
}

/* Periods from the begin and the end of a stretch in which a gauge may show what was before or
 * after: a value that is a mean was made in the period before it is shown. And over how many the
 * power beside them is taken. */
enum { EDGE_BEGIN = 2, EDGE_END = 1, EDGE_MEAN = 3 };

/* How far apart the powers around t are: what a shift in time by one period may change. */
static double gauge_spread(const struct cn_series *s, double t)
{
    double from = t - 2 * s->period_ns, to = t + 2 * s->period_ns;
    ptrdiff_t k = find(s, from);
    size_t i = (size_t)(k < 0 ? 0 : k);
    double lo = s->points[i].value, hi = lo;
    for (; i < s->n && s->points[i].t_ns <= to; i++) {
        lo = fmin(lo, s->points[i].value);
        hi = fmax(hi, s->points[i].value);
    }
    return hi - lo;
}

/* Variance of the powers, whose mean scatters by that over the number of updates: half the mean
 * square of steps, doubled, because neighbours that are somewhat alike (correlated by 1/5) make
 * steps smaller and the mean worse by so much together. */
static double gauge_scatter(const struct cn_series *s, double t0, double t1)
{
    double sum2 = 0, n = 0;
    ptrdiff_t k = find(s, t0);
    for (size_t i = (size_t)(k < 0 ? 0 : k) + 1; i < s->n && s->points[i].t_ns <= t1; i++) {
        double d = s->points[i].value - s->points[i - 1].value;
        sum2 += d * d;
        n++;
    }
    return n > 0 ? sum2 / n : 0;
}

/* How much of the time from t0 to t1 a value is known for: in `seen`, in periods. And the variance
 * of the energy in the rest, where the power may have been another, as far off as the values beside
 * it are, and at least by a quarter. */
static double gauge_unwatched(const struct cn_series *s, double t0, double t1, double *seen)
{
    enum { N_PARTS = 4 };
    const double period = s->period_ns;
    const ptrdiff_t before = find(s, t0);
    double var = 0;
    *seen = before < 0 ? (fmin(t1, s->points[0].t_ns) - t0) / period : 0;
    for (size_t k = before < 0 ? 0 : (size_t)before; k < s->n && s->points[k].t_ns < t1; k++) {
        const struct cn_point *a = &s->points[k], *b = k + 1 < s->n ? a + 1 : a;
        /* A value read again and again, with a gap, until none was read until the next. */
        const double held = last_seen(a), gap_lo = fmax(a->t_ns, (double)a->gap_lo_ns),
                     gap_hi = fmax(gap_lo, (double)a->gap_hi_ns);
        const double edges[] = { a->t_ns, gap_lo, gap_hi, held, b == a ? t1 : b->t_ns };
        const double read = held - a->t_ns - (gap_hi - gap_lo);
        const double off =
            fmax(fabs(b->value - a->value), fmax(fabs(a->value), fabs(b->value)) / 4);
        for (int i = 0; i < N_PARTS; i++) {
            const double d = edges[i + 1] - edges[i];
            const double part = fmin(t1, edges[i + 1]) - fmax(t0, edges[i]);
            if (d <= 0 || part <= 0)
                continue;
            /* Each read vouches for a period, and a stale value for one in all. */
            const double known = a->stale ? period / (edges[N_PARTS] - a->t_ns)
                                 : i % 2  ? period / d
                                          : a->n_seen * period / read;
            const double unknown = 1e-9 * off * part * fmax(0, 1 - known);
            *seen += fmin(1, known) * part / period;
            var += unknown * unknown / 3;
        }
    }
    return var;
}

/* Whether a gauge showed one value from t0 to t1. Rows that are believed to be updates may do so:
 * the power was level if the value came or went with the stretch, give or take some rows. */
static bool one_value(const struct cn_series *s, double t0, double t1)
{
    enum { ROWS = 3 };
    const ptrdiff_t k = find(s, t0);
    const struct cn_point *a = &s->points[k < 0 ? 0 : k], *b = a + 1;
    const bool last = b == s->points + s->n;
    if (!last && b->t_ns < t1)
        return false;
    const double slack = ROWS * s->period_ns;
    const bool came = a != s->points && fabs(a->t_ns - t0) <= slack;
    const bool went = !last && fabs(b->t_ns - t1) <= slack;
    return !(s->period_known && (came || went));
}

static void gauge_span(const struct cn_series *s, double t0, double t1, struct cn_estimate *e)
{
    if (s->n == 0) {
        e->reason = "the meter gave no value";
        return;
    }
    double period = s->period_ns;
    if (t0 < s->points[0].t_ns - period || t1 > last_seen(&s->points[s->n - 1]) + period) {
        e->reason = "the meter's values do not cover this time";
        return;
    }
    double second = 1e-9 * period, seconds = 1e-9 * (t1 - t0);
    double a = second * gauge_spread(s, t0), b = second * gauge_spread(s, t1);
    const double unwatched_var = gauge_unwatched(s, t0, t1, &e->updates);
    const double updates = fmax(1, e->updates);
    const bool one = one_value(s, t0, t1);
    e->slow = one || !s->period_known ? s->slow : NULL;
    if (one)
        e->updates = 0;
    if (t1 - t0 < (EDGE_BEGIN + EDGE_END + EDGE_MEAN) * period) {
        e->uj = gauge_cum(s, t1) - gauge_cum(s, t0);
        e->var_uj2 = (a * a + b * b) / 12 + unwatched_var +
                     gauge_scatter(s, t0, t1) * seconds * seconds / updates;
        return;
    }
    /* Around an edge a gauge shows some of the power beyond it, early or late: there the power that
     * is found a little further inside is the better guess. */
    double from = t0 + EDGE_BEGIN * period, to = t1 - EDGE_END * period, mean = EDGE_MEAN * period;
    double first = (gauge_cum(s, from + mean) - gauge_cum(s, from)) / EDGE_MEAN;
    double last = (gauge_cum(s, to) - gauge_cum(s, to - mean)) / EDGE_MEAN;
    double scatter = gauge_scatter(s, from, to);
    double sides = EDGE_BEGIN * EDGE_BEGIN * first * first + EDGE_END * EDGE_END * last * last;
    double weight = EDGE_BEGIN * EDGE_BEGIN + EDGE_END * EDGE_END;
    e->uj = gauge_cum(s, to) - gauge_cum(s, from) + EDGE_BEGIN * first + EDGE_END * last;
    e->var_uj2 = (a * a + b * b) / 48 + 0.01 * sides / 3 + unwatched_var +
                 scatter * seconds * seconds / updates +
                 scatter * second * second * weight / EDGE_MEAN;
}

double cn_series_cumulative(const struct cn_series *s, double t)
{
    if (!s->counter)
        return gauge_cum(s, t);
    if (s->n < 2)
        return 0;
    size_t k = segment(s, t);
    const struct cn_point *a = &s->points[k];
    return a->value - s->points[0].value + slope(a, a + 1) * (t - a->t_ns);
}

void cn_series_span(const struct cn_series *s, int64_t t0_ns, int64_t t1_ns,
                    struct cn_estimate *estimate)
{
    struct cn_estimate e = { .uj = CN_UNKNOWN, .var_uj2 = CN_UNKNOWN };
    double t0 = (double)t0_ns, t1 = (double)t1_ns;
    if (s->n && crosses_break(s, t0, t1))
        e.reason = "the meter lost count in this time";
    else if (s->counter)
        counter_span(s, t0, t1, &e);
    else
        gauge_span(s, t0, t1, &e);
    *estimate = e;
}
