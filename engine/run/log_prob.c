/* SPDX-License-Identifier: MIT */
#include "engine/run/log_prob.h"

#include "engine/model/model.h"

#include <math.h>
#include <string.h>

enum { EXP_BLOCK = 512 }; /* summed in float; the blocks in double */

double cn_log_prob(const struct cn_model *model, const float *logits, int32_t token)
{
    const struct cn_vec *vec = &model->ops.vec;
    const int32_t n = model->info.n_vocab;
    const float max = vec->max(n, logits);
    double sum = 0;
    for (int32_t i = 0; i < n; i += EXP_BLOCK) {
        float block[EXP_BLOCK];
        int32_t m = n - i < EXP_BLOCK ? n - i : EXP_BLOCK;
        memcpy(block, logits + i, (size_t)m * sizeof *block);
        sum += (double)vec->exp_sum(m, max, block);
    }
    return (double)logits[token] - (double)max - log(sum);
}
