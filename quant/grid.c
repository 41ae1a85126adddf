/* SPDX-License-Identifier: MIT
 *
 * The nearest codebook entry without a table of neighbours: an entry is two halves of 4 (or 2)
 * elements; the costs of all 81 (or 64) possible halves are summed once on either side; then only
 * the buckets of first halves that can still beat the best so far are looked into. That is exact,
 * and takes a few hundred operations instead of thousands.
 */
#include "quant/grid.h"

#include "quant/quant.h"
#include "quant/quantizer.h"

#include <assert.h>
#include <math.h>
#include <string.h>

enum { MAX_GROUPS = CN_GRID_BLOCK / 16, RUN = 8, MAX_RUNS = 4, MAX_HALVES = 81 };
enum { COARSE = 64 }; /* below this multiple of 2^-24 several scales are tried */

static bool has_shift(const struct cn_grid_kind *kind)
{
    return kind->signs == CN_SHIFT_GROUP || kind->signs == CN_SHIFT_RUN;
}

/* The number of a half: its level numbers as digits, the first element's lowest. Entries with
 * shifts are given as -1, 0, 1. */
static int half_number(const struct cn_grid_kind *kind, const uint8_t *entry)
{
    int number = 0;
    for (int i = kind->dims / 2 - 1; i >= 0; i--) {
        int digit = 0;
        if (has_shift(kind))
            digit = (int8_t)entry[i] + 1;
        else
            while (kind->level[0][digit] != entry[i])
                digit++;
        number = number * kind->n_levels + digit;
    }
    return number;
}

void cn_grid_init(struct cn_grid *grid, const struct cn_grid_kind *kind)
{
    const uint8_t *entries = kind->entries;
    uint16_t fill[MAX_HALVES] = { 0 };
    assert((kind->dims == 8 && kind->n_levels == 3) || (kind->dims == 4 && kind->n_levels == 8));
    grid->kind = kind;
    grid->n_halves = 1;
    for (int i = 0; i < kind->dims / 2; i++)
        grid->n_halves *= kind->n_levels;
    memset(grid->start, 0, sizeof grid->start);
    for (int i = 0; i < kind->n_entries; i++)
        grid->start[half_number(kind, entries + i * kind->dims) + 1]++;
    for (int h = 0; h < grid->n_halves; h++) {
        grid->start[h + 1] = (uint16_t)(grid->start[h + 1] + grid->start[h]);
        fill[h] = grid->start[h];
    }
    for (int i = 0; i < kind->n_entries; i++) {
        const uint8_t *entry = entries + i * kind->dims;
        int at = fill[half_number(kind, entry)]++;
        grid->rest[at] = (uint8_t)half_number(kind, entry + kind->dims / 2);
        grid->index[at] = (uint16_t)i;
    }
}

/* sums[number of half] = sum of the costs of its n elements; returns the number with the least sum,
 * and that sum. */
static inline int sum_halves(int n, int n_levels, float (*cost)[8], float *sums, float *least)
{
    int size = 1, number = 0;
    sums[0] = *least = 0;
    for (int i = 0; i < n; i++, size *= n_levels) {
        int best = 0;
        for (int l = n_levels - 1; l >= 0; l--) {
            best = cost[i][l] < cost[i][best] ? l : best;
            for (int k = 0; k < size; k++)
                sums[l * size + k] = sums[k] + cost[i][l];
        }
        *least += cost[i][best];
        number += best * size;
    }
    return number;
}

/* The entry with the least sum of cost[element][level]; returns its place in the buckets. */
static int nearest(const struct cn_grid *grid, float (*cost)[8], int *half)
{
    float first[MAX_HALVES], second[MAX_HALVES], least, unused, best = INFINITY;
    int start, found = 0;
    if (grid->kind->n_levels == 3) { /* constants, for the compiler */
        start = sum_halves(4, 3, cost, first, &unused);
        sum_halves(4, 3, cost + 4, second, &least);
    } else {
        start = sum_halves(2, 8, cost, first, &unused);
        sum_halves(2, 8, cost + 2, second, &least);
    }
    *half = 0;
    for (int i = -1; i < grid->n_halves; i++) { /* the most promising bucket, then all */
        int h = i < 0 ? start : i;
        float limit = best - first[h];
        if (!(least < limit))
            continue;
        for (int m = grid->start[h]; m < grid->start[h + 1]; m++) {
            float sum = second[grid->rest[m]];
            if (sum < limit) {
                limit = sum;
                best = first[h] + sum;
                found = m;
                *half = h;
            }
        }
    }
    return found;
}

/* A group with its codes for one scale. */
struct trial {
    float xq, qq; /* weighted sums of x * level and level^2 */
    uint16_t index[MAX_RUNS * 2];
    uint8_t mask[MAX_RUNS];
};

/* What a scale of a leaves, less the constant sum of w x^2. */
static float error_of(const struct trial *t, float a)
{
    return a * (a * t->qq - 2 * t->xq);
}

/* Codes of run r (8 elements) of a group, for scale a and one of the shifts; adds to t. */
static void code_run(const struct cn_grid *grid, int shift, const float *x, const float *w, float a,
                     int r, struct trial *t)
{
    const struct cn_grid_kind *kind = grid->kind;
    const int n_levels = kind->n_levels, dims = kind->dims;
    const bool magnitudes = !has_shift(kind);
    float y[RUN], cost[RUN][8];
    uint8_t mask = 0;
    for (int i = 0; i < RUN; i++) {
        y[i] = magnitudes ? fabsf(x[i]) : x[i];
        mask |= (uint8_t)((magnitudes && x[i] < 0) << i);
        for (int l = 0; l < n_levels; l++) {
            float level = a * kind->level[shift][l];
            cost[i][l] = w[i] * level * (level - 2 * y[i]);
        }
    }
    if (kind->signs == CN_SIGNS_EVEN && __builtin_parity(mask)) {
        /* One sign must be wrong: where it costs least, the element then at the lowest level. */
        float level = a * kind->level[shift][0], least = INFINITY;
        int flip = 0;
        for (int i = 0; i < RUN; i++) {
            float right = cost[i][0];
            for (int l = 1; l < n_levels; l++)
                right = cost[i][l] < right ? cost[i][l] : right;
            float loss = w[i] * level * (level + 2 * y[i]) - right;
            if (loss < least) {
                least = loss;
                flip = i;
            }
        }
        y[flip] = -y[flip];
        mask ^= (uint8_t)(1u << flip);
        for (int l = 0; l < n_levels; l++) {
            level = a * kind->level[shift][l];
            cost[flip][l] = w[flip] * level * (level - 2 * y[flip]);
        }
    }
    t->mask[r] = magnitudes ? mask : (uint8_t)shift;
    for (int first = 0; first < RUN; first += dims) {
        int half, found = nearest(grid, cost + first, &half), rest = grid->rest[found];
        t->index[(r * RUN + first) / dims] = grid->index[found];
        for (int i = first; i < first + dims; i++) {
            int *digits = i < first + dims / 2 ? &half : &rest;
            float wq = w[i] * kind->level[shift][*digits % n_levels];
            t->xq += wq * y[i];
            t->qq += wq * kind->level[shift][*digits % n_levels];
            *digits /= n_levels;
        }
    }
}

/* The best codes of a group for scale a. */
static void code_group(const struct cn_grid *grid, const float *x, const float *w, float a,
                       struct trial *best)
{
    const struct cn_grid_kind *kind = grid->kind;
    memset(best, 0, sizeof *best);
    if (kind->signs == CN_SHIFT_GROUP) {
        struct trial t[2];
        memset(t, 0, sizeof t);
        for (int shift = 0; shift < 2; shift++)
            for (int r = 0; r < kind->group / RUN; r++)
                code_run(grid, shift, x + r * RUN, w + r * RUN, a, r, &t[shift]);
        *best = t[error_of(&t[1], a) < error_of(&t[0], a)];
        return;
    }
    for (int r = 0; r < kind->group / RUN; r++) {
        struct trial before = *best;
        code_run(grid, 0, x + r * RUN, w + r * RUN, a, r, best);
        if (kind->signs == CN_SHIFT_RUN) {
            code_run(grid, 1, x + r * RUN, w + r * RUN, a, r, &before);
            if (error_of(&before, a) < error_of(best, a))
                *best = before;
        }
    }
}

/* The scale of a group by itself: from a few starting points, codes for the scale and the best
 * scale for the codes in turn. qq: the weight of the scale in the block. */
static float fit_group(const struct cn_grid *grid, const float *x, const float *w, float *qq)
{
    const struct cn_grid_kind *kind = grid->kind;
    float top = 0, best = 0, scale = 0;
    for (int i = 0; i < kind->group; i++)
        top = fmaxf(top, fabsf(x[i]));
    *qq = 0;
    if (!(top > 0) || !isfinite(top))
        return 0;
    top /= kind->level[0][kind->n_levels - 1];
    static const float starts[] = { 0.8f, 1, 1.25f };
    const int n_starts = sizeof starts / sizeof *starts, sweeps = 2;
    for (int i = 0; i < n_starts + sweeps; i++) {
        struct trial t;
        code_group(grid, x, w, i < n_starts ? top * starts[i] : scale, &t);
        if (t.xq > 0 && t.xq * t.xq > best * t.qq) {
            best = t.xq * t.xq / t.qq;
            scale = t.xq / t.qq;
            *qq = t.qq;
        } else if (i >= n_starts) {
            break;
        }
    }
    return scale;
}

/* Nearest l in 0..top to scale = step * (2 l + 1). */
static int nearest_scale(float scale, float inverse, int top)
{
    float l = (scale * inverse - 1) / 2;
    return (int)lrintf(l > 0 ? l < (float)top ? l : (float)top : 0);
}

/* A step for group scales step * (2 l + 1), l in 0..top. */
static float fit_step(int n, const float *scale, const float *weight, int top)
{
    float largest = 0, best = INFINITY, step = 0;
    for (int g = 0; g < n; g++)
        largest = fmaxf(largest, scale[g]);
    for (int t = -10; t <= 10 && largest > 0; t++) {
        float inverse = ((float)(2 * top + 1) + 0.2f * (float)t) / largest, xq = 0, qq = 0;
        for (int g = 0; g < n; g++) {
            float q = (float)(2 * nearest_scale(scale[g], inverse, top) + 1);
            xq += weight[g] * scale[g] * q;
            qq += weight[g] * q * q;
        }
        if (qq > 0 && -xq * xq / qq < best) {
            best = -xq * xq / qq;
            step = xq / qq;
        }
    }
    return step;
}

/* Least squares make a block smaller than it is, by the share of it that was lost: the outputs of
 * its matrix shrink with it, and at 1 to 2 bits that costs more perplexity than the noise saved.
 * Returns what to multiply the step with: 1 would keep the least error, sqrt(xx qq) / xq the norm.
 * About half-way (in logarithms) costs 1% of error, and gained 8% of perplexity at 1.6 bits
 * (docs/FORMATS.md). */
static float unshrink(float xx, float xq, float qq)
{
    const float by = powf(sqrtf(xx * qq) / xq, 0.55f);
    return by >= 1 && by <= 2 ? by : 1;
}

/* A block on its way to codes. */
struct block {
    const struct cn_grid *grid;
    const float *x, *w;
    float fit[MAX_GROUPS]; /* the scale that each group would have by itself */
};

/* Chooses scales and codes for this d: scales near those of the fit, or, if `again`, those that are
 * there. Sums w x level and w level^2 in units of the step. Returns the error, less the constant
 * sum of w x^2. */
static float place(const struct block *b, uint16_t bits, bool again, struct cn_grid_codes *codes,
                   float *xq, float *qq)
{
    const struct cn_grid_kind *kind = b->grid->kind;
    const int group = kind->group, n = CN_GRID_BLOCK / group;
    const size_t n_index = (size_t)(group / kind->dims), n_mask = (size_t)(group / RUN);
    float step = cn_f16_to_f32(bits) / kind->unit, inverse = cn_quant_inverse(step), total = 0;
    *xq = *qq = 0;
    for (int g = 0; g < n; g++) {
        /* First the neighbours on the grid as well; then only new codes for the better step. */
        int middle = again ? codes->scale[g] : nearest_scale(b->fit[g], inverse, kind->scale_top);
        int from = again ? middle : middle - 1, to = again ? middle : middle + 1;
        struct trial best = { 0 }, t;
        float least = INFINITY;
        for (int l = from < 0 ? 0 : from; l <= to && l <= kind->scale_top; l++) {
            float a = step * (float)(2 * l + 1);
            code_group(b->grid, b->x + g * group, b->w + g * group, a, &t);
            if (!(error_of(&t, a) >= least)) { /* the first always: errors may be NaN */
                least = error_of(&t, a);
                best = t;
                codes->scale[g] = (uint8_t)l;
            }
        }
        memcpy(codes->index + (size_t)g * n_index, best.index, n_index * sizeof *best.index);
        memcpy(codes->mask + (size_t)g * n_mask, best.mask, n_mask);
        float l = (float)(2 * codes->scale[g] + 1);
        *xq += l * best.xq;
        *qq += l * l * best.qq;
        total += least;
    }
    return total;
}

uint16_t cn_grid_quantize(const struct cn_grid *grid, const float *x, const float *w,
                          struct cn_grid_codes *codes)
{
    const struct cn_grid_kind *kind = grid->kind;
    const int group = kind->group, n = CN_GRID_BLOCK / group;
    struct block b = { .grid = grid, .x = x, .w = w };
    float weight[MAX_GROUPS], xx = 0, xq, qq;
    for (int i = 0; i < CN_GRID_BLOCK; i++)
        xx += w[i] * x[i] * x[i];
    for (int g = 0; g < n; g++)
        b.fit[g] = fit_group(grid, x + g * group, w + g * group, &weight[g]);
    uint16_t choices[CN_F16_CHOICES];
    int n_choices = cn_quant_f16_choices(kind->unit * fit_step(n, b.fit, weight, kind->scale_top),
                                         COARSE, choices);
    if (n_choices > 1) {
        float least = INFINITY;
        uint16_t best = 0;
        for (int t = 0; t < n_choices; t++) {
            float error = place(&b, choices[t], false, codes, &xq, &qq);
            if (error < least) {
                least = error;
                best = choices[t];
            }
        }
        place(&b, best, false, codes, &xq, &qq);
        return best;
    }
    uint16_t bits = choices[0];
    for (int round = 0;; round++) {
        place(&b, bits, round > 0, codes, &xq, &qq);
        uint16_t better = qq > 0 && xq > 0 ? cn_quant_f16(kind->unit * xq / qq) : bits;
        if (round == 1 || better == bits)
            return cn_quant_f16(cn_f16_to_f32(bits) * unshrink(xx, xq, qq));
        bits = better;
    }
}
