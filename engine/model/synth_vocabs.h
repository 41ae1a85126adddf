/* SPDX-License-Identifier: MIT
 *
 * The tokens with a meaning in the vocabularies of public models, which several architectures may
 * share. Their other tokens are made up.
 */
#ifndef CN_SYNTH_VOCABS_H
#define CN_SYNTH_VOCABS_H

#include "engine/model/arch.h"

extern const struct cn_synth_vocab cn_vocab_qwen, cn_vocab_llama3, cn_vocab_phi2, cn_vocab_gemma,
    cn_vocab_olmo, cn_vocab_mistral, cn_vocab_phi3, cn_vocab_smollm, cn_vocab_granite,
    cn_vocab_gptoss, cn_vocab_deepseek, cn_vocab_glm, cn_vocab_exaone, cn_vocab_hunyuan,
    cn_vocab_cohere, cn_vocab_qwen35, cn_vocab_lfm2, cn_vocab_granite4, cn_vocab_falcon_h1,
    cn_vocab_nemotron;

#endif
