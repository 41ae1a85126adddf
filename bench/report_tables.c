/* SPDX-License-Identifier: MIT
 *
 * Saved tables on a page: what `make bench` shows.
 */
#include "bench/page.h"
#include "bench/plot.h"
#include "bench/report.h"
#include "engine/error.h"
#include "engine/json.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put_value(struct cn_table *t, const struct cn_json_value *v)
{
    char number[32];
    switch (v->type) {
    case CN_JSON_STRING:
        cn_table_str(t, v->key, v->string);
        break;
    case CN_JSON_BOOL:
        cn_table_bool(t, v->key, v->boolean);
        break;
    case CN_JSON_NUMBER: /* as many digits as are good for anything, but whole numbers whole */
        snprintf(number, sizeof number, floor(v->number) == v->number ? "%.15g" : "%.4g",
                 v->number);
        cn_table_f64(t, v->key, strtod(number, NULL));
        break;
    default:
        break;
    }
}

/* Rows whose keys are all those of the first one; what is missing there is not shown. */
static struct cn_table *table_of(const struct cn_json_value *array)
{
    struct cn_table *t = cn_table_create("rows");
    const struct cn_json_value *first = array->first;
    for (const struct cn_json_value *v = first->first; t && v; v = v->next)
        cn_table_column(t, v->key, v->key, -1);
    for (const struct cn_json_value *row = first; t && row; row = row->next) {
        cn_table_row(t);
        for (const struct cn_json_value *v = row->first; v; v = v->next)
            if (cn_json_get(first, v->key))
                put_value(t, v);
    }
    return t;
}

static double number(const struct cn_json_value *row, const char *key)
{
    const struct cn_json_value *v = cn_json_get(row, key);
    return v && v->type == CN_JSON_NUMBER ? v->number : (double)NAN;
}

static const char *string(const struct cn_json_value *row, const char *key)
{
    const struct cn_json_value *v = cn_json_get(row, key);
    return v && v->type == CN_JSON_STRING ? v->string : "";
}

/* Rows of `carnot bench` of one test: speed against bits. Others have none of these keys. */
static bool plot_speed(struct cn_page *page, const struct cn_json_value *array, const char *test)
{
    char label[64];
    snprintf(label, sizeof label, "%s, tokens/s", test);
    struct cn_plot *p = cn_plot_create("effective bits per weight", label);
    if (!p)
        return false;
    cn_plot_from_zero(p);
    cn_plot_series(p, CN_PLOT_POINTS, "median, 95% interval", NULL);
    for (const struct cn_json_value *row = array->first; row; row = row->next)
        if (strcmp(string(row, "test"), test) == 0)
            cn_plot_point(p, number(row, "bpw"), number(row, "tps_median"), number(row, "tps_lo"),
                          number(row, "tps_hi"), string(row, "file_type"));
    if (cn_plot_count(p))
        cn_page_plot(page, p, strcmp(test, "decode") == 0 ? "Decode speed" : "Prefill speed");
    cn_plot_free(p);
    return true;
}

static void heading(struct cn_page *page, const char *file, size_t number_of)
{
    const char *name = strrchr(file, '/') ? strrchr(file, '/') + 1 : file;
    char id[32], title[128];
    snprintf(id, sizeof id, "table%zu", number_of + 1);
    snprintf(title, sizeof title, "%.*s", (int)strcspn(name, "."), name);
    if (title[0] >= 'a' && title[0] <= 'z')
        title[0] = (char)(title[0] - 'a' + 'A');
    cn_page_section(page, id, title);
}

static enum cn_status put_table(struct cn_page *page, const struct cn_report_json *j, size_t i,
                                struct cn_error *err)
{
    struct cn_json *json;
    CN_TRY(cn_json_parse(j->text, j->n, j->name, &json, err));
    const struct cn_json_value *array = cn_json_root(json);
    bool rows = array->type == CN_JSON_ARRAY;
    for (const struct cn_json_value *row = array->first; rows && row; row = row->next)
        rows = row->type == CN_JSON_OBJECT;
    enum cn_status status = CN_OK;
    if (!rows) {
        status = cn_fail(err, CN_ERR_FORMAT, "%s: an array of objects expected", j->name);
    } else {
        heading(page, j->name, i);
        struct cn_table *t = array->first ? table_of(array) : NULL;
        if (!array->first)
            cn_page_text(page, "No rows.");
        else if (!t || !plot_speed(page, array, "decode") || !plot_speed(page, array, "prefill"))
            status = cn_fail(err, CN_ERR_MEMORY, "out of memory");
        else
            cn_page_table(page, t, true);
        cn_table_free(t);
    }
    cn_json_free(json);
    return status;
}

enum cn_status cn_report_tables(const struct cn_report_json *tables, size_t n_tables,
                                const char *head, const char *out, struct cn_error *err)
{
    struct cn_page *page = cn_page_create("Carnot bench");
    CN_RETURN_IF(!page, CN_ERR_MEMORY, err, "out of memory");
    const char *missing = cn_plot_missing();
    if (head)
        cn_page_code(page, head);
    if (missing)
        cn_page_text(page, "%s", missing);
    enum cn_status status = CN_OK;
    for (size_t i = 0; status == CN_OK && i < n_tables; i++)
        status = put_table(page, &tables[i], i, err);
    if (status == CN_OK)
        status = cn_page_save(page, out, err);
    cn_page_free(page);
    return status;
}
