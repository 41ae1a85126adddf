/* SPDX-License-Identifier: MIT */
#include "cli/outputs.h"

#include "bench/table.h"
#include "cli/cli.h"
#include "engine/tools.h"

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

static int probe(const char *out)
{
    struct cn_error err = { "" };
    return cn_outfile_probe(out, &err) == CN_OK ? -1 : cn_die("%s", err.text);
}

int cn_output_check(const char *out, const char *const *in, size_t n)
{
    int code = out ? check(out, in, n) : -1;
    return out && code < 0 ? probe(out) : code;
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
    return probe(out);
}
