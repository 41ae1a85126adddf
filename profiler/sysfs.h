/* SPDX-License-Identifier: MIT
 *
 * Reading small files under a root directory that stands for "/": sysfs, or a tree that a test
 * writes. Files that are read often are kept open and read by pread at offset 0.
 */
#ifndef CN_SYSFS_H
#define CN_SYSFS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CN_PATH_MAX = 1024 };

/* Joins root and the formatted rest (which starts with "/"). False if it is too long; path is then
 * "". */
__attribute__((format(printf, 3, 4))) bool cn_sysfs_path(char path[CN_PATH_MAX], const char *root,
                                                         const char *format, ...);

/* A file kept open. */
struct cn_sysfs_file {
    int fd;
    char *path;
};

/* 0 or -errno. A file whose mode lets nobody read is refused with EACCES even to root, so that a
 * tree on disk can say "unreadable" whoever runs the test. */
int cn_sysfs_open(struct cn_sysfs_file *f, const char *path);
/* Does nothing if f is {-1, NULL}. */
void cn_sysfs_close(struct cn_sysfs_file *f);

/* First line without its newline and trailing blanks. Its length, or -errno. Opens the file anew if
 * another was renamed over it. */
int cn_sysfs_text(struct cn_sysfs_file *f, char *text, size_t n_bytes);
/* The whole file, all of its lines. Its length (cut at n_bytes - 1), or -errno. */
int cn_sysfs_all(struct cn_sysfs_file *f, char *text, size_t n_bytes);
/* A decimal integer and nothing else. 0 or -errno (EINVAL: not a number; ENODATA: empty). */
int cn_sysfs_i64(struct cn_sysfs_file *f, int64_t *value);

/* The same for a file that is read once. */
int cn_sysfs_text_at(const char *path, char *text, size_t n_bytes);
int cn_sysfs_i64_at(const char *path, int64_t *value);

/* "permission denied", "no such file", ... for -errno. */
const char *cn_sysfs_strerror(int error);

/* Names in a directory, without "." and "..", in natural order (zone 2 before zone 10). 0 or
 * -errno. The caller frees each name and the array with cn_sysfs_list_free. */
int cn_sysfs_list(const char *path, char ***names, size_t *n);
void cn_sysfs_list_free(char **names, size_t n);

/* The machine under `root` says that it is a virtual one. */
bool cn_sysfs_is_vm(const char *root);

#endif
