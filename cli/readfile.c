/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"

#include "base/plain_text.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Everything that is left in fd; sizes are found by reading, as pipes and /proc know none. */
static char *read_all(int fd, const char *name, size_t max_bytes, size_t *n)
{
    size_t room = 0, used = 0;
    char *data = NULL;
    for (;;) {
        if (room - used < 2) { /* a byte to read into and one for the NUL */
            size_t grown = room ? room * 2 : 64 * 1024;
            char *more = grown > room ? realloc(data, grown) : NULL;
            if (!more) {
                cn_die("%s: out of memory after %zu bytes", name, used);
                break;
            }
            data = more;
            room = grown;
        }
        ssize_t got = cn_interrupted() ? -1 : read(fd, data + used, room - used - 1);
        if (cn_interrupted()) {
            cn_die("interrupted");
            break;
        }
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0) {
            cn_die("%s: cannot read: %s", name, strerror(errno));
            break;
        }
        if (got == 0) {
            data[used] = 0;
            *n = used;
            return data;
        }
        used += (size_t)got;
        if (used > max_bytes) {
            cn_die("%s: expected at most %zu bytes, found more", name, max_bytes);
            break;
        }
    }
    free(data);
    return NULL;
}

char *cn_read_file(const char *path, size_t max_bytes, size_t *n)
{
    if (strcmp(path, "-") == 0)
        return read_all(STDIN_FILENO, "standard input", max_bytes, n);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        cn_die("%s: cannot open: %s", path, strerror(errno));
        return NULL;
    }
    char *data = NULL;
    struct stat st;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && (uintmax_t)st.st_size > max_bytes)
        cn_die("%s: expected at most %zu bytes, found %jd", path, max_bytes, (intmax_t)st.st_size);
    else
        data = read_all(fd, path, max_bytes, n);
    close(fd);
    return data;
}

char *cn_read_text(const char *path, size_t max_bytes, size_t *n)
{
    char *text = cn_read_file(path, max_bytes, n);
    if (text)
        *n = cn_plain_text(text, *n);
    return text;
}
