/* SPDX-License-Identifier: MIT
 *
 * Rows of samples, whatever file they come from, and how they become a series: rows of one stamp
 * are averaged, units and signs settled by evidence, and what contradicts itself is refused.
 */
#ifndef CN_ROWS_H
#define CN_ROWS_H

#include "profiler/profiler.h"
#include "profiler/samples/columns.h"
#include "profiler/samples/samples.h"

enum { CN_OTHERS = 64 };

struct cn_row {
    int64_t t_ns;
    uint32_t n;            /* rows of this stamp */
    bool missing;          /* nothing is known of this time */
    double of[CN_N_ROLES]; /* in uW, uJ, uA, uV, or as given where no unit was; NaN: not there */
};

/* A column that has no role: it may tell series apart that one file holds. */
struct cn_other {
    char name[48];
    uint64_t seen[8]; /* hashes of its cells in the rows of the present stamp, the last one last */
    uint32_t n_seen;
    uint64_t set;   /* of the group before */
    uint32_t n_set; /* how many that had; 0: none */
    uint32_t n_groups, n_same;
};

struct cn_rows {
    const char *path;
    const struct cn_sample_options *options;
    struct cn_profiler_error *err;
    size_t line; /* for messages; 0: the whole file */
    struct cn_row *rows;
    size_t n, cap;
    struct cn_column_kind kind[CN_N_ROLES];
    bool has[CN_N_ROLES]; /* the file has this quantity */
    bool log;             /* a phone's log, which repeats its gauge */
    bool no_zone;         /* times had no zone */
    size_t n_unknown;     /* numbers that mean "not known" */
    size_t n_charger;     /* rows beside a charger, left out */
    size_t n_doubled;     /* rows that share their stamp with others */
    struct cn_other others[CN_OTHERS];
    size_t n_others;
};

/* One row before it is added. */
struct cn_cells {
    int64_t t_ns;
    bool has_time, bad; /* a time in range; one out of it */
    bool charger;       /* the row says that a charger is there */
    double of[CN_N_ROLES];
};

/* -1 with err->text "path: line N: ...". */
__attribute__((format(printf, 2, 3))) int cn_rows_fault(struct cn_rows *r, const char *format, ...);

struct cn_cells cn_no_cells(void);
/* The time as a number in `scale` ns (0: by its size, 1973 to 5138 are the times that matter); an
 * integer keeps all of its digits. */
void cn_cells_time(struct cn_cells *c, double scale, double number, int64_t integer,
                   bool is_integer);
/* Another quantity, in the unit of r->kind. Numbers that mean "not known" are left out. */
void cn_cells_put(struct cn_rows *r, struct cn_cells *c, enum cn_role role, double number);
/* Which column a cell without a role is of, and what stands in it. */
void cn_rows_other(struct cn_rows *r, size_t other, const char *text);

/* 0; or -1: no time, no quantity, time that goes back, no memory. */
int cn_rows_add(struct cn_rows *r, const struct cn_cells *cells);

/* After the last: 0 with the series, notes and times of samples; or -1. */
int cn_rows_finish(struct cn_rows *r, struct cn_samples *samples);
void cn_rows_free(struct cn_rows *r);

/* ---- the readers: one line each, in order; 0 or -1 ------------------------------------------- */

/* What one file is read with. */
struct cn_reader {
    struct cn_rows rows;
    void *state; /* of the form; freed by its `close` */
};

/* A form that files may have. */
struct cn_form {
    bool (*marks)(const char *line); /* whether this line is of this form and of no other */
    int (*read)(struct cn_reader *reader, char *line);
    int (*end)(struct cn_reader *reader); /* after the last line; NULL: nothing to do */
    void (*close)(void *state);           /* NULL: state is to be given to free */
};

/* CSV and JSON lines; what no other form marks. */
extern const struct cn_form cn_form_table;
extern const struct cn_form cn_form_logcat, cn_form_dumpsys, cn_form_tegrastats,
    cn_form_powermetrics, cn_form_perf;

#endif
