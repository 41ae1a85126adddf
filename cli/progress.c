/* SPDX-License-Identifier: MIT */
#include "base/clock.h"
#include "cli/cli.h"
#include "cli/command.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static struct {
    bool shown;   /* a line stands on the terminal */
    bool running; /* start_s and what belong to the present work */
    double start_s, drawn_s;
    char what[48];
} line;

void cn_progress_clear(void)
{
    if (line.shown) {
        fputs("\r\033[K", stderr);
        line.shown = false;
    }
}

__attribute__((format(printf, 3, 4))) static void add(char *text, size_t n_bytes,
                                                      const char *format, ...)
{
    const size_t used = strlen(text);
    va_list args;
    va_start(args, format);
    vsnprintf(text + used, n_bytes - used, format, args);
    va_end(args);
}

/* What does not fit would go to a next line, where nothing clears it. The last column stays free:
 * some terminals go on to the next line when it is written. */
static void draw(char *text)
{
    struct winsize size;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 &&
        strlen(text) >= size.ws_col)
        text[size.ws_col - 1] = 0;
    line.shown = true;
    fprintf(stderr, "\r\033[K%s", text);
    fflush(stderr);
}

void cn_progress(const char *what, double done, double total)
{
    if (!isatty(STDERR_FILENO))
        return;
    if (done >= total) { /* also total == 0: nothing to do is done */
        cn_progress_clear();
        line.running = false;
        return;
    }
    double now = cn_seconds();
    if (!line.running || strncmp(line.what, what, sizeof line.what - 1) != 0) {
        line.running = true;
        line.start_s = now;
        line.drawn_s = now - 1;
        snprintf(line.what, sizeof line.what, "%s", what);
    }
    if (now - line.drawn_s < 0.1)
        return;
    line.drawn_s = now;
    char text[128] = "";
    add(text, sizeof text, "%s %3.0f%%", line.what, floor(100 * fmax(done, 0) / total));
    /* A forecast from the first instants would only jump about. */
    if (now - line.start_s >= 1 && done > 0) {
        double left = ceil((now - line.start_s) * (total - done) / done);
        if (left < 3600)
            add(text, sizeof text, ", %d:%02d left", (int)left / 60, (int)left % 60);
        else if (left < 360000)
            add(text, sizeof text, ", %d:%02d h left", (int)left / 3600, (int)left / 60 % 60);
    }
    draw(text);
}
