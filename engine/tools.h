/* SPDX-License-Identifier: MIT
 *
 * Tools that make and examine GGUF files as a whole. Rules of carnot.h: nothing here prints or
 * exits; failures come back as a status with one line of text.
 */
#ifndef CN_TOOLS_H
#define CN_TOOLS_H

#include "engine/carnot.h"

/* ---- quantize -----------------------------------------------------------------------------------
 */

/* One tensor of the plan. Strings and arrays live as long as the call they are given in. */
struct cn_quantize_tensor {
    const char *name;
    int n_dims;
    const int64_t *ne;     /* [n_dims] */
    const char *from, *to; /* "F16", "Q4_K" */
    size_t from_bytes, to_bytes;
    bool converted; /* false: copied as it is */
    bool fell_back; /* the rule's type does not divide the row length, `to` replaces it */
    bool weighted;  /* importance data is used */
};

struct cn_quantize_options {
    const char *type;    /* file type: "Q4_K_M" */
    const char *imatrix; /* file, or NULL */
    bool pure;           /* the base format for every matrix, no mix */
    bool allow_requantize;
    bool dry_run; /* plan only; `out` is not used */
    /* Each "RE=TYPE": matrices whose name matches the POSIX extended regular expression get that
     * tensor type ("q6_k"); the first that matches counts. */
    const char *const *tensor_types;
    size_t n_tensor_types;
    const char
        *output_type; /* tensor type of output.weight (of token_embd.weight if tied), or NULL */
    const char *embedding_type; /* tensor type of token_embd.weight, or NULL */
    int n_threads;              /* 0: one per available core */
    void *user;
    /* Any of them may be NULL. All are called from the calling thread. */
    void (*plan)(void *user, const struct cn_quantize_tensor *tensor); /* for each, before work */
    void (*progress)(void *user, double done, double total);           /* in weights */
    bool (*cancel)(void *user); /* true ends it with CN_ERR_CANCELLED, leaving no file */
};

struct cn_file_result {
    int64_t n_params;
    size_t tensor_bytes;      /* of the new file's tensors */
    size_t from_tensor_bytes; /* of the old one's; 0 where there is none */
    double bpw;               /* tensor_bytes * 8 / n_params */
    int n_fell_back;          /* tensors that did not get the rule's type */
    const char *file_type;    /* "Q4_K_M"; static */
};

/* Writes a model in another file type. `in` may be split; `out` appears under its name only when
 * complete, and must not be `in`. Memory does not grow with the model. */
CN_API enum cn_status cn_quantize_file(const char *in, const char *out,
                                       const struct cn_quantize_options *options,
                                       struct cn_file_result *result, struct cn_error *err);

/* ---- synth --------------------------------------------------------------------------------------
 */

struct cn_synth_options {
    const char *shape; /* "llama-3.2-1b" */
    const char *type;  /* file type: "Q4_K_M" */
    int n_layers;      /* 0: all the model has */
    uint64_t seed;     /* the same seed gives the same file */
    void *user;
    void (*progress)(void *user, double done, double total); /* in bytes; may be NULL */
    bool (*cancel)(void *user);                              /* may be NULL */
};

/* Writes a model of a real one's true shape with random weights: it loads, runs, and costs what the
 * real one costs. result->from_tensor_bytes is 0. */
CN_API enum cn_status cn_synth_file(const char *out, const struct cn_synth_options *options,
                                    struct cn_file_result *result, struct cn_error *err);

/* The names that cn_synth_options.shape takes; NULL at and beyond the last. */
CN_API const char *cn_synth_shape_name(int i);

#endif
