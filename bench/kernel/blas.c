/* SPDX-License-Identifier: MIT */
#include "bench/kernel/blas.h"

#include <stdlib.h>

#ifdef CN_OPENBLAS

#include <dlfcn.h>
#include <pthread.h>

/* Fortran's calling convention: everything by reference, the lengths of texts behind all else. */
typedef void sgemm_fn(const char *, const char *, const int *, const int *, const int *,
                      const float *, const float *, const int *, const float *, const int *,
                      const float *, float *, const int *, size_t, size_t);
typedef void dgemm_fn(const char *, const char *, const int *, const int *, const int *,
                      const double *, const double *, const int *, const double *, const int *,
                      const double *, double *, const int *, size_t, size_t);
typedef void dgels_fn(const char *, const int *, const int *, const int *, double *, const int *,
                      double *, const int *, double *, const int *, int *, size_t);

static struct {
    sgemm_fn *sgemm;
    dgemm_fn *dgemm;
    dgels_fn *dgels;
    char *(*corename)(void);
    void (*set_num_threads)(int);
    const char *why; /* NULL: it is there */
} blas;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void load(void)
{
    /* Read once, while it is loaded. */
    setenv("OPENBLAS_NUM_THREADS", "1", 1);
    void *library = dlopen(CN_OPENBLAS, RTLD_NOW | RTLD_LOCAL);
    blas.why = "OpenBLAS (" CN_OPENBLAS ") cannot be loaded";
    if (!library)
        return;
    const struct {
        const char *name;
        void *slot;
    } symbols[] = {
        {"sgemm_",                    &blas.sgemm          },
        { "dgemm_",                   &blas.dgemm          },
        { "dgels_",                   &blas.dgels          },
        { "openblas_get_corename",    &blas.corename       },
        { "openblas_set_num_threads", &blas.set_num_threads},
    };
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        /* As POSIX has it: a function's address is what dlsym gives. */
        *(void **)symbols[i].slot = dlsym(library, symbols[i].name);
        if (!*(void **)symbols[i].slot) {
            blas.why = "OpenBLAS (" CN_OPENBLAS ") lacks a function that is needed";
            return;
        }
    }
    blas.set_num_threads(1);
    blas.why = NULL;
}

bool cn_blas_there(const char **why)
{
    pthread_once(&once, load);
    if (why)
        *why = blas.why;
    return !blas.why;
}

const char *cn_blas_core(void)
{
    return cn_blas_there(NULL) ? blas.corename() : "";
}

void cn_blas_product_f32(int64_t n_rows, int64_t n_cols, int64_t n_tokens, const float *w,
                         const float *x, float *y)
{
    const int m = (int)n_rows, k = (int)n_cols, n = (int)n_tokens;
    const float one = 1, zero = 0;
    blas.sgemm("T", "N", &m, &n, &k, &one, w, &k, x, &k, &zero, y, &m, 1, 1);
}

void cn_blas_product_f64(int64_t n_rows, int64_t n_cols, int64_t n_tokens, const double *w,
                         const double *x, double *y)
{
    const int m = (int)n_rows, k = (int)n_cols, n = (int)n_tokens;
    const double one = 1, zero = 0;
    blas.dgemm("T", "N", &m, &n, &k, &one, w, &k, x, &k, &zero, y, &m, 1, 1);
}

bool cn_blas_least_squares(size_t n, size_t k, double *a, double *y)
{
    enum { BLOCK = 64 };
    const int rows = (int)n, cols = (int)k, one = 1, room = (int)(k + BLOCK * (n + k));
    int info = -1;
    double *work = malloc((size_t)room * sizeof *work);
    if (work)
        blas.dgels("N", &rows, &cols, &one, a, &rows, y, &rows, work, &room, &info, 1);
    free(work);
    return info == 0;
}

#else

bool cn_blas_there(const char **why)
{
    if (why)
        *why = "this program was built without OpenBLAS (make deps installs it; phones do without)";
    return false;
}

const char *cn_blas_core(void)
{
    return "";
}

/* Nobody comes here: see cn_blas_there(). */
void cn_blas_product_f32(int64_t n_rows, int64_t n_cols, int64_t n_tokens, const float *w,
                         const float *x, float *y)
{
    (void)n_rows, (void)n_cols, (void)n_tokens, (void)w, (void)x, (void)y;
    abort();
}

void cn_blas_product_f64(int64_t n_rows, int64_t n_cols, int64_t n_tokens, const double *w,
                         const double *x, double *y)
{
    (void)n_rows, (void)n_cols, (void)n_tokens, (void)w, (void)x, (void)y;
    abort();
}

bool cn_blas_least_squares(size_t n, size_t k, double *a, double *y)
{
    (void)n, (void)k, (void)a, (void)y;
    return false;
}

#endif
