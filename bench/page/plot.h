/* SPDX-License-Identifier: MIT
 *
 * Plots, drawn by gnuplot into SVG that takes its colours from the page around it (CSS variables
 * --s1..--s8, --bg, --line and currentColor), so that one drawing serves light and dark.
 */
#ifndef CN_PLOT_H
#define CN_PLOT_H

#include <stdbool.h>
#include <stdio.h>

enum cn_plot_style {
    CN_PLOT_POINTS,   /* (x, y), an interval of y */
    CN_PLOT_LINE,     /* (x, y) joined */
    CN_PLOT_VERTICAL, /* a line at x, through the whole height */
    CN_PLOT_DOTS,     /* on named rows: x in row y, an interval of x */
    CN_PLOT_BARS,     /* on named rows: from lo to hi in row y */
};

enum { CN_PLOT_SERIES = 24 };

struct cn_plot;

/* Begins a plot whose axes have these labels, units included. The caller frees it. NULL if out
 * of memory. */
struct cn_plot *cn_plot_create(const char *x_label, const char *y_label);
void cn_plot_free(struct cn_plot *p);

/* Makes axes logarithmic. Values that are not above 0 are then left out. */
void cn_plot_log(struct cn_plot *p, bool x, bool y);
/* The x axis (of rows) or the y axis starts at 0. */
void cn_plot_from_zero(struct cn_plot *p);
/* Puts a line of small print below the legend, such as what the plot does not show. */
void cn_plot_note(struct cn_plot *p, const char *text);
/* Names row 0 (the topmost), 1, ... of DOTS and BARS. Returns its number. */
int cn_plot_row(struct cn_plot *p, const char *name);

/* Starts a series; title: in the legend (NULL: not there). Colour and marker follow from their
 * number, or from that of the series titled `like` where one is given. At most CN_PLOT_SERIES; more
 * are left out. */
void cn_plot_series(struct cn_plot *p, enum cn_plot_style style, const char *title,
                    const char *like);
/* Adds a point to the last series. lo, hi: the interval (NaN: none). label: beside the point or,
 * where there is no room, in the legend under a number that stands there (NULL: none). Values that
 * are not finite are left out. */
void cn_plot_point(struct cn_plot *p, double x, double y, double lo, double hi, const char *label);
/* How many points the plot has; without any it is not worth drawing. */
int cn_plot_count(const struct cn_plot *p);

/* Writes the <svg> and its legend; `id` is unique on the page, `title` is for those who cannot see
 * it. False, and nothing written, if it cannot be drawn. */
bool cn_plot_write(const struct cn_plot *p, const char *id, const char *title, FILE *out);

/* NULL if plots can be drawn; else a line that says what is missing. */
const char *cn_plot_missing(void);

#endif
