/* SPDX-License-Identifier: MIT
 *
 * Weighted least squares on a grid. Every search has the same frame: try inverse scales around the
 * one that maps the extreme value to the extreme code, round, solve for the best scale of these
 * codes in closed form, keep the trial that leaves the least error; then alternate rounding and
 * solving until nothing moves.
 */
#include "quant/quantizer.h"

#include "quant/quant.h"
#include "quant/ref/ref.h"

enum { MAX_N = 256, SWEEPS = 4 };

void cn_quant_weights(int n, const float *x, const float *importance, float c, float *w)
{
    float sum = 0;
    for (int i = 0; i < n; i++)
        sum += x[i] * x[i];
    float s = c * sum / (float)n, root = sqrtf(s);
    for (int i = 0; i < n; i++)
        w[i] = importance ? importance[i] * sqrtf(s + x[i] * x[i]) : root + fabsf(x[i]);
}

uint16_t cn_quant_f16(float x)
{
    const float top = 65504;
    return cn_f32_to_f16(x > top ? top : x < -top ? -top : isnan(x) ? 0 : x);
}

float cn_quant_inverse(float scale)
{
    float inverse = 1 / scale;
    return isfinite(inverse) ? inverse : 0;
}

int cn_nearest_level(const int8_t *table, float x)
{
    int code = 0;
    while (code < 15 && 2 * x > (float)(table[code] + table[code + 1]))
        code++;
    return code;
}

/* Sums of the normal equations of x ~ a * q - m. */
struct sums {
    float w, x, q, xx, xq, qq;
};

/* The best a and m >= 0 for these codes; returns the error left, without the constant sum of w x^2.
 */
static float solve(const struct sums *s, float *scale, float *min)
{
    float det = s->w * s->qq - s->q * s->q;
    float a = 0, b = 0;
    if (det > 0) {
        a = (s->w * s->xq - s->x * s->q) / det;
        b = (s->qq * s->x - s->q * s->xq) / det;
    }
    if (b > 0 || !(det > 0)) {
        b = 0;
        a = s->qq > 0 ? s->xq / s->qq : 0;
    }
    *scale = a;
    *min = -b;
    return a * (a * s->qq + 2 * b * s->q - 2 * s->xq) + b * (b * s->w - 2 * s->x);
}

/* Rounds x to codes with this inverse scale and minimum, and forms the sums. */
static void round_scale_min(int n, const float *x, const float *w, int levels, float inverse,
                            float min, uint8_t *code, struct sums *s)
{
    s->q = s->xq = s->qq = 0;
    for (int i = 0; i < n; i++) {
        int c = cn_clamp(cn_nearest(inverse * (x[i] + min)), 0, levels);
        float q = (float)c;
        code[i] = (uint8_t)c;
        s->q += w[i] * q;
        s->xq += w[i] * q * x[i];
        s->qq += w[i] * q * q;
    }
}

void cn_fit_scale_min(int n, const float *x, const float *w, int levels, float *scale, float *min,
                      uint8_t *code)
{
    uint8_t trial[MAX_N], best_code[MAX_N] = { 0 };
    struct sums s = { 0 };
    float lo = 0, hi = x[0], best = 0, best_scale = 0, best_min = 0;
    for (int i = 0; i < n; i++) {
        lo = fminf(lo, x[i]);
        hi = fmaxf(hi, x[i]);
        s.w += w[i];
        s.x += w[i] * x[i];
    }
    if (!(hi > lo)) { /* all zero, or all equal and negative: the minimum alone */
        best_min = -lo;
    } else {
        best = INFINITY;
        for (int t = 0; t <= 36 + SWEEPS; t++) {
            float a, m, inverse, from;
            if (t <= 36) {
                inverse = ((float)levels - 0.9f + 0.05f * (float)t) / (hi - lo);
                from = -lo;
            } else {
                inverse = cn_quant_inverse(best_scale);
                from = best_min;
            }
            round_scale_min(n, x, w, levels, inverse, from, trial, &s);
            float error = solve(&s, &a, &m);
            if (error < best && a >= 0) {
                best = error;
                best_scale = a;
                best_min = m;
                memcpy(best_code, trial, (size_t)n);
            } else if (t > 36) {
                break;
            }
        }
    }
    *scale = best_scale;
    *min = best_min;
    if (code)
        memcpy(code, best_code, (size_t)n);
}

static float extreme(int n, const float *x)
{
    float top = 0;
    for (int i = 0; i < n; i++)
        if (fabsf(x[i]) > fabsf(top))
            top = x[i];
    return top;
}

float cn_fit_symmetric(int n, const float *x, const float *w, int levels, int8_t *code)
{
    float top = extreme(n, x), best = 0, scale = 0;
    int8_t trial[MAX_N], best_code[MAX_N] = { 0 };
    for (int t = -9; t <= 9 + SWEEPS && top != 0; t++) {
        float inverse = t <= 9 ? -((float)levels + 0.1f * (float)t) / top : cn_quant_inverse(scale);
        float xq = 0, qq = 0;
        for (int i = 0; i < n; i++) {
            int c = cn_clamp(cn_nearest(inverse * x[i]), -levels, levels - 1);
            trial[i] = (int8_t)c;
            xq += w[i] * x[i] * (float)c;
            qq += w[i] * (float)c * (float)c;
        }
        if (qq > 0 && xq * xq > best * qq) {
            best = xq * xq / qq;
            scale = xq / qq;
            memcpy(best_code, trial, (size_t)n);
        } else if (t > 9) {
            break;
        }
    }
    if (code)
        memcpy(code, best_code, (size_t)n);
    return scale;
}

float cn_fit_table(int n, const float *x, const float *w, const int8_t *table, uint8_t *code)
{
    float top = extreme(n, x), best = 0, scale = 0;
    uint8_t trial[MAX_N], best_code[MAX_N] = { 0 };
    for (int t = -8; t <= 7 + SWEEPS && top != 0; t++) {
        float inverse = t == -8  ? (float)table[15] / top
                        : t <= 7 ? (float)(table[0] + t) / top
                                 : cn_quant_inverse(scale);
        float xq = 0, qq = 0;
        for (int i = 0; i < n; i++) {
            trial[i] = (uint8_t)cn_nearest_level(table, inverse * x[i]);
            float q = table[trial[i]];
            xq += w[i] * x[i] * q;
            qq += w[i] * q * q;
        }
        if (qq > 0 && xq * xq > best * qq) {
            best = xq * xq / qq;
            scale = xq / qq;
            memcpy(best_code, trial, (size_t)n);
        } else if (t > 7) {
            break;
        }
    }
    if (code)
        memcpy(code, best_code, (size_t)n);
    return scale;
}

uint16_t cn_quant_grid(int n, const float *x, int levels, uint8_t *code)
{
    float top = 0;
    for (int i = 0; i < n; i++)
        top = fmaxf(top, x[i]);
    uint16_t step = cn_quant_f16(top / (float)levels);
    float inverse = cn_quant_inverse(cn_f16_to_f32(step));
    for (int i = 0; i < n; i++)
        code[i] = (uint8_t)cn_clamp(cn_nearest(x[i] * inverse), 0, levels);
    return step;
}
