/* SPDX-License-Identifier: MIT
 *
 * Whether a GGUF file that is sound as a container makes sense: metadata that every architecture
 * shares, the vocabulary's arrays, the weights' values. What one architecture wants of its tensors
 * is the model loader's.
 */
#ifndef CN_GGUF_CHECK_H
#define CN_GGUF_CHECK_H

#include "engine/gguf/gguf.h"

enum { CN_MAX_LAYERS = 65536 };

/* "ARCH.SUFFIX" in buf, as a key for the getters. */
const char *cn_gguf_arch_key(char *buf, size_t n, struct cn_str arch, const char *suffix);

/* A hyperparameter of layer i that may be one number for all or an array with one per layer
 * (attention.head_count and the like; an array needs at least n_layer entries). *value is untouched
 * where the key is absent. */
enum cn_status cn_gguf_get_layer_i64(const struct cn_gguf *gguf, const char *key, int64_t i,
                                     int64_t n_layer, int64_t min, int64_t max, int64_t *value,
                                     struct cn_error *err);

/* The tokenizer's keys: tokenizer.ggml.model is there, tokens is a non-empty array of strings, and
 * scores (f32), token_type (an integer array) and merges (strings), where given, fit it. */
enum cn_status cn_gguf_check_vocab(const struct cn_gguf *gguf, int64_t *n_vocab,
                                   struct cn_error *err);

/* The whole file, without reading the weights. general.type decides what it has to be: a model
 * (also one with a vocabulary only), an importance matrix; of other kinds nothing more is asked. */
enum cn_status cn_gguf_check_metadata(const struct cn_gguf *gguf, struct cn_error *err);

/* Decodes every element of the tensor; fails at the first that is not finite, which is also what
 * a scale that is not finite gives. */
enum cn_status cn_gguf_check_data(const struct cn_gguf *gguf, const struct cn_gguf_tensor *tensor,
                                  struct cn_error *err);

#endif
