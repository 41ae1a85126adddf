/* SPDX-License-Identifier: MIT */
#include "cli/cli.h"
#include "cli/command.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *command;

void cn_message_command(const char *name)
{
    command = name;
}

/* Messages quote what users and files say. One message is one line whatever they say, and nothing
 * in it drives the terminal. */
static void print_escaped(const char *text)
{
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p;
        if (c == '\n')
            fputs("\\n", stderr);
        else if (c < 0x20 || c == 0x7f)
            fprintf(stderr, "\\x%02x", c);
        else
            fputc(c, stderr);
    }
}

__attribute__((format(printf, 2, 0))) static void print_message(const char *kind,
                                                                const char *format, va_list args)
{
    char text[2048];
    int n = vsnprintf(text, sizeof text, format, args);
    if (n >= (int)sizeof text)
        memcpy(text + sizeof text - 4, "...", 4);
    cn_progress_clear();
    fprintf(stderr, "carnot%s%s: %s", command ? " " : "", command ? command : "", kind);
    print_escaped(n < 0 ? format : text);
    fputc('\n', stderr);
}

int cn_die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print_message("", format, args);
    va_end(args);
    return CN_EXIT_FAILED;
}

int cn_usage_error(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print_message("", format, args);
    va_end(args);
    return CN_EXIT_USAGE;
}

void cn_warn(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    print_message("warning: ", format, args);
    va_end(args);
}
