/* SPDX-License-Identifier: MIT
 *
 * The search is exact: of all runs that the generator makes, the one of least weighted error. Runs
 * are sorted by cells, the intervals that their elements lie in; what a cell costs at the least
 * follows from the distance to it, and cells that cost more than the best run so far are passed
 * over.
 */
#include "quant/trellis.h"

#include "quant/quantizer.h"
#include "quant/ref/ref.h"

#include <pthread.h>

/* Four lanes: every machine has as many. */
typedef float vf __attribute__((vector_size(16)));
typedef int32_t vi __attribute__((vector_size(16)));
enum { LANES = 4, MAX_DIMS = 8, MAX_CELLS = 4096, MAX_RUNS = 65536 };

/* Runs, sorted by cell, four at a time: element k of runs 4 i .. 4 i + 3 is value[i][k]. Each cell
 * begins with a whole four; what it lacks is its last run again. */
struct book {
    int dims, from, n; /* elements of a run, the first run's index, runs */
    bool sizes;        /* of their elements' sizes, signs apart */
    int n_bounds;
    const float *bounds; /* between the intervals of an element, in rising order */
    int n_cells;
    vf *value;                /* [fours][dims] */
    uint16_t *index;          /* [4 * fours] */
    int first[MAX_CELLS + 1]; /* four that a cell begins with */
};

static const float by_sign[1] = { 0 };
static const float by_size[1] = { 25 };
static const float by_eighths[7] = { -42.5f, -25, -11.8f, 0, 11.8f, 25, 42.5f };

/* Room for the padding: three runs a cell. */
enum { CELLS_8 = 256, PAD_8 = CELLS_8 * 3, PAD_4 = MAX_CELLS * 3 };
static vf values_8[(65536 + PAD_8) / LANES][8], values_8_short[(8192 + PAD_8) / LANES][8],
    values_8_sizes[(65536 + PAD_8) / LANES][8], values_4[2][(32768 + PAD_4) / LANES][4];
static uint16_t index_8[65536 + PAD_8], index_8_short[8192 + PAD_8], index_8_sizes[65536 + PAD_8],
    index_4[2][32768 + PAD_4];

/* The books: what follows from the index, made when a quantiser first asks. */
enum book_name { BOOK_8, BOOK_8_SHORT, BOOK_8_SIZES, BOOK_4_LOW, BOOK_4_HIGH, N_BOOKS };
/* clang-format off */
static struct book books[N_BOOKS] = {
    [BOOK_8]       = { 8, 0,     65536, false, 1, by_sign,    CELLS_8,   values_8[0],       index_8,       { 0 } },
    [BOOK_8_SHORT] = { 8, 0,     8192,  false, 1, by_sign,    CELLS_8,   values_8_short[0], index_8_short, { 0 } },
    [BOOK_8_SIZES] = { 8, 0,     65536, true,  1, by_size,    CELLS_8,   values_8_sizes[0], index_8_sizes, { 0 } },
    [BOOK_4_LOW]   = { 4, 0,     32768, false, 7, by_eighths, MAX_CELLS, values_4[0][0],    index_4[0],    { 0 } },
    [BOOK_4_HIGH]  = { 4, 32768, 32768, false, 7, by_eighths, MAX_CELLS, values_4[1][0],    index_4[1],    { 0 } },
};
/* clang-format on */

static int interval_of(float x, const float *bounds, int n)
{
    int i = 0;
    while (i < n && x >= bounds[i])
        i++;
    return i;
}

/* The cell of run i of a book, and its elements. */
static int run_of(const struct book *b, int i, int8_t *t)
{
    int cell = 0;
    cn_trellis_run((uint32_t)(b->from + i), b->dims, t);
    for (int k = b->dims - 1; k >= 0; k--) {
        if (b->sizes && t[k] < 0)
            t[k] = (int8_t)-t[k];
        cell = cell * (b->n_bounds + 1) + interval_of(t[k], b->bounds, b->n_bounds);
    }
    return cell;
}

static void make_book(struct book *b)
{
    int8_t t[MAX_DIMS];
    int count[MAX_CELLS] = { 0 };
    for (int i = 0; i < b->n; i++)
        count[run_of(b, i, t)]++;
    for (int c = 0; c < b->n_cells; c++) {
        b->first[c + 1] = b->first[c] + (count[c] + LANES - 1) / LANES;
        count[c] = LANES * b->first[c];
    }
    for (int i = 0; i < b->n; i++) {
        const int at = count[run_of(b, i, t)]++;
        b->index[at] = (uint16_t)(b->from + i);
        for (int k = 0; k < b->dims; k++)
            b->value[at / LANES * b->dims + k][at % LANES] = t[k];
    }
    for (int c = 0; c < b->n_cells; c++)
        for (int at = count[c]; at < LANES * b->first[c + 1]; at++) {
            b->index[at] = b->index[at - 1];
            for (int k = 0; k < b->dims; k++)
                b->value[at / LANES * b->dims + k][at % LANES] =
                    b->value[(at - 1) / LANES * b->dims + k][(at - 1) % LANES];
        }
}

static void make_books(void)
{
    for (int i = 0; i < N_BOOKS; i++)
        make_book(&books[i]);
}

static const struct book *book_of(enum book_name name)
{
    static pthread_once_t made = PTHREAD_ONCE_INIT;
    pthread_once(&made, make_books);
    return &books[name];
}

/* ---- the nearest run ------------------------------------------------------------------------- */

/* What is looked for: the run c that makes the sum of c (w c + b) least, b = -2 w p, and the best
 * so far. `floor`: what is lacking to the sum of w (c - p)^2. */
struct search {
    vf w[MAX_DIMS], b[MAX_DIMS];
    float p[MAX_DIMS], weight[MAX_DIMS];
    float floor, best;
    int at; /* in index[] */
};

static inline void scan(const struct book *book, const int dims, int cell, struct search *s)
{
    vf best = { s->best, s->best, s->best, s->best };
    vi at = { -1, -1, -1, -1 };
    for (int i = book->first[cell]; i < book->first[cell + 1]; i++) {
        const vf *c = book->value + i * dims;
        vf sum = c[0] * (s->w[0] * c[0] + s->b[0]), more = c[1] * (s->w[1] * c[1] + s->b[1]);
        for (int k = 2; k < dims; k += 2) {
            sum += c[k] * (s->w[k] * c[k] + s->b[k]);
            more += c[k + 1] * (s->w[k + 1] * c[k + 1] + s->b[k + 1]);
        }
        sum += more;
        const vi better = sum < best;
        best = (vf)((better & (vi)sum) | (~better & (vi)best));
        at = (better & i) | (~better & at);
    }
    /* None, as a rule. */
    const vi none = at < 0;
    if (none[0] & none[1] & none[2] & none[3])
        return;
    for (int l = 0; l < LANES; l++)
        if (at[l] >= 0 && best[l] < s->best) {
            s->best = best[l];
            s->at = LANES * at[l] + l;
        }
}

/* A cell is looked at if what it costs at the least is below this share of the best so far: the
 * rest hold a better run so seldom that the error grows by less than a thousandth. */
#define PATIENCE 0.3f

/* Cells of two intervals for each of eight elements: all, those that are cheapest to go to first.
 */
static void search_8(const struct book *book, struct search *s)
{
    float cost[8], bound[256];
    int side[8], other[256], own = 0;
    for (int k = 0; k < 8; k++) {
        const float away = s->p[k] - book->bounds[0], c = s->weight[k] * away * away;
        int i = k;
        own |= (away >= 0) << k;
        for (; i > 0 && cost[i - 1] > c; i--) {
            cost[i] = cost[i - 1];
            side[i] = side[i - 1];
        }
        cost[i] = c;
        side[i] = 1 << k;
    }
    bound[0] = 0;
    other[0] = own;
    for (int i = 0; i < 8; i++)
        for (int m = 0; m < 1 << i; m++) {
            bound[m + (1 << i)] = bound[m] + cost[i];
            other[m + (1 << i)] = other[m] ^ side[i];
        }
    for (int m = 0; m < 256; m++)
        if (bound[m] < PATIENCE * (s->best + s->floor))
            scan(book, 8, other[m], s);
}

/* Cells of eight intervals for each of four elements: the own one, then those of the intervals near
 * enough. */
static void search_4(const struct book *book, struct search *s)
{
    int own[4], cell[4][8], n[4];
    float cost[4][8];
    for (int k = 0; k < 4; k++)
        own[k] = interval_of(s->p[k], book->bounds, 7);
    const int home = own[0] + 8 * own[1] + 64 * own[2] + 512 * own[3];
    scan(book, 4, home, s);
    const float limit = PATIENCE * (s->best + s->floor);
    for (int k = 0; k < 4; k++) {
        cell[k][0] = own[k] << (3 * k);
        cost[k][0] = 0;
        n[k] = 1;
        for (int way = -1; way <= 1; way += 2)
            for (int i = own[k] + way; i >= 0 && i < 8; i += way) {
                const float away = s->p[k] - book->bounds[way < 0 ? i : i - 1];
                if (!(s->weight[k] * away * away < limit))
                    break;
                cost[k][n[k]] = s->weight[k] * away * away;
                cell[k][n[k]++] = i << (3 * k);
            }
    }
    for (int a = 0; a < n[3]; a++)
        for (int b = 0; b < n[2]; b++)
            for (int c = 0; c < n[1]; c++) {
                const float three = cost[3][a] + cost[2][b] + cost[1][c];
                for (int d = 0; d < n[0] && three < limit; d++)
                    if (a + b + c + d > 0 && three + cost[0][d] < PATIENCE * (s->best + s->floor))
                        scan(book, 4, cell[3][a] + cell[2][b] + cell[1][c] + cell[0][d], s);
            }
}

/* The run nearest to p: its place in the book. Returns the error. */
static float nearest_run(const struct book *book, const float *p, const float *w, int *at)
{
    struct search s = { .best = INFINITY, .floor = 0 };
    for (int k = 0; k < book->dims; k++) {
        const float b = -2 * w[k] * p[k];
        s.p[k] = p[k];
        s.weight[k] = w[k];
        s.w[k] = (vf){ w[k], w[k], w[k], w[k] };
        s.b[k] = (vf){ b, b, b, b };
        s.floor += w[k] * p[k] * p[k];
    }
    if (book->dims == 8)
        search_8(book, &s);
    else
        search_4(book, &s);
    *at = s.at;
    return fmaxf(s.best + s.floor, 0);
}

/* ---- a group --------------------------------------------------------------------------------- */

/* The standard deviation of an element. */
#define DEVIATION 36.95f

/* A group, and the best that was found for it. */
struct group {
    const struct cn_trellis_kind *kind;
    const struct book *book[2];
    const float *x, *w;
    float d, least;
    struct cn_trellis_group code;
    float element[CN_TRELLIS_GROUP];
};

/* Codes a group with a given scale, if that is better than what was found before. Returns the
 * error. */
static float try_scale(struct group *g, const struct book *book, int level)
{
    const float scale = g->d * (float)level, inverse = cn_quant_inverse(scale);
    struct cn_trellis_group code = { .scale = (int8_t)level };
    float error = 0, element[CN_TRELLIS_GROUP];
    for (int r = 0; r < CN_TRELLIS_GROUP / book->dims && !(error * scale * scale > g->least); r++) {
        const int first = r * book->dims;
        float p[MAX_DIMS];
        int at;
        for (int k = 0; k < book->dims; k++) {
            p[k] = g->x[first + k] * inverse;
            if (!(fabsf(p[k]) <= 1000)) /* further than any element, or not a number */
                p[k] = p[k] > 0 ? 1000 : p[k] < 0 ? -1000 : 0;
            if (g->kind->sizes && p[k] < 0) {
                p[k] = -p[k];
                code.signs |= 1u << (first + k);
            }
        }
        error += nearest_run(book, p, g->w + first, &at);
        code.index[r] = book->index[at];
        for (int k = 0; k < book->dims; k++) {
            const float v = book->value[at / LANES * book->dims + k][at % LANES];
            element[first + k] = code.signs >> (first + k) & 1 ? -v : v;
        }
    }
    error *= scale * scale;
    if (inverse == 0) { /* all zero */
        error = 0;
        for (int e = 0; e < CN_TRELLIS_GROUP; e++)
            error += g->w[e] * g->x[e] * g->x[e];
    }
    if (error < g->least) {
        g->least = error;
        g->code = code;
        memcpy(g->element, element, sizeof element);
    }
    return error;
}

/* ---- a row ------------------------------------------------------------------------------------
 */

enum { MAX_GROUPS = 512, TRIALS = 25 };

/* Weights of the errors in a block (quant/quantizer.h), with less for columns that were hardly
 * used: a run is chosen as a whole, so that what goes to them is lost to the others. */
static void weigh(const float *x, const float *importance, float *w)
{
    const float share = 0.15f;
    float mean = 0, even = 1;
    cn_quant_weights(CN_TRELLIS_BLOCK, x, NULL, CN_WEIGHTS_STEEP, w);
    for (int i = 0; importance && i < CN_TRELLIS_BLOCK; i++)
        mean += importance[i] / CN_TRELLIS_BLOCK;
    const float per_mean = cn_quant_inverse(mean);
    for (int i = 0; i < CN_TRELLIS_BLOCK && per_mean > 0; i++)
        w[i] *= (importance[i] * per_mean + 0.03f) / (even + share);
}

/* The scale that a group would have by itself, about. */
static float scale_of(const struct cn_trellis_kind *kind, const float *x, const float *w)
{
    float squares = 0, sum = 0;
    for (int e = 0; e < CN_TRELLIS_GROUP; e++) {
        squares += w[e] * x[e] * x[e];
        sum += w[e];
    }
    const float scale = sum > 0 ? sqrtf(squares / sum) * kind->shrink / DEVIATION : 0;
    return isfinite(scale) ? scale : 0;
}

/* The level nearest to y in size. */
static int nearest_level(const struct cn_trellis_kind *kind, float y)
{
    int i = 0;
    while (i + 1 < kind->n_levels &&
           fabsf((float)kind->levels[i]) + fabsf((float)kind->levels[i + 1]) < 2 * y)
        i++;
    return i;
}

/* Some d that suits the scales of n groups: errors grow as the square of what a scale is off, by
 * the size of the group. */
static float choose_d(const struct cn_trellis_kind *kind, int n, const float *scale)
{
    float top = 0, best = INFINITY, d = 0;
    for (int i = 0; i < n; i++)
        top = fmaxf(top, scale[i]);
    for (int t = 0; t < TRIALS && top > 0; t++) {
        const float trial = top / (kind->top * (1.1f - 0.5f * (float)t / TRIALS));
        float error = 0;
        for (int i = 0; i < n; i++) {
            const float y = scale[i] / trial;
            const float off = fabsf((float)kind->levels[nearest_level(kind, y)]) - y;
            error += off * off * (trial / top) * (trial / top);
        }
        if (error < best) {
            best = error;
            d = trial;
        }
    }
    return d;
}

/* Looks for the scale of a group upwards and downwards of where it should be, as long as the error
 * falls; then tries the other sign and the other book. */
static void code_group(struct group *g)
{
    const struct cn_trellis_kind *kind = g->kind;
    int best = nearest_level(kind, scale_of(kind, g->x, g->w) * cn_quant_inverse(g->d));
    const int start = best;
    float least = try_scale(g, g->book[0], kind->levels[start]);
    for (int way = 1; way >= -1; way -= 2)
        for (int i = start + way, misses = 0; i >= 0 && i < kind->n_levels && misses < kind->misses;
             i += way) {
            const float error = try_scale(g, g->book[0], kind->levels[i]);
            misses += error >= least;
            if (error < least) {
                least = error;
                best = i;
            }
        }
    for (int i = best - kind->around; i <= best + kind->around; i++)
        for (int b = 0; b < 2 && i >= 0 && i < kind->n_levels; b++)
            for (int sign = 1; sign >= (kind->either ? -1 : 1); sign -= 2)
                if (g->book[b] && (b > 0 || sign < 0))
                    try_scale(g, g->book[b], sign * kind->levels[i]);
}

/* Where more scales are to be had than are in `levels`: the one that fits the codes found. */
static void refine_scale(struct group *g)
{
    for (int round = 0; round < 2; round++) {
        const int top = g->kind->levels[g->kind->n_levels - 1];
        float xq = 0, qq = 0;
        for (int e = 0; e < CN_TRELLIS_GROUP; e++) {
            xq += g->w[e] * g->x[e] * g->element[e];
            qq += g->w[e] * g->element[e] * g->element[e];
        }
        const float fit = xq * cn_quant_inverse(qq * g->d);
        const int level = fabsf(fit) < (float)top ? cn_nearest(fit) : 0;
        if (level == 0 || level == g->code.scale)
            return;
        try_scale(g, g->book[g->code.index[0] >> 15], level);
    }
}

float cn_trellis_quantize(const struct cn_trellis_kind *kind, int64_t n_cols, const float *x,
                          const float *weights, uint8_t *blocks, int block_bytes)
{
    const bool low_and_high = kind->dims == 4;
    const struct book *book[2] = { book_of(low_and_high            ? BOOK_4_LOW
                                           : kind->sizes           ? BOOK_8_SIZES
                                           : kind->n_index == 8192 ? BOOK_8_SHORT
                                                                   : BOOK_8),
                                   low_and_high ? book_of(BOOK_4_HIGH) : NULL };
    /* Long rows by a sample of their groups. */
    const int64_t n_groups = n_cols / CN_TRELLIS_GROUP,
                  step = (n_groups + MAX_GROUPS - 1) / MAX_GROUPS;
    float scale[MAX_GROUPS], w[CN_TRELLIS_BLOCK];
    int n = 0;
    for (int64_t i = 0; i < n_cols; i += CN_TRELLIS_BLOCK) {
        weigh(x + i, weights ? weights + i : NULL, w);
        for (int g = 0; g < CN_TRELLIS_BLOCK / CN_TRELLIS_GROUP; g++)
            if ((i / CN_TRELLIS_GROUP + g) % step == 0 && n < MAX_GROUPS)
                scale[n++] = scale_of(kind, x + i + g * CN_TRELLIS_GROUP, w + g * CN_TRELLIS_GROUP);
    }
    const float d = choose_d(kind, n, scale);
    double xq = 0, qq = 0;
    for (int64_t i = 0; i < n_cols; i += CN_TRELLIS_BLOCK, blocks += block_bytes) {
        memset(blocks, 0, (size_t)block_bytes);
        weigh(x + i, weights ? weights + i : NULL, w);
        for (int k = 0; k < CN_TRELLIS_BLOCK / CN_TRELLIS_GROUP; k++) {
            struct group g = {
                .kind = kind,
                .book = {book[0], book[1]},
                .x = x + i + k * CN_TRELLIS_GROUP,
                .w = w + k * CN_TRELLIS_GROUP,
                .d = d,
                .least = INFINITY
            };
            code_group(&g);
            if (low_and_high)
                refine_scale(&g);
            kind->put(blocks, k, &g.code);
            for (int e = 0; e < CN_TRELLIS_GROUP; e++) {
                const float q = (float)g.code.scale * g.element[e];
                xq += (double)(g.w[e] * g.x[e] * q);
                qq += (double)(g.w[e] * q * q);
            }
        }
    }
    const float fit = qq > 0 ? (float)(xq / qq) : d;
    return isfinite(fit) ? fit : 0;
}
