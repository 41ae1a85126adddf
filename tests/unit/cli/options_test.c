/* SPDX-License-Identifier: MIT */
#include "base/table.h"
#include "cli/cli.h"
#include "cli/command.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
/* cmocka wants the headers above first. */
#include <cmocka.h>

/* The options of a command like any other. */
static struct {
    bool verbose;
    int64_t threads, any;
    double temp, top_p;
    const char *model;
    enum cn_table_format format;
    struct cn_string_list tensors, args;
} got;

/* clang-format off */
static const struct cn_option options[] = {
    { "--verbose", "-v", CN_OPT_FLAG, &got.verbose, NULL, "say more", 0, 0 },
    { "--threads", "-t", CN_OPT_INT, &got.threads, "N", "threads (default 1)", 1, 64 },
    { "--any", NULL, CN_OPT_INT, &got.any, "N", "any number", 0, 0 },
    { "--temp", NULL, CN_OPT_FLOAT, &got.temp, "T", "temperature", 0, (double)INFINITY },
    { "--top-p", NULL, CN_OPT_FLOAT, &got.top_p, "P", "nucleus", 0, 1 },
    { "-o", NULL, CN_OPT_TABLE, &got.format, "FORMAT", "of the table", 0, 0 },
    { "-m", NULL, CN_OPT_STRING, &got.model, "FILE", "the model", 0, 0 },
    { "--tensor-type", NULL, CN_OPT_LIST, &got.tensors, "RE=TYPE",
      "the type of the tensors whose names match; the first that matches holds, all others follow "
      "the mix of the file type", 0, 0 },
};
/* clang-format on */

static const struct cn_usage usage = { "carnot try [options] FILE...", "Tries options." };

static char out_text[4096], err_text[4096];

/* Runs the parser on `line`, split at blanks, with stdout and stderr caught. */
static int parse_with(const char *line, struct cn_string_list *args, size_t min_args,
                      size_t max_args)
{
    static char words[512];
    char *argv[32], *save = NULL;
    int argc = 0, fds[2] = { dup(STDOUT_FILENO), dup(STDERR_FILENO) };
    FILE *files[2] = { tmpfile(), tmpfile() };
    char *texts[2] = { out_text, err_text };

    free(got.tensors.items);
    free(got.args.items);
    memset(&got, 0, sizeof got);
    argv[argc++] = (char[]){ "try" };
    snprintf(words, sizeof words, "%s", line);
    for (char *w = strtok_r(words, " ", &save); w; w = strtok_r(NULL, " ", &save))
        argv[argc++] = w;
    argv[argc] = NULL;

    fflush(stdout);
    for (int i = 0; i < 2; i++) {
        assert_non_null(files[i]);
        dup2(fileno(files[i]), i + 1);
    }
    int code = cn_options_parse(argc, argv, &usage, options, sizeof options / sizeof *options, args,
                                min_args, max_args);
    fflush(stdout);
    for (int i = 0; i < 2; i++) {
        dup2(fds[i], i + 1);
        close(fds[i]);
        rewind(files[i]);
        texts[i][fread(texts[i], 1, sizeof out_text - 1, files[i])] = 0;
        fclose(files[i]);
    }
    return code;
}

static int parse(const char *line)
{
    return parse_with(line, &got.args, 0, SIZE_MAX);
}

/* A usage error: exit code 2, nothing on stdout, this one line on stderr. */
static void expect_usage_error(const char *line, const char *message)
{
    char expected[512];
    snprintf(expected, sizeof expected, "carnot try: %s\n", message);
    assert_int_equal(parse(line), CN_EXIT_USAGE);
    assert_string_equal(err_text, expected);
    assert_string_equal(out_text, "");
}

static void expect_args(const char *a, const char *b)
{
    size_t n = (a != NULL) + (b != NULL);
    assert_int_equal(got.args.n, n);
    if (a)
        assert_string_equal(got.args.items[0], a);
    if (b)
        assert_string_equal(got.args.items[1], b);
}

static void test_spellings(void **state)
{
    (void)state;
    assert_int_equal(parse("-v a --threads 4 --temp=0.5 -m x.gguf b"), -1);
    assert_true(got.verbose);
    assert_int_equal(got.threads, 4);
    assert_true(got.temp == 0.5);
    assert_string_equal(got.model, "x.gguf");
    expect_args("a", "b");
    assert_string_equal(out_text, "");
    assert_string_equal(err_text, "");

    assert_int_equal(parse("-t=5 -m=-v --any=-7"), -1);
    assert_int_equal(got.threads, 5);
    assert_string_equal(got.model, "-v");
    assert_int_equal(got.any, -7);
    assert_false(got.verbose);
    expect_args(NULL, NULL);

    assert_int_equal(parse("-o jsonl"), -1);
    assert_int_equal(got.format, CN_TABLE_JSONL);

    assert_int_equal(parse("-m="), -1);
    assert_string_equal(got.model, "");

    assert_int_equal(parse("--tensor-type a=b -t 1 -t 2 --tensor-type=c=d"), -1);
    assert_int_equal(got.threads, 2);
    assert_int_equal(got.tensors.n, 2);
    assert_string_equal(got.tensors.items[0], "a=b");
    assert_string_equal(got.tensors.items[1], "c=d");

    assert_int_equal(parse("- -v"), -1);
    assert_true(got.verbose);
    expect_args("-", NULL);

    assert_int_equal(parse("-- -v --help"), -1);
    assert_false(got.verbose);
    expect_args("-v", "--help");

    assert_int_equal(parse("--any -3"), -1); /* a negative number is a value */
    assert_int_equal(got.any, -3);
}

static void test_numbers(void **state)
{
    (void)state;
    static const char *const bad[] = { "0",  "65",   "-1",  "4x", "4.0",
                                       "x",  "1e1",  "0x4", "",   "99999999999999999999",
                                       "--", "four", "+",   "4,5" };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char line[64], message[128];
        snprintf(line, sizeof line, "--threads=%s", bad[i]);
        snprintf(message, sizeof message,
                 "--threads takes N (a whole number from 1 to 64), not '%s'", bad[i]);
        expect_usage_error(line, message);
        assert_int_equal(got.threads, 0);
    }
    assert_int_equal(parse("-t 1"), -1);
    assert_int_equal(parse("-t 64"), -1);
    assert_int_equal(parse("--any -9223372036854775808"), -1);
    assert_true(got.any == INT64_MIN);
    expect_usage_error("--any 9223372036854775808",
                       "--any takes N (a whole number), not '9223372036854775808'");
    assert_int_equal(parse("--top-p 1e-3"), -1);
    assert_true(got.top_p == 1e-3);
    expect_usage_error("--top-p 1.5", "--top-p takes P (a number from 0 to 1), not '1.5'");
    expect_usage_error("--top-p nan", "--top-p takes P (a number from 0 to 1), not 'nan'");
    expect_usage_error("--temp inf", "--temp takes T (a number, at least 0), not 'inf'");
    expect_usage_error("--temp -1", "--temp takes T (a number, at least 0), not '-1'");
    assert_int_equal(parse("--temp 1e300"), -1);
}

static void test_wrong_use(void **state)
{
    (void)state;
    expect_usage_error("--verbose=1", "--verbose takes no value, '1' given");
    expect_usage_error("a -m", "-m takes FILE, nothing given");
    expect_usage_error("--threads",
                       "--threads takes N (a whole number from 1 to 64), nothing given");
    expect_usage_error("-m --threads 4",
                       "-m takes FILE, but the option '--threads' follows (if that "
                       "is the value, write '-m=--threads')");
    expect_usage_error("-o xml", "-o takes FORMAT (md, csv, json, jsonl or sql), not 'xml'");
    expect_usage_error("-m --help",
                       "-m takes FILE, but the option '--help' follows (if that is the "
                       "value, write '-m=--help')");
}

static void test_unknown_options(void **state)
{
    (void)state;
    expect_usage_error("--thread 4", "unknown option '--thread'; did you mean '--threads'?");
    expect_usage_error("--htreads=4", "unknown option '--htreads'; did you mean '--threads'?");
    expect_usage_error("-threads", "unknown option '-threads'; did you mean '--threads'?");
    expect_usage_error("-temp", "unknown option '-temp'; did you mean '--temp'?");
    expect_usage_error("-any", "unknown option '-any'; did you mean '--any'?");
    expect_usage_error("--m x", "unknown option '--m'; did you mean '-m'?");
    expect_usage_error("--hlep", "unknown option '--hlep'; did you mean '--help'?");
    expect_usage_error("--zebra", "unknown option '--zebra'; --help lists them");
    expect_usage_error("-z", "unknown option '-z'; --help lists them");
    expect_usage_error("-t4", "unknown option '-t4'; did you mean '-t 4'?");
    /* One line, whatever is given. */
    expect_usage_error("--a\nb\033[2J", "unknown option '--a\\nb\\x1b[2J'; --help lists them");
    char longest[400] = "--";
    memset(longest + 2, 'x', sizeof longest - 3);
    assert_int_equal(parse(longest), CN_EXIT_USAGE);
}

static void test_argument_counts(void **state)
{
    (void)state;
    assert_int_equal(parse_with("a b", &got.args, 2, 2), -1);
    assert_int_equal(parse_with("a", &got.args, 2, 2), CN_EXIT_USAGE);
    assert_string_equal(err_text, "carnot try: expected 2 arguments, found 1; usage: carnot try "
                                  "[options] FILE...\n");
    assert_int_equal(parse_with("", &got.args, 1, 3), CN_EXIT_USAGE);
    assert_string_equal(err_text,
                        "carnot try: expected at least 1 argument, found 0; usage: carnot "
                        "try [options] FILE...\n");
    assert_int_equal(parse_with("a b c", &got.args, 0, 2), CN_EXIT_USAGE);
    assert_string_equal(err_text, "carnot try: expected at most 2 arguments, found 3 ('c'); usage: "
                                  "carnot try [options] FILE...\n");
    assert_int_equal(parse_with("a", NULL, 0, 0), CN_EXIT_USAGE);
    assert_string_equal(err_text, "carnot try: takes no arguments, 'a' given; usage: carnot try "
                                  "[options] FILE...\n");
    assert_int_equal(parse_with("-v", NULL, 0, 0), -1);
    /* Nothing to free after a failure, nor after --help. */
    assert_int_equal(parse("a --tensor-type b=c --nonsense"), CN_EXIT_USAGE);
    assert_true(!got.args.items && !got.args.n && !got.tensors.items && !got.tensors.n);
    assert_int_equal(parse("a --tensor-type b=c --help"), CN_EXIT_OK);
    assert_true(!got.args.items && !got.args.n && !got.tensors.items && !got.tensors.n);
}

static void test_help(void **state)
{
    (void)state;
    assert_int_equal(parse("-v --help --nonsense"), CN_EXIT_OK);
    assert_string_equal(err_text, "");
    assert_string_equal(
        out_text,
        "Usage: carnot try [options] FILE...\n"
        "\n"
        "Tries options.\n"
        "\n"
        "Options:\n"
        "  -v, --verbose             say more\n"
        "  -t, --threads N           threads (default 1)\n"
        "      --any N               any number\n"
        "      --temp T              temperature\n"
        "      --top-p P             nucleus\n"
        "  -o FORMAT                 of the table\n"
        "  -m FILE                   the model\n"
        "      --tensor-type RE=TYPE\n"
        "                            the type of the tensors whose names match; the first\n"
        "                            that matches holds, all others follow the mix of the\n"
        "                            file type\n"
        "      --help                print this and exit\n");
    assert_int_equal(parse("-h"), CN_EXIT_OK);
}

static void test_nearest(void **state)
{
    (void)state;
    static const char *const words[] = { "run", NULL, "bench", "kernels", "--help", "-m" };
    static const struct {
        const char *given, *nearest;
    } cases[] = {
        {"ru",       "run"    },
        { "rnu",     "run"    },
        { "bnech",   "bench"  },
        { "benhc",   "bench"  },
        { "kernel",  "kernels"},
        { "help",    "--help" },
        { "xyz",     NULL     },
        { "",        NULL     },
        { "m",       "-m"     },
        { "x",       NULL     },
        { "--",      NULL     },
        { "inspect", NULL     },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *near = cn_nearest(cases[i].given, words, sizeof words / sizeof *words);
        if (cases[i].nearest)
            assert_string_equal(near, cases[i].nearest);
        else
            assert_null(near);
    }
}

static int name_messages(void **state)
{
    (void)state;
    cn_message_command("try");
    return 0;
}

static int free_lists(void **state)
{
    (void)state;
    free(got.tensors.items);
    free(got.args.items);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spellings),       cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_wrong_use),       cmocka_unit_test(test_unknown_options),
        cmocka_unit_test(test_argument_counts), cmocka_unit_test(test_help),
        cmocka_unit_test(test_nearest),
    };
    return cmocka_run_group_tests(tests, name_messages, free_lists);
}
