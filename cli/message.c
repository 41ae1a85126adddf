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

enum { MAX_TEXT = 2048, MAX_LINE = 4 * MAX_TEXT + 64 };

/* A line of a message as it grows. It leaves in one write, so that lines of several processes do
 * not mix, and none stands there by half. */
struct line {
    size_t n;
    char text[MAX_LINE]; /* each byte of a message takes at most four */
};

static void put(struct line *l, const char *text)
{
    while (*text && l->n < sizeof l->text)
        l->text[l->n++] = *text++;
}

/* Messages quote what users and files say. One message is one line whatever they say, and nothing
 * in it drives the terminal: also not the second set of control characters, 0x80 to 0x9f. */
static void put_escaped(struct line *l, const char *text)
{
    char code[8];
    for (const char *p = text; *p; p++) {
        unsigned char c = (unsigned char)*p, next = (unsigned char)p[1];
        bool second = c == 0xc2 && next >= 0x80 && next < 0xa0;
        if (c == '\n')
            snprintf(code, sizeof code, "\\n");
        else if (second || c < 0x20 || c == 0x7f)
            snprintf(code, sizeof code, "\\x%02x", second ? next : c);
        else
            snprintf(code, sizeof code, "%c", c);
        put(l, code);
        p += second;
    }
}

static void send(const struct line *l)
{
    fwrite(l->text, 1, l->n, stderr);
}

/* Of the two things that can be wrong, that nobody reads the result is told last and alone. */
__attribute__((format(printf, 2, 0))) static void print_message(const char *kind,
                                                                const char *format, va_list args)
{
    char text[MAX_TEXT];
    struct line line = { .n = 0 };
    if (cn_result_lost())
        return;
    cn_format_fit(text, sizeof text, format, args);
    cn_progress_clear();
    put(&line, in_line ? "\ncarnot" : "carnot");
    put(&line, command ? " " : "");
    put(&line, command ? command : "");
    put(&line, ": ");
    put(&line, kind);
    put_escaped(&line, text);
    put(&line, "\n");
    send(&line);
    in_line = false;
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
    char text[MAX_TEXT];
    struct line line = { .n = 0 };
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
    put_escaped(&line, text);
    put(&line, ends ? "\n" : "");
    send(&line);
    in_line = !ends;
}
