/* SPDX-License-Identifier: MIT
 *
 * EXAONE 4: norms after the branches; the 32B model slides in three layers of four, and rotates in
 * those only (arXiv 2507.11407).
 */
#include "engine/model/arch.h"

extern const struct cn_arch cn_arch_exaone4;
const struct cn_arch cn_arch_exaone4 = {
    .name = "exaone4",
    .required = CN_BIT(OUTPUT_NORM) | CN_SLOTS_SPLIT_QKV | CN_SLOTS_POST_NORMS | CN_SLOTS_QK_NORM,
    .optional = CN_BIT(OUTPUT) | CN_BIT(ROPE_FREQS),
    .dense_ffn = CN_SLOTS_GATED_FFN,
    .rope_neox = true,
    .sliding = {CN_LAYERS_BUT_EVERY, 4, "attention.sliding_window_pattern"},
    .sliding_in_layers = 64,
    .sliding_window = 4096,
    .rotate_sliding_only = true,
};
