/* SPDX-License-Identifier: MIT
 *
 * Tools that make and examine GGUF files as a whole. Rules of carnot.h: nothing here prints or
 * exits; failures come back as a status with one line of text.
 */
#ifndef CN_TOOLS_H
#define CN_TOOLS_H

#include <stdio.h>

#include "base/outfile.h"
#include "engine/carnot.h"

/* ---- files that are not to be written over --------------------------------------------------- */

/* Refuses (CN_ERR_ARGUMENT) an `out` that is the file `in`, or a part of the split model that `in`
 * is the first file of. Either may be NULL or absent. */
CN_API enum cn_status cn_outfile_spare(const char *out, const char *in, struct cn_error *err);

/* ---- numbers --------------------------------------------------------------------------------- */

/* Whether none of x[n] is an infinity or not a number. */
CN_API bool cn_all_finite(const float *x, int64_t n);

/* ---- quantize -------------------------------------------------------------------------------- */

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
    bool quantised; /* a matrix of weights, to which the rules give a type */
    bool asked;     /* by the user: tensor_types, output_type or embedding_type */
};

/* A type for one tensor. */
struct cn_quantize_choice {
    const char *name, *type; /* "blk.0.ffn_down.weight", "q4_k" */
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
    /* Types for single tensors, before the rules and after what is asked for above; `type` is then
     * what the file calls itself, as a guess (general.file_type with bit 1024). */
    const struct cn_quantize_choice *choices;
    size_t n_choices;
    /* As many files as `in` has, each with the tensors that it has there; `out` is then PREFIX,
     * PREFIX.gguf or PREFIX-00001-of-0000N.gguf. CN_ERR_ARGUMENT if `in` is one file. */
    bool keep_split;
    bool force;    /* `out` may replace a file that is no model */
    int n_threads; /* 0: one per available core */
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
    size_t file_bytes;        /* of the new file, or of all of them */
    double bpw;               /* tensor_bytes * 8 / n_params */
    int n_files;              /* of the new model */
    int n_fell_back;          /* tensors that did not get the rule's type */
    int n_faint_tensors;      /* with rows whose weights are so small that their type writes them */
    int64_t n_faint_rows;     /* more coarsely than larger ones, for want of smaller scales */
    const char *file_type;    /* "Q4_K_M"; static */
    int n_stand_ins;      /* tensors outside the layers without the importance data that the one */
    const char *stand_in; /* format (pure) needs: the type they got instead; static, or NULL */
};

/* Whether the options alone can be followed, whatever the model: the names of types and the regular
 * expressions. `type` may be NULL, which is then not looked at. */
CN_API enum cn_status cn_quantize_check(const struct cn_quantize_options *options,
                                        struct cn_error *err);

/* Whether `out` can be written, as the name or names that the options make of it, and is none of
 * what is read: for who has long work to do before. */
CN_API enum cn_status cn_quantize_check_out(const char *in, const char *out,
                                            const struct cn_quantize_options *options,
                                            struct cn_error *err);

/* Writes a model in another file type. `in` may be split; `out` appears under its name only when
 * complete (of several files the first one last), and must not be `in`. Memory does not grow with
 * the model. */
CN_API enum cn_status cn_quantize_file(const char *in, const char *out,
                                       const struct cn_quantize_options *options,
                                       struct cn_file_result *result, struct cn_error *err);

/* ---- imatrix --------------------------------------------------------------------------------- */

struct cn_imatrix_options {
    const char *out;       /* file to write */
    const char *const *in; /* [n_in] files of either format that are added to it */
    size_t n_in;
    const char *dataset;     /* name of the text, kept in the file */
    const char *text_sha256; /* of the text, kept too; NULL: the tokens' is taken */
    int32_t n_ctx;           /* tokens of a chunk; 0: 512 */
    int32_t n_chunks;        /* at most so many of the text; 0: all */
    int32_t every;      /* `out` is written after so many chunks, and at the end; 0: at the end */
    int32_t n_threads;  /* 0: one per available core */
    bool output_tensor; /* the output matrix too */
    bool resume;        /* `out` holds chunks of this text by this model; it may be absent */
    void *user;
    /* Called after each chunk. May be NULL. */
    void (*progress)(void *user, int32_t done, int32_t total);
    /* Asked before each chunk; true ends it with CN_ERR_CANCELLED, `out` holding the chunks that
     * were finished. May be NULL. */
    bool (*cancel)(void *user);
};

struct cn_imatrix_result {
    int32_t n_chunks;      /* of the text, in `out` */
    int32_t n_resumed;     /* of these, that were there before */
    int64_t n_entries;     /* weight tensors in `out` */
    int64_t n_matrices;    /* their matrices: more where there are experts */
    int64_t n_never;       /* of these, that no token reached */
    uint32_t total_chunks; /* with those of `in` */
};

/* Writes the importance matrix of `model` on the text tokens[n]: for each column of each matrix of
 * the layers the sum of squares of what it was multiplied with, and for each expert the number of
 * its tokens; beside them up to 8192 tokens of the text itself. The text is cut into chunks of
 * n_ctx, each evaluated from an empty cache with BOS as its first token if the model adds that.
 * model == NULL: `in` is merged and nothing else done. *result is filled after CN_ERR_CANCELLED
 * too. Cannot resume with `in`: what is in `out` could not be told apart. */
CN_API enum cn_status cn_imatrix_make(const struct cn_model *model, const int32_t *tokens, size_t n,
                                      const struct cn_imatrix_options *options,
                                      struct cn_imatrix_result *result, struct cn_error *err);

/* ---- synth ----------------------------------------------------------------------------------- */

struct cn_synth_options {
    const char *shape; /* "llama-3.2-1b" */
    const char *type;  /* file type: "Q4_K_M" */
    int n_layers;      /* 0: all the model has */
    bool dry_run;      /* sizes only; `out` is not used */
    uint64_t seed;     /* the same seed gives the same file */
    void *user;
    void (*progress)(void *user, double done, double total); /* in bytes; may be NULL */
    bool (*cancel)(void *user);                              /* may be NULL */
};

/* Writes a model of a real one's true shape with random weights: it loads, runs, and costs what the
 * real one costs. result->from_tensor_bytes is 0. */
CN_API enum cn_status cn_synth_file(const char *out, const struct cn_synth_options *options,
                                    struct cn_file_result *result, struct cn_error *err);

/* Whether the options alone can be followed: shape, type and number of layers. */
CN_API enum cn_status cn_synth_check(const struct cn_synth_options *options, struct cn_error *err);

/* The names that cn_synth_options.shape takes; NULL at and beyond the last. */
CN_API const char *cn_synth_shape_name(int i);

/* A matrix of weights, and what a file calls the first that is so large: "ffn_down.weight". */
struct cn_matrix_size {
    char name[48];
    int64_t rows, cols;
};

/* The sizes that the matrices of a model of this shape have, each once, into sizes[room]; *n of
 * them. CN_ERR_ARGUMENT: there is no such shape. */
CN_API enum cn_status cn_synth_matrices(const char *shape, struct cn_matrix_size *sizes, int room,
                                        int *n, struct cn_error *err);

/* ---- inspect ------------------------------------------------------------------------------ */

/* What is in a GGUF file of any kind: models (all parts of a split one), vocabularies,
 * importance matrices; and in an importance matrix of the older ".dat" form, whose sums are shown
 * as tensors, and what else it says as keys. All texts are valid UTF-8 on one line: other bytes are
 * shown as \xHH and long texts cut with "...". Everything belongs to the cn_inspect and lives as
 * long. */

struct cn_inspect;

struct cn_inspect_info {
    const char *kind;         /* general.type; "model" if absent */
    const char *architecture; /* "" if absent */
    const char *name;         /* general.name, "" if absent */
    const char *tokenizer;    /* tokenizer.ggml.model, "" if absent */
    const char *file_type;    /* "Q4_K_M"; NULL if absent or unknown */
    int64_t file_type_id;     /* general.file_type; -1 if absent */
    uint32_t version;         /* of GGUF; 0: another kind of file */
    int n_parts;              /* files of a split model */
    int64_t file_bytes;       /* of all parts */
    int64_t n_keys, n_tensors;
    int64_t n_params;     /* elements of all tensors */
    int64_t tensor_bytes; /* without padding */
    double bpw;           /* tensor_bytes * 8 / n_params; 0 without tensors */
    int64_t n_vocab, n_ctx_train, n_layer, n_embd; /* -1: not given */
    int64_t n_nextn;                               /* of n_layer, blocks for drafting; the same */
    int64_t kv_bytes_per_token; /* f16 keys and values of all layers, as if none had a sliding
                                 * window; -1: cannot be told */
    const char *problem;        /* what the metadata check found wrong; NULL: it is consistent */
    const char *cannot_run; /* of a model with weights: why it cannot be opened; NULL: it can, or
                             * is no such model */
};

/* One type of the histogram, in the order of first use. */
struct cn_inspect_type {
    const char *name; /* "Q4_K" */
    int64_t n_tensors, n_elems, n_bytes;
};

struct cn_inspect_tensor {
    char name[320];
    const char *type;
    int n_dims;
    int64_t ne[4];
    int64_t n_bytes;
    int part; /* which file of a split model, from 0 */
};

struct cn_inspect_key {
    char key[320];
    char type[24];   /* "u32"; "array of string" */
    int64_t n;       /* elements; 1 of a scalar */
    char value[320]; /* as text; of an array the first elements */
};

/* Opens and checks the file as a container; a fault there fails. The caller closes it. */
CN_API enum cn_status cn_inspect_open(const char *path, struct cn_inspect **inspect,
                                      struct cn_error *err);
/* NULL is allowed. */
CN_API void cn_inspect_close(struct cn_inspect *inspect);

CN_API const struct cn_inspect_info *cn_inspect_get_info(const struct cn_inspect *inspect);
/* Entry i; false beyond the last one, with *row untouched. */
CN_API bool cn_inspect_get_type(const struct cn_inspect *inspect, int64_t i,
                                struct cn_inspect_type *row);
/* What a session of context n_ctx keeps from token to token, with f16 keys and values: by kind of
 * layer for architectures that are built in (windows, shared and compressed rows, states), else as
 * kv_bytes_per_token says. -1: cannot be told. */
CN_API int64_t cn_inspect_kv_bytes(const struct cn_inspect *inspect, int64_t n_ctx);
/* What of that are states, which do not depend on the context; 0: none, or it cannot be told. */
CN_API int64_t cn_inspect_state_bytes(const struct cn_inspect *inspect);
/* What such a session needs besides, while it reads a prompt: latent attention unfolds its
 * compressed rows, a layer's at a time, where passes are of many tokens. 0: nothing, or it cannot
 * be told. */
CN_API int64_t cn_inspect_unfold_bytes(const struct cn_inspect *inspect, int64_t n_ctx);
CN_API bool cn_inspect_get_tensor(const struct cn_inspect *inspect, int64_t i,
                                  struct cn_inspect_tensor *row);
CN_API bool cn_inspect_get_key(const struct cn_inspect *inspect, int64_t i,
                               struct cn_inspect_key *row);

/* The validator: the metadata's consistency; for a model of an architecture that is built in,
 * whether it loads; then every element of every tensor, which must be finite. Returns the first
 * fault. progress (may be NULL) is told bytes of the whole as it goes; false from it ends the check
 * with CN_ERR_CANCELLED. */
CN_API enum cn_status cn_inspect_check(const struct cn_inspect *inspect,
                                       bool (*progress)(void *user, double done, double total),
                                       void *user, struct cn_error *err);

#endif
