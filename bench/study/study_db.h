/* SPDX-License-Identifier: MIT
 *
 * The database of a study: one SQLite file. This header and study_db.c are all that knows SQLite;
 * in a program built without it every call fails and says so.
 *
 * The tables (bench/study/study_schema.h has every column with its unit; docs/STUDY.md tells how
 * they are meant):
 *
 *   study    one row: name, the text of the plan, seed, number of blocks
 *   files    model files: model (label) x quant, where from, sha256, effective bpw, histogram of
 *            tensor types, bytes and operations of a decoded token
 *   prompts  texts; tokens: their ids for each model, the same for all its quantisations
 *   cells    combinations of factors: file, tiers, threads, kv, prompt, lengths
 *   blocks   one repetition of every cell in random order, all on one device
 *   devices  what ran: CPU, kernel, memory, program; limits: what it can do at most
 *   runs     the run table: block, position, cell, status, and all that was measured
 *   phases   of a run and a meter: load, prefill, decode, sample, all: seconds, joules, uncertainty
 *   quality  perplexity, divergence and accuracy of each file
 *   traces   the phases one by one, where the plan keeps them
 *
 * and the view `results`: one row per run with its factors, provenance and the joules of the main
 * meter, which is what reports and exports read.
 *
 * Unknown is NULL, never 0, beside a *_status that says why: "measured", "modelled", "unresolved",
 * "unsupported". runs.status is "pending", "running", "done", "failed" (reason says why) or
 * "skipped" (the device cannot: reason says what it lacks).
 */
#ifndef CN_STUDY_DB_H
#define CN_STUDY_DB_H

#include "engine/carnot.h"

/* Where studies go, and are looked for, when nothing is said. */
#define CN_STUDY_DB "study.db"

/* PRAGMA user_version. Studies of older versions are read as if they had what came later, all of it
 * NULL; who writes to one makes it one of this version. */
enum { CN_STUDY_SCHEMA = 4 };

struct cn_study_db;

enum cn_study_mode {
    CN_STUDY_READ,  /* while a study runs, too */
    CN_STUDY_WRITE, /* an existing one, which others may read meanwhile */
    CN_STUDY_ALONE, /* an existing one that nobody else knows yet: one plain file at any time */
    CN_STUDY_CREATE /* the same, not there or empty; has the tables then */
};

/* CN_ERR_UNSUPPORTED if this program was built without SQLite. */
enum cn_status cn_study_db_check(struct cn_error *err);

/* CN_ERR_UNSUPPORTED: as above. CN_ERR_FORMAT: not a study, or of another version. The
 * caller closes it. */
enum cn_status cn_study_db_open(const char *path, enum cn_study_mode mode, struct cn_study_db **db,
                                struct cn_error *err);
/* The same of a file whose name is one for a while: messages call it `name`. */
enum cn_status cn_study_db_open_as(const char *path, const char *name, enum cn_study_mode mode,
                                   struct cn_study_db **db, struct cn_error *err);
/* NULL is allowed. */
void cn_study_db_close(struct cn_study_db *db);
const char *cn_study_db_path(const struct cn_study_db *db);
/* From now on messages call it `name`. */
void cn_study_db_called(struct cn_study_db *db, const char *name);
/* Makes it one plain file again, which can be copied and read anywhere, unless somebody reads it.
 */
enum cn_status cn_study_db_rest(struct cn_study_db *db, struct cn_error *err);
/* Writes what is in it to `path`, which is not there or empty; messages call that `name`. */
enum cn_status cn_study_db_copy(struct cn_study_db *db, const char *path, const char *name,
                                struct cn_error *err);

/* ---- reading --------------------------------------------------------------------------------- */

struct cn_study_rows; /* what a SELECT finds, one row at a time */

/* Starts one SELECT. `types` says what follows it for the ?1, ?2, ... of the statement: i int64_t
 * (INT64_MIN: NULL), d double (NaN: NULL), s text (NULL: NULL); "" for none. The caller closes it
 * before the database. */
enum cn_status cn_study_select(struct cn_study_db *db, struct cn_study_rows **rows,
                               struct cn_error *err, const char *sql, const char *types, ...);
/* Steps to the next row, at first to the first; false behind the last or after an error, which
 * cn_study_rows_close tells. */
bool cn_study_rows_next(struct cn_study_rows *rows);
/* NULL is allowed. */
enum cn_status cn_study_rows_close(struct cn_study_rows *rows, struct cn_error *err);

/* Column c of the row, from 0. Texts live until the next step. */
int cn_study_rows_width(const struct cn_study_rows *rows);
const char *cn_study_rows_name(const struct cn_study_rows *rows, int c);
char cn_study_rows_type(struct cn_study_rows *rows, int c);   /* i, d, s as above, or n: NULL */
int64_t cn_study_rows_i64(struct cn_study_rows *rows, int c); /* NULL: INT64_MIN */
double cn_study_rows_f64(struct cn_study_rows *rows, int c);  /* NULL: NaN */
const char *cn_study_rows_text(struct cn_study_rows *rows, int c); /* NULL: NULL */

/* The first column of the first row as a number; NaN if there is none. */
enum cn_status cn_study_number(struct cn_study_db *db, double *value, struct cn_error *err,
                               const char *sql, const char *types, ...);

/* ---- writing --------------------------------------------------------------------------------- */

/* Runs one statement that gives no rows, parameters as above. */
enum cn_status cn_study_exec(struct cn_study_db *db, struct cn_error *err, const char *sql,
                             const char *types, ...);
/* What has happened since begin becomes lasting (on the disk, all of it) with `commit`, or undone.
 * `end` after a failed `exec` should not commit; it returns what commit says. */
enum cn_status cn_study_begin(struct cn_study_db *db, struct cn_error *err);
enum cn_status cn_study_end(struct cn_study_db *db, bool commit, struct cn_error *err);
/* Rows that the last cn_study_exec changed. */
int64_t cn_study_changes(const struct cn_study_db *db);

#endif
