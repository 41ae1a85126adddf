/* SPDX-License-Identifier: MIT */
#include "base/table.h"

#include "base/error.h"
#include "base/html.h"
#include "base/outfile.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum kind { KIND_NULL, KIND_STR, KIND_F64, KIND_I64, KIND_BOOL, KIND_JSON };

struct cell {
    enum kind kind;
    char *text; /* STR, JSON; of NULL: its status, or NULL */
    double f64;
    int64_t i64; /* also BOOL */
};

struct column {
    char *key;
    char *title; /* NULL: not in Markdown */
    int digits;
};

struct row {
    struct cell *cells; /* the first n_cells columns; those added later are null */
    size_t n_cells;
};

struct cn_table {
    char *name;
    struct column *columns;
    size_t n_columns;
    struct row *rows;
    size_t n_rows, room;
    bool out_of_memory;
};

/* ---- filling --------------------------------------------------------------------------------- */

bool cn_table_format_parse(const char *name, enum cn_table_format *format)
{
    static const char *const names[] = { "md", "csv", "json", "jsonl", "sql", "html" };
    for (int i = 0; i < (int)(sizeof names / sizeof *names); i++)
        if (strcmp(name, names[i]) == 0) {
            *format = (enum cn_table_format)i;
            return true;
        }
    return false;
}

static char *copy(struct cn_table *t, const char *text)
{
    char *s = text ? strdup(text) : NULL;
    if (text && !s)
        t->out_of_memory = true;
    return s;
}

struct cn_table *cn_table_create(const char *name)
{
    struct cn_table *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->name = copy(t, name);
    if (!t->name) {
        free(t);
        return NULL;
    }
    return t;
}

void cn_table_free(struct cn_table *t)
{
    if (!t)
        return;
    for (size_t r = 0; r < t->n_rows; r++) {
        for (size_t c = 0; c < t->rows[r].n_cells; c++)
            free(t->rows[r].cells[c].text);
        free(t->rows[r].cells);
    }
    for (size_t c = 0; c < t->n_columns; c++) {
        free(t->columns[c].key);
        free(t->columns[c].title);
    }
    free(t->rows);
    free(t->columns);
    free(t->name);
    free(t);
}

void cn_table_column(struct cn_table *t, const char *key, const char *title, int digits)
{
    struct column *columns = realloc(t->columns, (t->n_columns + 1) * sizeof *columns);
    struct column column = { .digits = digits };
    if (columns) {
        t->columns = columns;
        column.key = copy(t, key);
        column.title = copy(t, title);
    }
    if (!column.key) {
        free(column.title);
        t->out_of_memory = true;
        return;
    }
    t->columns[t->n_columns++] = column;
}

void cn_table_row(struct cn_table *t)
{
    if (t->n_rows == t->room) {
        size_t room = t->room ? 2 * t->room : 16;
        struct row *rows = realloc(t->rows, room * sizeof *rows);
        if (!rows) {
            t->out_of_memory = true;
            return;
        }
        t->rows = rows;
        t->room = room;
    }
    struct row row = { .cells = calloc(t->n_columns ? t->n_columns : 1, sizeof *row.cells) };
    if (!row.cells) {
        t->out_of_memory = true;
        return;
    }
    row.n_cells = t->n_columns;
    t->rows[t->n_rows++] = row;
}

static void set(struct cn_table *t, const char *key, struct cell value, const char *text)
{
    if (t->out_of_memory)
        return; /* the row or the column may be missing; nothing will be printed */
    assert(t->n_rows > 0 && "cn_table_row comes first");
    struct row *row = &t->rows[t->n_rows - 1];
    size_t c = 0;
    while (c < row->n_cells && strcmp(t->columns[c].key, key) != 0)
        c++;
    assert(c < row->n_cells && "no such column when the row was started");
    value.text = copy(t, text);
    free(row->cells[c].text);
    row->cells[c] = value;
}

void cn_table_str(struct cn_table *t, const char *key, const char *value)
{
    set(t, key, (struct cell){ .kind = value ? KIND_STR : KIND_NULL }, value);
}

void cn_table_f64(struct cn_table *t, const char *key, double value)
{
    bool known = isfinite(value);
    set(t, key, (struct cell){ .kind = known ? KIND_F64 : KIND_NULL, .f64 = known ? value : 0 },
        NULL);
}

void cn_table_i64(struct cn_table *t, const char *key, int64_t value)
{
    set(t, key, (struct cell){ .kind = KIND_I64, .i64 = value }, NULL);
}

void cn_table_bool(struct cn_table *t, const char *key, bool value)
{
    set(t, key, (struct cell){ .kind = KIND_BOOL, .i64 = value }, NULL);
}

void cn_table_null(struct cn_table *t, const char *key, const char *status)
{
    set(t, key, (struct cell){ .kind = KIND_NULL }, status);
}

void cn_table_json(struct cn_table *t, const char *key, const char *json)
{
    set(t, key, (struct cell){ .kind = json ? KIND_JSON : KIND_NULL }, json);
}

int64_t cn_table_n_rows(const struct cn_table *t)
{
    return (int64_t)t->n_rows;
}

/* ---- values as text -------------------------------------------------------------------------- */

static const struct cell *cell_at(const struct cn_table *t, size_t r, size_t c)
{
    static const struct cell null_cell = { .kind = KIND_NULL };
    const struct row *row = &t->rows[r];
    return c < row->n_cells ? &row->cells[c] : &null_cell;
}

enum { NUMBER_BYTES = 336 }; /* "%.*f" of DBL_MAX with up to 20 digits */

/* The shortest decimal that reads back as the same double. */
static const char *shortest(double v, char *buf)
{
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(buf, NUMBER_BYTES, "%.*g", digits, v);
        if (strtod(buf, NULL) == v)
            break;
    }
    return buf;
}

/* What a cell is in csv, sql and (if not text) json: "" for null. */
static const char *plain(const struct cell *cell, char *buf)
{
    switch (cell->kind) {
    case KIND_NULL:
        return "";
    case KIND_STR:
    case KIND_JSON:
        return cell->text;
    case KIND_F64:
        return shortest(cell->f64, buf);
    case KIND_I64:
        snprintf(buf, NUMBER_BYTES, "%" PRId64, cell->i64);
        return buf;
    case KIND_BOOL:
        return cell->i64 ? "true" : "false";
    }
    return "";
}

static bool is_number(const struct cell *cell)
{
    return cell->kind == KIND_F64 || cell->kind == KIND_I64;
}

/* ---- UTF-8 ----------------------------------------------------------------------------------- */

/* Decodes the character at s (not at the end) and returns its length in bytes. A byte that starts
 * no valid sequence (overlong, surrogate, above U+10FFFF, cut short) is U+FFFD of length 1. */
static size_t decode_utf8(const char *s, uint32_t *c)
{
    const unsigned char *p = (const unsigned char *)s;
    size_t n = p[0] < 0x80   ? 1
               : p[0] < 0xc2 ? 0
               : p[0] < 0xe0 ? 2
               : p[0] < 0xf0 ? 3
               : p[0] < 0xf5 ? 4
                             : 0;
    uint32_t v = n == 1 ? p[0] : n ? p[0] & (0x7fu >> n) : 0;
    for (size_t i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80)
            n = 0;
        else
            v = v << 6 | (p[i] & 0x3fu);
    }
    if (n == 0 || (n == 3 && v < 0x800) || (n == 4 && v < 0x10000) || v > 0x10ffff ||
        (v >= 0xd800 && v < 0xe000)) {
        *c = 0xfffd;
        return 1;
    }
    *c = v;
    return n;
}

/* Columns a character takes on a terminal. The ranges are those of Unicode's East Asian Width W and
 * F and of combining marks, drawn with a broad brush: what is misjudged only sits a little askew.
 */
static int char_width(uint32_t c)
{
    static const struct {
        uint32_t first, last;
        int width;
    } ranges[] = {
        {0x0300,   0x036f,  0},
        { 0x1100,  0x115f,  2},
        { 0x1ab0,  0x1aff,  0},
        { 0x1dc0,  0x1dff,  0},
        { 0x200b,  0x200f,  0},
        { 0x20d0,  0x20ff,  0},
        { 0x2e80,  0x303e,  2},
        { 0x3041,  0xa4cf,  2},
        { 0xac00,  0xd7a3,  2},
        { 0xf900,  0xfaff,  2},
        { 0xfe00,  0xfe0f,  0},
        { 0xfe20,  0xfe2f,  0},
        { 0xfe30,  0xfe6f,  2},
        { 0xff00,  0xff60,  2},
        { 0xffe0,  0xffe6,  2},
        { 0x1f300, 0x1f64f, 2},
        { 0x1f900, 0x1f9ff, 2},
        { 0x20000, 0x3fffd, 2},
    };
    for (size_t i = 0; i < sizeof ranges / sizeof *ranges; i++)
        if (c >= ranges[i].first && c <= ranges[i].last)
            return ranges[i].width;
    return 1;
}

/* ---- Markdown -------------------------------------------------------------------------------- */

/* Prints a cell's text so that it stays in its cell (to == NULL: only measures). Returns its width.
 */
static int md_text(const char *text, FILE *to)
{
    int width = 0;
    while (*text) {
        uint32_t c;
        size_t n = decode_utf8(text, &c);
        if (c == '|') {
            width += 2;
            if (to)
                fputs("\\|", to);
        } else if (c < 0x20 || c == 0x7f) {
            width++;
            if (to)
                fputc(' ', to);
        } else {
            width += char_width(c);
            if (to && c == 0xfffd)
                fputs("\xef\xbf\xbd", to);
            else if (to)
                fwrite(text, 1, n, to);
        }
        text += n;
    }
    return width;
}

static const char *md_value(const struct cell *cell, int digits, char *buf)
{
    if (cell->kind == KIND_NULL)
        return cell->text ? cell->text : "-";
    if (cell->kind == KIND_F64 && digits > CN_TABLE_SIGNIFICANT) {
        const int n = digits - CN_TABLE_SIGNIFICANT;
        const double size = fabs(cell->f64);
        const int whole = size > 0 ? (int)floor(log10(size)) + 1 : 1;
        snprintf(buf, NUMBER_BYTES, "%.*f", whole < n ? (n - whole < 20 ? n - whole : 20) : 0,
                 cell->f64);
        return buf;
    }
    if (cell->kind == KIND_F64 && digits >= 0) {
        snprintf(buf, NUMBER_BYTES, "%.*f", digits < 20 ? digits : 20, cell->f64);
        /* No sign on what rounds to zero. */
        return buf[0] == '-' && buf[strspn(buf + 1, "0.") + 1] == 0 ? buf + 1 : buf;
    }
    return plain(cell, buf);
}

static void md_cell(const char *text, int width, bool right, FILE *out)
{
    int pad = width - md_text(text, NULL);
    fprintf(out, " %*s", right ? pad : 0, "");
    md_text(text, out);
    fprintf(out, "%*s |", right ? 0 : pad, "");
}

struct md_layout {
    int width;
    bool right; /* the column holds numbers and nulls only */
};

static struct md_layout md_measure(const struct cn_table *t, size_t c)
{
    struct md_layout layout = { .width = md_text(t->columns[c].title, NULL) };
    bool any_number = false, any_other = false;
    for (size_t r = 0; r < t->n_rows; r++) {
        char buf[NUMBER_BYTES];
        const struct cell *cell = cell_at(t, r, c);
        int width = md_text(md_value(cell, t->columns[c].digits, buf), NULL);
        if (width > layout.width)
            layout.width = width;
        any_number |= is_number(cell);
        any_other |= !is_number(cell) && cell->kind != KIND_NULL;
    }
    layout.right = any_number && !any_other;
    if (layout.width < 3)
        layout.width = 3; /* room for the dashes below the title */
    return layout;
}

static void md_rule(const struct md_layout *layout, FILE *out)
{
    fputc(' ', out);
    for (int i = 0; i < layout->width - layout->right; i++)
        fputc('-', out);
    fputs(layout->right ? ": |" : " |", out);
}

static bool print_md(const struct cn_table *t, FILE *out)
{
    struct md_layout *layout = calloc(t->n_columns + 1, sizeof *layout);
    if (!layout)
        return false;
    for (size_t c = 0; c < t->n_columns; c++)
        if (t->columns[c].title)
            layout[c] = md_measure(t, c);
    enum { TITLE, RULE, FIRST_ROW };
    for (size_t line = TITLE; line < FIRST_ROW + t->n_rows; line++) {
        fputc('|', out);
        for (size_t c = 0; c < t->n_columns; c++) {
            char buf[NUMBER_BYTES];
            const struct column *column = &t->columns[c];
            if (!column->title)
                continue;
            if (line == TITLE)
                md_cell(column->title, layout[c].width, layout[c].right, out);
            else if (line == RULE)
                md_rule(&layout[c], out);
            else
                md_cell(md_value(cell_at(t, line - FIRST_ROW, c), column->digits, buf),
                        layout[c].width, layout[c].right, out);
        }
        fputc('\n', out);
    }
    free(layout);
    return true;
}

/* ---- csv ------------------------------------------------------------------------------------- */

/* RFC 4180's quoting; lines end as they do on this system. A null is an empty field, an empty
 * string is "". */
static void csv_field(const char *text, bool force, FILE *out)
{
    if (!force && !strpbrk(text, ",\"\r\n")) {
        fputs(text, out);
        return;
    }
    fputc('"', out);
    for (; *text; text++)
        fputs(*text == '"' ? "\"\"" : (const char[]){ *text, 0 }, out);
    fputc('"', out);
}

static void print_csv(const struct cn_table *t, FILE *out)
{
    for (size_t c = 0; c < t->n_columns; c++) {
        fputs(c ? "," : "", out);
        csv_field(t->columns[c].key, false, out);
    }
    fputc('\n', out);
    for (size_t r = 0; r < t->n_rows; r++) {
        for (size_t c = 0; c < t->n_columns; c++) {
            char buf[NUMBER_BYTES];
            const struct cell *cell = cell_at(t, r, c);
            const char *text = plain(cell, buf);
            fputs(c ? "," : "", out);
            csv_field(text, cell->kind != KIND_NULL && !*text, out);
        }
        fputc('\n', out);
    }
}

/* ---- json ------------------------------------------------------------------------------------ */

static void json_string(const char *text, FILE *out)
{
    fputc('"', out);
    while (*text) {
        uint32_t c;
        size_t n = decode_utf8(text, &c);
        if (c == '"' || c == '\\')
            fprintf(out, "\\%c", (char)c);
        else if (c == '\n')
            fputs("\\n", out);
        else if (c == '\t')
            fputs("\\t", out);
        else if (c < 0x20 || c == 0x7f)
            fprintf(out, "\\u%04x", (unsigned)c);
        else if (c == 0xfffd)
            fputs("\\ufffd", out); /* bytes that are no UTF-8 must not make the document invalid */
        else
            fwrite(text, 1, n, out);
        text += n;
    }
    fputc('"', out);
}

static void json_value(const struct cell *cell, FILE *out)
{
    char buf[NUMBER_BYTES];
    switch (cell->kind) {
    case KIND_NULL:
        fputs("null", out);
        break;
    case KIND_STR:
        json_string(cell->text, out);
        break;
    case KIND_JSON: /* line breaks can only be between tokens: an object is one line */
        for (const char *p = cell->text; *p; p++)
            fputc(*p == '\n' || *p == '\r' ? ' ' : *p, out);
        break;
    default:
        fputs(plain(cell, buf), out);
    }
}

static void json_object(const struct cn_table *t, size_t r, FILE *out)
{
    fputc('{', out);
    for (size_t c = 0; c < t->n_columns; c++) {
        fputs(c ? ", " : "", out);
        json_string(t->columns[c].key, out);
        fputs(": ", out);
        json_value(cell_at(t, r, c), out);
    }
    fputc('}', out);
}

static void print_json(const struct cn_table *t, bool lines, FILE *out)
{
    fputs(lines ? "" : "[", out);
    for (size_t r = 0; r < t->n_rows; r++) {
        if (!lines)
            fputs(r ? ",\n  " : "\n  ", out);
        json_object(t, r, out);
        fputs(lines ? "\n" : "", out);
    }
    if (!lines)
        fputs(t->n_rows ? "\n]\n" : "]\n", out);
}

/* ---- sql ------------------------------------------------------------------------------------- */

static void sql_quoted(const char *text, char quote, FILE *out)
{
    fputc(quote, out);
    for (; *text; text++) {
        if (*text == quote)
            fputc(quote, out);
        fputc(*text, out);
    }
    fputc(quote, out);
}

/* Of the column's values; NUMERIC, which keeps whatever comes, while all of them are null. */
static const char *sql_type(const struct cn_table *t, size_t c)
{
    bool integer = false, real = false;
    for (size_t r = 0; r < t->n_rows; r++) {
        const struct cell *cell = cell_at(t, r, c);
        if (cell->kind == KIND_STR || cell->kind == KIND_JSON)
            return "TEXT";
        real |= cell->kind == KIND_F64;
        integer |= cell->kind == KIND_I64 || cell->kind == KIND_BOOL;
    }
    return real ? "REAL" : integer ? "INTEGER" : "NUMERIC";
}

static void sql_value(const struct cell *cell, FILE *out)
{
    char buf[NUMBER_BYTES];
    switch (cell->kind) {
    case KIND_NULL:
        fputs("NULL", out);
        break;
    case KIND_BOOL:
        fputs(cell->i64 ? "1" : "0", out);
        break;
    case KIND_STR:
    case KIND_JSON:
        sql_quoted(cell->text, '\'', out);
        break;
    default:
        fputs(plain(cell, buf), out);
    }
}

static void print_sql(const struct cn_table *t, FILE *out)
{
    fputs("CREATE TABLE IF NOT EXISTS ", out);
    sql_quoted(t->name, '"', out);
    for (size_t c = 0; c < t->n_columns; c++) {
        fputs(c ? ",\n  " : " (\n  ", out);
        sql_quoted(t->columns[c].key, '"', out);
        fprintf(out, " %s", sql_type(t, c));
    }
    fputs("\n);\n", out);
    for (size_t r = 0; r < t->n_rows; r++) {
        fputs("INSERT INTO ", out);
        sql_quoted(t->name, '"', out);
        for (size_t c = 0; c < t->n_columns; c++) {
            fputs(c ? ", " : " (", out);
            sql_quoted(t->columns[c].key, '"', out);
        }
        for (size_t c = 0; c < t->n_columns; c++) {
            fputs(c ? ", " : ") VALUES (", out);
            sql_value(cell_at(t, r, c), out);
        }
        fputs(");\n", out);
    }
}

/* ---- html ------------------------------------------------------------------------------------ */

/* A <table> of the columns that have a title. */
static void print_html(const struct cn_table *t, FILE *out)
{
    fputs("<table>\n<thead><tr>", out);
    for (size_t c = 0; c < t->n_columns; c++)
        if (t->columns[c].title) {
            fputs("<th>", out);
            cn_html_text(t->columns[c].title, out);
            fputs("</th>", out);
        }
    fputs("</tr></thead>\n<tbody>\n", out);
    for (size_t r = 0; r < t->n_rows; r++) {
        fputs("<tr>", out);
        for (size_t c = 0; c < t->n_columns; c++) {
            char buf[NUMBER_BYTES];
            if (!t->columns[c].title)
                continue;
            const struct cell *cell = cell_at(t, r, c);
            fputs(is_number(cell) ? "<td class=\"n\">" : "<td>", out);
            cn_html_text(md_value(cell, t->columns[c].digits, buf), out);
            fputs("</td>", out);
        }
        fputs("</tr>\n", out);
    }
    fputs("</tbody>\n</table>\n", out);
}

bool cn_table_print(const struct cn_table *t, enum cn_table_format format, FILE *out)
{
    if (t->out_of_memory)
        return false;
    switch (format) {
    case CN_TABLE_MD:
        if (!print_md(t, out))
            return false;
        break;
    case CN_TABLE_CSV:
        print_csv(t, out);
        break;
    case CN_TABLE_JSON:
        print_json(t, false, out);
        break;
    case CN_TABLE_JSONL:
        print_json(t, true, out);
        break;
    case CN_TABLE_SQL:
        print_sql(t, out);
        break;
    case CN_TABLE_HTML:
        print_html(t, out);
        break;
    }
    return !ferror(out);
}

bool cn_table_format_of(const char *path, enum cn_table_format *format)
{
    const char *dot = strrchr(path, '.');
    return dot && cn_table_format_parse(dot + 1, format);
}

enum cn_status cn_table_save(const struct cn_table *t, const char *path, struct cn_error *err)
{
    enum cn_table_format format = CN_TABLE_MD;
    struct cn_outfile *file;
    cn_table_format_of(path, &format);
    CN_TRY(cn_outfile_create(path, &file, err));
    if (!t->out_of_memory && cn_table_print(t, format, cn_outfile_stream(file)))
        return cn_outfile_finish(file, err);
    bool full = ferror(cn_outfile_stream(file)) != 0;
    int reason = errno;
    cn_outfile_abandon(file);
    return full ? cn_fail(err, CN_ERR_IO, "%s: cannot write: %s", path, strerror(reason))
                : cn_fail(err, CN_ERR_MEMORY, "%s: out of memory", path);
}
