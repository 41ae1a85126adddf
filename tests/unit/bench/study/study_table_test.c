/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "bench/study/study_table.h"

static const char text[] = "seed 42\nrepetitions 200\nfile m A a\nfile m B b\nthreads 1 2\n"
                           "prompt p text\nids q 1 2\nquality divergence\n";

static char path[64];

static struct cn_study_plan_source source_of(const char *plan)
{
    return (struct cn_study_plan_source){
        .text = plan, .n_bytes = strlen(plan), .name = "p", .folder = "/f"
    };
}

static struct cn_study_db *make(const char *plan_text, struct cn_study_shard shard)
{
    struct cn_error err = { "" };
    struct cn_study_db *db = NULL;
    struct cn_study_plan plan;
    struct cn_study_plan_source source = source_of(plan_text);
    snprintf(path, sizeof path, "/tmp/carnot-study-table-%ld.db", (long)getpid());
    unlink(path);
    if (cn_study_db_check(&err) != CN_OK) {
        printf("SKIPPED: %s\n", err.text);
        skip();
    }
    assert_int_equal(cn_study_db_open(path, CN_STUDY_CREATE, &db, &err), CN_OK);
    assert_int_equal(cn_study_plan_parse(&source, &plan, &err), CN_OK);
    assert_int_equal(cn_study_table_create(db, &plan, &source, shard, &err), CN_OK);
    cn_study_plan_free(&plan);
    return db;
}

static void done(struct cn_study_db *db)
{
    cn_study_db_close(db);
    unlink(path);
}

static double number(struct cn_study_db *db, const char *sql)
{
    double v = (double)NAN;
    struct cn_error err = { "" };
    if (cn_study_number(db, &v, &err, sql, "") != CN_OK)
        fail_msg("%s", err.text);
    return v;
}

static void every_cell_once_in_each_block(void **state)
{
    (void)state;
    struct cn_study_db *db = make(text, (struct cn_study_shard){ 0, 0 });
    assert_true(number(db, "SELECT count(*) FROM cells") == 8);
    assert_true(number(db, "SELECT count(*) FROM runs WHERE status = 'pending'") == 1600);
    assert_true(number(db, "SELECT min(n) FROM (SELECT count(DISTINCT cell) AS n FROM runs GROUP "
                           "BY block)") == 8);
    assert_true(number(db, "SELECT max(run) - min(run) FROM runs") == 1599);
    assert_true(number(db, "SELECT count(*) FROM tokens WHERE ids = '1 2'") == 1);
    assert_true(number(db, "SELECT count(*) FROM quality") == 2);
    assert_true(number(db, "SELECT count(*) FROM quality WHERE base IS NULL") == 2);
    done(db);
}

#define COUNTS " FROM (SELECT count(*) AS n FROM runs GROUP BY cell, position)"

/* Each cell is at each position about as often: 200 / 8 = 25 times, standard deviation 4.7. */
static void order_is_random(void **state)
{
    (void)state;
    struct cn_study_db *db = make(text, (struct cn_study_shard){ 0, 0 });
    assert_true(number(db, "SELECT min(n)" COUNTS) >= 8);
    assert_true(number(db, "SELECT max(n)" COUNTS) <= 46);
    /* Chi square with 49 degrees of freedom: 99.99% lie below 96. */
    assert_true(number(db, "SELECT sum((n - 25.0) * (n - 25.0) / 25)" COUNTS) < 96);
    done(db);
}

static char *order(const char *plan_text)
{
    struct cn_study_db *db = make(plan_text, (struct cn_study_shard){ 0, 0 });
    struct cn_study_rows *rows;
    struct cn_error err = { "" };
    assert_int_equal(
        cn_study_select(db, &rows, &err,
                        "SELECT group_concat(cell) FROM (SELECT cell FROM runs ORDER BY run)", ""),
        CN_OK);
    assert_true(cn_study_rows_next(rows));
    char *copy = strdup(cn_study_rows_text(rows, 0));
    cn_study_rows_close(rows, &err);
    done(db);
    return copy;
}

static void the_seed_decides(void **state)
{
    (void)state;
    char *a = order("seed 1\nfile m A a\nthreads 1 2 3 4\nids q 1\n");
    char *b = order("seed 1\nfile m A a\nthreads 1 2 3 4\nids q 1\n");
    char *c = order("seed 2\nfile m A a\nthreads 1 2 3 4\nids q 1\n");
    assert_string_equal(a, b);
    assert_string_not_equal(a, c);
    /* What is written down must not change: shards of different machines rely on it. */
    assert_memory_equal(a, "2,3,1,4,1,4,3,2,1,2,4,3", 23);
    free(a);
    free(b);
    free(c);
}

static void a_database_stays_what_it_is(void **state)
{
    (void)state;
    struct cn_study_db *db = make(text, (struct cn_study_shard){ 2, 4 });
    struct cn_error err = { "" };
    struct cn_study_plan_source same = source_of(text), other = source_of("seed 42\nname x\n");
    struct cn_study_shard shard = { 0, 0 };
    assert_int_equal(cn_study_table_match(db, &same, &shard, &err), CN_OK);
    assert_int_equal(shard.i, 2);
    assert_int_equal(shard.n, 4);
    assert_int_equal(cn_study_table_match(db, NULL, &shard, &err), CN_OK);
    assert_int_equal(cn_study_table_match(db, &other, &shard, &err), CN_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "line 2"));
    shard = (struct cn_study_shard){ 1, 4 };
    assert_int_equal(cn_study_table_match(db, &same, &shard, &err), CN_ERR_ARGUMENT);
    assert_non_null(strstr(err.text, "shard 2/4"));
    done(db);
}

static void too_many_runs_are_refused(void **state)
{
    (void)state;
    struct cn_error err = { "" };
    struct cn_study_db *db = make(text, (struct cn_study_shard){ 0, 0 });
    struct cn_study_plan plan;
    char big[4096] = "repetitions 10000\nfile m A a\nids q 1\nthreads 1 2 3 4 5 6 7 8\noutput";
    for (int i = 1; i <= 64; i++)
        sprintf(big + strlen(big), " %d", i);
    struct cn_study_plan_source source = source_of(big);
    assert_int_equal(cn_study_plan_parse(&source, &plan, &err), CN_OK);
    assert_int_equal(cn_study_exec(db, &err, "DELETE FROM runs", ""), CN_OK);
    assert_int_equal(cn_study_exec(db, &err, "DELETE FROM study", ""), CN_OK);
    assert_int_not_equal(
        cn_study_table_create(db, &plan, &source, (struct cn_study_shard){ 0, 0 }, &err), CN_OK);
    assert_true(number(db, "SELECT count(*) FROM study") == 0);
    cn_study_plan_free(&plan);
    done(db);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_cell_once_in_each_block),
        cmocka_unit_test(order_is_random),
        cmocka_unit_test(the_seed_decides),
        cmocka_unit_test(a_database_stays_what_it_is),
        cmocka_unit_test(too_many_runs_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
