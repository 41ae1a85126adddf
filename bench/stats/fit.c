/* SPDX-License-Identifier: MIT */
#include "bench/stats/fit.h"

#include "bench/stats/distributions.h"
#include "bench/stats/stats.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { GRID = 1000, HALVINGS = 60 };

struct point {
    double x, y;
};

static int by_x(const void *a, const void *b)
{
    double x = ((const struct point *)a)->x, y = ((const struct point *)b)->x;
    return x < y ? -1 : x > y;
}

/* Sorted by x. NULL if out of memory. */
static struct point *sorted_points(const double *x, const double *y, size_t n)
{
    struct point *p = malloc((n + 1) * sizeof *p);
    if (!p)
        return NULL;
    for (size_t i = 0; i < n; i++)
        p[i] = (struct point){ x[i], y[i] };
    qsort(p, n, sizeof *p, by_x);
    return p;
}

struct moments {
    double x, y, xx, xy, yy; /* means; sums of squares and products about them */
};

static struct moments moments(const struct point *p, size_t n)
{
    struct moments m = { 0 };
    for (size_t i = 0; i < n; i++) {
        m.x += p[i].x / (double)n;
        m.y += p[i].y / (double)n;
    }
    for (size_t i = 0; i < n; i++) {
        double dx = p[i].x - m.x, dy = p[i].y - m.y;
        m.xx += dx * dx;
        m.xy += dx * dy;
        m.yy += dy * dy;
    }
    return m;
}

/* p of F = (before - after) / n_more against after / df: do n_more parameters more explain more? */
static double improvement(double before, double after, double n_more, double df)
{
    if (!(after > 0))
        return before > 0 ? 0 : 1;
    return cn_f_above(fmax(0, before - after) / n_more * df / after, n_more, df);
}

/* ---- one line -------------------------------------------------------------------------------- */

/* Residuals e[n] of the line through p[n], whose squares sum to rss: the t-test of a quadratic term
 * is the F-test of what x^2 explains beyond 1 and x. */
static double curved(const struct point *p, const double *e, size_t n, const struct moments *m,
                     double rss)
{
    double mean = 0, slope = 0, qq = 0, qe = 0;
    size_t distinct = n > 0;
    for (size_t i = 1; i < n; i++)
        distinct += p[i].x > p[i - 1].x;
    if (n < 4 || distinct < 3)
        return (double)NAN;
    for (size_t i = 0; i < n; i++) {
        double d = p[i].x - m->x;
        mean += d * d / (double)n;
        slope += d * d * d / m->xx;
    }
    for (size_t i = 0; i < n; i++) {
        double d = p[i].x - m->x, q = d * d - mean - slope * d;
        qq += q * q;
        qe += q * e[i];
    }
    return improvement(rss, fmax(0, rss - qe * qe / qq), 1, (double)(n - 3));
}

bool cn_line_fit(const double *x, const double *y, size_t n, struct cn_line *line)
{
    const double none = (double)NAN;
    *line = (struct cn_line){ n, none, none, none, none, none, none, none, none, none };
    struct point *p = sorted_points(x, y, n);
    double *e = malloc((n + 1) * sizeof *e), w, rss = 0;
    bool ok = p && e;
    if (ok && n >= 3 && p[0].x < p[n - 1].x) {
        const struct moments m = moments(p, n);
        const double df = (double)(n - 2);
        line->slope = m.xy / m.xx;
        line->intercept = m.y - line->slope * m.x;
        for (size_t i = 0; i < n; i++) {
            e[i] = p[i].y - m.y - line->slope * (p[i].x - m.x);
            rss += e[i] * e[i];
        }
        line->residual_sd = sqrt(rss / df);
        line->r2 = m.yy > 0 ? 1 - rss / m.yy : none;
        const double reach = line->residual_sd / sqrt(m.xx) * cn_student_quantile(0.975, df);
        line->slope_lo = line->slope - reach;
        line->slope_hi = line->slope + reach;
        line->p = improvement(m.yy, rss, 1, df);
        line->p_curved = curved(p, e, n, &m, rss);
        ok = cn_shapiro(e, n, &w, &line->p_not_normal);
    }
    free(p);
    free(e);
    return ok;
}

/* ---- two lines that meet --------------------------------------------------------------------- */

struct bend {
    double at, value, before, after; /* slopes */
    double rss;
};

/* Least squares of value + before min(x - at, 0) + after max(x - at, 0). */
static struct bend bend_at(const struct point *p, size_t n, double at)
{
    const double size = (double)n;
    double u = 0, v = 0, y = 0, uu = 0, vv = 0, uy = 0, vy = 0;
    for (size_t i = 0; i < n; i++) {
        u += fmin(p[i].x - at, 0) / size;
        v += fmax(p[i].x - at, 0) / size;
        y += p[i].y / size;
    }
    for (size_t i = 0; i < n; i++) {
        double du = fmin(p[i].x - at, 0) - u, dv = fmax(p[i].x - at, 0) - v;
        uu += du * du;
        vv += dv * dv;
        uy += du * (p[i].y - y);
        vy += dv * (p[i].y - y);
    }
    const double uv = -size * u * v, det = uu * vv - uv * uv;
    struct bend b = { .at = at };
    b.before = (vv * uy - uv * vy) / det;
    b.after = (uu * vy - uv * uy) / det;
    b.value = y - b.before * u - b.after * v;
    for (size_t i = 0; i < n; i++) {
        double d = p[i].x - at, e = p[i].y - b.value - d * (d < 0 ? b.before : b.after);
        b.rss += e * e;
    }
    return b;
}

/* Where the lines through p[0..i) and p[i..n) cross, each fitted alone. */
static double crossing(const struct point *p, size_t i, size_t n)
{
    const struct moments l = moments(p, i), r = moments(p + i, n - i);
    const double before = l.xy / l.xx, after = r.xy / r.xx;
    return ((r.y - after * r.x) - (l.y - before * l.x)) / (before - after);
}

/* The best break: between two points it is where the lines fitted alone cross, if they cross there;
 * else it is at a point. x of p[first] and p[last] bound the search. */
static struct bend best_bend(const struct point *p, size_t n, size_t first, size_t last)
{
    struct bend best = bend_at(p, n, p[first].x);
    for (size_t i = first + 1; i <= last; i++) {
        double x = crossing(p, i, n);
        struct bend here = bend_at(p, n, p[i].x);
        if (here.rss < best.rss)
            best = here;
        if (!(x > p[i - 1].x && x < p[i].x))
            continue;
        here = bend_at(p, n, x);
        if (here.rss < best.rss)
            best = here;
    }
    return best;
}

/* The farthest place from `best` towards `end` that fits nearly as well (rss <= most). */
static double reach(const struct point *p, size_t n, double best, double end, double most,
                    bool *open)
{
    *open = bend_at(p, n, end).rss <= most;
    if (*open)
        return end;
    double bad = end, good = best;
    for (int i = 1; i < GRID; i++) {
        double x = end + (best - end) * i / GRID;
        if (bend_at(p, n, x).rss <= most) {
            good = x;
            break;
        }
        bad = x;
    }
    for (int i = 0; i < HALVINGS; i++) {
        double x = 0.5 * (bad + good);
        *(bend_at(p, n, x).rss <= most ? &good : &bad) = x;
    }
    return good;
}

static void break_fit(const struct point *p, size_t n, size_t first, size_t last,
                      struct cn_break *fit)
{
    const struct moments m = moments(p, n);
    const struct bend b = best_bend(p, n, first, last);
    const double df = (double)(n - 4), line = m.yy - m.xy * m.xy / m.xx;
    const double most = b.rss * (1 + cn_f_quantile(0.95, 1, df) / df);
    fit->at = b.at;
    fit->value = b.value;
    fit->slope_before = b.before;
    fit->slope_after = b.after;
    fit->residual_sd = sqrt(b.rss / df);
    fit->r2 = m.yy > 0 ? 1 - b.rss / m.yy : (double)NAN;
    fit->p = improvement(line, b.rss, 2, df);
    fit->lo = reach(p, n, b.at, p[first].x, most, &fit->open_lo);
    fit->hi = reach(p, n, b.at, p[last].x, most, &fit->open_hi);
}

bool cn_break_fit(const double *x, const double *y, size_t n, struct cn_break *fit)
{
    const double none = (double)NAN;
    *fit = (struct cn_break){ .n = n,
                              .at = none,
                              .lo = none,
                              .hi = none,
                              .value = none,
                              .slope_before = none,
                              .slope_after = none,
                              .r2 = none,
                              .residual_sd = none,
                              .p = none };
    struct point *p = sorted_points(x, y, n);
    if (!p)
        return false;
    /* The second x from each end: the break has to have two different x on each side. */
    size_t first = 0, last = n ? n - 1 : 0;
    while (first < last && p[first].x == p[0].x)
        first++;
    while (last > first && p[last].x == p[n - 1].x)
        last--;
    if (n >= 5 && p[first].x < p[last].x)
        break_fit(p, n, first, last, fit);
    free(p);
    return true;
}
