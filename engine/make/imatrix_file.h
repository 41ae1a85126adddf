/* SPDX-License-Identifier: MIT
 *
 * Importance matrices: for each column j of a weight matrix the mean of x_j^2 over the vectors x
 * that were multiplied by it. Reads the GGUF format and the older ".dat" one, writes GGUF
 * (docs/FORMATS.md says how they look).
 */
#ifndef CN_IMATRIX_FILE_H
#define CN_IMATRIX_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/sha256.h"
#include "engine/carnot.h"

struct cn_imatrix_entry {
    char *name;         /* of the weight tensor: "blk.0.attn_q.weight" */
    int64_t n_cols;     /* row length of the matrix */
    int64_t n_matrices; /* experts; 1 for a plain matrix. From a .dat file: 1, n_cols being all */
    double *sum2;       /* [n_matrices, n_cols] sums of x_j^2, finite, >= 0 */
    double *count;      /* [n_matrices] vectors summed, finite, >= 0 */
};

/* A zeroed one is empty and ready for use. */
struct cn_imatrix {
    struct cn_imatrix_entry **entries; /* [n_entries], sorted by name */
    size_t n_entries;
    char **datasets; /* [n_datasets] names of the texts */
    size_t n_datasets;
    uint32_t n_chunks;
    uint32_t chunk_size; /* tokens of a chunk; 0: counts are in chunks, not tokens (.dat) */
    int32_t *sample;     /* [n_sample] some of the text, pieces of it one behind the other */
    size_t n_sample;     /* 0: none, or pieces by several models, whose tokens may differ */
    /* What it was made of, if it is one text and one model and the file says so: else "". */
    char text_sha256[CN_SHA256_HEX], model_sha256[CN_SHA256_HEX];
};

/* Reads either format into *im, which the caller frees. */
enum cn_status cn_imatrix_read(const char *path, struct cn_imatrix *im, struct cn_error *err);
/* The same from bytes; name is for messages. */
enum cn_status cn_imatrix_parse(const void *bytes, size_t n_bytes, const char *name,
                                struct cn_imatrix *im, struct cn_error *err);
/* Frees what *im holds and empties it. */
void cn_imatrix_free(struct cn_imatrix *im);

/* NULL if there is none. */
struct cn_imatrix_entry *cn_imatrix_find(const struct cn_imatrix *im, const char *name);

/* The entry of that name, made with zero sums if it is not there; NULL: out of memory, or it is
 * there with other sizes. The pointer stays valid until cn_imatrix_free. n_cols * n_matrices must
 * be representable. */
struct cn_imatrix_entry *cn_imatrix_add(struct cn_imatrix *im, const char *name, int64_t n_cols,
                                        int64_t n_matrices);
/* Notes the name of a text. False: out of memory. */
bool cn_imatrix_add_dataset(struct cn_imatrix *im, const char *name);

/* A file holds no larger sample. */
enum { CN_IMATRIX_SAMPLE = 1 << 16 };
/* Adds a piece of text to the sample, as much of it as there is room for. False: out of memory. */
bool cn_imatrix_add_sample(struct cn_imatrix *im, const int32_t *tokens, size_t n);

/* mean[n_matrices, n_cols] = sum2 / count; 1 where nothing was counted, which makes all columns of
 * that matrix alike. */
void cn_imatrix_mean(const struct cn_imatrix_entry *e, float *mean);
/* The same as weights for quantisers: a matrix of rows of n_cols whose means are all zero gets 1
 * everywhere. n_cols divides the entry's size. */
void cn_imatrix_weights(const struct cn_imatrix_entry *e, int64_t n_cols, float *weights);

/* Adds `from` to `to`, vector for vector. Entries must have the same sizes in both. On failure `to`
 * is still sound, but may hold a part of `from`. */
enum cn_status cn_imatrix_merge(struct cn_imatrix *to, const struct cn_imatrix *from,
                                struct cn_error *err);

/* Writes the GGUF format; the file appears under its name only when complete. */
enum cn_status cn_imatrix_write(const char *path, const struct cn_imatrix *im,
                                struct cn_error *err);

#endif
