/* SPDX-License-Identifier: MIT
 *
 * What a file holds, as far as its beginning tells: so that an output does not take the place of
 * something else.
 */
#ifndef CN_FILE_KIND_H
#define CN_FILE_KIND_H

#include "base/status.h"

enum cn_file_kind {
    CN_FILE_NOTHING, /* absent, empty, or not to be read */
    CN_FILE_MODEL,   /* a GGUF file but for the next kind */
    CN_FILE_IMATRIX, /* a GGUF file that says it is an importance matrix */
    CN_FILE_BASE,    /* logits of a text, for divergences from them */
    CN_FILE_SESSION, /* what a model was told, and what it made of it */
    CN_FILE_DATABASE,
    CN_FILE_PAGE, /* HTML */
    CN_FILE_TEXT, /* any other text: tables, traces, notes */
    CN_FILE_DATA  /* anything else */
};

/* The kind of what is there under the name. */
enum cn_file_kind cn_file_kind_of(const char *path);

/* CN_ERR_ARGUMENT with a line that says what is there, unless it is of this kind, or nothing. */
enum cn_status cn_file_kind_check(const char *path, enum cn_file_kind kind, struct cn_error *err);

#endif
