/* SPDX-License-Identifier: MIT
 *
 * carnot quantize IN OUT auto: the options that go with it, and the plan.
 */
#ifndef CN_QUANTIZE_AUTO_H
#define CN_QUANTIZE_AUTO_H

#include "base/table.h"
#include "bench/quality/auto_types.h"
#include "cli/cli.h"
#include "engine/tools.h"

struct cn_quantize_auto {
    double bpw;       /* 0: not given */
    const char *size; /* "4.2G" */
    const char *sensitivity;
    const char *families; /* "k,iqk" */
    double seconds;       /* 0: not given */
};

/* Whether any of its options was given. */
bool cn_quantize_auto_given(const struct cn_quantize_auto *a);

/* Reads "700M", "4.2G", "1.5GiB" or a number of bytes: k, M, G, T are powers of 1000, Ki, Mi, Gi,
 * Ti of 1024, a B may follow. False if it is none, is not positive, or is beyond 2^62. */
bool cn_size_parse(const char *text, uint64_t *bytes);

/* Chooses the types, prints the plan to stdout, and puts them into *o. The plan lives as long as
 * *o is used; the caller frees it with cn_auto_plan_free. Returns -1 to go on, else the exit code.
 */
int cn_quantize_auto_plan(const char *in, const char *out, const struct cn_quantize_auto *a,
                          struct cn_quantize_options *o, enum cn_table_format format,
                          struct cn_auto_plan *plan);

#endif
