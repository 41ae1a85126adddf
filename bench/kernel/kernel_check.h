/* SPDX-License-Identifier: MIT
 *
 * Kernels against the definition of their format. `carnot kernels --check` and the kernel tests run
 * these same checks.
 *
 * Every case runs on buffers flush against unmapped pages, once at either end, with outputs filled
 * beforehand and their surroundings looked at afterwards; a crash fails the kernel it happens in.
 * Unpackers must give the very bits of ref->dequantize. Products are held to a bound on rounding:
 * see cn_product_bound().
 */
#ifndef CN_KERNEL_CHECK_H
#define CN_KERNEL_CHECK_H

#include "quant/quant.h"

#include <stdbool.h>
#include <stdint.h>

/* What kernels are for; the jobs of `carnot kernels`. */
enum cn_job {
    CN_JOB_GEMV,
    CN_JOB_UNPACK,     /* into a panel */
    CN_JOB_GEMM,       /* cn_gemm_run: unpack and the tier's tiles */
    CN_JOB_GEMM_SMALL, /* cn_gemm_small_run: a few tokens */
    CN_JOB_GEMM_FAST,  /* cn_gemm_run, precision fast */
    CN_JOB_DEQUANTIZE, /* cn_dequantize_with */
    CN_N_JOBS
};
const char *cn_job_name(enum cn_job job);

/* What a machine with the tiers up to `tier` uses for a format. */
struct cn_kernel_set {
    enum cn_tier tier;
    struct cn_kernels kernels;
    struct cn_ops ops;
    bool own[CN_N_JOBS]; /* the job is done by something else than with the tier below */
};

/* One set per tier of the mask, rising, `ref` always the first. sets: CN_N_TIERS. Returns their
 * number. */
int cn_kernel_sets(const struct cn_format *format, uint32_t tiers, struct cn_kernel_set *sets);

struct cn_check {
    int64_t n_cases, n_failed;
    /* Of the case that came nearest to its bound, both relative to the magnitude that rounding
     * errors scale with; 0 and 0 where bits are compared. Infinite where something other than
     * rounding went wrong. */
    double max_error, bound;
    char what[240]; /* the first failure, in words; "" if there is none */
    bool no_memory; /* for all of the cases: what is not known to be wrong may be */
};

struct cn_checker; /* buffers and inputs; use from one thread */

/* NULL if out of memory. */
struct cn_checker *cn_checker_create(uint64_t seed);
void cn_checker_free(struct cn_checker *c);

/* Checks one job of `kernels`, kernels of `format`. ops: of the tier the kernels are for (gemm and
 * the packing of activations; other jobs do not need it). */
void cn_check_kernels(struct cn_checker *c, const struct cn_format *format,
                      const struct cn_kernels *kernels, const struct cn_ops *ops, enum cn_job job,
                      struct cn_check *result);

/* Checks slot 0 <= slot < CN_N_VEC_SLOTS of `vec`. */
enum { CN_N_VEC_SLOTS = sizeof(struct cn_vec) / sizeof(void (*)(void)) };
const char *cn_vec_slot_name(int slot);
void cn_check_vec(struct cn_checker *c, const struct cn_vec *vec, int slot,
                  struct cn_check *result);

/* How far a product of n_cols terms may be from the exact one, for `magnitude` =
 *     sum over sub-blocks of (|scale| * code_max + |min|) * sum |a|      (formats with codes)
 *     sum |w| * |a|                                                      (float formats)
 * a: the activations as the kernel gets them (rounded to 8 bits where the format wants that).
 *
 * Why: integer parts are exact, so only the sums of floats round. A sum of m floats in any order,
 * every term of which has been rounded e times, is off by at most (m + e) * 2^-24 of the sum of
 * magnitudes (Higham, Accuracy and Stability of Numerical Algorithms, 2002, sections 3.1 and 4.2).
 * m is n_cols / 32 with codes, else n_cols; e = 8 covers conversions, the products of scale,
 * sub-block scale and activation scale, and the adds of a horizontal sum. Terms are at most as
 * large as the largest code makes them, before an offset is taken out. Results below the smallest
 * normal float are off by half of 2^-149 per rounding, and integer factors (sub-block scale, dot
 * product) and what a row's header says, row_scale (1: there is none), may be applied after that.
 */
double cn_product_bound(const struct cn_format *format, int64_t n_cols, double magnitude,
                        double row_scale);

#endif
