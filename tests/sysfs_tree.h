/* SPDX-License-Identifier: MIT
 *
 * A directory that stands for / in tests of meters: made under $TMPDIR, written file by file,
 * removed at the end. After <cmocka.h>.
 */
#ifndef CN_SYSFS_TREE_H
#define CN_SYSFS_TREE_H

#include <errno.h>
#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct tree {
    char root[256];
};

static inline struct tree tree_create(void)
{
    struct tree t;
    const char *tmp = getenv("TMPDIR");
    snprintf(t.root, sizeof t.root, "%s/carnot-tree-XXXXXX", tmp && *tmp ? tmp : "/tmp");
    if (!mkdtemp(t.root)) {
        perror(t.root);
        abort();
    }
    return t;
}

/* Full path of a file of the tree, its directories made. */
static inline void tree_path(const struct tree *t, const char *file, char path[1024])
{
    snprintf(path, 1024, "%s/%s", t->root, file);
    for (char *s = path + strlen(t->root) + 1; (s = strchr(s, '/')) != NULL; s++) {
        *s = 0;
        if (mkdir(path, 0755) != 0 && errno != EEXIST) {
            perror(path);
            abort();
        }
        *s = '/';
    }
}

__attribute__((format(printf, 3, 4))) static inline void
tree_write(const struct tree *t, const char *file, const char *format, ...)
{
    char path[1024];
    tree_path(t, file, path);
    FILE *f = fopen(path, "w");
    if (!f) {
        perror(path);
        abort();
    }
    va_list args;
    va_start(args, format);
    vfprintf(f, format, args);
    va_end(args);
    fclose(f);
}

static inline void tree_chmod(const struct tree *t, const char *file, unsigned mode)
{
    char path[1024];
    tree_path(t, file, path);
    if (chmod(path, mode) != 0) {
        perror(path);
        abort();
    }
}

static inline void tree_unlink(const struct tree *t, const char *file)
{
    char path[1024];
    tree_path(t, file, path);
    unlink(path);
}

static inline int tree_remove_one(const char *path, const struct stat *st, int flag,
                                  struct FTW *where)
{
    (void)st;
    (void)flag;
    (void)where;
    return remove(path);
}

static inline void tree_remove(const struct tree *t)
{
    nftw(t->root, tree_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* One powercap zone; range_uj 0: no max_energy_range_uj. */
static inline void tree_zone(const struct tree *t, const char *id, const char *name,
                             long long energy_uj, long long range_uj)
{
    char file[256];
    snprintf(file, sizeof file, "sys/class/powercap/%s/name", id);
    tree_write(t, file, "%s\n", name);
    snprintf(file, sizeof file, "sys/class/powercap/%s/energy_uj", id);
    tree_write(t, file, "%lld\n", energy_uj);
    snprintf(file, sizeof file, "sys/class/powercap/%s/max_energy_range_uj", id);
    if (range_uj)
        tree_write(t, file, "%lld\n", range_uj);
}

#endif
