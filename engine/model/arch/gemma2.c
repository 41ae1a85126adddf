/* SPDX-License-Identifier: MIT
 *
 * Gemma 2: norms around both branches, soft caps, every other layer slides (arXiv 2408.00118).
 */
#include "engine/model/arch.h"

extern const struct cn_arch cn_arch_gemma2;
const struct cn_arch cn_arch_gemma2 = {
    .name = "gemma2",
    .required = CN_SLOTS_PRE_NORMS | CN_SLOTS_POST_NORMS | CN_SLOTS_SPLIT_QKV,
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .rope_neox = true,
    .activation = CN_GELU,
    .scale_embedding = true,
    .attn_softcap = 50,
    .final_softcap = 30,
    .sliding = {CN_LAYERS_BUT_EVERY, 2, "attention.sliding_window_pattern"},
    .sliding_window = 4096,
    .head_scale_layers = 46,
};
