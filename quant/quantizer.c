/* SPDX-License-Identifier: MIT
 *
 * Weighted least squares on a grid. Every search has the same frame: try inverse scales around the
 * one that maps the extreme value to the extreme code, round, solve for the best scale of these
 * codes in closed form, keep the trial that leaves the least error; then alternate rounding and
 * solving until nothing moves. Blocks of groups put the group scales on their own grid first and
 * then choose, group by group, the neighbour on the grid that leaves the least error in the
 * elements themselves.
 */
#include "quant/quantizer.h"

#include "quant/quant.h"
#include "quant/ref/ref.h"

#include <stdlib.h>

enum { MAX_N = 256, MAX_GROUPS = 16, SWEEPS = 4, LANES = 8 };

float cn_quant_inverse(float scale)
{
    float inverse = 1 / scale;
    return isfinite(inverse) ? inverse : 0;
}

/* Two departures from the bare importance, both towards what is known: columns that the calibration
 * text hardly used keep a share of the mean, and large elements, which matter more than a diagonal
 * estimate says, weigh somewhat more. */
void cn_quant_weights(int n, const float *x, const float *importance, enum cn_weights_base base,
                      float *w)
{
    const float share = 0.15f;
    float squares = 0, mean = 0;
    for (int i = 0; i < n; i++) {
        squares += x[i] * x[i] / (float)n;
        mean += importance ? importance[i] / (float)n : 0;
    }
    /* Where scales are too coarse to follow, the error itself is what counts: no weight makes good
     * what zeros would have kept. */
    const float faint = 0x1p-18f;
    const float root = squares > faint * faint ? cn_quant_inverse(sqrtf(squares)) : 0;
    const float per_mean = cn_quant_inverse(mean);
    for (int i = 0; i < n; i++) {
        float v = per_mean > 0 ? importance[i] * per_mean : 1, y = x[i] * root;
        w[i] = (v + share) * sqrtf((float)base + y * y);
    }
}

uint16_t cn_quant_f16(float x)
{
    const float top = 65504;
    return cn_f32_to_f16(x > top ? top : x < -top ? -top : isnan(x) ? 0 : x);
}

int cn_quant_f16_choices(float scale, int coarse, uint16_t bits[CN_F16_CHOICES])
{
    bits[0] = cn_quant_f16(scale);
    if (!(fabsf(scale) > 0) || (bits[0] & 0x7fff) >= coarse)
        return 1;
    /* So far down an f16 is a whole number of 2^-24, and its bits are that number. */
    const uint16_t sign = bits[0] & 0x8000;
    const int below = (int)(fabsf(scale) * 0x1p24f);
    int n = 0;
    for (int k = below - 1; k <= below + 2; k++)
        if (k >= 0)
            bits[n++] = (uint16_t)(sign | k);
    return n;
}

/* Nearest integer in lo..hi; lo for what is not a number. */
static int nearest_in(float x, int lo, int hi)
{
    return cn_nearest(x > (float)lo ? x < (float)hi ? x : (float)hi : (float)lo);
}

/* The levels nearest to (x - offset) * inverse; lanes let a compiler take several elements at once.
 */
static void round_levels(int n, const float *x, const struct cn_levels *levels, float inverse,
                         float offset, float *level)
{
    const float lo = (float)levels->lo, hi = (float)levels->hi;
    const int8_t *table = levels->table;
    for (int i = 0; i < n; i += LANES) {
        float y[LANES], q[LANES];
        for (int k = 0; k < LANES; k++)
            y[k] = (x[i + k] - offset) * inverse;
        if (table) {
            for (int k = 0; k < LANES; k++)
                q[k] = table[0];
            for (int c = 0; c < 15; c++) {
                const float middle = 0.5f * (float)(table[c] + table[c + 1]);
                const float step = (float)(table[c + 1] - table[c]);
                for (int k = 0; k < LANES; k++)
                    q[k] += y[k] > middle ? step : 0;
            }
        } else {
            for (int k = 0; k < LANES; k++) {
                q[k] = y[k] > lo ? y[k] : lo; /* not a number: lo */
                q[k] = q[k] < hi ? q[k] : hi;
                q[k] = (q[k] + 0x1.8p23f) - 0x1.8p23f; /* nearest, ties to even */
            }
        }
        for (int k = 0; k < LANES; k++)
            level[i + k] = q[k];
    }
}

void cn_quant_codes(int n, const float *x, const struct cn_levels *levels, float scale,
                    float offset, int8_t *code)
{
    float level[MAX_N];
    round_levels(n, x, levels, cn_quant_inverse(scale), offset, level);
    for (int i = 0; i < n; i++) {
        code[i] = (int8_t)level[i];
        if (levels->table)
            for (code[i] = 0; levels->table[code[i]] < (int)level[i];)
                code[i]++;
    }
}

/* Up to here the choice of an f16 scale for one run of codes is worth the trouble: the extreme code
 * of 8 bits is cut by a quarter of a step at most. */
enum { COARSE_RUN = 256 };
/* The same where the scales of groups make up for it. */
enum { COARSE_BLOCK = 64, FAR = 3 };

float cn_quant_byte_scale(int n, const float *x)
{
    float top = 0;
    for (int i = 0; i < n; i++)
        top = fmaxf(top, fabsf(x[i]));
    return top / 127;
}

void cn_quant_bytes(int n, const float *x, float scale, int8_t *q)
{
    const float inverse = cn_quant_inverse(scale);
    for (int i = 0; i < n; i++)
        q[i] = (int8_t)cn_clamp(cn_nearest(x[i] * inverse), -127, 127);
}

uint16_t cn_quant_bytes_f16(int n, const float *x, int8_t *q)
{
    uint16_t bits[CN_F16_CHOICES];
    int n_bits = cn_quant_f16_choices(cn_quant_byte_scale(n, x), COARSE_RUN, bits), best = 0;
    float least = INFINITY;
    for (int t = 0; t < n_bits && n_bits > 1; t++) {
        const float d = cn_f16_to_f32(bits[t]);
        float error = 0;
        cn_quant_bytes(n, x, d, q);
        for (int i = 0; i < n; i++) {
            float miss = (x[i] - d * (float)q[i]) * 0x1p24f; /* its square might underflow */
            error += miss * miss;
        }
        if (error < least) {
            least = error;
            best = t;
        }
    }
    cn_quant_bytes(n, x, cn_f16_to_f32(bits[best]), q);
    return bits[best];
}

/* Weighted sums of x ~ a * q + b. */
struct sums {
    float w, x, xx, q, xq, qq;
};

static float add_lanes(const float *lane)
{
    return ((lane[0] + lane[1]) + (lane[2] + lane[3])) +
           ((lane[4] + lane[5]) + (lane[6] + lane[7]));
}

static void sum_x(int n, const float *x, const float *w, struct sums *s)
{
    float sw[LANES] = { 0 }, sx[LANES] = { 0 }, sxx[LANES] = { 0 };
    for (int i = 0; i < n; i += LANES)
        for (int k = 0; k < LANES; k++) {
            sw[k] += w[i + k];
            sx[k] += w[i + k] * x[i + k];
            sxx[k] += w[i + k] * x[i + k] * x[i + k];
        }
    s->w = add_lanes(sw);
    s->x = add_lanes(sx);
    s->xx = add_lanes(sxx);
}

static void sum_q(int n, const float *x, const float *w, const float *q, struct sums *s)
{
    float sq[LANES] = { 0 }, sxq[LANES] = { 0 }, sqq[LANES] = { 0 };
    for (int i = 0; i < n; i += LANES)
        for (int k = 0; k < LANES; k++) {
            float wq = w[i + k] * q[i + k];
            sq[k] += wq;
            sxq[k] += wq * x[i + k];
            sqq[k] += wq * q[i + k];
        }
    s->q = add_lanes(sq);
    s->xq = add_lanes(sxq);
    s->qq = add_lanes(sqq);
}

/* What x ~ a q + b leaves, less the constant s->xx. */
static float error_of(const struct sums *s, float a, float b)
{
    return a * (a * s->qq + 2 * b * s->q - 2 * s->xq) + b * (b * s->w - 2 * s->x);
}

static float extreme(int n, const float *x)
{
    float top = 0;
    for (int i = 0; i < n; i++)
        if (fabsf(x[i]) > fabsf(top))
            top = x[i];
    return top;
}

/* Trials as in the text above: the extreme of x goes to the lowest level and its surroundings, and,
 * as the highest level is not its mirror image, to that one as well. */
float cn_fit_scale(int n, const float *x, const float *w, const struct cn_levels *levels)
{
    const float low = levels->table ? levels->table[0] : (float)levels->lo;
    const float high = levels->table ? levels->table[15] : (float)levels->hi;
    const float step = levels->table ? 1 : 0.1f;
    float top = extreme(n, x), best = 0, scale = 0, level[MAX_N];
    struct sums s;
    if (top == 0 || !isfinite(top))
        return 0;
    for (int t = 0; t < 2 * 19 + SWEEPS; t++) {
        float inverse = t < 19       ? (low + step * (float)(t - 9)) / top
                        : t < 2 * 19 ? (high + step * (float)(t - 19 - 9)) / top
                                     : cn_quant_inverse(scale);
        round_levels(n, x, levels, inverse, 0, level);
        sum_q(n, x, w, level, &s);
        if (s.qq > 0 && s.xq * s.xq > best * s.qq) {
            best = s.xq * s.xq / s.qq;
            scale = s.xq / s.qq;
        } else if (t >= 2 * 19) {
            break;
        }
    }
    return scale;
}

uint16_t cn_quant_run(int n, const float *x, const float *w, const struct cn_levels *levels,
                      float scale, int8_t *code)
{
    uint16_t bits[CN_F16_CHOICES];
    int n_bits = cn_quant_f16_choices(scale, COARSE_RUN, bits), best = 0;
    float least = INFINITY, level[MAX_N];
    struct sums s = { 0 };
    for (int t = 0; t < n_bits && n_bits > 1; t++) {
        const float d = cn_f16_to_f32(bits[t]);
        round_levels(n, x, levels, cn_quant_inverse(d), 0, level);
        sum_q(n, x, w, level, &s);
        if (error_of(&s, d, 0) < least) {
            least = error_of(&s, d, 0);
            best = t;
        }
    }
    cn_quant_codes(n, x, levels, cn_f16_to_f32(bits[best]), 0, code);
    return bits[best];
}

void cn_quant_run_offset(int n, const float *x, const float *w, int top, uint16_t *d, uint16_t *m,
                         int8_t *code)
{
    const struct cn_levels levels = { 0, top, NULL };
    uint16_t ds[CN_F16_CHOICES], ms[CN_F16_CHOICES];
    float scale, offset, least = INFINITY, level[MAX_N];
    struct sums s = { 0 };
    cn_fit_scale_offset(n, x, w, top, &scale, &offset);
    *d = cn_quant_f16(scale);
    *m = cn_quant_f16(offset);
    int n_ds = cn_quant_f16_choices(scale, COARSE_RUN, ds);
    int n_ms = cn_quant_f16_choices(offset, n_ds > 1 ? 2 * 0x400 : 0, ms);
    sum_x(n, x, w, &s);
    for (int t = 0; t < n_ds * n_ms && n_ds > 1; t++) {
        const float a = cn_f16_to_f32(ds[t / n_ms]), b = cn_f16_to_f32(ms[t % n_ms]);
        round_levels(n, x, &levels, cn_quant_inverse(a), b, level);
        sum_q(n, x, w, level, &s);
        if (error_of(&s, a, b) < least) {
            least = error_of(&s, a, b);
            *d = ds[t / n_ms];
            *m = ms[t % n_ms];
        }
    }
    cn_quant_codes(n, x, &levels, cn_f16_to_f32(*d), cn_f16_to_f32(*m), code);
}

/* The best a and b for these sums, b <= 0 if `minimum`. */
static void solve(const struct sums *s, bool minimum, float *a, float *b)
{
    float det = s->w * s->qq - s->q * s->q;
    *b = det > 0 ? (s->qq * s->x - s->q * s->xq) / det : 0;
    if (det > 0 && !(minimum && *b > 0)) {
        *a = (s->w * s->xq - s->x * s->q) / det;
        return;
    }
    *b = 0;
    *a = s->qq > 0 ? s->xq / s->qq : 0;
}

static void fit_scale_offset(int n, const float *x, const float *w, int top, bool minimum,
                             float *scale, float *offset)
{
    const struct cn_levels levels = { 0, top, NULL };
    const int trials = 37;
    float lo = x[0], hi = x[0], best = INFINITY, level[MAX_N];
    struct sums s;
    for (int i = 0; i < n; i++) {
        lo = fminf(lo, x[i]);
        hi = fmaxf(hi, x[i]);
    }
    if (minimum)
        lo = fminf(lo, 0);
    *scale = 0;
    *offset = lo;
    if (!(hi > lo) || !isfinite(hi - lo))
        return;
    sum_x(n, x, w, &s);
    for (int t = 0; t < trials + SWEEPS; t++) {
        float inverse = t < trials ? ((float)top - 0.9f + 0.05f * (float)t) / (hi - lo)
                                   : cn_quant_inverse(*scale);
        round_levels(n, x, &levels, inverse, t < trials ? lo : *offset, level);
        sum_q(n, x, w, level, &s);
        float a, b;
        solve(&s, minimum, &a, &b);
        float error = error_of(&s, a, b);
        if (error < best && a >= 0) {
            best = error;
            *scale = a;
            *offset = b;
        } else if (t >= trials) {
            break;
        }
    }
}

void cn_fit_scale_offset(int n, const float *x, const float *w, int top, float *scale,
                         float *offset)
{
    fit_scale_offset(n, x, w, top, false, scale, offset);
}

/* A step for a grid lo..hi that fits the n numbers x with weights w. */
static float fit_step(int n, const float *x, const float *w, int lo, int hi)
{
    float top = extreme(n, x), best = 0, step = 0;
    if (top == 0 || !isfinite(top))
        return 0;
    for (int t = -8; t <= 8; t++) {
        float edge = (float)(lo < 0 ? lo : hi), inverse = (edge + 0.1f * (float)t) / top;
        float xq = 0, qq = 0;
        for (int i = 0; i < n; i++) {
            float q = (float)nearest_in(x[i] * inverse, lo, hi);
            xq += w[i] * x[i] * q;
            qq += w[i] * q * q;
        }
        if (qq > 0 && xq * xq > best * qq) {
            best = xq * xq / qq;
            step = xq / qq;
        }
    }
    return step;
}

/* A block of groups on its way to scales, and minima if has_min. */
struct groups {
    int n, size;
    const float *x, *w; /* [n * size] */
    struct cn_levels levels;
    int lo, hi, reach; /* of the groups' scales (and minima); how far to look from a fit */
    float fit[MAX_GROUPS], fit_min[MAX_GROUPS]; /* what each would have by itself */
};

/* Chooses the groups' scales for this d, near those of the fit, or near `scale` if `again`; then
 * the codes. better: the d that leaves the least error with these. Returns the error, less the
 * constant sum of w x^2. */
static float place_scales(const struct groups *b, uint16_t bits, bool again, int8_t *scale,
                          int8_t *code, uint16_t *better)
{
    float d = cn_f16_to_f32(bits), inverse = cn_quant_inverse(d), xq = 0, qq = 0, total = 0;
    float level[MAX_N];
    struct sums s = { 0 };
    for (int g = 0; g < b->n; g++) {
        const float *xg = b->x + g * b->size, *wg = b->w + g * b->size;
        int middle = again ? scale[g] : nearest_in(b->fit[g] * inverse, b->lo, b->hi + 1);
        float best = INFINITY, best_xq = 0, best_qq = 0;
        for (int c = middle - b->reach; c <= middle + b->reach; c++) {
            int l = cn_clamp(c, b->lo, b->hi);
            float a = d * (float)l;
            round_levels(b->size, xg, &b->levels, cn_quant_inverse(a), 0, level);
            sum_q(b->size, xg, wg, level, &s);
            float error = error_of(&s, a, 0);
            if (!(error >= best)) { /* the first always: errors may be NaN */
                best = error;
                scale[g] = (int8_t)l;
                best_xq = (float)l * s.xq;
                best_qq = (float)(l * l) * s.qq;
            }
        }
        xq += best_xq;
        qq += best_qq;
        total += best;
        cn_quant_codes(b->size, xg, &b->levels, d * (float)scale[g], 0, code + g * b->size);
    }
    *better = qq > 0 ? cn_quant_f16(xq / qq) : bits;
    return total;
}

uint16_t cn_quant_scales(int n_groups, int group, const float *x, const float *w,
                         const struct cn_levels *levels, int scale_top, int8_t *scale, int8_t *code)
{
    struct groups b = { .n = n_groups,
                        .size = group,
                        .x = x,
                        .w = w,
                        .levels = *levels,
                        .lo = -scale_top,
                        .hi = scale_top - 1,
                        .reach = 1 };
    float weight[MAX_GROUPS], level[MAX_N];
    struct sums s = { 0 };
    for (int g = 0; g < n_groups; g++) {
        const float *xg = x + g * group, *wg = w + g * group;
        b.fit[g] = cn_fit_scale(group, xg, wg, levels);
        round_levels(group, xg, levels, cn_quant_inverse(b.fit[g]), 0, level);
        sum_q(group, xg, wg, level, &s);
        weight[g] = s.qq;
    }
    uint16_t choices[CN_F16_CHOICES], better;
    int n =
        cn_quant_f16_choices(fit_step(n_groups, b.fit, weight, b.lo, b.hi), COARSE_BLOCK, choices);
    if (n > 1) {
        b.reach = FAR;
        float least = INFINITY;
        uint16_t best = 0;
        for (int t = 0; t < n; t++) {
            float error = place_scales(&b, choices[t], false, scale, code, &better);
            if (error < least) {
                least = error;
                best = choices[t];
            }
        }
        place_scales(&b, best, false, scale, code, &better);
        return best;
    }
    uint16_t bits = choices[0];
    for (int round = 0;; round++) {
        place_scales(&b, bits, round > 0, scale, code, &better);
        if (round == 2 || better == bits)
            return bits;
        bits = better;
    }
}

/* The same with minima. */
static float place_scales_mins(const struct groups *b, uint16_t d, uint16_t dmin, bool again,
                               uint8_t *scale, uint8_t *min, int8_t *code, uint16_t *better,
                               uint16_t *better_min)
{
    float step = cn_f16_to_f32(d), step_min = cn_f16_to_f32(dmin), total = 0, level[MAX_N];
    struct sums all = { 0 }, s = { 0 };
    for (int g = 0; g < b->n; g++) {
        const float *xg = b->x + g * b->size, *wg = b->w + g * b->size;
        int middle = again ? scale[g] : nearest_in(b->fit[g] * cn_quant_inverse(step), 0, b->hi);
        int middle_min =
            again ? min[g] : nearest_in(b->fit_min[g] * cn_quant_inverse(step_min), 0, b->hi);
        float best = INFINITY;
        struct sums best_sums = { 0 };
        sum_x(b->size, xg, wg, &s);
        const int span = 2 * b->reach + 1;
        for (int t = 0; t < span * span; t++) {
            int l = cn_clamp(middle - b->reach + t % span, 0, b->hi);
            int m = cn_clamp(middle_min - b->reach + t / span, 0, b->hi);
            float a = step * (float)l, offset = -step_min * (float)m;
            round_levels(b->size, xg, &b->levels, cn_quant_inverse(a), offset, level);
            sum_q(b->size, xg, wg, level, &s);
            float error = error_of(&s, a, offset);
            if (!(error >= best)) { /* the first always: errors may be NaN */
                best = error;
                best_sums = s;
                scale[g] = (uint8_t)l;
                min[g] = (uint8_t)m;
            }
        }
        total += best;
        cn_quant_codes(b->size, xg, &b->levels, step * (float)scale[g], -step_min * (float)min[g],
                       code + g * b->size);
        /* The block's own problem: x ~ d * (scale q) - dmin * min. */
        float l = scale[g], m = min[g];
        all.w += m * m * best_sums.w;
        all.x -= m * best_sums.x;
        all.q -= l * m * best_sums.q;
        all.xq += l * best_sums.xq;
        all.qq += l * l * best_sums.qq;
    }
    /* d by q', dmin by -min: solve() with the roles of 1 and q. */
    float det = all.w * all.qq - all.q * all.q;
    *better = d;
    *better_min = dmin;
    if (det > 0) {
        *better = cn_quant_f16((all.w * all.xq - all.x * all.q) / det);
        *better_min = cn_quant_f16((all.qq * all.x - all.q * all.xq) / det);
    }
    return total;
}

void cn_quant_scales_mins(int n_groups, int group, const float *x, const float *w, int top,
                          int grid, uint16_t *d, uint16_t *dmin, uint8_t *scale, uint8_t *min,
                          int8_t *code)
{
    struct groups b = {
        .n = n_groups,
        .size = group,
        .x = x,
        .w = w,
        .levels = {0, top, NULL},
        .hi = grid,
        .reach = 1
    };
    float weight[MAX_GROUPS], weight_min[MAX_GROUPS], level[MAX_N];
    struct sums s = { 0 };
    for (int g = 0; g < n_groups; g++) {
        const float *xg = x + g * group, *wg = w + g * group;
        float offset;
        fit_scale_offset(group, xg, wg, top, true, &b.fit[g], &offset);
        b.fit_min[g] = -offset;
        round_levels(group, xg, &b.levels, cn_quant_inverse(b.fit[g]), offset, level);
        sum_x(group, xg, wg, &s);
        sum_q(group, xg, wg, level, &s);
        weight[g] = s.qq;
        weight_min[g] = s.w;
    }
    uint16_t ds[CN_F16_CHOICES], mins[CN_F16_CHOICES], better, better_min;
    int n = cn_quant_f16_choices(fit_step(n_groups, b.fit, weight, 0, grid), COARSE_BLOCK, ds);
    int n_min = cn_quant_f16_choices(fit_step(n_groups, b.fit_min, weight_min, 0, grid),
                                     COARSE_BLOCK, mins);
    *d = ds[0];
    *dmin = mins[0];
    if (n * n_min > 1) {
        b.reach = FAR;
        float least = INFINITY;
        for (int t = 0; t < n * n_min; t++) {
            float error = place_scales_mins(&b, ds[t / n_min], mins[t % n_min], false, scale, min,
                                            code, &better, &better_min);
            if (error < least) {
                least = error;
                *d = ds[t / n_min];
                *dmin = mins[t % n_min];
            }
        }
        place_scales_mins(&b, *d, *dmin, false, scale, min, code, &better, &better_min);
        return;
    }
    for (int round = 0;; round++) {
        place_scales_mins(&b, *d, *dmin, round > 0, scale, min, code, &better, &better_min);
        if (round == 2 || (better == *d && better_min == *dmin) || (better | better_min) & 0x8000)
            return;
        *d = better;
        *dmin = better_min;
    }
}

struct weighted {
    float size, w;
};

static int by_falling_size(const void *a, const void *b)
{
    const struct weighted *x = a, *y = b;
    return (x->size < y->size) - (x->size > y->size);
}

/* Whatever the scale, the elements coded as non-zero are the largest; so try each number of them.
 */
uint16_t cn_quant_ternary(int n, const float *x, const float *w, int8_t *code)
{
    const struct cn_levels levels = { -1, 1, NULL };
    struct weighted sorted[MAX_N];
    float xq = 0, qq = 0, best = 0, scale = 0;
    for (int i = 0; i < n; i++)
        sorted[i] = (struct weighted){ fabsf(x[i]), w[i] };
    qsort(sorted, (size_t)n, sizeof *sorted, by_falling_size);
    for (int i = 0; i < n; i++) {
        xq += sorted[i].w * sorted[i].size;
        qq += sorted[i].w;
        if (qq > 0 && xq * xq > best * qq) {
            best = xq * xq / qq;
            scale = xq / qq;
        }
    }
    return cn_quant_run(n, x, w, &levels, scale, code);
}
