/* SPDX-License-Identifier: MIT
 *
 * Programs whose speed is known: shell scripts that print tables. What they say of themselves has
 * noise, but of a generator, so that this test does not hang on the machine's.
 */
#include "bench/against/duel.h"

#include "base/error.h"

#include <math.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *const keys[] = { "format", "job" };

static enum cn_status read_row(const void *context, const struct cn_dataset *t, size_t row,
                               bool *takes_part, struct cn_duel_reading *r, struct cn_error *err)
{
    (void)context, (void)err;
    for (size_t i = 0; i < 2; i++)
        snprintf(
            r->keys[i], sizeof r->keys[i], "%s",
            cn_dataset_cell(t, row, (size_t)cn_dataset_column(t, keys[i], strlen(keys[i])))->text);
    r->figure = cn_dataset_cell(t, row, (size_t)cn_dataset_column(t, "speed", 5))->number;
    *takes_part = strcmp(r->keys[1], "ref") != 0;
    return CN_OK;
}

struct fake {
    char counter[64], script[1024];
    const char *argv[4];
};

/* A program that says of gemv and gemm so many weights a second, give or take `noise`, and of ref
 * nonsense. Each of its runs draws from another seed. */
static void make_fake(struct fake *f, const char *name, double gemv, double gemm, double noise)
{
    snprintf(f->counter, sizeof f->counter, "/tmp/carnot-duel-%d-%s", (int)getpid(), name);
    snprintf(f->script, sizeof f->script,
             "echo >>%s; n=$(wc -l <%s); awk -v n=$n 'BEGIN { srand(n * 7919 + %d); "
             "f = \"{\\\"format\\\": \\\"q4_k\\\", \\\"job\\\": \\\"%%s\\\", \\\"speed\\\": "
             "%%.6f}%%s\"; "
             "printf \"[\" f, \"gemv\", %f * (1 + %f * (2 * rand() - 1)), \",\"; "
             "printf f, \"ref\", 1, \",\"; "
             "printf f \"\\n\", \"gemm\", %f * (1 + %f * (2 * rand() - 1)), \"]\" }'",
             f->counter, f->counter, name[0], gemv, noise, gemm, noise);
    f->argv[0] = "sh";
    f->argv[1] = "-c";
    f->argv[2] = f->script;
    f->argv[3] = NULL;
    unlink(f->counter);
}

static const struct cn_rival_turns *turns;

static enum cn_status run(const struct cn_rival *rivals, double seconds, struct cn_duel_options *o,
                          struct cn_duel *d, struct cn_error *err)
{
    *o = (struct cn_duel_options){ .rivals = rivals,
                                   .n_rivals = 2,
                                   .keys = keys,
                                   .n_keys = 2,
                                   .margin = 0.05,
                                   .seconds = seconds,
                                   .seed = 5,
                                   .turns = turns };
    return cn_duel_run(o, d, err);
}

static void what_changed_is_found_and_what_did_not_is_level(void **state)
{
    (void)state;
    struct fake a, b;
    struct cn_duel_options o;
    struct cn_duel d;
    struct cn_error err = { "" };
    char text[512];
    make_fake(&a, "new", 8.8e9, 60e9, 0.02);
    make_fake(&b, "old", 10e9, 60e9, 0.02);
    const struct cn_rival rivals[] = {
        {"new",  a.argv, read_row},
        { "old", b.argv, read_row},
    };
    assert_int_equal(run(rivals, 60, &o, &d, &err), CN_OK);
    assert_int_equal(d.n_rows, 2);
    const struct cn_sequential *gemv = &d.rows[0].judged[1], *gemm = &d.rows[1].judged[1];
    assert_string_equal(d.rows[0].reading.keys[1], "gemv");
    assert_int_equal(gemv->verdict, CN_SEQUENTIAL_SLOWER);
    assert_true(gemv->lo < 0.88 && 0.88 < gemv->hi && gemv->hi < 1 / 1.05);
    assert_int_equal(gemm->verdict, CN_SEQUENTIAL_EQUIVALENT);
    assert_true(gemm->lo < 1 && 1 < gemm->hi);
    cn_duel_sentence(&d, 0, 1, text, sizeof text);
    assert_non_null(strstr(text, "slower than old ("));
    assert_non_null(strstr(text, "beyond the margin of 5%"));
    cn_duel_sentence(&d, 1, 1, text, sizeof text);
    assert_ptr_equal(strstr(text, "equivalent to old within 5%: "), text);
    /* Each ran once in each round, and stopped when both rows were decided. */
    assert_true(d.n_rounds >= CN_SEQUENTIAL_LEAST && d.n_rounds < 60 && d.seconds < 60);
    assert_true(fabs(cn_duel_median(&d, 0, 0) / 8.8e9 - 1) < 0.02);
    cn_duel_free(&d);
    unlink(a.counter);
    unlink(b.counter);
}

static void without_time_nothing_is_decided(void **state)
{
    (void)state;
    struct fake a, b;
    struct cn_duel_options o;
    struct cn_duel d;
    struct cn_error err = { "" };
    char text[512];
    make_fake(&a, "new", 1e9, 1e9, 0);
    make_fake(&b, "old", 9e9, 1e9, 0);
    const struct cn_rival rivals[] = {
        {"new",  a.argv, read_row},
        { "old", b.argv, read_row},
    };
    assert_int_equal(run(rivals, 0.001, &o, &d, &err), CN_OK);
    assert_int_equal(d.n_rounds, 1);
    assert_int_equal(d.rows[0].judged[1].verdict, CN_SEQUENTIAL_UNDECIDED);
    cn_duel_sentence(&d, 0, 1, text, sizeof text);
    assert_non_null(strstr(text, "undecided: 88.9% slower than old in 1 of the 6 rounds"));
    cn_duel_free(&d);
    unlink(a.counter);
    unlink(b.counter);
}

static void a_row_of_one_alone_is_not_compared(void **state)
{
    (void)state;
    struct cn_duel_options o;
    struct cn_duel d;
    struct cn_error err = { "" };
    char text[512];
    static const char *const both[] = {
        "sh", "-c",
        "echo '[{\"format\": \"q4_k\", \"job\": \"gemv\", \"speed\": 2}, "
        "{\"format\": \"q9_9\", \"job\": \"gemv\", \"speed\": 1}]'",
        NULL
    };
    static const char *const one[] = {
        "sh", "-c", "echo '[{\"format\": \"q4_k\", \"job\": \"gemv\", \"speed\": 2}]'", NULL
    };
    const struct cn_rival rivals[] = {
        {"new",  both, read_row},
        { "old", one,  read_row},
    };
    assert_int_equal(run(rivals, 60, &o, &d, &err), CN_OK);
    assert_int_equal(d.n_rows, 2);
    assert_int_equal(d.n_rounds, CN_SEQUENTIAL_LEAST); /* and it holds nobody up */
    assert_int_equal(d.rows[0].judged[1].verdict, CN_SEQUENTIAL_EQUIVALENT);
    assert_false(d.rows[1].both[1]);
    cn_duel_sentence(&d, 1, 1, text, sizeof text);
    assert_string_equal(text, "not compared: old has no figure for it");
    cn_duel_free(&d);
}

static void failed(const char *script, enum cn_status expected, const char *says)
{
    static const char *const good[] = {
        "sh", "-c", "echo '[{\"format\": \"q4_k\", \"job\": \"gemv\", \"speed\": 2}]'", NULL
    };
    const char *const argv[] = { "sh", "-c", script, NULL };
    const struct cn_rival rivals[] = {
        {"new",  good, read_row},
        { "old", argv, read_row},
    };
    struct cn_duel_options o;
    struct cn_duel d;
    struct cn_error err = { "" };
    assert_int_equal(run(rivals, 60, &o, &d, &err), expected);
    if (!strstr(err.text, says))
        fail_msg("'%s' expected in '%s'", says, err.text);
    cn_duel_free(&d);
}

static void all_faults(void)
{
    failed("echo 'no such option' >&2; exit 2", CN_ERR_IO, "exit 2: no such option");
    failed("kill -9 $$", CN_ERR_IO, "killed by signal 9");
    failed("echo '[{\"format\": '", CN_ERR_FORMAT, "old");
    failed("echo '[]'", CN_ERR_FORMAT, "found none");
    failed("echo '[{\"format\": \"q\", \"job\": \"g\", \"speed\": 2}, "
           "{\"format\": \"q\", \"job\": \"g\", \"speed\": 3}]'",
           CN_ERR_FORMAT, "two found of 'q g");
    static const char *const absent[] = { "/nowhere/carnot", NULL };
    const struct cn_rival rivals[] = {
        {"new",  absent, read_row},
        { "old", absent, read_row},
    };
    struct cn_duel_options o;
    struct cn_duel d;
    struct cn_error err = { "" };
    assert_int_equal(run(rivals, 60, &o, &d, &err), CN_ERR_IO);
    assert_non_null(strstr(err.text, "/nowhere/carnot"));
    cn_duel_free(&d);
}

static void faults_are_told(void **state)
{
    (void)state;
    static const struct cn_rival_turns by_turns = { 0.002, -1 };
    all_faults();
    turns = &by_turns;
    all_faults();
    turns = NULL;
}

static bool always(void *user)
{
    (void)user;
    return true;
}

static void it_can_be_cancelled(void **state)
{
    (void)state;
    static const char *const slow[] = { "sleep", "60", NULL };
    const struct cn_rival rivals[] = {
        {"new",  slow, read_row},
        { "old", slow, read_row},
    };
    const struct cn_duel_options o = { .rivals = rivals,
                                       .n_rivals = 2,
                                       .keys = keys,
                                       .n_keys = 2,
                                       .margin = 0.05,
                                       .seconds = 60,
                                       .cancel = always };
    struct cn_duel d;
    struct cn_error err = { "" };
    assert_int_equal(cn_duel_run(&o, &d, &err), CN_ERR_CANCELLED);
    cn_duel_free(&d);
}

/* How often two programs that write to one file, a letter at a time, followed each other there. */
static int changes_of_hand(const struct cn_rival_turns *by)
{
    char path[64], scripts[2][256], text[2 * 3000 + 1];
    const char *argv[2][4];
    snprintf(path, sizeof path, "/tmp/carnot-duel-%d-turns", (int)getpid());
    unlink(path);
    for (int i = 0; i < 2; i++) {
        snprintf(scripts[i], sizeof scripts[i],
                 "i=0; while [ $i -lt 3000 ]; do printf %c >>%s; i=$((i + 1)); done; "
                 "echo '[{\"format\": \"q4_k\", \"job\": \"gemv\", \"speed\": 2}]'",
                 "ab"[i], path);
        argv[i][0] = "sh";
        argv[i][1] = "-c";
        argv[i][2] = scripts[i];
        argv[i][3] = NULL;
    }
    const struct cn_rival rivals[] = {
        {"new",  argv[0], read_row},
        { "old", argv[1], read_row},
    };
    const struct cn_duel_options o = { .rivals = rivals,
                                       .n_rivals = 2,
                                       .keys = keys,
                                       .n_keys = 2,
                                       .margin = 0.05,
                                       .seconds = 0.001,
                                       .turns = by };
    struct cn_duel d;
    struct cn_error err = { "" };
    assert_int_equal(cn_duel_run(&o, &d, &err), CN_OK);
    assert_int_equal(d.rows[0].judged[1].n, 1);
    cn_duel_free(&d);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    const size_t n = fread(text, 1, sizeof text, f);
    fclose(f);
    unlink(path);
    assert_int_equal(n, 2 * 3000);
    int changes = 0;
    for (size_t i = 1; i < n; i++)
        changes += text[i] != text[i - 1];
    return changes;
}

static void by_turns_one_is_awake(void **state)
{
    (void)state;
    const struct cn_rival_turns shorts = { 0.002, sched_getcpu() }, longs = { 60, -1 };
    /* One after the other, for no turn ends before its program does. */
    assert_int_equal(changes_of_hand(NULL), 1);
    assert_int_equal(changes_of_hand(&longs), 1);
    /* Some milliseconds each. Together on two CPUs they would change with nearly every letter. */
    const int changes = changes_of_hand(&shorts);
    assert_true(changes > 2 && changes < 1500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_changed_is_found_and_what_did_not_is_level),
        cmocka_unit_test(without_time_nothing_is_decided),
        cmocka_unit_test(a_row_of_one_alone_is_not_compared),
        cmocka_unit_test(faults_are_told),
        cmocka_unit_test(it_can_be_cancelled),
        cmocka_unit_test(by_turns_one_is_awake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
