/* SPDX-License-Identifier: MIT */
#include "bench/page/plot.h"
#include "base/child.h"
#include "base/error.h"
#include "base/html.h"
#include "base/outfile.h"
#include "base/readfile.h"
#include "base/temporary.h"
#include "base/utf8.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Pixels of the drawing; a page scales it between about 0.7 (a phone) and 1.1. */
enum { WIDTH = 460, HEIGHT = 320, ROW_HEIGHT = 19, FRAME_HEIGHT = 75, TEXT_WIDTH = 7 };
enum { MAX_ROW_NAME = 34, MAX_SVG = 8 << 20, DRAW_MS = 30000, N_COLOURS = 8, N_MARKERS = 8 };

struct point {
    double x, y, lo, hi;
    char *label;
};

struct series {
    enum cn_plot_style style;
    char *title;
    int number; /* colour and marker */
    bool like;
    struct point *points;
    int n_points, room;
};

struct cn_plot {
    char *x_label, *y_label, *note;
    bool log_x, log_y, from_zero, broken;
    char **rows;
    int n_rows;
    struct series series[CN_PLOT_SERIES];
    int n_series, n_colours;
};

struct marker {
    int gnuplot;
    const char *glyph;
};
static const struct marker markers[N_MARKERS] = {
    {7,   "\u25cf"},
    { 5,  "\u25a0"},
    { 9,  "\u25b2"},
    { 13, "\u25c6"},
    { 11, "\u25bc"},
    { 6,  "\u25cb"},
    { 4,  "\u25a1"},
    { 8,  "\u25b3"},
};

struct cn_plot *cn_plot_create(const char *x_label, const char *y_label)
{
    struct cn_plot *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    p->x_label = strdup(x_label);
    p->y_label = strdup(y_label);
    if (!p->x_label || !p->y_label) {
        cn_plot_free(p);
        return NULL;
    }
    return p;
}

void cn_plot_free(struct cn_plot *p)
{
    if (!p)
        return;
    for (int s = 0; s < p->n_series; s++) {
        for (int i = 0; i < p->series[s].n_points; i++)
            free(p->series[s].points[i].label);
        free(p->series[s].points);
        free(p->series[s].title);
    }
    for (int r = 0; r < p->n_rows; r++)
        free(p->rows[r]);
    free(p->rows);
    free(p->x_label);
    free(p->y_label);
    free(p->note);
    free(p);
}

void cn_plot_log(struct cn_plot *p, bool x, bool y)
{
    p->log_x = x;
    p->log_y = y;
}

void cn_plot_from_zero(struct cn_plot *p)
{
    p->from_zero = true;
}

void cn_plot_note(struct cn_plot *p, const char *text)
{
    free(p->note);
    p->note = strdup(text);
    p->broken |= !p->note;
}

int cn_plot_row(struct cn_plot *p, const char *name)
{
    char **rows = realloc(p->rows, (size_t)(p->n_rows + 1) * sizeof *rows);
    char *copy = strdup(name);
    if (rows)
        p->rows = rows;
    if (!rows || !copy) {
        free(copy);
        p->broken = true;
        return 0;
    }
    p->rows[p->n_rows] = copy;
    return p->n_rows++;
}

void cn_plot_series(struct cn_plot *p, enum cn_plot_style style, const char *title,
                    const char *like)
{
    if (p->n_series == CN_PLOT_SERIES)
        return;
    struct series *s = &p->series[p->n_series];
    *s = (struct series){ .style = style, .number = -1, .title = title ? strdup(title) : NULL };
    p->broken |= title && !s->title;
    for (int i = 0; like && i < p->n_series; i++)
        if (p->series[i].title && strcmp(p->series[i].title, like) == 0) {
            s->number = p->series[i].number;
            s->like = true;
        }
    if (s->number < 0)
        s->number = p->n_colours++;
    p->n_series++;
}

/* Whether an axis can show a value: a logarithmic one shows numbers above 0 only. */
static bool drawable(double v, bool logarithmic)
{
    return isfinite(v) && (!logarithmic || v > 0);
}

static bool on_rows(const struct series *s)
{
    return s->style == CN_PLOT_DOTS || s->style == CN_PLOT_BARS;
}

void cn_plot_point(struct cn_plot *p, double x, double y, double lo, double hi, const char *label)
{
    struct series *s = &p->series[p->n_series - 1];
    bool bar = s->style == CN_PLOT_BARS;
    if (bar ? !isfinite(lo) || !isfinite(hi)
            : !drawable(x, p->log_x) ||
                  (s->style != CN_PLOT_VERTICAL && !drawable(y, p->log_y && !on_rows(s))))
        return;
    bool log_interval = s->style == CN_PLOT_DOTS ? p->log_x : p->log_y;
    if (!bar && (!drawable(lo, log_interval) || !drawable(hi, log_interval)))
        lo = hi = s->style == CN_PLOT_DOTS ? x : y;
    if (s->n_points == s->room) {
        int room = s->room ? 2 * s->room : 16;
        struct point *points = realloc(s->points, (size_t)room * sizeof *points);
        if (!points) {
            p->broken = true;
            return;
        }
        s->points = points;
        s->room = room;
    }
    s->points[s->n_points++] = (struct point){ x, y, lo, hi, label ? strdup(label) : NULL };
}

int cn_plot_count(const struct cn_plot *p)
{
    int n = 0;
    for (int s = 0; s < p->n_series; s++)
        n += p->series[s].style == CN_PLOT_VERTICAL ? 0 : p->series[s].n_points;
    return n;
}

/* ---- the script ------------------------------------------------------------------------------ */

/* The values that an axis has to show. Those of a logarithmic axis are kept as logarithms. */
struct range {
    double lo, hi;
    bool logarithmic;
};

static void include(struct range *r, double v)
{
    if (!drawable(v, r->logarithmic))
        return;
    v = r->logarithmic ? log10(v) : v;
    r->lo = fmin(r->lo, v);
    r->hi = fmax(r->hi, v);
}

static void widen(struct range *r, bool from_zero)
{
    from_zero = from_zero && !r->logarithmic && r->lo >= 0;
    if (!(r->lo <= r->hi))
        r->lo = 0, r->hi = 1;
    double span = r->hi - (from_zero ? 0 : r->lo);
    if (span <= fabs(r->hi) * 1e-9)
        span = r->logarithmic ? 1 : r->hi != 0 ? fabs(r->hi) : 1;
    r->lo = from_zero ? 0 : r->lo - 0.06 * span;
    r->hi += 0.08 * span;
}

/* An axis that spans less than a factor of 4 is made straight: it shows as much, and has rounder
 * numbers. */
static void flatten(struct range *r)
{
    if (!r->logarithmic || !(r->hi - r->lo < log10(4)))
        return;
    *r = (struct range){ pow(10, r->lo), pow(10, r->hi), false };
}

static void find_ranges(const struct cn_plot *p, struct range *x, struct range *y)
{
    *x = (struct range){ (double)INFINITY, -(double)INFINITY, p->log_x };
    *y = (struct range){ (double)INFINITY, -(double)INFINITY, p->log_y };
    for (int s = 0; s < p->n_series; s++) {
        enum cn_plot_style style = p->series[s].style;
        for (int i = 0; i < p->series[s].n_points; i++) {
            const struct point *at = &p->series[s].points[i];
            struct range *interval = on_rows(&p->series[s]) ? x : y;
            if (style != CN_PLOT_BARS)
                include(x, at->x);
            if (style == CN_PLOT_VERTICAL)
                continue;
            if (!on_rows(&p->series[s]))
                include(y, at->y);
            include(interval, at->lo);
            include(interval, at->hi);
        }
    }
    flatten(x);
    flatten(y);
    widen(x, p->from_zero && p->n_rows);
    widen(y, p->from_zero);
    if (p->n_rows)
        *y = (struct range){ 0.5 - p->n_rows, 0.5, false };
}

static double edge(const struct range *r, double v)
{
    return r->logarithmic ? pow(10, v) : v;
}

/* Where v lies on the axis, 0..1. */
static double place(const struct range *r, double v)
{
    return ((r->logarithmic ? log10(v) : v) - r->lo) / (r->hi - r->lo);
}

/* Inside gnuplot's single quotes nothing has a meaning but the quote; and no quote of either kind
 * may come back in the SVG, where recolour() goes by them. */
static void quoted(const char *text, size_t max_chars, FILE *f)
{
    size_t n = strlen(text), length, n_chars = 0;
    fputc('\'', f);
    for (size_t i = 0; i < n; i += length) {
        uint32_t c = cn_utf8_next(text + i, n - i, &length);
        if (++n_chars > max_chars) {
            fputs("\u2026", f);
            break;
        }
        if (c == '\'')
            fputs("\u2019", f);
        else if (c == '"')
            fputs("\u201d", f);
        else if (c == CN_UTF8_INVALID || c < 0x20 || (c >= 0x7f && c < 0xa0))
            fputs("\ufffd", f);
        else
            fwrite(text + i, 1, length, f);
    }
    fputc('\'', f);
}

/* Few enough numbers that they do not touch; on a short logarithmic axis 1, 2, 5, 10, ... */
static void put_tics(const struct range *r, char axis, FILE *f)
{
    double span = r->hi - r->lo, wanted = span / 7, step = pow(10, floor(log10(wanted)));
    if (!r->logarithmic) {
        step *= wanted > 5 * step ? 10 : wanted > 2 * step ? 5 : wanted > step ? 2 : 1;
        fprintf(f, "set %ctics %.9g\n", axis, step);
    } else if (span < 2.5) {
        const char *comma = "";
        fprintf(f, "set logscale %c\nset %ctics (", axis, axis);
        for (int decade = (int)floor(r->lo); decade <= r->hi; decade++)
            for (int digit = 1; digit <= 5; digit += digit == 1 ? 1 : 3) {
                fprintf(f, "%s%g", comma, digit * pow(10, decade));
                comma = ", ";
            }
        fputs(")\n", f);
    } else {
        fprintf(f, "set logscale %c\n", axis);
    }
}

static void put_axes(const struct cn_plot *p, const struct range *x, const struct range *y, FILE *f)
{
    put_tics(x, 'x', f);
    if (!p->n_rows)
        put_tics(y, 'y', f);
    fprintf(f, "set xrange [%.9g:%.9g]\nset yrange [%.9g:%.9g]\n", edge(x, x->lo), edge(x, x->hi),
            edge(y, y->lo), edge(y, y->hi));
    fputs("set xlabel ", f);
    quoted(p->x_label, 200, f);
    fputs("\nset ylabel ", f);
    quoted(p->y_label, 200, f);
    fputs("\n", f);
    for (int r = 0; r < p->n_rows; r++) {
        fputs(r ? ", " : "set ytics (", f);
        quoted(p->rows[r], MAX_ROW_NAME, f);
        fprintf(f, " %d", -r);
    }
    fputs(p->n_rows ? ")\n" : "", f);
}

/* Where a label would lie, in parts of the axes. */
struct box {
    double x, y, width, height;
};

static bool inside(const struct box *b, double x, double y)
{
    const double marker = 0.012;
    return x > b->x - marker / 2 && x < b->x + b->width + marker && y > b->y &&
           y < b->y + b->height + marker;
}

static bool overlap(const struct box *a, const struct box *b)
{
    return a->x < b->x + b->width && b->x < a->x + a->width && a->y < b->y + b->height &&
           b->y < a->y + a->height;
}

enum { MAX_LABELS = 400 };

/* Labels on a plot: where they lie, and those that found no room and stand in the legend under a
 * number. */
struct labels {
    struct box boxes[MAX_LABELS];
    int n;
    struct {
        const char *text;
        int colour;
    } keys[MAX_LABELS];
    int n_keys;
};

static bool is_free(const struct cn_plot *p, const struct range *x, const struct range *y,
                    const struct box *b, const struct box *others, int n_others)
{
    for (int k = 0; k < n_others; k++)
        if (overlap(b, &others[k]))
            return false;
    for (int s = 0; s < p->n_series; s++)
        for (int i = 0; p->series[s].style == CN_PLOT_POINTS && i < p->series[s].n_points; i++)
            if (inside(b, place(x, p->series[s].points[i].x), place(y, p->series[s].points[i].y)))
                return false;
    return true;
}

/* Sides of a point: above or below it, to the right or left, so many lines away. */
struct side {
    bool below, left;
    int lines;
};

/* Where a label of so many characters would lie. */
static struct box beside(const struct range *x, const struct range *y, const struct point *at,
                         size_t n_chars, const struct side *side)
{
    const double height = 16.0 / (HEIGHT - FRAME_HEIGHT);
    struct box b = { place(x, at->x) + 0.01, place(y, at->y) + 0.015 + side->lines * height,
                     (double)n_chars * TEXT_WIDTH / (WIDTH - 90), height };
    if (side->left)
        b.x -= b.width + 0.02;
    if (side->below)
        b.y -= (1 + 2 * side->lines) * height + 0.03;
    return b;
}

/* Puts a label at the first side of its point where it lies on nothing else. A number (which stands
 * for a label that found no side) may lie farther away, and in the end on something. False: it
 * found none. */
static bool put_label(const struct cn_plot *p, const struct range *x, const struct range *y,
                      const struct point *at, const char *text, bool number, struct labels *l,
                      FILE *f)
{
    struct side side = { false, false, 0 };
    struct box b;
    bool found = false;
    for (int i = 0; i < (number ? 8 : 4) && !found; i++) {
        side = (struct side){ i & 2, i & 1, i / 4 };
        b = beside(x, y, at, strlen(text), &side);
        found = b.x >= 0 && b.x + b.width <= 0.99 && b.y >= 0 && b.y + b.height <= 1.03 &&
                is_free(p, x, y, &b, l->boxes, l->n);
    }
    if (!found && !number)
        return false;
    if (!found) {
        side = (struct side){ false, false, 0 };
        b = beside(x, y, at, strlen(text), &side);
    }
    l->boxes[l->n++] = b;
    fputs("set label ", f);
    quoted(text, MAX_ROW_NAME, f);
    fprintf(f, " at %.9g,%.9g %s offset %s,%.2f font ',11'\n", at->x, at->y,
            side.left ? "right" : "left", side.left ? "-0.4" : "0.4",
            (side.below ? -1 : 1) * (0.55 + side.lines));
    return true;
}

/* Every point that has a label shows it, or a number that the legend explains. */
static void put_labels(const struct cn_plot *p, const struct range *x, const struct range *y,
                       struct labels *l, FILE *f)
{
    for (int s = 0; s < p->n_series; s++)
        for (int i = 0; i < p->series[s].n_points && l->n < MAX_LABELS; i++) {
            const struct point *at = &p->series[s].points[i];
            char number[16];
            if (!at->label || put_label(p, x, y, at, at->label, false, l, f))
                continue;
            l->keys[l->n_keys].text = at->label;
            l->keys[l->n_keys++].colour = p->series[s].number % N_COLOURS + 1;
            snprintf(number, sizeof number, "%d", l->n_keys);
            put_label(p, x, y, at, number, true, l, f);
        }
}

static void put_series(const struct cn_plot *p, const struct range *y, FILE *f)
{
    for (int s = 0; s < p->n_series; s++) {
        fprintf(f, "$s%d << END\n", s);
        for (int i = 0; i < p->series[s].n_points; i++) {
            const struct point *at = &p->series[s].points[i];
            switch (p->series[s].style) {
            case CN_PLOT_VERTICAL:
                fprintf(f, "%.9g %.9g\n%.9g %.9g\n\n", at->x, edge(y, y->lo), at->x,
                        edge(y, y->hi));
                break;
            case CN_PLOT_BARS:
                fprintf(f, "%.9g %.9g %.9g %.9g %.9g %.9g\n", at->lo, -at->y, at->lo, at->hi,
                        -at->y - 0.36, -at->y + 0.36);
                break;
            case CN_PLOT_DOTS:
                fprintf(f, "%.9g %.9g %.9g %.9g\n", at->x, -at->y, at->lo, at->hi);
                break;
            default:
                fprintf(f, "%.9g %.9g %.9g %.9g\n", at->x, at->y, at->lo, at->hi);
            }
        }
        fputs("END\n", f);
    }
    const char *comma = "plot ";
    for (int s = 0; s < p->n_series; s++) {
        const struct series *a = &p->series[s];
        int colour = a->number % N_COLOURS + 1;
        int marker = markers[(a->number + a->number / N_COLOURS) % N_MARKERS].gnuplot;
        if (a->n_points == 0)
            continue;
        fprintf(f, "%s$s%d ", comma, s);
        comma = ", ";
        if (a->style == CN_PLOT_LINE)
            fprintf(f, "using 1:2 with lines lw 2 dt %d", a->like ? 2 : 1);
        else if (a->style == CN_PLOT_VERTICAL)
            fputs("using 1:2 with lines lw 1.5 dt 4", f);
        else if (a->style == CN_PLOT_BARS)
            fputs("using 1:2:3:4:5:6 with boxxyerror fs solid 0.85 noborder", f);
        else
            fprintf(f, "using 1:2:3:4 with %s pt %d ps 0.75 lw 1.2",
                    a->style == CN_PLOT_DOTS ? "xerrorbars" : "yerrorbars", marker);
        fprintf(f, " lc rgb '#%02x0000'", colour);
    }
    fputs("\n", f);
}

static void put_script(const struct cn_plot *p, const char *id, const char *svg_path,
                       struct labels *labels, FILE *f)
{
    struct range x, y;
    int height = p->n_rows ? FRAME_HEIGHT + ROW_HEIGHT * p->n_rows : HEIGHT;
    find_ranges(p, &x, &y);
    fprintf(
        f,
        "set encoding utf8\n"
        "set terminal svg size %d,%d font 'inherit,13' name '%s' noenhanced\n"
        "set output '%s'\n"
        "set border 3\nset tics nomirror out scale 0.5 format '%%g'\nset errorbars 0\nunset key\n"
        "set grid %s back lw 1 dt 1 lc rgb '#%02x0000'\n",
        WIDTH, height, id, svg_path, p->n_rows ? "x" : "x y", N_COLOURS + 1);
    put_axes(p, &x, &y, f);
    put_labels(p, &x, &y, labels, f);
    put_series(p, &y, f);
}

/* ---- what gnuplot drew ----------------------------------------------------------------------- */

/* If the text at *at starts with `from`, writes `to` in its place. */
static bool replace(const char **at, const char *from, const char *to, FILE *out)
{
    size_t n = strlen(from);
    if (strncmp(*at, from, n) != 0)
        return false;
    fputs(to, out);
    *at += n;
    return true;
}

static bool skip(const char **at, const char *begin, const char *end)
{
    const char *behind = strncmp(*at, begin, strlen(begin)) == 0 ? strstr(*at, end) : NULL;
    if (behind)
        *at = behind + strlen(end);
    return behind;
}

/* Colours that stand for series become variables; black and white those of the page. Names of
 * markers become the plot's own, because one page holds many plots. */
static void recolour(const char *svg, const char *id, FILE *out)
{
    char name[64], reference[64];
    snprintf(name, sizeof name, "id='%s-", id);
    snprintf(reference, sizeof reference, "href='#%s-", id);
    while (*svg) {
        int r, g, b, n = 0;
        if (skip(&svg, "<title>", "</title>") || skip(&svg, "<desc>", "</desc>") ||
            skip(&svg, "<filter", "</filter>") ||
            replace(&svg, " id=\"gnuplot_canvas\"", "", out) ||
            replace(&svg, "id='gp", name, out) ||
            replace(&svg, "xlink:href='#gp", reference, out) ||
            replace(&svg, "'black'", "'currentColor'", out) ||
            replace(&svg, "\"black\"", "\"currentColor\"", out) ||
            replace(&svg, "'white'", "'var(--bg)'", out) ||
            replace(&svg, "\"white\"", "\"var(--bg)\"", out))
            continue;
        if ((*svg == '\'' || *svg == '"') &&
            sscanf(svg + 1, "rgb(%d,%d,%d)%n", &r, &g, &b, &n) == 3 && n) {
            fprintf(out, r > N_COLOURS ? "%cvar(--line)" : "%cvar(--s%d)", *svg, r);
            svg += 1 + n;
            continue;
        }
        fputc(*svg++, out);
    }
}

static void put_legend(const struct cn_plot *p, const struct labels *labels, FILE *out)
{
    fputs("<ul class=\"legend\">\n", out);
    for (int s = 0; s < p->n_series; s++) {
        const struct series *a = &p->series[s];
        const char *glyph = markers[(a->number + a->number / N_COLOURS) % N_MARKERS].glyph;
        if (!a->title || a->n_points == 0)
            continue;
        if (a->style == CN_PLOT_LINE || a->style == CN_PLOT_VERTICAL)
            glyph = a->like ? "\u254c" : a->style == CN_PLOT_LINE ? "\u2500" : "\u2506";
        else if (a->style == CN_PLOT_BARS)
            glyph = "\u25a0";
        fprintf(out, "<li><span style=\"color: var(--s%d)\">%s</span> ", a->number % N_COLOURS + 1,
                glyph);
        cn_html_text(a->title, out);
        fputs("</li>\n", out);
    }
    for (int i = 0; i < labels->n_keys; i++) {
        fprintf(out, "<li><span style=\"color: var(--s%d)\">%d</span> ", labels->keys[i].colour,
                i + 1);
        cn_html_text(labels->keys[i].text, out);
        fputs("</li>\n", out);
    }
    fputs("</ul>\n", out);
    if (p->note) {
        fputs("<p class=\"note\">", out);
        cn_html_text(p->note, out);
        fputs("</p>\n", out);
    }
}

enum { MISSING = -1000 }; /* no errno is so low */

/* 0, or why it did not work: a text in err and what it returned (MISSING: there is no such
 * program). */
static int run_gnuplot(const char *script, struct cn_error *err)
{
    const char *const argv[] = { "gnuplot", "-d", script, NULL };
    char said[512] = "", how[40];
    int status = 0;
    const int n = cn_child_run(argv, DRAW_MS, said, sizeof said, &status);
    if (n == -ENOENT)
        return cn_fail(err, CN_OK, "gnuplot is missing"), MISSING;
    if (n < 0)
        return cn_fail(err, CN_OK, "gnuplot cannot be run: %s", strerror(-n)), n;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return 0;
    cn_child_describe(status, how, sizeof how);
    char *line = said + strspn(said, " \t\r\n");
    line[strcspn(line, "\r\n")] = 0;
    return cn_fail(err, CN_OK, "gnuplot failed: %s%s%s", how, *line ? ": " : "", line), -EIO;
}

/* Has gnuplot draw the plot with files in `folder`. The SVG, which the caller frees, or NULL. */
static char *draw(const struct cn_plot *p, const char *id, const char *folder,
                  struct labels *labels, struct cn_error *err)
{
    const struct cn_readfile_options o = { .max_bytes = MAX_SVG, .regular = true };
    char script[4096], image[4096], *svg = NULL;
    size_t n;
    snprintf(script, sizeof script, "%s/plot.gp", folder);
    snprintf(image, sizeof image, "%s/plot.svg", folder);
    struct cn_outfile *file;
    if (cn_outfile_create(script, &file, err) != CN_OK)
        return NULL;
    put_script(p, id, image, labels, cn_outfile_stream(file));
    if (cn_outfile_finish(file, err) == CN_OK && run_gnuplot(script, err) == 0 &&
        cn_readfile(image, &o, &svg, &n, err) != CN_OK)
        svg = NULL;
    unlink(script);
    unlink(image);
    return svg;
}

bool cn_plot_write(const struct cn_plot *p, const char *id, const char *title, FILE *out,
                   struct cn_error *err)
{
    char folder[1024];
    if (p->broken || cn_plot_count(p) == 0) {
        cn_fail(err, CN_OK, p->broken ? "out of memory" : "it has no points");
        return false;
    }
    /* The path goes into the script between quotes. */
    if (cn_temporary_folder(folder, sizeof folder, "'", err) != CN_OK)
        return false;
    struct labels *labels = calloc(1, sizeof *labels);
    if (!labels)
        cn_fail(err, CN_OK, "out of memory");
    char *svg = labels ? draw(p, id, folder, labels, err) : NULL;
    rmdir(folder);
    const char *view = svg ? strstr(svg, "viewBox=\"") : NULL;
    const char *body = view ? strstr(view, "<g id=\"gnuplot_canvas\"") : NULL;
    if (body && strstr(body, "</svg>")) {
        view += strlen("viewBox=\"");
        fprintf(out, "<svg viewBox=\"%.*s\" role=\"img\" aria-label=\"", (int)strcspn(view, "\""),
                view);
        cn_html_text(title, out);
        fputs("\">\n", out);
        recolour(body, id, out);
        put_legend(p, labels, out);
    } else {
        body = NULL;
        if (svg)
            cn_fail(err, CN_OK, "what gnuplot drew is not whole");
    }
    free(labels);
    free(svg);
    return body;
}

bool cn_plot_possible(struct cn_error *err)
{
    char folder[1024];
    struct cn_error why;
    const int error = run_gnuplot("--version", &why);
    if (error || cn_temporary_folder(folder, sizeof folder, "'", &why) != CN_OK) {
        cn_fail(err, CN_OK, "%s: tables stand here without their plots%s", why.text,
                error == MISSING ? " (apt-get install gnuplot-nox)" : "");
        return false;
    }
    rmdir(folder);
    return true;
}
