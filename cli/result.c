/* SPDX-License-Identifier: MIT
 *
 * The result on stdout: its tables, and what is said at the end if it did not get there.
 */
#include "base/table.h"
#include "cli/cli.h"
#include "cli/command.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int cn_result_table(const struct cn_table *table, enum cn_table_format format)
{
    errno = 0;
    if (table && cn_table_print(table, format, stdout))
        return CN_EXIT_OK;
    return cn_result_lost() ? CN_EXIT_FAILED : cn_die("out of memory");
}

int cn_result_end(int code)
{
    errno = 0;
    bool failed = fflush(stdout) != 0 || cn_result_lost();
    int reason = cn_result_reason(errno);
    if (close(STDOUT_FILENO) != 0 && !failed) {
        failed = true;
        reason = errno;
    }
    if (!failed)
        return code;
    cn_result_told();
    if (reason != EPIPE) /* who closed the pipe knows */
        cn_die("cannot write the result to stdout: %s",
               reason ? strerror(reason) : "an earlier write failed");
    return code == CN_EXIT_OK ? CN_EXIT_FAILED : code;
}
