/* SPDX-License-Identifier: MIT */
#include "serve/chat_page.h"

extern const char cn_chat_page_end[];

__asm__(".section .rodata\n"
        ".global cn_chat_page\n"
        ".global cn_chat_page_end\n"
        "cn_chat_page:\n"
        ".incbin \"serve/chat_page.html\"\n"
        "cn_chat_page_end:\n"
        ".byte 0\n"
        ".previous\n");

size_t cn_chat_page_bytes(void)
{
    return (size_t)(cn_chat_page_end - cn_chat_page);
}
