/* SPDX-License-Identifier: MIT */
#include "base/table.h"
#include "cli/cli.h"
#include "cli/command.h"

#include <ctype.h>
#include <errno.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- misspellings ---------------------------------------------------------------------------- */

enum { LONGEST_NAME = 40 }; /* longer words get no suggestion */

/* Insertions, deletions, replacements and swaps of neighbours that turn a into b (optimal string
 * alignment distance). Both are at most LONGEST_NAME long. */
static size_t edit_distance(const char *a, size_t na, const char *b, size_t nb)
{
    size_t rows[3][LONGEST_NAME + 1], *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t j = 0; j <= nb; j++)
        last[j] = j;
    for (size_t i = 1; i <= na; i++) {
        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            size_t best = last[j - 1] + (a[i - 1] != b[j - 1]);
            if (last[j] + 1 < best)
                best = last[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            row[j] = best;
        }
        size_t *free_row = before;
        before = last;
        last = row;
        row = free_row;
    }
    return last[nb];
}

const char *cn_nearest(const char *given, const char *const *candidates, size_t n_candidates)
{
    const char *nearest = NULL;
    /* Dashes say nothing: "-threads" and "threads" are as near to "--threads" as can be. */
    const char *word = given + strspn(given, "-");
    size_t n = strlen(word), best = n < 4 ? 2 : n / 3 + 1; /* found if below */
    if (n == 0 || n > LONGEST_NAME)
        return NULL;
    for (size_t i = 0; i < n_candidates; i++) {
        if (!candidates[i])
            continue;
        const char *name = candidates[i] + strspn(candidates[i], "-");
        size_t n_name = strlen(name);
        /* One letter is one edit away from every other: only the dashes can be wrong there. */
        if (n_name > LONGEST_NAME || (n_name == 1 && strcmp(name, word) != 0))
            continue;
        size_t distance = edit_distance(word, n, name, n_name);
        if (distance < best) {
            best = distance;
            nearest = candidates[i];
        }
    }
    return nearest;
}

/* ---- values ---------------------------------------------------------------------------------- */

/* Whole numbers up to here are doubles; a bound beyond is that of int64_t. */
static const double LARGEST_INT = 9e15;

static bool has_bounds(const struct cn_option *o)
{
    return o->min != 0 || o->max != 0; /* cli.h: both 0 means none */
}

/* "N (a whole number from 1 to 64)" */
static const char *describe_value(const struct cn_option *o, char *buf, size_t n)
{
    const char *arg = o->arg ? o->arg : "a value";
    if (o->kind == CN_OPT_TABLE) {
        snprintf(buf, n, "%s (md, csv, json, jsonl or sql)", arg);
        return buf;
    }
    if (o->kind != CN_OPT_INT && o->kind != CN_OPT_FLOAT) {
        snprintf(buf, n, "%s", arg);
        return buf;
    }
    const char *kind = o->kind == CN_OPT_INT ? "a whole number" : "a number";
    double largest = o->kind == CN_OPT_INT ? LARGEST_INT : DBL_MAX; /* a bound in name only */
    if (o->kind == CN_OPT_INT && has_bounds(o) && o->max >= largest)
        snprintf(buf, n, "%s (%s from %.15g to %" PRId64 ")", arg, kind, o->min, INT64_MAX);
    else if (!has_bounds(o))
        snprintf(buf, n, "%s (%s)", arg, kind);
    else if (o->max >= largest)
        snprintf(buf, n, "%s (%s, at least %.15g)", arg, kind, o->min);
    else if (o->min <= -largest)
        snprintf(buf, n, "%s (%s, at most %.15g)", arg, kind, o->max);
    else
        snprintf(buf, n, "%s (%s from %.15g to %.15g)", arg, kind, o->min, o->max);
    return buf;
}

static bool in_bounds(const struct cn_option *o, double value)
{
    bool open = o->kind == CN_OPT_INT && o->max >= LARGEST_INT;
    return !has_bounds(o) || (value >= o->min && (open || value <= o->max));
}

static bool parse_number(const struct cn_option *o, const char *text)
{
    char *end;
    if (!*text || isspace((unsigned char)*text))
        return false;
    errno = 0;
    if (o->kind == CN_OPT_INT) {
        long long v = strtoll(text, &end, 10);
        if (*end || errno || !in_bounds(o, (double)v))
            return false;
        *(int64_t *)o->value = v;
        return true;
    }
    double v = strtod(text, &end);
    if (*end || !isfinite(v) || !in_bounds(o, v))
        return false;
    *(double *)o->value = v;
    return true;
}

static bool append(struct cn_string_list *list, const char *item)
{
    const char **items = realloc(list->items, (list->n + 1) * sizeof *items);
    if (!items)
        return false;
    items[list->n++] = item;
    list->items = items;
    return true;
}

/* Returns -1, or the exit code after a message. `given` is the option as it was spelt. */
static int set_value(const struct cn_option *o, const char *given, const char *text)
{
    char what[160];
    switch (o->kind) {
    case CN_OPT_FLAG:
        *(bool *)o->value = true;
        return -1;
    case CN_OPT_INT:
    case CN_OPT_FLOAT:
        if (!parse_number(o, text))
            return cn_usage_error("%s takes %s, not '%s'", given,
                                  describe_value(o, what, sizeof what), text);
        return -1;
    case CN_OPT_TABLE:
        if (!cn_table_format_parse(text, o->value))
            return cn_usage_error("%s takes %s, not '%s'", given,
                                  describe_value(o, what, sizeof what), text);
        return -1;
    case CN_OPT_STRING:
        *(const char **)o->value = text;
        return -1;
    case CN_OPT_LIST:
        return append(o->value, text) ? -1 : cn_die("out of memory");
    }
    return -1;
}

/* ---- help ------------------------------------------------------------------------------------ */

enum { LINE_WIDTH = 80, HELP_INDENT = 28 };

/* Prints words, breaking lines before LINE_WIDTH; `column` is where the cursor stands. */
static void print_wrapped(const char *text, int column)
{
    bool first = true;
    for (const char *p = text; *(p += strspn(p, " "));) {
        size_t bytes = strcspn(p, " ");
        int width = 0;
        for (size_t i = 0; i < bytes; i++)
            width += ((unsigned char)p[i] & 0xc0) != 0x80; /* UTF-8: characters, not bytes */
        if (!first && column + 1 + width > LINE_WIDTH) {
            printf("\n%*s", HELP_INDENT, "");
            column = HELP_INDENT;
            first = true;
        }
        printf("%s%.*s", first ? "" : " ", (int)bytes, p);
        column += width + !first;
        first = false;
        p += bytes;
    }
    printf("\n");
}

static void print_option(const char *name, const char *alias, const char *arg, const char *help)
{
    /* Short names in a column of their own: "  -t, --threads N", "      --seed N", "  -p TEXT". */
    bool long_only = !alias && name[1] == '-';
    int n = printf("  %s%s%s%s%s%s", long_only ? "    " : "", alias ? alias : "", alias ? ", " : "",
                   name, arg ? " " : "", arg ? arg : "");
    if (n > HELP_INDENT - 2) {
        printf("\n");
        n = 0;
    }
    printf("%*s", HELP_INDENT - n, "");
    print_wrapped(help, HELP_INDENT);
}

static void print_help(const struct cn_usage *usage, const struct cn_option *options,
                       size_t n_options)
{
    size_t text_len = strlen(usage->text);
    bool newline = text_len && usage->text[text_len - 1] == '\n';
    printf("Usage: %s\n\n%s%s\nOptions:\n", usage->synopsis, usage->text, newline ? "" : "\n");
    for (const struct cn_option *o = options; o < options + n_options; o++)
        print_option(o->name, o->alias, o->arg, o->help);
    print_option("--help", NULL, NULL, "print this and exit");
}

/* ---- parsing --------------------------------------------------------------------------------- */

/* The option spelt text[0..n). */
static const struct cn_option *find(const struct cn_option *options, size_t n_options,
                                    const char *text, size_t n)
{
    for (const struct cn_option *o = options; o < options + n_options; o++)
        if ((strlen(o->name) == n && memcmp(o->name, text, n) == 0) ||
            (o->alias && strlen(o->alias) == n && memcmp(o->alias, text, n) == 0))
            return o;
    return NULL;
}

static int unknown_option(const struct cn_option *options, size_t n_options, const char *text,
                          size_t n)
{
    char word[LONGEST_NAME + 3];
    const char *near = NULL;
    const char **names = n < sizeof word ? malloc((2 * n_options + 1) * sizeof *names) : NULL;
    if (names) {
        memcpy(word, text, n);
        word[n] = 0;
        for (size_t i = 0; i < n_options; i++) {
            names[2 * i] = options[i].name;
            names[2 * i + 1] = options[i].alias;
        }
        names[2 * n_options] = "--help";
        near = cn_nearest(word, names, 2 * n_options + 1);
        free(names);
    }
    if (near)
        return cn_usage_error("unknown option '%.*s'; did you mean '%s'?", (int)n, text, near);
    if (n > 2 && text[1] != '-' && find(options, n_options, text, 2))
        return cn_usage_error("unknown option '%.*s'; did you mean '%.2s %.*s'?", (int)n, text,
                              text, (int)n - 2, text + 2);
    return cn_usage_error("unknown option '%.*s'; --help lists them", (int)n, text);
}

static bool is_help(const char *text)
{
    return strcmp(text, "--help") == 0 || strcmp(text, "-h") == 0;
}

/* Reads the option at argv[*i], and the value behind it. Returns -1, or the exit code. */
static int parse_option(int argc, char **argv, int *i, const struct cn_option *options,
                        size_t n_options)
{
    const char *text = argv[*i], *equals = strchr(text, '=');
    size_t n = equals ? (size_t)(equals - text) : strlen(text);
    const struct cn_option *o = find(options, n_options, text, n);
    if (!o)
        return unknown_option(options, n_options, text, n);
    char given[64], what[160];
    snprintf(given, sizeof given, "%.*s", (int)n, text);
    if (o->kind == CN_OPT_FLAG) {
        if (equals)
            return cn_usage_error("%s takes no value, '%s' given", given, equals + 1);
        return set_value(o, given, NULL);
    }
    if (equals)
        return set_value(o, given, equals + 1);
    describe_value(o, what, sizeof what);
    if (*i + 1 >= argc)
        return cn_usage_error("%s takes %s, nothing given", given, what);
    const char *value = argv[++*i];
    /* "-m --threads 4" is a forgotten value far more often than a file of that name. */
    if (is_help(value) || find(options, n_options, value, strlen(value)))
        return cn_usage_error(
            "%s takes %s, but the option '%s' follows (if that is the value, write "
            "'%s=%s')",
            given, what, value, given, value);
    return set_value(o, given, value);
}

static const char *plural(size_t n)
{
    return n == 1 ? "argument" : "arguments";
}

static int check_count(const struct cn_usage *usage, const struct cn_string_list *args, size_t n,
                       size_t min_args, size_t max_args)
{
    if (n > max_args)
        return cn_usage_error("expected at most %zu %s, found %zu ('%s'); usage: %s", max_args,
                              plural(max_args), n, args->items[args->n - n + max_args],
                              usage->synopsis);
    if (n < min_args)
        return cn_usage_error("expected %s%zu %s, found %zu; usage: %s",
                              min_args == max_args ? "" : "at least ", min_args, plural(min_args),
                              n, usage->synopsis);
    return -1;
}

static int parse_all(int argc, char **argv, const struct cn_usage *usage,
                     const struct cn_option *options, size_t n_options, struct cn_string_list *args,
                     size_t min_args, size_t max_args)
{
    bool options_end = false;
    size_t n = 0;
    for (int i = 1; i < argc; i++) {
        const char *text = argv[i];
        if (options_end || text[0] != '-' || text[1] == 0) {
            if (!args)
                return cn_usage_error("takes no arguments, '%s' given; usage: %s", text,
                                      usage->synopsis);
            if (!append(args, text))
                return cn_die("out of memory");
            n++;
        } else if (strcmp(text, "--") == 0) {
            options_end = true;
        } else if (is_help(text) && !find(options, n_options, text, strlen(text))) {
            print_help(usage, options, n_options);
            return CN_EXIT_OK;
        } else {
            int code = parse_option(argc, argv, &i, options, n_options);
            if (code >= 0)
                return code;
        }
    }
    return args ? check_count(usage, args, n, min_args, max_args) : -1;
}

static void clear(struct cn_string_list *list)
{
    free(list->items);
    *list = (struct cn_string_list){ 0 };
}

int cn_options_parse(int argc, char **argv, const struct cn_usage *usage,
                     const struct cn_option *options, size_t n_options, struct cn_string_list *args,
                     size_t min_args, size_t max_args)
{
    int code = parse_all(argc, argv, usage, options, n_options, args, min_args, max_args);
    if (code < 0)
        return code;
    for (const struct cn_option *o = options; o < options + n_options; o++)
        if (o->kind == CN_OPT_LIST)
            clear(o->value);
    if (args)
        clear(args);
    return code;
}
