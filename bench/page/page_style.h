/* SPDX-License-Identifier: MIT
 *
 * Look and behaviour of bench/page/page.h's pages: its style sheet and its script.
 */
#ifndef CN_PAGE_STYLE_H
#define CN_PAGE_STYLE_H

extern const char cn_page_style[];
extern const char cn_page_script[];

#endif
