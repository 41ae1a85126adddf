/* SPDX-License-Identifier: MIT */
#include "bench/study/study_db.h"

#include "base/error.h"
#include "bench/study/study_schema.h"

#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#ifdef CN_SQLITE

#include <sqlite3.h>

enum {
    APPLICATION = 0x43724e54, /* PRAGMA application_id: "CrNT" */
    WAIT_MS = 60000,          /* for another process that writes at the same time */
};

struct cn_study_db {
    sqlite3 *sqlite;
    char *path;
};

struct cn_study_rows {
    struct cn_study_db *db;
    sqlite3_stmt *statement;
    int state; /* of the last step */
};

static enum cn_status status_of(int code)
{
    return code == SQLITE_NOMEM                              ? CN_ERR_MEMORY
           : code == SQLITE_CORRUPT || code == SQLITE_NOTADB ? CN_ERR_FORMAT
                                                             : CN_ERR_IO;
}

/* SQLite's words for a call of the system that failed say less than errno does. */
static enum cn_status failed_as(const struct cn_study_db *db, const char *name,
                                struct cn_error *err)
{
    const int code = sqlite3_errcode(db->sqlite);
    int reason = code == SQLITE_IOERR || code == SQLITE_CANTOPEN || code == SQLITE_FULL
                     ? sqlite3_system_errno(db->sqlite)
                     : 0;
    /* What cannot be made it tries to open as it is, and that is not there. */
    if (code == SQLITE_CANTOPEN && reason == ENOENT)
        reason = 0;
    return cn_fail(err, status_of(code), "%s: %s%s%s", name, sqlite3_errmsg(db->sqlite),
                   reason ? ": " : "", reason ? strerror(reason) : "");
}

static enum cn_status failed(const struct cn_study_db *db, struct cn_error *err)
{
    return failed_as(db, db->path, err);
}

enum cn_status cn_study_db_check(struct cn_error *err)
{
    (void)err;
    return CN_OK;
}

static enum cn_status run_script(struct cn_study_db *db, const char *sql, struct cn_error *err)
{
    return sqlite3_exec(db->sqlite, sql, NULL, NULL, NULL) == SQLITE_OK ? CN_OK : failed(db, err);
}

static enum cn_status pragma(struct cn_study_db *db, const char *sql, int64_t *value,
                             struct cn_error *err)
{
    sqlite3_stmt *s = NULL;
    if (sqlite3_prepare_v2(db->sqlite, sql, -1, &s, NULL) != SQLITE_OK ||
        sqlite3_step(s) != SQLITE_ROW) {
        enum cn_status status = failed(db, err);
        sqlite3_finalize(s);
        return status;
    }
    *value = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return CN_OK;
}

static enum cn_status create(struct cn_study_db *db, struct cn_error *err)
{
    char sql[128];
    CN_TRY(run_script(db, "BEGIN; " CN_STUDY_SQL, err));
    snprintf(sql, sizeof sql, "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
             APPLICATION, CN_STUDY_SCHEMA);
    return run_script(db, sql, err);
}

/* ---- studies of older versions -----------------------------------------------------------------
 */

/* Columns that came later, all of them also of the view of results. */
static const struct column {
    int since; /* version */
    const char *table, *name, *type;
} later[] = {
    {2,  "runs",  "token_bytes",       "REAL"},
    { 2, "runs",  "token_kv_bytes",    "REAL"},
    { 2, "runs",  "token_state_bytes", "REAL"},
    { 3, "cells", "lever",             "TEXT"},
    { 3, "runs",  "passes",            "REAL"},
    { 3, "runs",  "drafted_tokens",    "REAL"},
    { 3, "runs",  "accepted_tokens",   "REAL"},
    { 4, "runs",  "decoded_tokens",    "REAL"},
};

enum { N_LATER = sizeof later / sizeof *later };

/* A table or view of an older version as readers of this one expect it: what the file does not know
 * is NULL. */
static enum cn_status look_wider(struct cn_study_db *db, int64_t version, const char *table,
                                 struct cn_error *err)
{
    char nulls[512] = "", sql[1024];
    for (int i = 0; i < N_LATER; i++)
        if (later[i].since > version &&
            (strcmp(table, later[i].table) == 0 || strcmp(table, "results") == 0))
            snprintf(nulls + strlen(nulls), sizeof nulls - strlen(nulls), ", NULL AS %s",
                     later[i].name);
    snprintf(sql, sizeof sql, "CREATE TEMP VIEW %s AS SELECT *%s FROM main.%s", table, nulls,
             table);
    return run_script(db, sql, err);
}

/* A study of an older version as readers of this one expect it; the file stays as it is. */
static enum cn_status look_newer(struct cn_study_db *db, int64_t version, struct cn_error *err)
{
    CN_TRY(run_script(db, "PRAGMA query_only = OFF", err));
    CN_TRY(look_wider(db, version, "runs", err));
    CN_TRY(look_wider(db, version, "cells", err));
    CN_TRY(look_wider(db, version, "results", err));
    return run_script(db, "PRAGMA query_only = ON", err);
}

/* The schema's tables and views that the file lacks. */
static enum cn_status add_missing(struct cn_study_db *db, struct cn_error *err)
{
    for (const char *at = CN_STUDY_SQL, *end; (end = strstr(at, ";\n")) != NULL; at = end + 2) {
        char name[64], sql[8192];
        int64_t there;
        if (sscanf(at, "CREATE %*s %63s", name) != 1)
            return cn_fail(err, CN_ERR_FORMAT, "%s: a CREATE expected in the schema", db->path);
        snprintf(sql, sizeof sql, "SELECT count(*) FROM sqlite_master WHERE name = '%s'", name);
        CN_TRY(pragma(db, sql, &there, err));
        if (there)
            continue;
        snprintf(sql, sizeof sql, "%.*s", (int)(end - at), at);
        CN_TRY(run_script(db, sql, err));
    }
    return CN_OK;
}

/* Makes a study of an older version one of this, wholly or not at all. */
static enum cn_status make_newer(struct cn_study_db *db, int64_t version, struct cn_error *err)
{
    char sql[128];
    enum cn_status status = run_script(db, "BEGIN IMMEDIATE; DROP VIEW results", err);
    for (int i = 0; i < N_LATER && status == CN_OK; i++) {
        if (later[i].since <= version)
            continue;
        snprintf(sql, sizeof sql, "ALTER TABLE %s ADD COLUMN %s %s", later[i].table, later[i].name,
                 later[i].type);
        status = run_script(db, sql, err);
    }
    if (status == CN_OK)
        status = add_missing(db, err);
    snprintf(sql, sizeof sql, "PRAGMA user_version = %d; COMMIT", CN_STUDY_SCHEMA);
    if (status == CN_OK)
        status = run_script(db, sql, err);
    if (status != CN_OK)
        sqlite3_exec(db->sqlite, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

static enum cn_status recognise(struct cn_study_db *db, enum cn_study_mode mode,
                                struct cn_error *err)
{
    int64_t application, version;
    CN_TRY(pragma(db, "PRAGMA application_id", &application, err));
    CN_TRY(pragma(db, "PRAGMA user_version", &version, err));
    CN_RETURN_IF(application != APPLICATION, CN_ERR_FORMAT, err,
                 "%s: a database, but not one of carnot study", db->path);
    CN_RETURN_IF(version < 1 || version > CN_STUDY_SCHEMA, CN_ERR_FORMAT, err,
                 "%s: a study of version 1 to %d expected, %lld found", db->path, CN_STUDY_SCHEMA,
                 (long long)version);
    if (version == CN_STUDY_SCHEMA)
        return CN_OK;
    return mode == CN_STUDY_READ ? look_newer(db, version, err) : make_newer(db, version, err);
}

enum cn_status cn_study_db_open(const char *path, enum cn_study_mode mode, struct cn_study_db **out,
                                struct cn_error *err)
{
    return cn_study_db_open_as(path, path, mode, out, err);
}

enum cn_status cn_study_db_open_as(const char *path, const char *name, enum cn_study_mode mode,
                                   struct cn_study_db **out, struct cn_error *err)
{
    struct stat st;
    const bool there = stat(path, &st) == 0;
    CN_RETURN_IF(mode == CN_STUDY_CREATE && there && st.st_size > 0, CN_ERR_ARGUMENT, err,
                 "%s: exists already", name);
    if (mode != CN_STUDY_CREATE && !there)
        return cn_fail_errno(err, "%s", name);
    struct cn_study_db *db = calloc(1, sizeof *db);
    enum cn_status status = CN_OK;
    if (!db || !(db->path = strdup(name))) {
        free(db);
        return cn_fail(err, CN_ERR_MEMORY, "out of memory");
    }
    /* Readers may have to undo what a killed writer left half done, hence not READONLY; where the
     * file cannot be written SQLite opens it for reading by itself. */
    int flags = SQLITE_OPEN_READWRITE | (mode == CN_STUDY_CREATE ? SQLITE_OPEN_CREATE : 0);
    if (sqlite3_open_v2(path, &db->sqlite, flags, NULL) != SQLITE_OK) {
        status = db->sqlite ? failed(db, err) : cn_fail(err, CN_ERR_MEMORY, "out of memory");
    } else {
        sqlite3_busy_timeout(db->sqlite, WAIT_MS);
        /* WAL: readers see whole transactions while a study runs. FULL: a finished run is on the
         * disk, so that it survives the machine's death too. A file that is to get its name by
         * renaming has no log beside it, which would not come along. */
        status = run_script(db,
                            mode == CN_STUDY_READ ? "PRAGMA query_only = ON"
                            : mode == CN_STUDY_WRITE
                                ? "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; "
                                  "PRAGMA foreign_keys = ON"
                                : "PRAGMA journal_mode = DELETE; PRAGMA synchronous = FULL; "
                                  "PRAGMA foreign_keys = ON",
                            err);
        if (status == CN_OK)
            status = mode == CN_STUDY_CREATE ? create(db, err) : recognise(db, mode, err);
    }
    if (status == CN_OK)
        *out = db;
    else
        cn_study_db_close(db);
    return status;
}

void cn_study_db_close(struct cn_study_db *db)
{
    if (!db)
        return;
    sqlite3_close(db->sqlite);
    free(db->path);
    free(db);
}

const char *cn_study_db_path(const struct cn_study_db *db)
{
    return db->path;
}

void cn_study_db_called(struct cn_study_db *db, const char *name)
{
    char *copy = strdup(name);
    if (!copy) /* the other name will do */
        return;
    free(db->path);
    db->path = copy;
}

enum cn_status cn_study_db_rest(struct cn_study_db *db, struct cn_error *err)
{
    sqlite3_busy_timeout(db->sqlite, 0); /* whoever reads it may do so for long */
    const int code = sqlite3_exec(db->sqlite, "PRAGMA journal_mode = DELETE", NULL, NULL, NULL);
    sqlite3_busy_timeout(db->sqlite, WAIT_MS);
    return code == SQLITE_OK || code == SQLITE_BUSY || code == SQLITE_LOCKED ? CN_OK
                                                                             : failed(db, err);
}

static bool is_of_reading(int extended)
{
    return extended == SQLITE_IOERR_READ || extended == SQLITE_IOERR_SHORT_READ ||
           (extended & 0xff) == SQLITE_CORRUPT || (extended & 0xff) == SQLITE_NOTADB;
}

enum cn_status cn_study_db_copy(struct cn_study_db *db, const char *path, const char *name,
                                struct cn_error *err)
{
    sqlite3_stmt *copy = NULL;
    /* SQLite counts a copy as writing. */
    CN_TRY(run_script(db, "PRAGMA query_only = OFF", err));
    if (sqlite3_prepare_v2(db->sqlite, "VACUUM INTO ?1", -1, &copy, NULL) != SQLITE_OK ||
        sqlite3_bind_text(copy, 1, path, -1, SQLITE_STATIC) != SQLITE_OK) {
        sqlite3_finalize(copy);
        return failed(db, err);
    }
    enum cn_status status = CN_OK;
    if (sqlite3_step(copy) != SQLITE_DONE)
        status = failed_as(
            db, is_of_reading(sqlite3_extended_errcode(db->sqlite)) ? db->path : name, err);
    sqlite3_finalize(copy);
    return status;
}

static int bind(sqlite3_stmt *s, const char *types, va_list args)
{
    int error = SQLITE_OK;
    for (int i = 1; *types && error == SQLITE_OK; types++, i++) {
        if (*types == 'i') {
            int64_t v = va_arg(args, int64_t);
            error = v == INT64_MIN ? sqlite3_bind_null(s, i) : sqlite3_bind_int64(s, i, v);
        } else if (*types == 'd') {
            error = sqlite3_bind_double(s, i, va_arg(args, double)); /* NaN becomes NULL */
        } else {
            error = sqlite3_bind_text(s, i, va_arg(args, const char *), -1, SQLITE_TRANSIENT);
        }
    }
    return error;
}

static enum cn_status select_v(struct cn_study_db *db, struct cn_study_rows **out,
                               struct cn_error *err, const char *sql, const char *types,
                               va_list args)
{
    struct cn_study_rows *rows = calloc(1, sizeof *rows);
    CN_RETURN_IF(!rows, CN_ERR_MEMORY, err, "out of memory");
    rows->db = db;
    if (sqlite3_prepare_v2(db->sqlite, sql, -1, &rows->statement, NULL) != SQLITE_OK ||
        bind(rows->statement, types, args) != SQLITE_OK) {
        enum cn_status status = failed(db, err);
        sqlite3_finalize(rows->statement);
        free(rows);
        return status;
    }
    *out = rows;
    return CN_OK;
}

enum cn_status cn_study_select(struct cn_study_db *db, struct cn_study_rows **rows,
                               struct cn_error *err, const char *sql, const char *types, ...)
{
    va_list args;
    va_start(args, types);
    enum cn_status status = select_v(db, rows, err, sql, types, args);
    va_end(args);
    return status;
}

bool cn_study_rows_next(struct cn_study_rows *rows)
{
    rows->state = sqlite3_step(rows->statement);
    return rows->state == SQLITE_ROW;
}

enum cn_status cn_study_rows_close(struct cn_study_rows *rows, struct cn_error *err)
{
    if (!rows)
        return CN_OK;
    bool ok = rows->state == SQLITE_OK || rows->state == SQLITE_ROW || rows->state == SQLITE_DONE;
    enum cn_status status = ok ? CN_OK : failed(rows->db, err);
    sqlite3_finalize(rows->statement);
    free(rows);
    return status;
}

int cn_study_rows_width(const struct cn_study_rows *rows)
{
    return sqlite3_column_count(rows->statement);
}

const char *cn_study_rows_name(const struct cn_study_rows *rows, int c)
{
    return sqlite3_column_name(rows->statement, c);
}

char cn_study_rows_type(struct cn_study_rows *rows, int c)
{
    switch (sqlite3_column_type(rows->statement, c)) {
    case SQLITE_INTEGER:
        return 'i';
    case SQLITE_FLOAT:
        return 'd';
    case SQLITE_NULL:
        return 'n';
    default:
        return 's';
    }
}

int64_t cn_study_rows_i64(struct cn_study_rows *rows, int c)
{
    return cn_study_rows_type(rows, c) == 'n' ? INT64_MIN
                                              : sqlite3_column_int64(rows->statement, c);
}

double cn_study_rows_f64(struct cn_study_rows *rows, int c)
{
    return cn_study_rows_type(rows, c) == 'n' ? (double)NAN
                                              : sqlite3_column_double(rows->statement, c);
}

const char *cn_study_rows_text(struct cn_study_rows *rows, int c)
{
    return (const char *)sqlite3_column_text(rows->statement, c);
}

enum cn_status cn_study_number(struct cn_study_db *db, double *value, struct cn_error *err,
                               const char *sql, const char *types, ...)
{
    struct cn_study_rows *rows;
    va_list args;
    va_start(args, types);
    enum cn_status status = select_v(db, &rows, err, sql, types, args);
    va_end(args);
    if (status != CN_OK)
        return status;
    double v = cn_study_rows_next(rows) ? cn_study_rows_f64(rows, 0) : (double)NAN;
    status = cn_study_rows_close(rows, err);
    if (status == CN_OK)
        *value = v;
    return status;
}

enum cn_status cn_study_exec(struct cn_study_db *db, struct cn_error *err, const char *sql,
                             const char *types, ...)
{
    struct cn_study_rows *rows;
    va_list args;
    va_start(args, types);
    enum cn_status status = select_v(db, &rows, err, sql, types, args);
    va_end(args);
    if (status != CN_OK)
        return status;
    while (cn_study_rows_next(rows))
        ;
    return cn_study_rows_close(rows, err);
}

enum cn_status cn_study_begin(struct cn_study_db *db, struct cn_error *err)
{
    return run_script(db, "BEGIN IMMEDIATE", err);
}

enum cn_status cn_study_end(struct cn_study_db *db, bool commit, struct cn_error *err)
{
    enum cn_status status = commit ? run_script(db, "COMMIT", err) : CN_OK;
    if (!commit || status != CN_OK)
        sqlite3_exec(db->sqlite, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

int64_t cn_study_changes(const struct cn_study_db *db)
{
    return sqlite3_changes(db->sqlite);
}

#else /* no SQLite */

struct cn_study_rows {
    char none;
};

enum cn_status cn_study_db_check(struct cn_error *err)
{
    return cn_fail(err, CN_ERR_UNSUPPORTED,
                   "studies are kept in SQLite, which this program was built without (install "
                   "libsqlite3-dev and pkg-config, then make; phones are reached with --target)");
}

static enum cn_status missing(struct cn_error *err)
{
    return cn_study_db_check(err);
}

enum cn_status cn_study_db_open(const char *path, enum cn_study_mode mode, struct cn_study_db **db,
                                struct cn_error *err)
{
    return cn_study_db_open_as(path, path, mode, db, err);
}

enum cn_status cn_study_db_open_as(const char *path, const char *name, enum cn_study_mode mode,
                                   struct cn_study_db **db, struct cn_error *err)
{
    struct cn_error why = { "" };
    (void)path, (void)mode, (void)db;
    return cn_fail(err, missing(&why), "%s: %s", name, why.text);
}

void cn_study_db_close(struct cn_study_db *db)
{
    (void)db;
}

const char *cn_study_db_path(const struct cn_study_db *db)
{
    (void)db;
    return "";
}

void cn_study_db_called(struct cn_study_db *db, const char *name)
{
    (void)db, (void)name;
}

enum cn_status cn_study_db_rest(struct cn_study_db *db, struct cn_error *err)
{
    (void)db;
    return missing(err);
}

enum cn_status cn_study_db_copy(struct cn_study_db *db, const char *path, const char *name,
                                struct cn_error *err)
{
    (void)db, (void)path, (void)name;
    return missing(err);
}

enum cn_status cn_study_select(struct cn_study_db *db, struct cn_study_rows **rows,
                               struct cn_error *err, const char *sql, const char *types, ...)
{
    (void)db, (void)rows, (void)sql, (void)types;
    return missing(err);
}

bool cn_study_rows_next(struct cn_study_rows *rows)
{
    (void)rows;
    return false;
}

enum cn_status cn_study_rows_close(struct cn_study_rows *rows, struct cn_error *err)
{
    return rows ? missing(err) : CN_OK;
}

int cn_study_rows_width(const struct cn_study_rows *rows)
{
    (void)rows;
    return 0;
}

const char *cn_study_rows_name(const struct cn_study_rows *rows, int c)
{
    (void)rows, (void)c;
    return "";
}

char cn_study_rows_type(struct cn_study_rows *rows, int c)
{
    (void)rows, (void)c;
    return 'n';
}

int64_t cn_study_rows_i64(struct cn_study_rows *rows, int c)
{
    (void)rows, (void)c;
    return INT64_MIN;
}

double cn_study_rows_f64(struct cn_study_rows *rows, int c)
{
    (void)rows, (void)c;
    return (double)NAN;
}

const char *cn_study_rows_text(struct cn_study_rows *rows, int c)
{
    (void)rows, (void)c;
    return NULL;
}

enum cn_status cn_study_number(struct cn_study_db *db, double *value, struct cn_error *err,
                               const char *sql, const char *types, ...)
{
    (void)db, (void)value, (void)sql, (void)types;
    return missing(err);
}

enum cn_status cn_study_exec(struct cn_study_db *db, struct cn_error *err, const char *sql,
                             const char *types, ...)
{
    (void)db, (void)sql, (void)types;
    return missing(err);
}

enum cn_status cn_study_begin(struct cn_study_db *db, struct cn_error *err)
{
    (void)db;
    return missing(err);
}

enum cn_status cn_study_end(struct cn_study_db *db, bool commit, struct cn_error *err)
{
    (void)db, (void)commit;
    return missing(err);
}

int64_t cn_study_changes(const struct cn_study_db *db)
{
    (void)db;
    return 0;
}

#endif
