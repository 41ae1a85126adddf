/* SPDX-License-Identifier: MIT */
#include "cli/outputs.h"

#include "base/table.h"
#include "cli/cli.h"
#include "engine/tools.h"

#include <stdlib.h>
#include <string.h>

int cn_output_check_name(const char *out)
{
    return strcmp(out, "-") != 0
               ? -1
               : cn_usage_error("'-' as a file to write: stdout is not supported there; give a "
                                "name (or ./-)");
}

static int check(const char *out, const char *const *in, size_t n)
{
    struct cn_error err = { "" };
    int code = cn_output_check_name(out);
    for (size_t i = 0; code < 0 && i < n; i++)
        if (cn_outfile_spare(out, in[i], &err) != CN_OK)
            code = cn_die("%s", err.text);
    return code;
}

static bool force;

bool *cn_output_force(void)
{
    return &force;
}

static int probe(const char *out, enum cn_file_kind kind)
{
    struct cn_error err = { "" };
    if (!force && cn_file_kind_check(out, kind, &err) != CN_OK)
        return cn_die("%s", err.text);
    return cn_outfile_probe(out, &err) == CN_OK ? -1 : cn_die("%s", err.text);
}

int cn_output_check(const char *out, enum cn_file_kind kind, const char *const *in, size_t n)
{
    int code = out ? check(out, in, n) : -1;
    return out && code < 0 ? probe(out, kind) : code;
}

/* Whether both names mean one file, there or not. */
static bool same_place(const char *a, const char *b)
{
    const char *names[] = { a, b };
    char *dir[2];
    for (int i = 0; i < 2; i++) {
        const char *slash = strrchr(names[i], '/');
        char *text = slash ? strndup(names[i], (size_t)(slash - names[i]) + 1) : strdup(".");
        dir[i] = text ? realpath(text, NULL) : NULL;
        names[i] = slash ? slash + 1 : names[i];
        free(text);
    }
    bool same = dir[0] && dir[1] && strcmp(dir[0], dir[1]) == 0 && strcmp(names[0], names[1]) == 0;
    free(dir[0]);
    free(dir[1]);
    return same || cn_same_file(a, b);
}

int cn_output_check_two(const char *a, const char *b)
{
    return a && b && same_place(a, b)
               ? cn_die("%s: two outputs would go to the same file; give one another name", b)
               : -1;
}

int cn_output_check_table(const char *option, const char *out, const char *const *in, size_t n)
{
    enum cn_table_format format;
    int code = out ? check(out, in, n) : -1;
    if (!out || code >= 0)
        return code;
    if (!cn_table_format_of(out, &format))
        return cn_usage_error("%s: a name that ends in .md, .csv, .json, .jsonl, .sql or .html "
                              "expected, '%s' given",
                              option, out);
    return probe(out, CN_FILE_TEXT); /* of html: a table, not a page */
}
