/* SPDX-License-Identifier: MIT */
#include "base/error.h"
#include "cli/cli.h"
#include "cli/command.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *command;
static bool in_line; /* a status line has been begun */

void cn_message_command(const char *name)
{
    command = name;
}

/* Messages quote what users and files say. One message is one line whatever they say, and nothing
 * in it drives the terminal: also not the second set of control characters, 0x80 to 0x9f. */
static void print_escaped(const char *text)
{
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p, next = (unsigned char)p[1];
        if (c == '\n')
            fputs("\\n", stderr);
        else if (c < 0x20 || c == 0x7f)
            fprintf(stderr, "\\x%02x", c);
        else if (c == 0xc2 && next >= 0x80 && next < 0xa0) {
            fprintf(stderr, "\\x%02x", next);
            p++;
        } else
            fputc(c, stderr);
    }
}

/* Of the two things that can be wrong, that nobody reads the result is told last and alone. */
__attribute__((format(printf, 2, 0))) static void print_message(const char *kind,
                                                                const char *format, va_list args)
{
    char text[2048];
    if (cn_result_lost())
        return;
    cn_format_fit(text, sizeof text, format, args);
    cn_progress_clear();
    fprintf(stderr, "%scarnot%s%s: %s", in_line ? "\n" : "", command ? " " : "",
            command ? command : "", kind);
    in_line = false;
    print_escaped(text);
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

void cn_say(const char *format, ...)
{
    char text[2048];
    va_list args;
    if (cn_result_lost())
        return;
    va_start(args, format);
    cn_format_fit(text, sizeof text, format, args);
    va_end(args);
    const size_t n = strlen(text), n_format = strlen(format);
    const bool ends = n && n_format && format[n_format - 1] == '\n';
    if (ends)
        text[n - 1] = 0;
    if (!in_line)
        cn_progress_clear();
    print_escaped(text);
    if (ends)
        fputc('\n', stderr);
    in_line = !ends;
}
