/* SPDX-License-Identifier: MIT
 *
 * Errors of matrices in each type, on a sample of their rows: the same rows for all types, so that
 * what is compared differs by the type alone.
 */
#include "bench/quality/auto_part.h"

#include "base/error.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum {
    SAMPLE_ELEMS = 1 << 14, /* of a matrix: ratios of errors within 2% of the whole one's */
    MIN_ROWS = 16,
};

/* Rows of a matrix in one type, or in each. */
struct rows {
    const struct cn_auto_job *j;
    const struct cn_auto_matrix *m;
    const float *weights; /* for the quantiser: [matrices, n_cols] or NULL */
    const float *use;     /* [matrices]: how much an expert has to do, mean 1 */
    const struct cn_format *format;
    uint8_t *out;          /* the whole matrix in `format`; NULL: errors are wanted */
    double *error, *power; /* [n_types, n_rows], [n_rows] */
    int64_t n_rows;        /* sampled, or all */
    float *scratch;        /* [threads][3 * n_cols] */
    atomic_bool bad;
};

static int64_t matrix_rows(const struct cn_auto_matrix *m)
{
    return m->t->n_elems / m->t->ne[0];
}

static int64_t matrix_of_row(const struct cn_auto_matrix *m, int64_t row)
{
    return row / m->t->ne[1];
}

static bool read_row(const struct cn_auto_matrix *m, int64_t row, float *x)
{
    const struct cn_format *f = m->t->format;
    int64_t n = m->t->ne[0];
    bool finite = true;
    f->ref->dequantize(n, (const uint8_t *)m->t->data + (size_t)row * cn_row_bytes(f, n), x);
    for (int64_t c = 0; c < n; c++)
        finite &= isfinite(x[c]) != 0;
    return finite;
}

static double weighted_squares(int64_t n, const float *v, const float *a, const float *b)
{
    double sum = 0;
    for (int64_t c = 0; c < n; c++) {
        double d = (double)a[c] - (b ? (double)b[c] : 0);
        sum += (v ? (double)v[c] : 1) * d * d;
    }
    return sum;
}

static void sample_chunk(void *context, int chunk, int thread)
{
    struct rows *r = context;
    const struct cn_auto_matrix *m = r->m;
    const int64_t n = m->t->ne[0], k = chunk % r->n_rows;
    const size_t type = (size_t)(chunk / r->n_rows);
    const int64_t row = (2 * k + 1) * matrix_rows(m) / (2 * r->n_rows);
    float *x = r->scratch + thread * 3 * n, *y = x + n;
    void *blocks = y + n;
    const float *v = r->weights ? r->weights + matrix_of_row(m, row) * n : NULL;
    const double use = r->use ? (double)r->use[matrix_of_row(m, row)] : 1;
    if (!read_row(m, row, x)) {
        atomic_store(&r->bad, true);
        return;
    }
    if (type == 0)
        r->power[k] = use * weighted_squares(n, v, x, NULL);
    m->type[type]->ref->quantize(n, x, v, blocks);
    m->type[type]->ref->dequantize(n, blocks, y);
    r->error[chunk] = use * weighted_squares(n, v, x, y);
}

static void convert_chunk(void *context, int chunk, int thread)
{
    struct rows *r = context;
    const struct cn_auto_matrix *m = r->m;
    const int64_t n = m->t->ne[0];
    float *x = r->scratch + thread * 3 * n;
    if (!read_row(m, chunk, x)) {
        atomic_store(&r->bad, true);
        return;
    }
    r->format->ref->quantize(n, x, r->weights ? r->weights + matrix_of_row(m, chunk) * n : NULL,
                             r->out + (size_t)chunk * cn_row_bytes(r->format, n));
}

/* Importance of the columns, and how often each expert was called. */
static enum cn_status take_importance(const struct cn_auto_job *j, const struct cn_auto_matrix *m,
                                      float **weights, float **use)
{
    const struct cn_imatrix_entry *e = m->importance;
    *weights = *use = NULL;
    if (!e)
        return CN_OK;
    int64_t n_matrices = m->t->ne[2] * m->t->ne[3];
    float *w = malloc((size_t)(e->n_cols * e->n_matrices) * sizeof *w);
    float *u = malloc((size_t)n_matrices * sizeof *u);
    *weights = w;
    *use = u;
    CN_RETURN_IF(!w || !u, CN_ERR_MEMORY, j->err, "out of memory");
    cn_imatrix_weights(e, m->t->ne[0], w);
    double sum = 0;
    for (int64_t i = 0; i < e->n_matrices; i++)
        sum += e->count[i];
    /* The older format has no counts of single experts. */
    bool counted = e->n_matrices == n_matrices && sum > 0;
    for (int64_t i = 0; i < n_matrices; i++)
        u[i] = counted ? (float)(e->count[i] * (double)n_matrices / sum) : 1;
    return CN_OK;
}

static enum cn_status not_finite(const struct cn_auto_job *j, const struct cn_auto_matrix *m)
{
    char shown[CN_SHOW_BYTES];
    return cn_fail(j->err, CN_ERR_FORMAT,
                   "%s: %s holds an infinity or something that is not a number", j->in,
                   cn_str_show(m->t->name, shown, sizeof shown));
}

static enum cn_status sample(struct cn_auto_job *j, struct cn_auto_matrix *m, struct rows *r)
{
    CN_RETURN_IF(!r->error || !r->power || !r->scratch, CN_ERR_MEMORY, j->err, "out of memory");
    cn_pool_run(j->pool, j->n_threads, sample_chunk, r, (int)(r->n_rows * (int64_t)m->n_types));
    if (atomic_load(&r->bad))
        return not_finite(j, m);
    const double scale = (double)matrix_rows(m) / (double)r->n_rows;
    m->power = 0;
    for (int64_t k = 0; k < r->n_rows; k++)
        m->power += scale * r->power[k];
    for (size_t c = 0; c < m->n_types; c++) {
        m->error[c] = 0;
        for (int64_t k = 0; k < r->n_rows; k++)
            m->error[c] += scale * r->error[(int64_t)c * r->n_rows + k];
    }
    return CN_OK;
}

enum cn_status cn_auto_errors(struct cn_auto_job *j)
{
    for (size_t i = 0; i < j->n_matrices; i++) {
        struct cn_auto_matrix *m = &j->matrices[i];
        const int64_t n = m->t->ne[0], all = matrix_rows(m);
        CN_RETURN_IF(cn_auto_cancelled(j), CN_ERR_CANCELLED, j->err, "cancelled");
        cn_auto_progress(j, "errors", (double)i, (double)j->n_matrices);
        struct rows r = { .j = j, .m = m };
        float *weights, *use;
        r.n_rows = SAMPLE_ELEMS / n > MIN_ROWS ? SAMPLE_ELEMS / n : MIN_ROWS;
        if (r.n_rows > all)
            r.n_rows = all;
        enum cn_status status = take_importance(j, m, &weights, &use);
        r.weights = weights;
        r.use = use;
        r.error = calloc((size_t)r.n_rows * m->n_types, sizeof *r.error);
        r.power = calloc((size_t)r.n_rows, sizeof *r.power);
        r.scratch = malloc((size_t)j->n_threads * 3 * (size_t)n * sizeof *r.scratch);
        if (status == CN_OK)
            status = sample(j, m, &r);
        free(weights);
        free(use);
        free(r.error);
        free(r.power);
        free(r.scratch);
        CN_TRY(status);
    }
    return CN_OK;
}

enum cn_status cn_auto_quantize(struct cn_auto_job *j, const struct cn_auto_matrix *m,
                                const struct cn_format *format, void **data)
{
    const int64_t n = m->t->ne[0], n_rows = matrix_rows(m);
    float *weights, *use;
    struct rows r = { .j = j, .m = m, .format = format };
    enum cn_status status = take_importance(j, m, &weights, &use);
    r.weights = weights;
    r.out = malloc((size_t)n_rows * cn_row_bytes(format, n));
    r.scratch = malloc((size_t)j->n_threads * 3 * (size_t)n * sizeof *r.scratch);
    if (status == CN_OK && (!r.out || !r.scratch || n_rows > INT32_MAX))
        status = cn_fail(j->err, CN_ERR_MEMORY, "out of memory");
    if (status == CN_OK) {
        cn_pool_run(j->pool, j->n_threads, convert_chunk, &r, (int)n_rows);
        if (atomic_load(&r.bad))
            status = not_finite(j, m);
    }
    free(weights);
    free(use);
    free(r.scratch);
    if (status == CN_OK)
        *data = r.out;
    else
        free(r.out);
    return status;
}
