/* SPDX-License-Identifier: MIT
 *
 * Runs of a plan of kernels: the command, and the rows that came of it.
 */
#include "bench/study/study_part.h"

#include "base/error.h"
#include "engine/tools.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "2048x8192 cores 0,1": what a prompt stands for. */
static enum cn_status shape_of(const struct cn_study *s, int64_t prompt, char shape[64],
                               char cores[128])
{
    struct cn_study_rows *rows;
    CN_TRY(cn_study_select(s->db, &rows, s->err, "SELECT name, text FROM prompts WHERE prompt = ?1",
                           "i", prompt));
    shape[0] = cores[0] = 0;
    if (cn_study_rows_next(rows)) {
        const char *name = cn_study_rows_text(rows, 0), *text = cn_study_rows_text(rows, 1);
        snprintf(shape, 64, "%.*s", name ? (int)strcspn(name, " ") : 0, name ? name : "");
        snprintf(cores, 128, "%s", text ? text : "");
    }
    return cn_study_rows_close(rows, s->err);
}

enum cn_status cn_study_kernels_command(const struct cn_study *s, const char *format,
                                        const char *tiers, int64_t threads, int64_t prompt,
                                        struct cn_study_args *a)
{
    const struct cn_study_kernels *k = &s->plan.kernels;
    char shape[64], cores[128], count[24];
    CN_TRY(shape_of(s, prompt, shape, cores));
    snprintf(count, sizeof count, "%lld", threads > 0 ? (long long)threads : 1ll);
    const struct {
        const char *option, *value;
    } given[] = {
        {"--format",  format                                },
        { "--shape",  shape                                 },
        { "-t",       count                                 },
        { "--tier",   tiers[0] ? tiers : NULL               },
        { "--cores",  cores[0] ? cores : NULL               },
        { "--job",    k->jobs ? k->jobs : "gemv"            },
        { "--tokens", k->tokens                             },
        { "--cache",  k->caches                             },
        { "--meter",  s->plan.meter ? s->plan.meter : "auto"},
        { "--root",   s->o->root                            },
        { "-o",       "json"                                },
    };
    *a = (struct cn_study_args){ .n = 0 };
    cn_study_arg(a, "kernels");
    cn_study_arg(a, "--bench");
    if (strncmp(tiers, "ref,", 4) == 0) /* what is asked for is the tier above it */
        cn_study_arg(a, "--no-ref");
    for (size_t i = 0; i < sizeof given / sizeof *given; i++)
        if (given[i].value) {
            cn_study_arg(a, "%s", given[i].option);
            cn_study_arg(a, "%s", given[i].value);
        }
    if (s->o->force)
        cn_study_arg(a, "--force-meter");
    return CN_OK;
}

/* The array that it printed; *json is the caller's. */
static enum cn_status read_rows(const struct cn_study_outcome *outcome, struct cn_json **json,
                                struct cn_error *err)
{
    char *text;
    size_t n;
    CN_TRY(cn_study_job_text(outcome, "stdout", &text, &n, err));
    enum cn_status status = cn_json_parse(text, n, "carnot kernels", json, err);
    free(text);
    if (status != CN_OK)
        return status;
    const struct cn_json_value *root = cn_json_root(*json);
    if (root->type == CN_JSON_ARRAY && root->first)
        return CN_OK;
    cn_json_free(*json);
    return cn_fail(err, CN_ERR_FORMAT, "carnot kernels: rows expected, none found");
}

void cn_study_kernels_problem(const struct cn_study_outcome *outcome, char reason[CN_STUDY_REASON])
{
    struct cn_json *json;
    struct cn_error err = { "" };
    reason[0] = 0;
    if (read_rows(outcome, &json, &err) == CN_OK)
        cn_json_free(json);
    else
        snprintf(reason, CN_STUDY_REASON, "%.*s", CN_STUDY_REASON - 1, err.text);
}

enum cn_status cn_study_kernels_store(const struct cn_study *s, int64_t run,
                                      const struct cn_study_outcome *outcome)
{
    struct cn_json *json;
    CN_TRY(read_rows(outcome, &json, s->err));
    enum cn_status status =
        cn_study_exec(s->db, s->err, "DELETE FROM kernels WHERE run = ?1", "i", run);
    for (const struct cn_json_value *row = cn_json_root(json)->first; row && status == CN_OK;
         row = row->next) {
        double id;
        status = cn_study_exec(s->db, s->err, "INSERT INTO kernels (run) VALUES (?1)", "i", run);
        if (status == CN_OK)
            status = cn_study_number(s->db, &id, s->err, "SELECT max(rowid) FROM kernels", "");
        if (status == CN_OK)
            status = cn_study_store(s, "kernels", "format", (int64_t)id, row);
    }
    cn_json_free(json);
    return status;
}
