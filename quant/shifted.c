/* SPDX-License-Identifier: MIT
 *
 * The frame of the search. Each group is first fitted by itself: inverse scales around those that
 * map its extreme to either end of the levels, shifted or not, each followed by the best scale for
 * the levels found. Then a few d are tried in earnest: for each, every group takes the scale of the
 * grid, of either sign, and the shift that leave the least error in its elements. The best d is
 * refined by least squares.
 *
 * A row with one d for all of it is passed over several times; what its groups were fitted with
 * waits in the row's own bytes until codes take the place.
 */
#include "quant/shifted.h"

#include "quant/quant.h"
#include "quant/ref/ref.h"

enum { BLOCK = CN_SHIFTED_BLOCK, MAX_GROUP = 32, MAX_GROUPS = BLOCK / 16 };
enum { CELLS = 1024 }; /* of half a unit of a level, from -256 on */

typedef float v4f __attribute__((vector_size(16)));
typedef int32_t v4i __attribute__((vector_size(16)));

/* Levels nearest to the numbers in each cell, unshifted and shifted: middles between levels are
 * multiples of a half, so a cell has one. */
struct search {
    const struct cn_shifted_kind *kind;
    float low, high;
    float level[2][CELLS];
    uint8_t code[2][CELLS];
};

/* What a group would have by itself, and what that weighs. */
struct fit {
    float scale, weight;
};

struct sums {
    float xq, qq; /* weighted, of x * level and level^2 */
};

/* A row, or a block, that shares a d. */
struct span {
    const struct search *search;
    int64_t n_blocks;
    const float *x, *importance;
    uint8_t *fits; /* those of a block `stride` bytes behind those of the one before */
    size_t stride;
};

static void search_init(struct search *s, const struct cn_shifted_kind *kind)
{
    s->kind = kind;
    s->low = kind->levels[0];
    s->high = kind->levels[kind->n_levels - 1];
    for (int shift = 0; shift < 2; shift++) {
        const int up = shift ? kind->shift : 0;
        int code = 0;
        for (int c = 0; c < CELLS; c++) {
            while (code + 1 < kind->n_levels &&
                   kind->levels[code] + kind->levels[code + 1] + 2 * up <= c - CELLS / 2)
                code++;
            s->level[shift][c] = (float)(kind->levels[code] + up);
            s->code[shift][c] = (uint8_t)code;
        }
    }
}

/* The cell of four x * inverse: what is further away than the cells reach, or is no number, is in
 * any. by: 2 * inverse. */
static inline v4i cells_of(const float *x, float by)
{
    const v4f from = { CELLS / 2 - 0.5f, CELLS / 2 - 0.5f, CELLS / 2 - 0.5f, CELLS / 2 - 0.5f };
    const float whole = 0x1p23f;
    v4f y;
    v4i cell;
    memcpy(&y, x, sizeof y);
    y = y * by + from + whole;
    memcpy(&cell, &y, sizeof cell);
    return cell & (CELLS - 1);
}

static inline float add_lanes(v4f v)
{
    return (v[0] + v[1]) + (v[2] + v[3]);
}

static inline struct sums sums_of_n(int n, const float *level, const float *x, const float *w,
                                    const float *wx, float inverse)
{
    v4f xq = { 0 }, qq = { 0 };
    for (int i = 0; i < n; i += 4) {
        const v4i cell = cells_of(x + i, 2 * inverse);
        const v4f q = { level[cell[0]], level[cell[1]], level[cell[2]], level[cell[3]] };
        v4f a, b;
        memcpy(&a, wx + i, sizeof a);
        memcpy(&b, w + i, sizeof b);
        xq += a * q;
        qq += b * q * q;
    }
    return (struct sums){ add_lanes(xq), add_lanes(qq) };
}

/* The sums of a group coded with this inverse of a scale. wx: w * x. */
static struct sums sums_of(const struct search *s, const float *x, const float *w, const float *wx,
                           float inverse, int shift)
{
    return s->kind->group == 16 ? sums_of_n(16, s->level[shift], x, w, wx, inverse)
                                : sums_of_n(32, s->level[shift], x, w, wx, inverse);
}

/* What a scale of a leaves, less the constant sum of w x^2. */
static inline float error_of(struct sums t, float a)
{
    return a * (a * t.qq - 2 * t.xq);
}

static struct fit fit_group(const struct search *s, const float *x, const float *w, const float *wx)
{
    const int trials = 4, sweeps = 1;
    const float reach = s->kind->n_levels > 16 ? 0.06f : s->kind->n_levels > 8 ? 0.12f : 0.3f;
    float top = 0, best = 0;
    struct fit fit = { 0, 0 };
    for (int i = 0; i < s->kind->group; i++)
        if (fabsf(x[i]) > fabsf(top))
            top = x[i];
    if (top == 0 || !isfinite(top))
        return fit;
    for (int k = 0; k < 4; k++) {
        const float shift = k % 2 ? (float)s->kind->shift : 0;
        const float end = (k / 2 ? s->high : s->low) + shift;
        for (int t = -trials; t <= trials + sweeps; t++) {
            float inverse = t <= trials ? end * (1 + reach * (float)t / (float)trials) / top
                                        : cn_quant_inverse(fit.scale);
            struct sums got = sums_of(s, x, w, wx, inverse, k % 2);
            if (got.qq > 0 && got.xq * got.xq > best * got.qq) {
                best = got.xq * got.xq / got.qq;
                fit.scale = got.xq / got.qq;
                fit.weight = got.qq;
            }
        }
    }
    return fit;
}

/* The nearest number of a scale. */
static int nearest_scale(const struct cn_shifted_kind *kind, float scale)
{
    const float top = (float)(kind->n_scales - 1);
    float l = (scale - (float)kind->scale_lo) / (float)kind->scale_step;
    return (int)lrintf(l > 0 ? l < top ? l : top : 0);
}

static float scale_at(const struct cn_shifted_kind *kind, int l)
{
    return (float)(kind->scale_lo + kind->scale_step * l);
}

/* A group's choice of scale and shift for a d. */
struct choice {
    int scale;
    bool shift;
    float error;
    struct sums sums;
};

static struct choice choose(const struct search *s, float d, struct fit fit, const float *x,
                            const float *w, const float *wx)
{
    const struct cn_shifted_kind *kind = s->kind;
    const float target = fit.scale * cn_quant_inverse(d);
    struct choice best = { .error = INFINITY };
    for (int sign = 0; sign < 2; sign++) {
        int middle = nearest_scale(kind, sign ? -target : target);
        int reach = sign || fabsf(target) < 10 * (float)kind->scale_step ? 1 : 2;
        for (int l = middle - reach; l <= middle + reach; l++) {
            if (l < 0 || l >= kind->n_scales)
                continue;
            const float a = d * scale_at(kind, l), inverse = cn_quant_inverse(a);
            for (int shifted = 0; shifted < 2; shifted++) {
                struct sums t = sums_of(s, x, w, wx, inverse, shifted);
                float error = error_of(t, a);
                if (!(error >= best.error))
                    best = (struct choice){ l, shifted, error, t };
            }
        }
    }
    if (!(best.error < INFINITY)) /* no number */
        best.scale = nearest_scale(kind, target);
    return best;
}

static void weights_of(const struct span *p, int64_t block, float *w, float *wx)
{
    const float *x = p->x + block * BLOCK;
    const float *v = p->importance ? p->importance + block * BLOCK : NULL;
    cn_quant_weights(BLOCK, x, v, p->search->kind->base, w);
    float mean = 0;
    for (int i = 0; i < BLOCK; i++)
        mean += v ? v[i] / BLOCK : 0;
    for (int i = 0; i < BLOCK; i++) {
        w[i] *= mean > 0 ? mean : 1;
        wx[i] = w[i] * x[i];
    }
}

static void fit_groups(const struct span *p)
{
    const int group = p->search->kind->group;
    for (int64_t block = 0; block < p->n_blocks; block++) {
        float w[BLOCK], wx[BLOCK];
        struct fit fit[MAX_GROUPS];
        weights_of(p, block, w, wx);
        for (int i = 0; i < BLOCK; i += group)
            fit[i / group] = fit_group(p->search, p->x + block * BLOCK + i, w + i, wx + i);
        memcpy(p->fits + (size_t)block * p->stride, fit,
               (size_t)(BLOCK / group) * sizeof(struct fit));
    }
}

/* The codes of a group for a scale. */
static void code_group(const struct search *s, float scale, int shift, const float *x,
                       uint8_t *code)
{
    const float inverse = 2 * cn_quant_inverse(scale);
    for (int i = 0; i < s->kind->group; i++) {
        float y = x[i] * inverse + CELLS / 2;
        code[i] = s->code[shift][y > 0 ? y < CELLS ? (int)y : CELLS - 1 : 0];
    }
}

/* Scales and codes for this d. Returns the error, less the constant sum of w x^2; `better` is the d
 * that leaves the least with them. Hands codes to put() at `blocks` unless that is NULL; the fits
 * may lie there. */
static float place(const struct span *p, float d, uint16_t bits, void *blocks, float *better)
{
    const struct search *s = p->search;
    const struct cn_shifted_kind *kind = s->kind;
    const int group = kind->group;
    float xq = 0, qq = 0, total = 0;
    for (int64_t block = 0; block < p->n_blocks; block++) {
        const float *x = p->x + block * BLOCK;
        float w[BLOCK], wx[BLOCK];
        struct fit fit[MAX_GROUPS];
        struct cn_shifted_codes codes = { .d = bits };
        memcpy(fit, p->fits + (size_t)block * p->stride,
               (size_t)(BLOCK / group) * sizeof(struct fit));
        weights_of(p, block, w, wx);
        for (int i = 0; i < BLOCK; i += group) {
            struct choice c = choose(s, d, fit[i / group], x + i, w + i, wx + i);
            const float a = scale_at(kind, c.scale);
            xq += a * c.sums.xq;
            qq += a * a * c.sums.qq;
            total += c.error;
            codes.scale[i / group] = (uint8_t)c.scale;
            codes.shift[i / group] = c.shift;
            if (blocks)
                code_group(s, d * a, c.shift, x + i, codes.code + i);
        }
        if (blocks)
            kind->put(&codes, (uint8_t *)blocks + (size_t)block * kind->block_bytes);
    }
    *better = qq > 0 ? xq / qq : d;
    return total;
}

/* A d from the fits: that with which the grid of scales comes nearest to them. */
static float fit_d(const struct span *p)
{
    const struct cn_shifted_kind *kind = p->search->kind;
    const int n = BLOCK / kind->group;
    float top = 0, best = 0, d = 0;
    for (int64_t i = 0; i < p->n_blocks * n; i++) {
        struct fit fit;
        memcpy(&fit, p->fits + (size_t)(i / n) * p->stride + (size_t)(i % n) * sizeof fit,
               sizeof fit);
        if (fabsf(fit.scale) > fabsf(top))
            top = fit.scale;
    }
    for (int t = -10; t <= 10 && top != 0; t++) {
        float inverse = ((float)kind->scale_lo * (1 + 0.02f * (float)t)) / top, xq = 0, qq = 0;
        for (int64_t i = 0; i < p->n_blocks * n; i++) {
            struct fit fit;
            memcpy(&fit, p->fits + (size_t)(i / n) * p->stride + (size_t)(i % n) * sizeof fit,
                   sizeof fit);
            float q = scale_at(kind, nearest_scale(kind, fit.scale * inverse));
            xq += fit.weight * fit.scale * q;
            qq += fit.weight * q * q;
        }
        if (qq > 0 && xq * xq > best * qq) {
            best = xq * xq / qq;
            d = xq / qq;
        }
    }
    return d;
}

/* d as the format can hold it. */
static float rounded(const struct cn_shifted_kind *kind, float d)
{
    if (kind->header_bytes == sizeof d)
        return isfinite(d) ? d : 0;
    return cn_f16_to_f32(cn_quant_f16(d));
}

/* Below this multiple of 2^-24 several f16 are tried. */
enum { COARSE = 64, SWEEPS = 2 };

static float best_d(const struct span *p)
{
    const struct cn_shifted_kind *kind = p->search->kind;
    float d = 0, least = 0, better, trial[CN_F16_CHOICES + SWEEPS] = { fit_d(p) };
    int n = 1;
    if (kind->header_bytes != sizeof(float)) {
        uint16_t bits[CN_F16_CHOICES];
        n = cn_quant_f16_choices(trial[0], COARSE, bits);
        for (int t = 0; t < n; t++)
            trial[t] = cn_f16_to_f32(bits[t]);
    }
    const int n_trials = n > 1 ? n : 1 + SWEEPS;
    for (int t = 0; t < n_trials; t++) {
        const float error = place(p, trial[t], 0, NULL, &better);
        if (error < least) {
            least = error;
            d = trial[t];
        } else if (n == 1) {
            break;
        }
        if (n == 1)
            trial[t + 1] = rounded(kind, better);
    }
    return d;
}

void cn_shifted_quantize(const struct cn_shifted_kind *kind, int64_t n_cols, const float *x,
                         const float *importance, void *row)
{
    struct search s;
    float better;
    search_init(&s, kind);
    if (kind->header_bytes) {
        uint8_t *blocks = (uint8_t *)row + kind->header_bytes;
        struct span p = { &s, n_cols / BLOCK, x, importance, blocks, kind->block_bytes };
        fit_groups(&p);
        const float d = best_d(&p);
        const uint16_t bits = cn_quant_f16(d);
        place(&p, d, bits, blocks, &better);
        if (kind->header_bytes == sizeof d)
            memcpy(row, &d, sizeof d);
        else
            memcpy(row, &bits, sizeof bits);
        return;
    }
    for (int64_t i = 0; i < n_cols / BLOCK; i++) {
        struct fit fits[MAX_GROUPS];
        struct span p = { &s,
                          1,
                          x + i * BLOCK,
                          importance ? importance + i * BLOCK : NULL,
                          (uint8_t *)(void *)fits,
                          0 };
        fit_groups(&p);
        const float d = best_d(&p);
        place(&p, d, cn_quant_f16(d), (uint8_t *)row + (size_t)i * kind->block_bytes, &better);
    }
}
