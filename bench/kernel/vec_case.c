/* SPDX-License-Identifier: MIT */
#include "bench/kernel/vec_case.h"

#include <math.h>

float *cn_case_floats(struct cn_vec_case *v, enum cn_buffer buffer, int64_t n)
{
    return cn_check_take(v->c, buffer, (size_t)n * sizeof(float), v->place);
}

bool cn_case_call(struct cn_vec_case *v, void (*fn)(void *))
{
    if (v->c->out_of_memory) {
        v->result->no_memory = true;
        return false;
    }
    v->result->n_cases++;
    int sig = cn_crash_catch(fn, v);
    if (sig)
        cn_check_fail(v->result, "%s: %s", v->where, cn_signal_name(sig));
    return !sig && cn_check_intact(v->c, v->result, v->where);
}

void cn_case_compare(struct cn_vec_case *v, int64_t i, float got, double expected, double bound,
                     double magnitude)
{
    bool good = isnan(expected)
                    ? isnan(got)
                    : cn_check_within(v->result, fabs((double)got - expected), bound, magnitude);
    if (!good)
        cn_check_fail(v->result, "%s: element %lld is %.9g, expected %.9g +- %.2g", v->where,
                      (long long)i, (double)got, expected, bound);
}

void cn_case_fill(struct cn_vec_case *v, float *x, int64_t n, bool with_nan)
{
    struct cn_rng *rng = &v->c->rng;
    for (int64_t i = 0; i < n; i++)
        x[i] = cn_rng_int(rng, 16) ? cn_rng_normal_f32(rng) * (cn_rng_int(rng, 16) ? 1 : 1000) : 0;
    if (with_nan && n > 0 && v->turn % 7 == 3)
        x[cn_rng_int(rng, (int)n)] = NAN;
}
