/* SPDX-License-Identifier: MIT
 *
 * Each group is first fitted by itself: inverse scales around those that map its extreme to either
 * end of the levels, shifted or not, each followed by the best scale for the levels found. From
 * these comes d, and then every group takes the scale of the grid, of either sign, and the shift
 * that leave the least error in its elements. (To refine d by least squares and choose anew, once
 * or twice, gained 0.1% of error at the most.)
 *
 * What the groups of a row with one d were fitted with waits in the row's own bytes until codes
 * take the place.
 */
#include "quant/shifted.h"

#include "quant/quant.h"
#include "quant/ref/ref.h"

enum { BLOCK = CN_SHIFTED_BLOCK, MAX_GROUP = 32, MAX_GROUPS = BLOCK / 16 };
enum { CELLS = 1024 };     /* of half a unit of a level, from -256 on */
enum { PAIR_CELLS = 256 }; /* of half a unit, from -64 on */

typedef float v4f __attribute__((vector_size(16)));
typedef int32_t v4i __attribute__((vector_size(16)));

/* Levels nearest to the numbers in each cell, unshifted and shifted: middles between levels are
 * multiples of a half, so a cell has one. */
struct search {
    const struct cn_shifted_kind *kind;
    float low, high;
    float level[2][CELLS];
    uint8_t code[2][CELLS];
    union {
        struct { /* kind->even: the nearest level among codes of the other parity; -1: that of the
                  * code is odd */
            float level[2][CELLS];
            uint8_t code[2][CELLS];
            int32_t odd[2][CELLS];
        } other;
        struct { /* kind->pairs: the nearest second level behind each first one; which four first
                  * ones are near */
            float first[8], second[PAIR_CELLS][8];
            uint8_t code[PAIR_CELLS][8], window[PAIR_CELLS];
        } pair;
    } u;
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

/* The code from `code` on, by steps of `step` codes with the same parity (or all), that is nearest
 * to the numbers in cell c of levels `up` higher. */
static int advance(const struct cn_shifted_kind *kind, int up, int c, int code, bool parity)
{
    for (;;) {
        int next = code + 1;
        while (parity && next < kind->n_levels && __builtin_parity((unsigned)(next ^ code)))
            next++;
        if (next >= kind->n_levels ||
            kind->levels[code] + kind->levels[next] + 2 * up > c - CELLS / 2)
            return code;
        code = next;
    }
}

/* For each first level the second ones, ascending, that it has. */
static void pairs_init(struct search *s)
{
    const struct cn_shifted_kind *kind = s->kind;
    for (int i = 0; i < 8; i++) {
        int code[32], n = 0, at = 0;
        s->u.pair.first[i] = kind->levels[i];
        for (int k = 0; k < kind->n_pairs; k++)
            if (kind->pairs[k][0] == kind->levels[i])
                code[n++] = k;
        for (int c = 0; c < PAIR_CELLS; c++) {
            while (at + 1 < n &&
                   kind->pairs[code[at]][1] + kind->pairs[code[at + 1]][1] <= c - PAIR_CELLS / 2)
                at++;
            s->u.pair.second[c][i] = kind->pairs[code[at]][1];
            s->u.pair.code[c][i] = (uint8_t)code[at];
        }
    }
    for (int c = 0; c < PAIR_CELLS; c++) {
        const int nearest = s->code[0][c + (CELLS - PAIR_CELLS) / 2];
        s->u.pair.window[c] = (uint8_t)cn_clamp(nearest - 1, 0, 4);
    }
}

static void search_init(struct search *s, const struct cn_shifted_kind *kind)
{
    s->kind = kind;
    s->low = kind->levels[0];
    s->high = kind->levels[kind->n_levels - 1];
    for (int shift = 0; shift < 2; shift++) {
        const int up = shift ? kind->shift : 0;
        int code = 0, by_parity[2] = { 0, 1 };
        for (int c = 0; c < CELLS; c++) {
            code = advance(kind, up, c, code, false);
            s->level[shift][c] = (float)(kind->levels[code] + up);
            s->code[shift][c] = (uint8_t)code;
            if (!kind->even)
                continue;
            const int odd = __builtin_parity((unsigned)code);
            for (int p = 0; p < 2; p++)
                by_parity[p] = advance(kind, up, c, by_parity[p], true);
            s->u.other.level[shift][c] = (float)(kind->levels[by_parity[!odd]] + up);
            s->u.other.code[shift][c] = (uint8_t)by_parity[!odd];
            s->u.other.odd[shift][c] = -odd;
        }
    }
    if (kind->pairs)
        pairs_init(s);
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

static inline v4f load4(const float *p)
{
    v4f v;
    memcpy(&v, p, sizeof v);
    return v;
}

static inline v4f choose_by(v4i mask, v4f a, v4f b)
{
    return (v4f)((mask & (v4i)a) | (~mask & (v4i)b));
}

/* Sums under kind->even. Elements lie by their place in their sets of four: eight first ones, and
 * so on (see by_sets). In a set of odd parity the one that loses least takes the other level. */
static struct sums sums_of_even(const struct search *s, const float *x, const float *w,
                                const float *wx, float inverse, int shift)
{
    const float *level = s->level[shift], *other = s->u.other.level[shift];
    const int32_t *is_odd = s->u.other.odd[shift];
    v4f xq = { 0 }, qq = { 0 };
    for (int k = 0; k < MAX_GROUP / 4; k += 4) {
        v4f q[4], o[4], loss[4];
        v4i odd = { 0 }, mask[4];
        for (int j = 0; j < 4; j++) {
            const float *at = x + 8 * j + k;
            const v4i c = cells_of(at, 2 * inverse);
            q[j] = (v4f){ level[c[0]], level[c[1]], level[c[2]], level[c[3]] };
            o[j] = (v4f){ other[c[0]], other[c[1]], other[c[2]], other[c[3]] };
            odd ^= (v4i){ is_odd[c[0]], is_odd[c[1]], is_odd[c[2]], is_odd[c[3]] };
            loss[j] =
                load4(w + 8 * j + k) * (o[j] - q[j]) * (o[j] + q[j] - load4(at) * 2 * inverse);
        }
        const v4i a = loss[0] <= loss[1], b = loss[2] <= loss[3];
        const v4i first = choose_by(a, loss[0], loss[1]) <= choose_by(b, loss[2], loss[3]);
        mask[0] = odd & first & a;
        mask[1] = odd & first & ~a;
        mask[2] = odd & ~first & b;
        mask[3] = odd & ~first & ~b;
        for (int j = 0; j < 4; j++) {
            const v4f v = choose_by(mask[j], o[j], q[j]);
            xq += load4(wx + 8 * j + k) * v;
            qq += load4(w + 8 * j + k) * v * v;
        }
    }
    return (struct sums){ add_lanes(xq), add_lanes(qq) };
}

static inline int pair_cell(float y)
{
    const float at = 2 * y + PAIR_CELLS / 2;
    return at > 0 ? at < PAIR_CELLS - 1 ? (int)at : PAIR_CELLS - 1 : 0;
}

/* The nearest pair under kind->pairs, of those with a near first level: which first level, and the
 * row of second ones. */
struct near_pair {
    int first, cell;
};

static inline struct near_pair nearest_pair(const struct search *s, const float *x, const float *w,
                                            float inverse)
{
    const float y0 = x[0] * inverse, y1 = x[1] * inverse;
    const int c = pair_cell(y1), from = s->u.pair.window[pair_cell(y0)];
    const v4f miss0 = load4(s->u.pair.first + from) - y0,
              miss1 = load4(s->u.pair.second[c] + from) - y1;
    const v4f cost = w[0] * miss0 * miss0 + w[1] * miss1 * miss1;
    const int a = cost[1] < cost[0], b = 2 + (cost[3] < cost[2]);
    const float least_a = a ? cost[1] : cost[0], least_b = b == 3 ? cost[3] : cost[2];
    return (struct near_pair){ from + (least_b < least_a ? b : a), c };
}

static struct sums sums_of_pairs(const struct search *s, const float *x, const float *w,
                                 const float *wx, float inverse)
{
    struct sums sums = { 0, 0 };
    for (int i = 0; i < s->kind->group; i += 2) {
        const struct near_pair near = nearest_pair(s, x + i, w + i, inverse);
        const float a = s->u.pair.first[near.first], b = s->u.pair.second[near.cell][near.first];
        sums.xq += wx[i] * a + wx[i + 1] * b;
        sums.qq += w[i] * a * a + w[i + 1] * b * b;
    }
    return sums;
}

/* The sums of a group coded with this inverse of a scale. wx: w * x. */
static struct sums sums_of(const struct search *s, const float *x, const float *w, const float *wx,
                           float inverse, int shift)
{
    if (s->kind->pairs)
        return sums_of_pairs(s, x, w, wx, inverse);
    if (s->kind->even)
        return sums_of_even(s, x, w, wx, inverse, shift);
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
    const int trials = s->kind->pairs ? 3 : 4, sweeps = 1;
    const float reach = s->kind->n_levels > 16 ? 0.06f : s->kind->n_levels > 8 ? 0.12f : 0.3f;
    float top = 0, best = 0;
    struct fit fit = { 0, 0 };
    for (int i = 0; i < s->kind->group; i++)
        if (fabsf(x[i]) > fabsf(top))
            top = x[i];
    if (top == 0 || !isfinite(top))
        return fit;
    for (int k = 0; k < 4; k += s->kind->shift ? 1 : 2) {
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
            for (int shifted = 0; shifted <= (kind->shift > 0); shifted++) {
                struct sums t = sums_of(s, x, w, wx, inverse, shifted);
                float error = error_of(t, a);
                if (!(error >= best.error))
                    best = (struct choice){ l, shifted, error };
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

/* The places of the elements of set k in their group. */
static inline int place_in_group(int k, int j)
{
    return 2 * k + j % 2 + j / 2 * 16;
}

/* A group in the order of sums_of_even(). */
static void by_sets(const float *from, float *to)
{
    for (int j = 0; j < 4; j++)
        for (int k = 0; k < MAX_GROUP / 4; k++)
            to[8 * j + k] = from[place_in_group(k, j)];
}

/* The element of set k that takes the level of the other parity, or -1. */
static int odd_one(const struct search *s, int shift, const float *x, const float *w, float inverse,
                   const int32_t *cell, int k)
{
    int odd = 0, found = place_in_group(k, 0);
    float least = INFINITY;
    for (int j = 0; j < 4; j++) {
        const int i = place_in_group(k, j), c = cell[i];
        const float q = s->level[shift][c], o = s->u.other.level[shift][c];
        const float loss = w[i] * (o - q) * (o + q - 2 * inverse * x[i]);
        odd ^= s->u.other.odd[shift][c];
        found = loss < least ? i : found;
        least = loss < least ? loss : least;
    }
    return odd ? found : -1;
}

/* A group as sums_of() wants it. */
struct ordered {
    const float *x, *w, *wx;
    float memory[3][MAX_GROUP];
};

static void order_group(const struct search *s, const float *x, const float *w, const float *wx,
                        struct ordered *to)
{
    to->x = x;
    to->w = w;
    to->wx = wx;
    if (!s->kind->even)
        return;
    by_sets(x, to->memory[0]);
    by_sets(w, to->memory[1]);
    by_sets(wx, to->memory[2]);
    to->x = to->memory[0];
    to->w = to->memory[1];
    to->wx = to->memory[2];
}

/* Fills in the fits. Returns what d is multiplied with in the end. Least squares make a row smaller
 * by the share that is lost, and the matrix's output with it: d goes some of the way back, for the
 * codes chosen without that. */
static float fit_groups(const struct span *p)
{
    const float way = 0.8f;
    const int group = p->search->kind->group;
    float kept = 0, all = 0;
    for (int64_t block = 0; block < p->n_blocks; block++) {
        float w[BLOCK], wx[BLOCK];
        struct fit fit[MAX_GROUPS];
        weights_of(p, block, w, wx);
        for (int i = 0; i < BLOCK; i += group) {
            struct ordered o;
            order_group(p->search, p->x + block * BLOCK + i, w + i, wx + i, &o);
            fit[i / group] = fit_group(p->search, o.x, o.w, o.wx);
            kept += fit[i / group].scale * fit[i / group].scale * fit[i / group].weight;
            for (int k = 0; k < group; k++)
                all += o.wx[k] * o.x[k];
        }
        memcpy(p->fits + (size_t)block * p->stride, fit,
               (size_t)(BLOCK / group) * sizeof(struct fit));
    }
    const float stretch = powf(all / kept, way / 2);
    return stretch >= 1 && stretch < 2 ? stretch : 1;
}

/* The codes of a group for a scale; w decides between pairs, and what is bent to be even. */
static void code_group(const struct search *s, float scale, int shift, const float *x,
                       const float *w, uint8_t *code)
{
    const float inverse = cn_quant_inverse(scale);
    int32_t cell[MAX_GROUP];
    for (int i = 0; i < s->kind->group; i++) {
        const float y = 2 * inverse * x[i] + CELLS / 2;
        cell[i] = y > 0 ? y < CELLS - 1 ? (int)y : CELLS - 1 : 0;
        code[i] = s->code[shift][cell[i]];
    }
    for (int i = 0; s->kind->pairs && i < s->kind->group; i += 2) {
        const struct near_pair near = nearest_pair(s, x + i, w + i, inverse);
        code[i] = s->u.pair.code[near.cell][near.first];
    }
    for (int k = 0; s->kind->even && k < MAX_GROUP / 4; k++) {
        const int i = odd_one(s, shift, x, w, inverse, cell, k);
        if (i >= 0)
            code[i] = s->u.other.code[shift][cell[i]];
    }
}

/* Scales and codes for this d. Returns the error, less the constant sum of w x^2. Hands codes to
 * put() at `blocks` unless that is NULL; the fits may lie there. */
static float place(const struct span *p, float d, uint16_t bits, void *blocks)
{
    const struct search *s = p->search;
    const struct cn_shifted_kind *kind = s->kind;
    const int group = kind->group;
    float total = 0;
    for (int64_t block = 0; block < p->n_blocks; block++) {
        const float *x = p->x + block * BLOCK;
        float w[BLOCK], wx[BLOCK];
        struct fit fit[MAX_GROUPS];
        struct cn_shifted_codes codes = { .d = bits };
        memcpy(fit, p->fits + (size_t)block * p->stride,
               (size_t)(BLOCK / group) * sizeof(struct fit));
        weights_of(p, block, w, wx);
        for (int i = 0; i < BLOCK; i += group) {
            struct ordered o;
            order_group(s, x + i, w + i, wx + i, &o);
            struct choice c = choose(s, d, fit[i / group], o.x, o.w, o.wx);
            const float a = scale_at(kind, c.scale);
            total += c.error;
            codes.scale[i / group] = (uint8_t)c.scale;
            codes.shift[i / group] = c.shift;
            if (blocks)
                code_group(s, d * a, c.shift, x + i, w + i, codes.code + i);
        }
        if (blocks)
            kind->put(&codes, (uint8_t *)blocks + (size_t)block * kind->block_bytes);
    }
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

/* Below this multiple of 2^-24 several f16 are tried. */
enum { COARSE = 64 };

static float best_d(const struct span *p)
{
    const float fit = fit_d(p);
    uint16_t bits[CN_F16_CHOICES];
    float best = 0, least = 0;
    if (p->search->kind->header_bytes == sizeof fit)
        return isfinite(fit) ? fit : 0;
    const int n = cn_quant_f16_choices(fit, COARSE, bits);
    if (n == 1)
        return cn_f16_to_f32(bits[0]);
    for (int t = 0; t < n; t++) {
        const float d = cn_f16_to_f32(bits[t]), error = place(p, d, bits[t], NULL);
        if (error < least) {
            least = error;
            best = d;
        }
    }
    return best;
}

void cn_shifted_quantize(const struct cn_shifted_kind *kind, int64_t n_cols, const float *x,
                         const float *importance, void *row)
{
    struct search s;
    search_init(&s, kind);
    if (kind->header_bytes) {
        uint8_t *blocks = (uint8_t *)row + kind->header_bytes;
        struct span p = { &s, n_cols / BLOCK, x, importance, blocks, kind->block_bytes };
        const float stretch = fit_groups(&p), d = best_d(&p), stretched = d * stretch;
        const uint16_t bits = cn_quant_f16(stretched);
        place(&p, d, bits, blocks);
        if (kind->header_bytes == sizeof d)
            memcpy(row, &stretched, sizeof stretched);
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
        const float stretch = fit_groups(&p), d = best_d(&p);
        place(&p, d, cn_quant_f16(d * stretch), (uint8_t *)row + (size_t)i * kind->block_bytes);
    }
}
