/* SPDX-License-Identifier: MIT
 *
 * One HTML page that needs nothing but itself: style and script are inside, plots are inline SVG.
 * Light and dark after the reader's system, readable from a phone to a wide screen, printable.
 *
 * Parts are appended in the order of reading. All text is plain text; the page escapes it. What
 * fails for lack of memory is remembered and makes cn_page_save() fail.
 */
#ifndef CN_PAGE_H
#define CN_PAGE_H

#include "base/table.h"
#include "engine/carnot.h"

#include <stdbool.h>

struct cn_page;
struct cn_plot;

/* The caller frees it. NULL if out of memory. */
struct cn_page *cn_page_create(const char *title);
void cn_page_free(struct cn_page *p);

/* Begins a chapter, which the top of the page lists. `id` is what a link names behind '#':
 * unique, of the letters a to z and '-'. */
void cn_page_section(struct cn_page *p, const char *id, const char *title);
void cn_page_heading(struct cn_page *p, const char *title); /* inside a chapter */

/* Appends a paragraph; the second one is in small print. */
__attribute__((format(printf, 2, 3))) void cn_page_text(struct cn_page *p, const char *format, ...);
__attribute__((format(printf, 2, 3))) void cn_page_note(struct cn_page *p, const char *format, ...);

/* Appends a paragraph in larger print, to be read first; the second one stands in a box, because
 * it qualifies all that follows. */
__attribute__((format(printf, 2, 3))) void cn_page_lead(struct cn_page *p, const char *format, ...);
__attribute__((format(printf, 2, 3))) void cn_page_warning(struct cn_page *p, const char *format,
                                                           ...);

/* Appends lines unchanged, in letters of one width. */
void cn_page_code(struct cn_page *p, const char *text);

/* Appends a statement with its evidence below. Findings that follow each other form one numbered
 * list. */
void cn_page_finding(struct cn_page *p, const char *statement, const char *evidence);

/* Appends all rows of a table, with the columns that have a title (base/table.h). A sortable one
 * is sorted by a click on a title, and scrolls in a box of its own. */
void cn_page_table(struct cn_page *p, const struct cn_table *t, bool sortable);
/* Appends a sortable table that is folded up under its title until a reader opens it, or prints
 * the page. */
void cn_page_folded_table(struct cn_page *p, const struct cn_table *t, const char *title);

/* A plot with its legend and, above it, a title that says what is seen. Several in a row share the
 * width. False, and nothing appended, if it cannot be drawn: cn_plot_missing() says why. */
bool cn_page_plot(struct cn_page *p, const struct cn_plot *plot, const char *title);

/* Writes the page, whole or not at all. */
enum cn_status cn_page_save(struct cn_page *p, const char *path, struct cn_error *err);

#endif
