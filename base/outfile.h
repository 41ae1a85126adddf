/* SPDX-License-Identifier: MIT
 *
 * Files that are whole or not there.
 */
#ifndef CN_OUTFILE_H
#define CN_OUTFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/status.h"

struct cn_outfile;

/* Opens a temporary file beside `path` (PATH.tmp-PID), or beside the file that it links to. What is
 * there under the name stays untouched until finish; it has to be a regular file or absent.
 * Failures of all of these leave errno set. */
CN_API enum cn_status cn_outfile_create(const char *path, struct cn_outfile **file,
                                        struct cn_error *err);
/* Where to write; it belongs to the file and is not to be closed. It has no fileno. What it cannot
 * write it remembers: who has many small pieces need not look at each. */
CN_API FILE *cn_outfile_stream(struct cn_outfile *file);
/* The temporary file's name, for one that somebody else writes (a database), and a descriptor of
 * it, which it keeps until finish. */
CN_API const char *cn_outfile_name(const struct cn_outfile *file);
CN_API int cn_outfile_descriptor(const struct cn_outfile *file);
/* For one file of several that are to appear together: syncs it and closes the stream; finish is
 * then only the change of name. After a failure it is to be abandoned. */
CN_API enum cn_status cn_outfile_seal(struct cn_outfile *file, struct cn_error *err);
/* Syncs the file and gives it its name or, if this fails or any write to the stream did, removes
 * it. Frees `file` in either case. */
CN_API enum cn_status cn_outfile_finish(struct cn_outfile *file, struct cn_error *err);
/* The same, but what has come under the name meanwhile stays: CN_ERR_ARGUMENT, and errno is EEXIST.
 */
CN_API enum cn_status cn_outfile_finish_new(struct cn_outfile *file, struct cn_error *err);
/* Gives n files their names together, files[0] being the one by which the set is opened: it is the
 * first to go and the last to come, so that what is half old and half new does not open. What was
 * there is kept as NAME.old-PID until all have come, and put back if one cannot; where even that
 * fails, the text says where it is. After a kill in the middle it is there. Frees all of them. */
CN_API enum cn_status cn_outfile_finish_all(struct cn_outfile *const *files, size_t n,
                                            struct cn_error *err);
/* Removes what was written. NULL is allowed. */
CN_API void cn_outfile_abandon(struct cn_outfile *file);
/* Whether create would work now, for who has hours of work to do before; leaves nothing behind. */
CN_API enum cn_status cn_outfile_probe(const char *path, struct cn_error *err);

/* Whether both names lead to one file; false if either is not there. */
CN_API bool cn_same_file(const char *a, const char *b);

#endif
