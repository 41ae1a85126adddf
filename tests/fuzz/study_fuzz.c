/* SPDX-License-Identifier: MIT
 *
 * Any bytes as the database of a study. Without SQLite every file is refused.
 */
#include <string.h>

#include "bench/study/study_db.h"
#include "tests/fuzz/fuzz.h"

static void read_all(struct cn_study_db *db)
{
    static const char *const queries[] = { "* FROM study", "* FROM results", "* FROM runs",
                                           "* FROM quality" };
    struct cn_study_rows *rows;
    struct cn_error err = { "" };
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++) {
        char sql[64];
        snprintf(sql, sizeof sql, "SELECT %s LIMIT 100", queries[i]);
        if (cn_study_select(db, &rows, &err, sql, "") != CN_OK)
            continue;
        while (cn_study_rows_next(rows))
            for (int c = 0; c < cn_study_rows_width(rows); c++) {
                cn_study_rows_i64(rows, c);
                cn_study_rows_f64(rows, c);
                cn_study_rows_text(rows, c);
            }
        cn_study_rows_close(rows, &err);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    struct cn_study_db *db;
    struct cn_error err = { "" };
    char path[32];
    int fd = fuzz_file(data, n, path);
    if (cn_study_db_open(path, CN_STUDY_READ, &db, &err) == CN_OK) {
        read_all(db);
        cn_study_db_close(db);
    } else {
        expect(err.text[0] && !strchr(err.text, '\n'));
    }
    close(fd);
    return 0;
}
