/* SPDX-License-Identifier: MIT
 *
 * The test of the tests: kernels with one fault each, every one of which the checks must find.
 */
#ifndef CN_BROKEN_H
#define CN_BROKEN_H

#include <stdbool.h>
#include <stdint.h>

/* Wraps the best kernels of these tiers in faults and checks them. Prints a line for each fault
 * (only what went wrong if !verbose). Returns how many were not found, or -1 if out of memory. */
int cn_broken_check(uint32_t tiers, uint64_t seed, bool verbose);

#endif
