/* SPDX-License-Identifier: MIT
 *
 * Text in HTML.
 */
#ifndef CN_HTML_H
#define CN_HTML_H

#include <stdio.h>

/* Prints text so that it is text, in an element or in a quoted attribute, whatever bytes it holds:
 * what is no UTF-8, or no character that HTML allows, comes out as U+FFFD. */
void cn_html_text(const char *text, FILE *out);

#endif
