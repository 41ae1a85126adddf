/* SPDX-License-Identifier: MIT */
#include "base/file_kind.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

#include "base/error.h"
#include "base/utf8.h"

/* The first keys of a GGUF file lie in here, and more text than there is need of. */
enum { HEAD_BYTES = 60 * 1024 };

static bool begins(const char *head, size_t n, const char *with)
{
    return n >= strlen(with) && memcmp(head, with, strlen(with)) == 0;
}

/* Whether the key general.type with the value "imatrix" is among the first bytes: the key, the
 * number of the type string, the length, the text. */
static bool says_imatrix(const char *head, size_t n)
{
    static const char pair[] = "general.type\x08\0\0\0\x07\0\0\0\0\0\0\0imatrix";
    return memmem(head, n, pair, sizeof pair - 1) != NULL;
}

static bool is_page(const char *head, size_t n)
{
    size_t i = 0;
    while (i < n && strchr(" \t\r\n", head[i]) && head[i])
        i++;
    return n - i >= 14 &&
           (!strncasecmp(head + i, "<!doctype html", 14) || !strncasecmp(head + i, "<html", 5));
}

/* No NUL, and mostly characters that print: what models say may hold any others. */
static bool is_text(const char *head, size_t n)
{
    size_t printing = 0, length;
    for (size_t i = 0; i < n; i += length) {
        uint32_t c = cn_utf8_next(head + i, n - i, &length);
        if (c == 0)
            return false;
        if (c != CN_UTF8_INVALID && (c >= ' ' || strchr("\t\n\r", (int)c)))
            printing += length;
    }
    return printing >= n / 4 * 3;
}

enum cn_file_kind cn_file_kind_of(const char *path)
{
    static const char base_magic[] = "_logits_";
    char head[HEAD_BYTES];
    struct stat st;
    if (stat(path, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size == 0)
        return CN_FILE_NOTHING;
    FILE *f = fopen(path, "rb");
    size_t n = f ? fread(head, 1, sizeof head, f) : 0;
    if (f)
        fclose(f);
    if (n == 0)
        return CN_FILE_NOTHING;
    if (begins(head, n, "GGUF"))
        return says_imatrix(head, n) ? CN_FILE_IMATRIX : CN_FILE_MODEL;
    if (begins(head, n, base_magic))
        return CN_FILE_BASE;
    if (begins(head, n, "carnot session\n"))
        return CN_FILE_SESSION;
    if (begins(head, n, "SQLite format 3"))
        return CN_FILE_DATABASE;
    if (is_page(head, n))
        return CN_FILE_PAGE;
    return is_text(head, n) ? CN_FILE_TEXT : CN_FILE_DATA;
}

static const char *describe(enum cn_file_kind kind)
{
    switch (kind) {
    case CN_FILE_NOTHING:
        break;
    case CN_FILE_MODEL:
        return "a GGUF model";
    case CN_FILE_IMATRIX:
        return "an importance matrix";
    case CN_FILE_BASE:
        return "the logits of a base";
    case CN_FILE_SESSION:
        return "a session";
    case CN_FILE_DATABASE:
        return "a database";
    case CN_FILE_PAGE:
        return "a page";
    case CN_FILE_TEXT:
        return "a text";
    case CN_FILE_DATA:
        return "raw data";
    }
    return "nothing";
}

enum cn_status cn_file_kind_check(const char *path, enum cn_file_kind kind, struct cn_error *err)
{
    enum cn_file_kind there = cn_file_kind_of(path);
    CN_RETURN_IF(there != CN_FILE_NOTHING && there != kind, CN_ERR_ARGUMENT, err,
                 "%s: holds %s, which %s is not to replace (--force does)", path, describe(there),
                 describe(kind));
    return CN_OK;
}
