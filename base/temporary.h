/* SPDX-License-Identifier: MIT
 *
 * Files and folders for a while: under $TMPDIR, or where that cannot be, under /tmp, or here. A
 * phone has neither of the first two.
 */
#ifndef CN_TEMPORARY_H
#define CN_TEMPORARY_H

#include "base/status.h"

#include <stdio.h>

/* An empty file to write and to read, gone when it is closed. CN_ERR_IO: where it was tried, and
 * why that could not be. */
enum cn_status cn_temporary_file(FILE **file, struct cn_error *err);

/* An empty folder; the caller removes it. path[n_bytes]: where it is. avoid: characters that its
 * path must not have; "" for none. */
enum cn_status cn_temporary_folder(char *path, size_t n_bytes, const char *avoid,
                                   struct cn_error *err);

#endif
