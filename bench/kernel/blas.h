/* SPDX-License-Identifier: MIT
 *
 * OpenBLAS: the yardstick beside our float GEMM, and the reference of tests. The runtime does not
 * use it, so it is loaded when one of these is first asked for, not when the program starts: its
 * own start takes a thread for each core, and memory for each thread. It runs on one thread, the
 * caller's; several threads may call at once.
 */
#ifndef CN_BLAS_H
#define CN_BLAS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether it is there; if not, *why says so in words ("this program was built without OpenBLAS").
 * why may be NULL. */
bool cn_blas_there(const char **why);

/* Which of its kernels it took, by their name for the core: "Zen". "" if it does not tell. */
const char *cn_blas_core(void);

/* What follows needs cn_blas_there(). */

/* Y[t][r] = sum over c of W[r][c] * X[t][c]: rows of n_cols in W and X, of n_rows in Y, adjoining.
 * Numbers of each at most 2^31 - 1. */
void cn_blas_product_f32(int64_t n_rows, int64_t n_cols, int64_t n_tokens, const float *w,
                         const float *x, float *y);
void cn_blas_product_f64(int64_t n_rows, int64_t n_cols, int64_t n_tokens, const double *w,
                         const double *x, double *y);

/* The least-squares solution of a b = y by LAPACK's dgels (Householder's QR): a is [k][n], column
 * by column, n >= k, and is overwritten, as is y [n], whose first k numbers become b. False if a is
 * not of full rank, or out of memory. */
bool cn_blas_least_squares(size_t n, size_t k, double *a, double *y);

#endif
