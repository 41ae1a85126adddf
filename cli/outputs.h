/* SPDX-License-Identifier: MIT
 *
 * Where a command's files go, looked at before any work: hours later is too late to say it.
 */
#ifndef CN_OUTPUTS_H
#define CN_OUTPUTS_H

#include <stdbool.h>
#include <stddef.h>

#include "base/file_kind.h"

/* The option of every command that writes a file. */
#define CN_OPTION_FORCE                                        \
    {                                                          \
        "--force", NULL, CN_OPT_FLAG, cn_output_force(), NULL, \
            "replace a file that holds something else", 0, 0   \
    }
bool *cn_output_force(void);

/* Whether the file `out` can be written and is none of the n inputs, and holds nothing of another
 * kind than is to be written (but with --force); NULL as `out` or as an input is passed over.
 * Returns -1, or the exit code after a message. */
int cn_output_check(const char *out, enum cn_file_kind kind, const char *const *in, size_t n);

/* The same for a file that holds a table, whose format its name's end tells: value of `option`. */
int cn_output_check_table(const char *option, const char *out, const char *const *in, size_t n);

/* That two outputs, NULL: none, are not one file. */
int cn_output_check_two(const char *a, const char *b);

/* Only that `out` is not "-", where the names of several files are made of it. */
int cn_output_check_name(const char *out);

#endif
