/* SPDX-License-Identifier: MIT
 *
 * The page at /: serve/chat_page.html as it is, put into the program when that is built.
 */
#ifndef CN_CHAT_PAGE_H
#define CN_CHAT_PAGE_H

#include <stddef.h>

extern const char cn_chat_page[];
size_t cn_chat_page_bytes(void);

#endif
