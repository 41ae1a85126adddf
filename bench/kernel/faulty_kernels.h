/* SPDX-License-Identifier: MIT
 *
 * The test of the checks: kernels with one fault each, every one of which the checks must find.
 */
#ifndef CN_FAULTY_KERNELS_H
#define CN_FAULTY_KERNELS_H

#include <stdbool.h>
#include <stdint.h>

struct cn_faults {
    int n;          /* faults shown to the checks, and kernels without one */
    int n_wrong;    /* faults not found, or found where there is none */
    char what[320]; /* the first that was judged wrongly, in words; "" if there is none */
};

/* Wraps the best kernels of these tiers in faults and checks them. False if out of memory. */
bool cn_check_faulty_kernels(uint32_t tiers, uint64_t seed, struct cn_faults *faults);

#endif
