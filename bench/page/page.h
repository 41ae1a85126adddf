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

/* A chapter, listed at the top. id: [a-z-]+, unique: what a link names behind '#'. */
void cn_page_section(struct cn_page *p, const char *id, const char *title);
void cn_page_heading(struct cn_page *p, const char *title); /* inside a chapter */

/* A paragraph; one in small print. */
__attribute__((format(printf, 2, 3))) void cn_page_text(struct cn_page *p, const char *format, ...);
__attribute__((format(printf, 2, 3))) void cn_page_note(struct cn_page *p, const char *format, ...);

/* Lines as they are, in a fixed width. */
void cn_page_code(struct cn_page *p, const char *text);

/* A statement and below it the evidence. Those without a gap between them are one numbered list. */
void cn_page_finding(struct cn_page *p, const char *statement, const char *evidence);

/* What columns have a title (base/table.h), all rows. sortable: by a click on a title, and in a
 * box of its own that scrolls. */
void cn_page_table(struct cn_page *p, const struct cn_table *t, bool sortable);
/* The same, sortable, folded up under a title until it is asked for (or printed). */
void cn_page_folded_table(struct cn_page *p, const struct cn_table *t, const char *title);

/* A plot with its legend and, above it, a title that says what is seen. Several in a row share the
 * width. False, and nothing appended, if it cannot be drawn: cn_plot_missing() says why. */
bool cn_page_plot(struct cn_page *p, const struct cn_plot *plot, const char *title);

/* Writes the page, whole or not at all. */
enum cn_status cn_page_save(struct cn_page *p, const char *path, struct cn_error *err);

#endif
