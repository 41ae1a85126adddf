/* SPDX-License-Identifier: MIT */
#include "profiler/sysfs.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool cn_sysfs_path(char path[CN_PATH_MAX], const char *root, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = snprintf(path, CN_PATH_MAX, "%s", root);
    int m = 0;
    if (n >= 0 && n < CN_PATH_MAX)
        m = vsnprintf(path + n, (size_t)(CN_PATH_MAX - n), format, args);
    va_end(args);
    if (n < 0 || m < 0 || n + m >= CN_PATH_MAX) {
        path[0] = 0;
        return false;
    }
    return true;
}

static int open_fd(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return -errno;
    struct stat st;
    int error = 0;
    if (fstat(fd, &st) != 0)
        error = errno;
    else if (S_ISDIR(st.st_mode))
        error = EISDIR;
    else if (!S_ISREG(st.st_mode))
        error = EINVAL;
    else if (!(st.st_mode & (S_IRUSR | S_IRGRP | S_IROTH)))
        error = EACCES;
    if (error) {
        close(fd);
        return -error;
    }
    return fd;
}

int cn_sysfs_open(struct cn_sysfs_file *f, const char *path)
{
    f->fd = -1;
    f->path = strdup(path);
    if (!f->path)
        return -ENOMEM;
    f->fd = open_fd(path);
    if (f->fd >= 0)
        return 0;
    int error = f->fd;
    f->fd = -1;
    cn_sysfs_close(f);
    return error;
}

void cn_sysfs_close(struct cn_sysfs_file *f)
{
    if (f->fd >= 0)
        close(f->fd);
    free(f->path);
    f->fd = -1;
    f->path = NULL;
}

static int trim(char *text, ssize_t n)
{
    text[n] = 0;
    n = (ssize_t)strcspn(text, "\n");
    while (n > 0 && isspace((unsigned char)text[n - 1]))
        n--;
    text[n] = 0;
    return (int)n;
}

int cn_sysfs_all(struct cn_sysfs_file *f, char *text, size_t n_bytes)
{
    struct stat st;
    /* A writer that replaces the file by rename leaves us with one that has no name any more. */
    if (fstat(f->fd, &st) == 0 && st.st_nlink == 0) {
        int fd = open_fd(f->path);
        if (fd < 0)
            return fd;
        close(f->fd);
        f->fd = fd;
    }
    ssize_t n;
    do
        n = pread(f->fd, text, n_bytes - 1, 0);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    text[n] = 0;
    return (int)n;
}

int cn_sysfs_text(struct cn_sysfs_file *f, char *text, size_t n_bytes)
{
    int n = cn_sysfs_all(f, text, n_bytes);
    return n < 0 ? n : trim(text, n);
}

static int parse_i64(const char *text, int64_t *value)
{
    if (!*text)
        return -ENODATA;
    char *end;
    errno = 0;
    long long v = strtoll(text, &end, 10);
    if (errno || end == text || *end)
        return -EINVAL;
    *value = v;
    return 0;
}

int cn_sysfs_i64(struct cn_sysfs_file *f, int64_t *value)
{
    char text[64];
    int n = cn_sysfs_text(f, text, sizeof text);
    return n < 0 ? n : parse_i64(text, value);
}

int cn_sysfs_text_at(const char *path, char *text, size_t n_bytes)
{
    int fd = open_fd(path);
    if (fd < 0)
        return fd;
    ssize_t n = read(fd, text, n_bytes - 1);
    int error = errno;
    close(fd);
    return n < 0 ? -error : trim(text, n);
}

int cn_sysfs_i64_at(const char *path, int64_t *value)
{
    char text[64];
    int n = cn_sysfs_text_at(path, text, sizeof text);
    return n < 0 ? n : parse_i64(text, value);
}

const char *cn_sysfs_strerror(int error)
{
    switch (error < 0 ? -error : error) {
    case EACCES:
    case EPERM:
        return "permission denied";
    case ENOENT:
        return "no such file";
    case EISDIR:
        return "is a directory";
    case ENODEV:
    case ENXIO:
        return "the device is gone";
    case EIO:
        return "input/output error";
    case EINVAL:
        return "not a number";
    case ENODATA:
        return "empty";
    case ENOMEM:
        return "out of memory";
    case EMFILE:
    case ENFILE:
        return "too many open files";
    case ENOTDIR:
        return "not a directory";
    default:
        return "cannot be read";
    }
}

static int natural(const char *a, const char *b)
{
    while (*a && *b) {
        if (isdigit((unsigned char)*a) && isdigit((unsigned char)*b)) {
            a += strspn(a, "0");
            b += strspn(b, "0");
            size_t na = strspn(a, "0123456789"), nb = strspn(b, "0123456789");
            int d = na != nb ? (na < nb ? -1 : 1) : strncmp(a, b, na);
            if (d)
                return d;
            a += na;
            b += nb;
        } else if (*a != *b) {
            return (unsigned char)*a < (unsigned char)*b ? -1 : 1;
        } else {
            a++;
            b++;
        }
    }
    return *a ? 1 : *b ? -1 : 0;
}

static int by_name(const void *a, const void *b)
{
    return natural(*(char *const *)a, *(char *const *)b);
}

void cn_sysfs_list_free(char **names, size_t n)
{
    for (size_t i = 0; i < n; i++)
        free(names[i]);
    free(names);
}

int cn_sysfs_list(const char *path, char ***names, size_t *n)
{
    DIR *dir = opendir(path);
    if (!dir)
        return -errno;
    char **list = NULL;
    size_t count = 0, cap = 0;
    int error = 0;
    for (struct dirent *e; !error && (e = readdir(dir));) {
        if (!strcmp(e->d_name, ".") || !strcmp(e->d_name, ".."))
            continue;
        if (count == cap) {
            cap = cap ? 2 * cap : 16;
            char **grown = realloc(list, cap * sizeof *list);
            if (!grown) {
                error = -ENOMEM;
                break;
            }
            list = grown;
        }
        list[count] = strdup(e->d_name);
        if (!list[count])
            error = -ENOMEM;
        else
            count++;
    }
    closedir(dir);
    if (error) {
        cn_sysfs_list_free(list, count);
        return error;
    }
    if (count)
        qsort(list, count, sizeof *list, by_name);
    *names = list;
    *n = count;
    return 0;
}

bool cn_sysfs_is_vm(const char *root)
{
    char path[CN_PATH_MAX];
    if (!cn_sysfs_path(path, root, "/proc/cpuinfo"))
        return false;
    FILE *f = fopen(path, "re");
    if (!f)
        return false;
    char line[8192];
    bool vm = false;
    while (!vm && fgets(line, sizeof line, f)) {
        if (strncmp(line, "flags", 5) == 0) {
            vm = strstr(line, " hypervisor") != NULL;
            break;
        }
    }
    fclose(f);
    return vm;
}
