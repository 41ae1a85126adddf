/* SPDX-License-Identifier: MIT
 *
 * The search is of all runs that the generator makes for the one of least weighted error. Runs are
 * sorted by cells, the intervals that their elements lie in; what a cell costs at the least follows
 * from the distance to it, and cells that would have to be lucky to be of use are passed over. So
 * are scales of a group as soon as what its first runs cost leaves little hope.
 */
#include "quant/trellis.h"

#include "quant/quantizer.h"
#include "quant/ref/ref.h"

#include <pthread.h>

/* Four lanes: every machine has as many. */
typedef float vf __attribute__((vector_size(16)));
typedef int32_t vi __attribute__((vector_size(16)));
enum { LANES = 4, MAX_DIMS = 8, MAX_CELLS = 4096, MAX_RUNS = 65536 };

/* Runs, sorted by cell, four at a time: bits 8 (k % 4) .. of lane r of words[i][k / 4] are element
 * k of run 4 i + r. So a book fits into a core's own cache. Each cell begins with a whole four;
 * what it lacks is its last run again. A cell is numbered by the intervals of the first half of the
 * elements and those of the second: low + half_cells * high. */
struct book {
    int dims, from, n; /* elements of a run, the first run's index, runs */
    bool sizes;        /* of their elements' sizes, signs apart */
    int half_cells;
    int n_bounds[MAX_DIMS / 2];        /* of the elements of a half */
    const float *bounds[MAX_DIMS / 2]; /* between the intervals of an element, in rising order */
    vi *words;                         /* [fours][dims / 4] */
    uint16_t *index;                   /* [4 * fours] */
    int first[MAX_CELLS + 1];          /* four that a cell begins with */
};

static const float by_sign[1] = { 0 };
static const float by_quarter[3] = { -25, 0, 25 };
static const float by_size[1] = { 25 };
static const float by_sizes[3] = { 11.8f, 25, 42.5f };
static const float by_eighths[7] = { -42.5f, -25, -11.8f, 0, 11.8f, 25, 42.5f };

/* Room for the padding: three runs a cell. */
enum { PAD = MAX_CELLS * 3 };
static vi words_8[(65536 + PAD) / LANES][2], words_8_short[(8192 + PAD) / LANES][2],
    words_8_sizes[(65536 + PAD) / LANES][2], words_4[2][(32768 + PAD) / LANES][1];
static uint16_t index_8[65536 + PAD], index_8_short[8192 + PAD], index_8_sizes[65536 + PAD],
    index_4[2][32768 + PAD];

/* The books: what follows from the index, made when a quantiser first asks. */
enum book_name { BOOK_8, BOOK_8_SHORT, BOOK_8_SIZES, BOOK_4_LOW, BOOK_4_HIGH, N_BOOKS };
/* clang-format off */
#define QUARTERS  64, { 3, 3, 1, 1 }, { by_quarter, by_quarter, by_sign, by_sign }
#define HALVES    16, { 1, 1, 1, 1 }, { by_sign, by_sign, by_sign, by_sign }
#define SIZES     64, { 3, 3, 1, 1 }, { by_sizes, by_sizes, by_size, by_size }
#define EIGHTHS   64, { 7, 7 },       { by_eighths, by_eighths }
static struct book books[N_BOOKS] = {
    [BOOK_8]       = { 8, 0,     65536, false, QUARTERS, words_8[0],       index_8,       { 0 } },
    [BOOK_8_SHORT] = { 8, 0,     8192,  false, HALVES,   words_8_short[0], index_8_short, { 0 } },
    [BOOK_8_SIZES] = { 8, 0,     65536, true,  SIZES,    words_8_sizes[0], index_8_sizes, { 0 } },
    [BOOK_4_LOW]   = { 4, 0,     32768, false, EIGHTHS,  words_4[0][0],    index_4[0],    { 0 } },
    [BOOK_4_HIGH]  = { 4, 32768, 32768, false, EIGHTHS,  words_4[1][0],    index_4[1],    { 0 } },
};
/* clang-format on */

static inline int interval_of(float x, const float *bounds, int n)
{
    int i = 0;
    for (int k = 0; k < n; k++) /* no jumps, which could not be foretold */
        i += x >= bounds[k];
    return i;
}

/* The cell that a point lies in, and the interval of each of its elements. */
static inline int cell_of(const struct book *b, const float *p, int *interval)
{
    int cell = 0;
    for (int k = b->dims - 1; k >= 0; k--) {
        const int j = k % (b->dims / 2);
        interval[k] = interval_of(p[k], b->bounds[j], b->n_bounds[j]);
        cell = cell * (b->n_bounds[j] + 1) + interval[k];
    }
    return cell;
}

/* The cell of run i of a book, and its elements. */
static int run_of(const struct book *b, int i, int8_t *t)
{
    float p[MAX_DIMS];
    cn_trellis_run((uint32_t)(b->from + i), b->dims, t);
    for (int k = 0; k < b->dims; k++) {
        if (b->sizes && t[k] < 0)
            t[k] = (int8_t)-t[k];
        p[k] = t[k];
    }
    int interval[MAX_DIMS];
    return cell_of(b, p, interval);
}

static void put_run(struct book *b, int at, int index, const int8_t *t)
{
    b->index[at] = (uint16_t)index;
    for (int k = 0; k < b->dims; k++) {
        vi *words = &b->words[at / LANES * (b->dims / 4) + k / 4];
        (*words)[at % LANES] |= (int32_t)((uint32_t)(uint8_t)t[k] << (8 * (k % 4)));
    }
}

static int element_of(const struct book *b, int at, int k)
{
    const int32_t word = b->words[at / LANES * (b->dims / 4) + k / 4][at % LANES];
    return (int8_t)(word >> (8 * (k % 4)));
}

static void make_book(struct book *b)
{
    int8_t t[MAX_DIMS];
    int count[MAX_CELLS] = { 0 };
    const int n_cells = b->half_cells * b->half_cells;
    for (int i = 0; i < b->n; i++)
        count[run_of(b, i, t)]++;
    for (int c = 0; c < n_cells; c++) {
        b->first[c + 1] = b->first[c] + (count[c] + LANES - 1) / LANES;
        count[c] = LANES * b->first[c];
    }
    for (int i = 0; i < b->n; i++) {
        const int at = count[run_of(b, i, t)]++;
        put_run(b, at, b->from + i, t);
    }
    for (int c = 0; c < n_cells; c++)
        for (int at = count[c]; at < LANES * b->first[c + 1]; at++) {
            for (int k = 0; k < b->dims; k++)
                t[k] = (int8_t)element_of(b, at - 1, k);
            put_run(b, at, b->index[at - 1], t);
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
    int own[MAX_DIMS]; /* intervals */
    float floor, best;
    int at; /* in index[] */
};

/* Element k % 4 of the runs in a word each. */
static inline vf elements(vi words, int k)
{
    return __builtin_convertvector(words << (24 - 8 * (k % 4)) >> 24, vf);
}

static inline void scan(const struct book *book, const int dims, int cell, struct search *s)
{
    vf best = { s->best, s->best, s->best, s->best };
    vi at = { -1, -1, -1, -1 };
    for (int i = book->first[cell]; i < book->first[cell + 1]; i++) {
        const vi *words = book->words + i * (dims / 4);
        vf sum = { 0 }, more = { 0 };
#pragma GCC unroll 4
        for (int k = 0; k < dims; k += 2) {
            const vf c = elements(words[k / 4], k), d = elements(words[k / 4], k + 1);
            sum += c * (s->w[k] * c + s->b[k]);
            more += d * (s->w[k + 1] * d + s->b[k + 1]);
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

/* Cells of one half of the elements, and what they cost. */
struct near {
    int n;
    int cell[64];
    float cost[64];
};

/* Those that cost less than `limit`, the cheapest first. */
static inline void near_cells(const struct book *book, const int dims, const struct search *s,
                              int first, float limit, struct near *near)
{
    near->n = 1;
    near->cell[0] = 0;
    near->cost[0] = 0;
    for (int k = dims - 1; k >= 0; k--) {
        const float p = s->p[first + k], w = s->weight[first + k], *bounds = book->bounds[k];
        const int n_bounds = book->n_bounds[k], own = s->own[first + k];
        const int n = near->n;
        for (int i = 0; i < n; i++)
            near->cell[i] = near->cell[i] * (n_bounds + 1) + own;
        for (int way = -1; way <= 1; way += 2)
            for (int at = own + way; at >= 0 && at <= n_bounds; at += way) {
                const float away = p - bounds[way < 0 ? at : at - 1], cost = w * away * away;
                if (!(cost < limit))
                    break;
                for (int i = 0; i < n; i++)
                    if (near->cost[i] + cost < limit) {
                        near->cost[near->n] = near->cost[i] + cost;
                        near->cell[near->n++] = near->cell[i] + at - own;
                    }
            }
    }
    for (int i = 1; i < near->n; i++) {
        const float cost = near->cost[i];
        const int cell = near->cell[i];
        int j = i;
        for (; j > 0 && near->cost[j - 1] > cost; j--) {
            near->cost[j] = near->cost[j - 1];
            near->cell[j] = near->cell[j - 1];
        }
        near->cost[j] = cost;
        near->cell[j] = cell;
    }
}

/* The own cell, then those that are near enough. */
static inline void look(const struct book *book, const int dims, struct search *s)
{
    struct near low, high;
    scan(book, dims, cell_of(book, s->p, s->own), s);
    const float limit = PATIENCE * (s->best + s->floor);
    near_cells(book, dims / 2, s, 0, limit, &low);
    near_cells(book, dims / 2, s, dims / 2, limit, &high);
    for (int h = 0; h < high.n; h++)
        for (int l = h == 0; l < low.n; l++) {
            if (!(high.cost[h] + low.cost[l] < PATIENCE * (s->best + s->floor)))
                break;
            scan(book, dims, low.cell[l] + book->half_cells * high.cell[h], s);
        }
}

/* The run nearest to p: its place in the book. Returns the error. */
static float nearest_run(const struct book *book, const float *p, const float *w, int *at)
{
    struct search s; /* not cleared: what the dimensions do not reach is not read */
    s.best = INFINITY;
    s.floor = 0;
    s.at = 0;
    for (int k = 0; k < book->dims; k++) {
        const float b = -2 * w[k] * p[k];
        s.p[k] = p[k];
        s.weight[k] = w[k];
        s.w[k] = (vf){ w[k], w[k], w[k], w[k] };
        s.b[k] = (vf){ b, b, b, b };
        s.floor += w[k] * p[k] * p[k];
    }
    if (book->dims == 8)
        look(book, 8, &s);
    else
        look(book, 4, &s);
    *at = s.at;
    return fmaxf(s.best + s.floor, 0);
}

/* ---- a group --------------------------------------------------------------------------------- */

/* The standard deviation of an element. */
#define DEVIATION 36.95f
/* What the largest of a group becomes where the deviation says nothing of it: hardly any run
 * reaches further. */
#define REACH 105.0f
/* Of the average cost of runs that are still to come, what they cost at the least, nearly always.
 */
#define CERTAIN 0.4f

/* A group, and the best that was found for it. */
struct group {
    const struct cn_trellis_kind *kind;
    const struct book *book[2];
    const float *x, *w;
    /* Its runs, first those that cost most, as a rule; and the share of the error that the runs
     * from here on cost, at the least. */
    int order[CN_TRELLIS_GROUP / 4];
    float rest[CN_TRELLIS_GROUP / 4];
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
    const int n_runs = CN_TRELLIS_GROUP / book->dims;
    const float least = inverse == 0 ? INFINITY : g->least / (scale * scale);
    for (int i = 0; i < n_runs; i++) {
        if (error > least * (1 - g->rest[i]))
            return INFINITY;
        const int r = g->order[i];
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
            const float v = (float)element_of(book, at, k);
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

static float largest(const float *x)
{
    float top = 0;
    for (int e = 0; e < CN_TRELLIS_GROUP; e++)
        top = fmaxf(top, fabsf(x[e]));
    return isfinite(top) ? top : 0;
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

/* A run costs about the root of the product of its weights, and more if its elements are large. */
static void order_runs(struct group *g)
{
    const int dims = g->kind->dims, n = CN_TRELLIS_GROUP / dims;
    float size[CN_TRELLIS_GROUP / 4], part[CN_TRELLIS_GROUP / 4], sum = 0, left = 0;
    for (int r = 0; r < n; r++) {
        const float *x = g->x + r * dims, *w = g->w + r * dims;
        float product = 1, squares = 0;
        for (int k = 0; k < dims; k += 2) {
            product *= sqrtf(w[k] * w[k + 1]);
            squares += w[k] * x[k] * x[k] + w[k + 1] * x[k + 1] * x[k + 1];
        }
        product = sqrtf(product);
        if (dims == 8)
            product = sqrtf(product);
        sum += product;
        int i = r;
        for (; i > 0 && size[i - 1] < squares; i--) {
            size[i] = size[i - 1];
            part[i] = part[i - 1];
            g->order[i] = g->order[i - 1];
        }
        size[i] = squares;
        part[i] = product;
        g->order[i] = r;
    }
    for (int i = n - 1; i >= 0; i--) {
        left += part[i];
        g->rest[i] = sum > 0 ? CERTAIN * left / sum : 0;
    }
}

/* Looks for the scale of a group upwards and downwards of where it should be, as long as the error
 * falls; then tries the other sign and the other book. */
static void code_group(struct group *g)
{
    const struct cn_trellis_kind *kind = g->kind;
    const float per_d = cn_quant_inverse(g->d);
    int start = nearest_level(kind, scale_of(kind, g->x, g->w) * per_d);
    float least = try_scale(g, g->book[0], kind->levels[start]);
    /* One element far from the others asks for another. */
    const int other = nearest_level(kind, largest(g->x) * per_d / REACH);
    if (other > start + 1) {
        const float error = try_scale(g, g->book[0], kind->levels[other]);
        start = error < least ? other : start;
        least = fminf(error, least);
    }
    int best = start;
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
    /* Book by book, of which a core's own cache holds one. */
    for (int b = 0; b < 2 && g->book[b]; b++)
        for (int i = best - kind->around; i <= best + kind->around; i++)
            for (int sign = 1; sign >= (kind->either ? -1 : 1); sign -= 2)
                if (i >= 0 && i < kind->n_levels && (b > 0 || sign < 0))
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
    double xx = 0, xq = 0, qq = 0;
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
            order_runs(&g);
            code_group(&g);
            if (low_and_high)
                refine_scale(&g);
            kind->put(blocks, k, &g.code);
            for (int e = 0; e < CN_TRELLIS_GROUP; e++) {
                const float q = (float)g.code.scale * g.element[e];
                xq += (double)(g.w[e] * g.x[e] * q);
                qq += (double)(g.w[e] * q * q);
                xx += (double)(g.w[e] * g.x[e] * g.x[e]);
            }
        }
    }
    float fit = qq > 0 ? (float)(xq / qq) : d;
    /* Least squares make a row smaller by the share that is lost: some of the way back. */
    const float stretch = (float)pow(xx * qq / (xq * xq), 0.55 / 2);
    if (stretch >= 1 && stretch < 2)
        fit *= stretch;
    return isfinite(fit) ? fit : 0;
}
