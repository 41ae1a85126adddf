/* SPDX-License-Identifier: MIT */
#include "bench/stats/dataset.h"

#include "base/error.h"
#include "base/json.h"
#include "base/strmap.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_COLUMNS = 4096,
    MOST_CELLS = 1 << 24,
    MOST_ARRAY = 16 << 20, /* bytes of a JSON array, which is in memory as a whole */
    CHUNK = 64 * 1024
};

struct cn_dataset_text {
    struct cn_dataset_text *next;
    size_t used, room;
    char bytes[];
};

/* ---- building ----------------------------------------------------------------------------------
 */

struct builder {
    struct cn_dataset *d;
    const char *name;     /* of the file */
    size_t room;          /* rows */
    struct cn_strmap map; /* of the columns: files may have thousands */
    struct cn_error *err;
};

static enum cn_status no_memory(const struct builder *b)
{
    return cn_fail(b->err, CN_ERR_MEMORY, "%s: out of memory", b->name);
}

static bool is_control(char c)
{
    return (unsigned char)c < ' ' || c == 0x7f;
}

/* Texts end up in messages and sentences, which are one line, and on terminals. */
static const char *keep(struct cn_dataset *d, const char *text, size_t n)
{
    struct cn_dataset_text *t = d->texts;
    if (!t || t->room - t->used <= n) {
        size_t room = n + 1 > CHUNK ? n + 1 : CHUNK;
        t = malloc(sizeof *t + room);
        if (!t)
            return NULL;
        *t = (struct cn_dataset_text){ .next = d->texts, .room = room };
        d->texts = t;
    }
    char *copy = t->bytes + t->used;
    for (size_t i = 0; i < n; i++)
        copy[i] = is_control(text[i]) ? ' ' : text[i];
    copy[n] = '\0';
    t->used += n + 1;
    return copy;
}

void cn_dataset_free(struct cn_dataset *d)
{
    if (!d)
        return;
    while (d->texts) {
        struct cn_dataset_text *next = d->texts->next;
        free(d->texts);
        d->texts = next;
    }
    free(d->columns);
    free(d->cells);
    free(d);
}

int64_t cn_dataset_column(const struct cn_dataset *d, const char *name, size_t n_name)
{
    for (size_t c = 0; c < d->n_columns; c++)
        if (strlen(d->columns[c]) == n_name && memcmp(d->columns[c], name, n_name) == 0)
            return (int64_t)c;
    return -1;
}

static int64_t find_column(const struct builder *b, const char *name, size_t n)
{
    return cn_strmap_find(&b->map, (struct cn_str){ name, n });
}

/* Before the first row. */
static enum cn_status add_column(struct builder *b, const char *name, size_t n)
{
    struct cn_dataset *d = b->d;
    CN_RETURN_IF(d->n_columns == MOST_COLUMNS, CN_ERR_FORMAT, b->err,
                 "%s: expected at most %d columns, found more", b->name, MOST_COLUMNS);
    if ((d->n_columns & (d->n_columns - 1)) == 0) { /* full at powers of two */
        const char **columns =
            realloc(d->columns, (d->n_columns ? 2 * d->n_columns : 1) * sizeof *columns);
        if (!columns)
            return no_memory(b);
        d->columns = columns;
    }
    const char *copy = keep(d, name, n);
    if (!copy || !cn_strmap_add(&b->map, (struct cn_str){ copy, n }))
        return no_memory(b);
    d->columns[d->n_columns++] = copy;
    return CN_OK;
}

/* All cells null. */
static enum cn_status add_row(struct builder *b)
{
    struct cn_dataset *d = b->d;
    CN_RETURN_IF((d->n_rows + 1) * d->n_columns > MOST_CELLS, CN_ERR_FORMAT, b->err,
                 "%s: expected at most %d cells, found more", b->name, MOST_CELLS);
    if (d->n_rows == b->room) {
        size_t room = b->room ? 2 * b->room : 64;
        struct cn_cell *cells = realloc(d->cells, room * d->n_columns * sizeof *cells);
        if (!cells)
            return no_memory(b);
        d->cells = cells;
        b->room = room;
    }
    for (size_t c = 0; c < d->n_columns; c++)
        d->cells[d->n_rows * d->n_columns + c] = (struct cn_cell){ NULL, (double)NAN };
    d->n_rows++;
    return CN_OK;
}

static struct cn_cell *last_row(struct builder *b)
{
    return b->d->cells + (b->d->n_rows - 1) * b->d->n_columns;
}

/* Decimal numbers only: no "inf", no hexadecimal. */
static double number(const char *text)
{
    char *end;
    if (text[strspn(text, "+-.0123456789eE")])
        return (double)NAN;
    double v = strtod(text, &end);
    return end > text && !*end && isfinite(v) ? v : (double)NAN;
}

static enum cn_status set_text(struct builder *b, struct cn_cell *cell, const char *text, size_t n)
{
    cell->text = keep(b->d, text, n);
    if (!cell->text)
        return no_memory(b);
    cell->number = number(cell->text);
    return CN_OK;
}

/* ---- csv ---------------------------------------------------------------------------------------
 */

struct csv {
    const char *p, *end;
    size_t line;
    char separator;
    char *field; /* as long as the file at most */
    size_t n_field;
    bool quoted; /* "" is an empty text, and nothing a null */
};

/* Reads a field. *last: the line ends behind it. */
static enum cn_status csv_field(struct builder *b, struct csv *csv, bool *last)
{
    size_t opened = csv->line;
    bool inside = csv->p < csv->end && *csv->p == '"';
    csv->n_field = 0;
    csv->quoted = inside;
    csv->p += inside;
    for (; csv->p < csv->end; csv->p++) {
        char c = *csv->p;
        if (c == '"' && inside) {
            if (csv->p + 1 < csv->end && csv->p[1] == '"')
                csv->p++;
            else {
                inside = false;
                continue;
            }
        } else if (!inside && (c == csv->separator || c == '\n')) {
            break;
        } else if (!inside && c == '\r' && (csv->p + 1 == csv->end || csv->p[1] == '\n')) {
            continue;
        }
        CN_RETURN_IF(!c, CN_ERR_FORMAT, b->err, "%s: line %zu: expected text, found a zero byte",
                     b->name, csv->line);
        csv->line += c == '\n';
        csv->field[csv->n_field++] = is_control(c) ? ' ' : c;
    }
    CN_RETURN_IF(inside, CN_ERR_FORMAT, b->err,
                 "%s: line %zu: expected a closing quote, found the end", b->name, opened);
    *last = csv->p == csv->end || *csv->p == '\n';
    if (csv->p < csv->end)
        csv->p++;
    csv->line += *last;
    return CN_OK;
}

static bool csv_blank_line(struct csv *csv)
{
    const char *p = csv->p;
    while (p < csv->end && *p == '\r')
        p++;
    if (p < csv->end && *p != '\n')
        return false;
    csv->p = p < csv->end ? p + 1 : p;
    csv->line++;
    return true;
}

static enum cn_status csv_header(struct builder *b, struct csv *csv)
{
    for (bool last = false; !last;) {
        CN_TRY(csv_field(b, csv, &last));
        CN_RETURN_IF(csv->n_field == 0, CN_ERR_FORMAT, b->err,
                     "%s: line 1: expected a header with names of columns, found an empty name",
                     b->name);
        CN_RETURN_IF(find_column(b, csv->field, csv->n_field) >= 0, CN_ERR_FORMAT, b->err,
                     "%s: line 1: expected different names of columns, found '%.*s' twice", b->name,
                     csv->n_field < 80 ? (int)csv->n_field : 80, csv->field);
        CN_TRY(add_column(b, csv->field, csv->n_field));
    }
    return CN_OK;
}

static enum cn_status csv_row(struct builder *b, struct csv *csv)
{
    size_t line = csv->line, n = 0;
    CN_TRY(add_row(b));
    for (bool last = false; !last; n++) {
        CN_TRY(csv_field(b, csv, &last));
        if (n < b->d->n_columns && (csv->n_field || csv->quoted))
            CN_TRY(set_text(b, &last_row(b)[n], csv->field, csv->n_field));
    }
    CN_RETURN_IF(n != b->d->n_columns, CN_ERR_FORMAT, b->err,
                 "%s: line %zu: expected %zu fields as in the header, found %zu", b->name, line,
                 b->d->n_columns, n);
    return CN_OK;
}

/* The one that the first line has most of. */
static char find_separator(const char *text, const char *end)
{
    size_t commas = 0, semicolons = 0, tabs = 0;
    for (; text < end && *text != '\n'; text++) {
        commas += *text == ',';
        semicolons += *text == ';';
        tabs += *text == '\t';
    }
    if (commas >= semicolons && commas >= tabs)
        return ',';
    return tabs >= semicolons ? '\t' : ';';
}

static enum cn_status parse_csv(struct builder *b, const char *text, size_t n)
{
    struct csv csv = { .p = text, .end = text + n, .line = 1 };
    csv.separator = find_separator(csv.p, csv.end);
    csv.field = malloc(n + 1);
    if (!csv.field)
        return no_memory(b);
    enum cn_status status = csv_header(b, &csv);
    while (status == CN_OK && csv.p < csv.end)
        if (!csv_blank_line(&csv))
            status = csv_row(b, &csv);
    free(csv.field);
    return status;
}

/* ---- json --------------------------------------------------------------------------------------
 */

/* Every member of an object is a column of its row. The columns have to be known before the rows
 * are there, so that all is visited twice. */
typedef enum cn_status visitor(struct builder *b, const struct cn_json_value *object);

static enum cn_status visit_columns(struct builder *b, const struct cn_json_value *object)
{
    for (const struct cn_json_value *v = object->first; v; v = v->next) {
        for (size_t i = 0; i < v->n_key; i++)
            CN_RETURN_IF(is_control(v->key[i]), CN_ERR_FORMAT, b->err,
                         "%s: expected keys of printable text, found byte 0x%02x in one", b->name,
                         (unsigned)(unsigned char)v->key[i]);
        if (v->n_key && find_column(b, v->key, v->n_key) < 0)
            CN_TRY(add_column(b, v->key, v->n_key));
    }
    return CN_OK;
}

static enum cn_status visit_cells(struct builder *b, const struct cn_json_value *object)
{
    CN_TRY(add_row(b));
    for (const struct cn_json_value *v = object->first; v; v = v->next) {
        int64_t c = find_column(b, v->key, v->n_key);
        char text[32];
        if (c < 0)
            continue;
        struct cn_cell *cell = &last_row(b)[c];
        if (v->type == CN_JSON_STRING)
            CN_TRY(set_text(b, cell, v->string, strlen(v->string)));
        if (v->type == CN_JSON_BOOL)
            CN_TRY(set_text(b, cell, v->boolean ? "true" : "false", v->boolean ? 4 : 5));
        if (v->type == CN_JSON_NUMBER) {
            snprintf(text, sizeof text, "%.15g", v->number);
            CN_TRY(set_text(b, cell, text, strlen(text)));
            cell->number = isfinite(v->number) ? v->number : (double)NAN;
        }
    }
    return CN_OK;
}

static enum cn_status visit_array(struct builder *b, const char *text, size_t n, visitor *visit)
{
    struct cn_json *json;
    CN_RETURN_IF(n > MOST_ARRAY, CN_ERR_FORMAT, b->err,
                 "%s: expected a JSON array of at most %d bytes, found %zu: use JSON lines",
                 b->name, MOST_ARRAY, n);
    CN_TRY(cn_json_parse(text, n, b->name, &json, b->err));
    enum cn_status status = CN_OK;
    size_t i = 1;
    for (const struct cn_json_value *v = cn_json_root(json)->first; v && status == CN_OK; i++) {
        if (v->type != CN_JSON_OBJECT)
            status = cn_fail(b->err, CN_ERR_FORMAT, "%s: value %zu: expected an object, found %s",
                             b->name, i, cn_json_type_name(v->type));
        else
            status = visit(b, v);
        v = v->next;
    }
    cn_json_free(json);
    return status;
}

static enum cn_status visit_lines(struct builder *b, const char *text, size_t n, visitor *visit)
{
    enum cn_status status = CN_OK;
    const char *end = text + n;
    for (size_t line = 1; text < end && status == CN_OK; line++) {
        const char *stop = memchr(text, '\n', (size_t)(end - text));
        size_t length = (size_t)((stop ? stop : end) - text), blanks = 0;
        while (blanks < length && text[blanks] && strchr(" \t\r", text[blanks]))
            blanks++;
        if (blanks < length) {
            char where[512];
            struct cn_json *json;
            snprintf(where, sizeof where, "%s: object in line %zu", b->name, line);
            status = cn_json_parse(text, length, where, &json, b->err);
            if (status == CN_OK) {
                const struct cn_json_value *root = cn_json_root(json);
                if (root->type == CN_JSON_OBJECT)
                    status = visit(b, root);
                else
                    status = cn_fail(b->err, CN_ERR_FORMAT, "%s: expected an object, found %s",
                                     where, cn_json_type_name(root->type));
                cn_json_free(json);
            }
        }
        text += length + 1;
    }
    return status;
}

/* ---- all ---------------------------------------------------------------------------------------
 */

static enum cn_status parse(struct builder *b, const char *text, size_t n)
{
    size_t blanks = 0;
    if (n >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { /* what some editors put in front */
        text += 3;
        n -= 3;
    }
    while (blanks < n && text[blanks] && strchr(" \t\r\n", text[blanks]))
        blanks++;
    CN_RETURN_IF(blanks == n, CN_ERR_FORMAT, b->err,
                 "%s: expected CSV with a header, a JSON array or JSON lines, found nothing",
                 b->name);
    if (text[blanks] == '[') {
        CN_TRY(visit_array(b, text, n, visit_columns));
        CN_TRY(visit_array(b, text, n, visit_cells));
    } else if (text[blanks] == '{') {
        CN_TRY(visit_lines(b, text, n, visit_columns));
        CN_TRY(visit_lines(b, text, n, visit_cells));
    } else {
        CN_TRY(parse_csv(b, text, n));
    }
    CN_RETURN_IF(b->d->n_rows == 0 || b->d->n_columns == 0, CN_ERR_FORMAT, b->err,
                 "%s: expected rows of results, found none", b->name);
    return CN_OK;
}

static bool begin(struct builder *b)
{
    b->d = calloc(1, sizeof *b->d);
    return b->d && cn_strmap_init(&b->map, 0);
}

static enum cn_status finish(struct builder *b, enum cn_status status, struct cn_dataset **dataset)
{
    if (status == CN_OK)
        *dataset = b->d;
    else
        cn_dataset_free(b->d);
    cn_strmap_free(&b->map);
    return status;
}

enum cn_status cn_dataset_parse(const char *text, size_t n, const char *name,
                                struct cn_dataset **dataset, struct cn_error *err)
{
    struct builder b = { .name = name, .err = err };
    return finish(&b, begin(&b) ? parse(&b, text, n) : no_memory(&b), dataset);
}

static enum cn_status join(struct builder *b, struct cn_dataset *const *parts,
                           const char *const *labels, size_t n, const char *label)
{
    CN_TRY(add_column(b, label, strlen(label)));
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < parts[i]->n_columns; c++) {
            const char *name = parts[i]->columns[c];
            if (find_column(b, name, strlen(name)) < 0)
                CN_TRY(add_column(b, name, strlen(name)));
        }
    for (size_t i = 0; i < n; i++) {
        const struct cn_dataset *part = parts[i];
        for (size_t r = 0; r < part->n_rows; r++) {
            CN_TRY(add_row(b));
            CN_TRY(set_text(b, last_row(b), labels[i], strlen(labels[i])));
            for (size_t c = 0; c < part->n_columns; c++) {
                const struct cn_cell *from = cn_dataset_cell(part, r, c);
                const char *name = part->columns[c];
                int64_t to = find_column(b, name, strlen(name));
                if (to > 0 && from->text) { /* 0: the label hides a column of its name */
                    CN_TRY(set_text(b, &last_row(b)[to], from->text, strlen(from->text)));
                    last_row(b)[to].number = from->number;
                }
            }
        }
    }
    return CN_OK;
}

enum cn_status cn_dataset_join(struct cn_dataset *const *parts, const char *const *labels, size_t n,
                               const char *label, struct cn_dataset **dataset, struct cn_error *err)
{
    struct builder b = { .name = label, .err = err };
    return finish(&b, begin(&b) ? join(&b, parts, labels, n, label) : no_memory(&b), dataset);
}
