/* SPDX-License-Identifier: MIT
 *
 * GGUF version 2 and 3 files: a checked, memory-mapped reader and a streaming writer.
 * Everything is checked when the file is opened; nothing that uses a cn_gguf checks again.
 */
#ifndef CN_GGUF_H
#define CN_GGUF_H

#include "base/str.h"
#include "engine/carnot.h"
#include "quant/quant.h"

enum cn_gguf_type { /* ids in the file */
                    CN_GGUF_U8,
                    CN_GGUF_I8,
                    CN_GGUF_U16,
                    CN_GGUF_I16,
                    CN_GGUF_U32,
                    CN_GGUF_I32,
                    CN_GGUF_F32,
                    CN_GGUF_BOOL,
                    CN_GGUF_STRING,
                    CN_GGUF_ARRAY,
                    CN_GGUF_U64,
                    CN_GGUF_I64,
                    CN_GGUF_F64,
                    CN_GGUF_N_TYPES
};

struct cn_gguf_kv {
    struct cn_str key;
    enum cn_gguf_type type;      /* CN_GGUF_ARRAY: elem_type and n are the array's */
    enum cn_gguf_type elem_type; /* of a scalar: = type */
    uint64_t n;                  /* number of elements; of a scalar 1 */
    const uint8_t *data;         /* first element as stored (unaligned, little endian) */
    const uint8_t *raw;          /* the whole pair as stored (key length first), for copying */
    size_t raw_bytes;
};

struct cn_gguf_tensor {
    struct cn_str name;
    const struct cn_format *format; /* NULL: a plain integer or f64 array */
    uint32_t gguf_type;
    int n_dims;       /* 1..4 */
    int64_t ne[4];    /* [cols, rows, matrices, ...]; unused ones are 1; all > 0 */
    int64_t n_elems;  /* product */
    const void *data; /* in the mapping */
    size_t bytes;
    int part; /* which file of a split model */
};

/* Private: open addressing over the names of kv[] or tensors[]. */
struct cn_gguf_index {
    struct cn_gguf_slot *slots;
    size_t n_slots; /* a power of two, or 0 */
};

struct cn_gguf {
    char *path; /* for messages; shortened in front if it is very long */
    uint32_t version;
    size_t alignment;
    size_t file_bytes; /* of all parts */
    int n_parts;
    int64_t n_kv;
    struct cn_gguf_kv *kv; /* of the first part, in file order */
    int64_t n_tensors;
    struct cn_gguf_tensor *tensors; /* of all parts, in file order */
    struct cn_gguf_map *maps;       /* [n_parts] */
    struct cn_gguf_index kv_index, tensor_index;
};

/* Opens PATH; if it is the first part of a split model, all parts. The caller closes it. */
enum cn_status cn_gguf_open(const char *path, struct cn_gguf *gguf, struct cn_error *err);
/* Parses bytes that the caller keeps alive (fuzzing, tests); split files are refused. */
enum cn_status cn_gguf_parse(const void *bytes, size_t n_bytes, const char *name,
                             struct cn_gguf *gguf, struct cn_error *err);
void cn_gguf_close(struct cn_gguf *gguf);

/* The name of part no (from 0) of n_parts of the split model that is called `name`: PREFIX,
 * PREFIX.gguf, or as its first part PREFIX-00001-of-0000N.gguf. malloc'ed. CN_ERR_ARGUMENT if
 * `name` is that of another part, or of one of another number of parts. */
enum cn_status cn_gguf_part_name(const char *name, int no, int n_parts, char **part,
                                 struct cn_error *err);

/* "Q4_K", "I32", ... for every tensor type id that is a format here or that is known from
 * elsewhere; NULL for an unknown one. */
const char *cn_gguf_type_name(uint32_t gguf_type);

/* A tensor type of foreign_types.def, which is no format here. */
enum cn_gguf_foreign_kind {
    CN_GGUF_PLAIN,       /* an array of plain numbers, plain_bytes each */
    CN_GGUF_ABSENT,      /* a format that this program does not have */
    CN_GGUF_REMOVED,     /* given out once and taken back */
    CN_GGUF_INTERLEAVED, /* the rows of type `base` shuffled together */
};
struct cn_gguf_foreign {
    const char *name;
    uint32_t gguf_type;
    enum cn_gguf_foreign_kind kind;
    uint8_t plain_bytes;
    const char *base;
};
/* NULL if there is none. Names are matched without regard to case. */
const struct cn_gguf_foreign *cn_gguf_foreign(uint32_t gguf_type);
const struct cn_gguf_foreign *cn_gguf_foreign_by_name(const char *name);

/* The key under which a file names the local tensor type `gguf_type` (CN_LOCAL_TYPES): a string,
 * the format's label. Written to buf, which is returned. */
enum { CN_GGUF_LOCAL_KEY_BYTES = 40 };
#define CN_GGUF_LOCAL_KEY "carnot.tensor_type."
const char *cn_gguf_local_type_key(uint32_t gguf_type, char buf[CN_GGUF_LOCAL_KEY_BYTES]);

struct cn_file_type;
/* What general.file_type says, NULL if that is nothing known; *id (may be NULL): the number, or -1.
 * 41 means Q2_0 to one tool and Q1_0 to another: the tensors decide. */
const struct cn_file_type *cn_gguf_file_type(const struct cn_gguf *gguf, int64_t *id);

/* "u32", "string", ... for a value type; NULL for an unknown id. */
const char *cn_gguf_kv_type_name(uint32_t type);

/* NULL if absent. O(1). */
const struct cn_gguf_kv *cn_gguf_find(const struct cn_gguf *gguf, const char *key);
const struct cn_gguf_tensor *cn_gguf_tensor(const struct cn_gguf *gguf, const char *name);

/* Getters: absent key: *value is untouched and CN_OK. A key of another type, or a value that does
 * not fit: CN_ERR_FORMAT naming the key. Any integer type is taken for integers, f32 or f64 for
 * floats. The `need` forms fail on absence too. */
enum cn_status cn_gguf_get_i64(const struct cn_gguf *gguf, const char *key, int64_t min,
                               int64_t max, int64_t *value, struct cn_error *err);
enum cn_status cn_gguf_need_i64(const struct cn_gguf *gguf, const char *key, int64_t min,
                                int64_t max, int64_t *value, struct cn_error *err);
enum cn_status cn_gguf_get_f32(const struct cn_gguf *gguf, const char *key, float *value,
                               struct cn_error *err);
enum cn_status cn_gguf_need_f32(const struct cn_gguf *gguf, const char *key, float *value,
                                struct cn_error *err);
enum cn_status cn_gguf_get_bool(const struct cn_gguf *gguf, const char *key, bool *value,
                                struct cn_error *err);
enum cn_status cn_gguf_get_str(const struct cn_gguf *gguf, const char *key, struct cn_str *value,
                               struct cn_error *err);
/* Element i of an array of strings is found by walking: use the cursor for a whole array. */
struct cn_str cn_gguf_next_str(const uint8_t **cursor);
/* Element i of an integer or float array or scalar, converted. i < kv->n. */
int64_t cn_gguf_elem_i64(const struct cn_gguf_kv *kv, uint64_t i);
double cn_gguf_elem_f64(const struct cn_gguf_kv *kv, uint64_t i);

/* ---- writer: streams to PATH.tmp-PID, renamed on success ------------------------------------- */

struct cn_gguf_writer;

enum cn_status cn_gguf_writer_create(const char *path, struct cn_gguf_writer **writer,
                                     struct cn_error *err);
/* Metadata and tensor descriptions come first, in the order they shall have in the file. */
void cn_gguf_writer_raw(struct cn_gguf_writer *w, const struct cn_gguf_kv *kv); /* copies a pair */
void cn_gguf_writer_u32(struct cn_gguf_writer *w, const char *key, uint32_t value);
void cn_gguf_writer_u16(struct cn_gguf_writer *w, const char *key, uint16_t value);
void cn_gguf_writer_i32(struct cn_gguf_writer *w, const char *key, int32_t value);
void cn_gguf_writer_f32(struct cn_gguf_writer *w, const char *key, float value);
void cn_gguf_writer_bool(struct cn_gguf_writer *w, const char *key, bool value);
void cn_gguf_writer_str(struct cn_gguf_writer *w, const char *key, const char *value);
/* A whole array: elements as stored in the file (strings: each with its u64 length). */
void cn_gguf_writer_array(struct cn_gguf_writer *w, const char *key, enum cn_gguf_type elem_type,
                          uint64_t n, const void *elements, size_t n_bytes);
void cn_gguf_writer_tensor(struct cn_gguf_writer *w, const char *name, uint32_t gguf_type,
                           int n_dims, const int64_t *ne, size_t bytes);
/* Then the data of each tensor in that order, in any number of pieces. Errors (disk full, ...) are
 * kept and reported by finish; writes after one do nothing. */
void cn_gguf_writer_data(struct cn_gguf_writer *w, const void *bytes, size_t n_bytes);
/* Whether such an error was kept: there is no point in making more data. */
bool cn_gguf_writer_failed(const struct cn_gguf_writer *w);
/* Completes the file, still under its temporary name: then only finish or abandon follow. */
enum cn_status cn_gguf_writer_seal(struct cn_gguf_writer *w, struct cn_error *err);
/* Completes and renames the file (fsync first) or, after an error, removes it. Frees the writer. */
enum cn_status cn_gguf_writer_finish(struct cn_gguf_writer *w, struct cn_error *err);
/* The same for files that are a set, as cn_outfile_finish_all() does it; writers[0]: of the file by
 * which the set is opened. */
enum cn_status cn_gguf_writer_finish_all(struct cn_gguf_writer *const *writers, size_t n,
                                         struct cn_error *err);
/* Removes the temporary file and frees the writer. NULL is allowed. */
void cn_gguf_writer_abandon(struct cn_gguf_writer *w);

#endif
