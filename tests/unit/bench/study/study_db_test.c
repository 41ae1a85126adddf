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

#include "bench/study/study_db.h"
#include "bench/study/study_schema.h"

static char path[64];

static struct cn_study_db *fresh(void)
{
    struct cn_error err = { "" };
    struct cn_study_db *db = NULL;
    snprintf(path, sizeof path, "/tmp/carnot-study-db-%ld.db", (long)getpid());
    unlink(path);
    if (cn_study_db_open(path, CN_STUDY_CREATE, &db, &err) == CN_ERR_UNSUPPORTED) {
        printf("SKIPPED: %s\n", err.text);
        skip();
    }
    assert_non_null(db);
    return db;
}

static void values_come_back(void **state)
{
    (void)state;
    struct cn_study_db *db = fresh();
    struct cn_error err = { "" };
    struct cn_study_rows *rows;
    assert_int_equal(cn_study_exec(db, &err,
                                   "INSERT INTO files (model, quant, status, bpw, n_params, reason)"
                                   " VALUES (?1, ?2, 'ready', ?3, ?4, ?5)",
                                   "ssdis", "m", "it's \"Q4\"; --", (double)NAN, (int64_t)1 << 40,
                                   (char *)NULL),
                     CN_OK);
    assert_int_equal(cn_study_changes(db), 1);
    assert_int_equal(cn_study_select(db, &rows, &err,
                                     "SELECT quant, bpw, n_params, reason FROM files WHERE model = "
                                     "?1",
                                     "s", "m"),
                     CN_OK);
    assert_true(cn_study_rows_next(rows));
    assert_int_equal(cn_study_rows_width(rows), 4);
    assert_string_equal(cn_study_rows_name(rows, 2), "n_params");
    assert_string_equal(cn_study_rows_text(rows, 0), "it's \"Q4\"; --");
    assert_true(isnan(cn_study_rows_f64(rows, 1)));
    assert_int_equal(cn_study_rows_type(rows, 1), 'n');
    assert_int_equal(cn_study_rows_i64(rows, 1), INT64_MIN);
    assert_true(cn_study_rows_i64(rows, 2) == (int64_t)1 << 40);
    assert_null(cn_study_rows_text(rows, 3));
    assert_false(cn_study_rows_next(rows));
    assert_int_equal(cn_study_rows_close(rows, &err), CN_OK);
    double n = 0;
    assert_int_equal(cn_study_number(db, &n, &err, "SELECT count(*) FROM files", ""), CN_OK);
    assert_true(n == 1);
    assert_int_equal(cn_study_number(db, &n, &err, "SELECT 1 WHERE 0", ""), CN_OK);
    assert_true(isnan(n));
    cn_study_db_close(db);
    unlink(path);
}

static void transactions_are_whole(void **state)
{
    (void)state;
    struct cn_study_db *db = fresh(), *other = NULL;
    struct cn_error err = { "" };
    double n = -1;
    assert_int_equal(cn_study_begin(db, &err), CN_OK);
    assert_int_equal(cn_study_exec(db, &err, "INSERT INTO blocks VALUES (1, NULL)", ""), CN_OK);
    /* A reader beside it sees nothing of it yet. */
    assert_int_equal(cn_study_db_open(path, CN_STUDY_READ, &other, &err), CN_OK);
    assert_int_equal(cn_study_number(other, &n, &err, "SELECT count(*) FROM blocks", ""), CN_OK);
    assert_true(n == 0);
    assert_int_equal(cn_study_end(db, false, &err), CN_OK);
    assert_int_equal(cn_study_begin(db, &err), CN_OK);
    assert_int_equal(cn_study_exec(db, &err, "INSERT INTO blocks VALUES (2, 'local')", ""), CN_OK);
    assert_int_equal(cn_study_end(db, true, &err), CN_OK);
    assert_int_equal(cn_study_number(other, &n, &err, "SELECT sum(block) FROM blocks", ""), CN_OK);
    assert_true(n == 2);
    assert_int_not_equal(cn_study_exec(other, &err, "DELETE FROM blocks", ""), CN_OK);
    cn_study_db_close(other);
    /* What refers to nothing is refused. */
    assert_int_not_equal(
        cn_study_exec(db, &err, "INSERT INTO runs (block, position, cell) VALUES (2, 1, 77)", ""),
        CN_OK);
    assert_non_null(strstr(err.text, "FOREIGN KEY"));
    cn_study_db_close(db);
    unlink(path);
}

static void other_files_are_refused(void **state)
{
    (void)state;
    struct cn_study_db *db = fresh();
    struct cn_error err = { "" };
    struct cn_study_rows *rows;
    assert_int_equal(cn_study_select(db, &rows, &err, "SELECT nonsense FROM files", ""), CN_ERR_IO);
    assert_non_null(strstr(err.text, "nonsense"));
    assert_int_equal(cn_study_exec(db, &err, "PRAGMA user_version = 99", ""), CN_OK);
    cn_study_db_close(db);
    assert_int_equal(cn_study_db_open(path, CN_STUDY_CREATE, &db, &err), CN_ERR_ARGUMENT);
    assert_int_equal(cn_study_db_open(path, CN_STUDY_READ, &db, &err), CN_ERR_FORMAT);
    assert_non_null(strstr(err.text, "99"));
    FILE *f = fopen(path, "w");
    for (int i = 0; i < 500; i++)
        fputs("not a database at all\n", f);
    fclose(f);
    assert_int_equal(cn_study_db_open(path, CN_STUDY_READ, &db, &err), CN_ERR_FORMAT);
    f = fopen(path, "w");
    fclose(f);
    assert_int_equal(cn_study_db_open(path, CN_STUDY_READ, &db, &err), CN_ERR_FORMAT);
    unlink(path);
    assert_int_equal(cn_study_db_open(path, CN_STUDY_READ, &db, &err), CN_ERR_IO);
    assert_non_null(strstr(err.text, "No such file"));
}

/* Makes the file one of version 1: without the columns and the tables that came later. */
static void make_older(struct cn_study_db *db)
{
    struct cn_error err = { "" };
    char view[8192];
    static const struct {
        const char *now, *then;
    } later[] = {
        {"r.token_bytes, r.token_kv_bytes, r.token_state_bytes, ",                      ""                   },
        { "c.lever, r.passes, r.drafted_tokens, r.accepted_tokens, r.decoded_tokens, ", ""                   },
        { "coalesce(r.decoded_tokens, r.output_tokens - 1)",                            "r.output_tokens - 1"},
    };
    snprintf(view, sizeof view, "%s", strstr(CN_STUDY_SQL, "CREATE VIEW results"));
    for (size_t i = 0; i < sizeof later / sizeof *later; i++) {
        char *at = strstr(view, later[i].now);
        assert_non_null(at);
        const char *behind = at + strlen(later[i].now);
        memcpy(at, later[i].then, strlen(later[i].then));
        memmove(at + strlen(later[i].then), behind, strlen(behind) + 1);
    }
    const char *const steps[] = { "DROP VIEW results",
                                  "DROP VIEW kernel_results",
                                  "DROP TABLE kernels",
                                  "ALTER TABLE runs DROP COLUMN token_bytes",
                                  "ALTER TABLE runs DROP COLUMN token_kv_bytes",
                                  "ALTER TABLE runs DROP COLUMN token_state_bytes",
                                  "ALTER TABLE runs DROP COLUMN passes",
                                  "ALTER TABLE runs DROP COLUMN drafted_tokens",
                                  "ALTER TABLE runs DROP COLUMN accepted_tokens",
                                  "ALTER TABLE runs DROP COLUMN decoded_tokens",
                                  "ALTER TABLE cells DROP COLUMN lever",
                                  view,
                                  "PRAGMA user_version = 1" };
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        if (cn_study_exec(db, &err, steps[i], "") != CN_OK)
            fail_msg("%s: %s", steps[i], err.text);
}

/* A study of version 1 is read as it is, and becomes one of this version when it is written to. */
static void older_studies_are_read_and_continued(void **state)
{
    (void)state;
    static const char what[] =
        "SELECT count(*) FROM results r, runs u WHERE r.token_kv_bytes IS NULL AND "
        "u.token_state_bytes IS NULL AND u.token_bytes IS NULL AND r.lever IS NULL AND "
        "u.accepted_tokens IS NULL AND r.decoded_tokens IS NULL AND (SELECT count(lever) FROM "
        "cells) = 0";
    struct cn_study_db *db = fresh(), *older;
    struct cn_error err = { "" };
    double n;
    make_older(db);
    cn_study_db_close(db);
    assert_int_equal(cn_study_db_open(path, CN_STUDY_READ, &older, &err), CN_OK);
    if (cn_study_number(older, &n, &err, what, "") != CN_OK)
        fail_msg("%s", err.text);
    assert_int_not_equal(cn_study_exec(older, &err, "DELETE FROM blocks", ""), CN_OK);
    cn_study_db_close(older);
    assert_int_equal(cn_study_db_open(path, CN_STUDY_READ, &older, &err), CN_OK);
    assert_int_equal(cn_study_number(older, &n, &err, "PRAGMA user_version", ""), CN_OK);
    assert_true(n == 1); /* still */
    cn_study_db_close(older);
    if (cn_study_db_open(path, CN_STUDY_WRITE, &db, &err) != CN_OK)
        fail_msg("%s", err.text);
    assert_int_equal(cn_study_number(db, &n, &err, "PRAGMA user_version", ""), CN_OK);
    assert_true(n == CN_STUDY_SCHEMA);
    assert_int_equal(cn_study_number(db, &n, &err, what, ""), CN_OK);
    assert_int_equal(cn_study_number(db, &n, &err, "SELECT count(*) FROM kernel_results", ""),
                     CN_OK);
    cn_study_db_close(db);
    unlink(path);
}

/* The view can be read, and docs/STUDY.md names every table. */
static void schema_is_sound_and_documented(void **state)
{
    (void)state;
    struct cn_study_db *db = fresh();
    struct cn_error err = { "" };
    struct cn_study_rows *rows;
    static char text[65536];
    FILE *f = fopen("docs/STUDY.md", "r");
    assert_non_null(f);
    text[fread(text, 1, sizeof text - 1, f)] = 0;
    fclose(f);
    assert_int_equal(cn_study_select(db, &rows, &err, "SELECT * FROM results", ""), CN_OK);
    assert_true(cn_study_rows_width(rows) > 80);
    assert_false(cn_study_rows_next(rows));
    assert_int_equal(cn_study_rows_close(rows, &err), CN_OK);
    assert_int_equal(cn_study_select(db, &rows, &err,
                                     "SELECT name FROM sqlite_master WHERE type IN "
                                     "('table', 'view')",
                                     ""),
                     CN_OK);
    int n = 0;
    for (; cn_study_rows_next(rows); n++) {
        char quoted[64];
        snprintf(quoted, sizeof quoted, "`%s`", cn_study_rows_text(rows, 0));
        if (!strstr(text, quoted))
            fail_msg("docs/STUDY.md does not name %s", quoted);
    }
    assert_int_equal(n, 16);
    assert_int_equal(cn_study_rows_close(rows, &err), CN_OK);
    cn_study_db_close(db);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_come_back),
        cmocka_unit_test(transactions_are_whole),
        cmocka_unit_test(other_files_are_refused),
        cmocka_unit_test(older_studies_are_read_and_continued),
        cmocka_unit_test(schema_is_sound_and_documented),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
