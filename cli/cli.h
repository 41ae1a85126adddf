/* SPDX-License-Identifier: MIT
 *
 * What the commands share: the table of commands, the option parser, messages, progress.
 * One thin file per command: cli/<command>.c, listed in cli/commands.def.
 */
#ifndef CN_CLI_H
#define CN_CLI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/table.h"

/* Exit codes: stdout is the result, stderr is status. */
enum {
    CN_EXIT_OK = 0,
    CN_EXIT_FAILED = 1,
    CN_EXIT_USAGE = 2,
    CN_EXIT_SLOWER = 3, /* --against: something is slower beyond the margin */
};

enum cn_option_kind {
    CN_OPT_FLAG,   /* bool *: set to true */
    CN_OPT_INT,    /* int64_t *: decimal, checked against min..max */
    CN_OPT_FLOAT,  /* double *: finite, checked against min..max */
    CN_OPT_STRING, /* const char ** */
    CN_OPT_LIST,   /* struct cn_string_list *: may be given several times */
    CN_OPT_TABLE,  /* enum cn_table_format *: md, csv, json, jsonl or sql */
};

struct cn_string_list {
    const char **items; /* malloc'ed array, grows; strings belong to argv */
    size_t n;
};

struct cn_option {
    const char *name;  /* "--threads", or "-t" */
    const char *alias; /* "-t" or NULL */
    enum cn_option_kind kind;
    void *value;
    const char *arg;  /* "N", shown in the help; NULL for flags */
    const char *help; /* one line, with the default */
    double min, max;  /* of numbers; both 0: no bounds */
};

/* What `carnot COMMAND --help` prints: usage line, text, then the options. */
struct cn_usage {
    const char *synopsis; /* "carnot run [options]" */
    const char *text;     /* what the command does, examples */
};

/* Parses argv[1..]: options in any order, "--name=value" and "--name value", "--" ends them, "-" is
 * a positional argument. Values and positional arguments stay in argv; given twice, the last one
 * holds (but CN_OPT_LIST gathers). Positional arguments go to *args (may be NULL: none are
 * allowed), min_args..max_args of them. Returns -1 to go on, and the caller frees the items of
 * lists; else the exit code, all lists being empty again (--help: 0, after printing; usage error:
 * 2, after one line on stderr that names the option and what it takes). */
int cn_options_parse(int argc, char **argv, const struct cn_usage *usage,
                     const struct cn_option *options, size_t n_options, struct cn_string_list *args,
                     size_t min_args, size_t max_args);

/* "carnot COMMAND: message\n" on stderr. Returns CN_EXIT_FAILED. */
__attribute__((format(printf, 1, 2))) int cn_die(const char *format, ...);
/* The same for what the user asked wrongly (options that exclude each other, ...). Returns
 * CN_EXIT_USAGE. */
__attribute__((format(printf, 1, 2))) int cn_usage_error(const char *format, ...);
/* The same as a warning; returns nothing. */
__attribute__((format(printf, 1, 2))) void cn_warn(const char *format, ...);
/* A part of a status line on stderr, which a format with a newline at its end ends. Other control
 * characters are escaped as in messages, so that names of files may be in it. */
__attribute__((format(printf, 1, 2))) void cn_say(const char *format, ...);

/* Whether something of the result could not be written to stdout. main says so in one line, or
 * says nothing if the reader of a pipe has gone; from here on no other message is printed. */
bool cn_result_lost(void);
/* Prints a table to stdout; NULL stands for one that memory did not suffice for. Returns
 * CN_EXIT_OK, or CN_EXIT_FAILED, and says why unless main will. */
int cn_result_table(const struct cn_table *table, enum cn_table_format format);

/* A progress line on stderr with percentage and time left, redrawn at most 10 times a second;
 * nothing if stderr is not a terminal. done == total ends and clears the line. */
void cn_progress(const char *what, double done, double total);

/* Reads a whole file (or stdin for "-") into malloc'ed memory, NUL-terminated after *n bytes; NULL
 * after a message on stderr. Refuses more than max_bytes. */
char *cn_read_file(const char *path, size_t max_bytes, size_t *n);

/* The same for a text: without a byte-order mark, and with LF where it has CR LF. */
char *cn_read_text(const char *path, size_t max_bytes, size_t *n);

/* True once SIGINT, SIGHUP or SIGTERM has arrived (main installs the handler; a second one of a
 * kind kills). */
bool cn_interrupted(void);
/* Forgets it: for an interactive command, where SIGINT ends an answer and not the program. */
void cn_interrupt_clear(void);

/* The path of the default model: $CARNOT_MODEL, else models/prose-8m-f16.gguf under the current
 * directory, beside the program or in the installed share directory. Never NULL; the file may be
 * absent. */
const char *cn_default_model(void);

#define CN_COMMAND(name, summary) int cn_cmd_##name(int argc, char **argv);
#include "cli/commands.def"
#undef CN_COMMAND

#endif
