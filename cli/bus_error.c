/* SPDX-License-Identifier: MIT
 *
 * A file that shrinks while it is mapped, or whose disk fails, is told of by SIGBUS: the program
 * ends with a line that names the file and leaves no temporary file behind. Nothing but
 * async-signal-safe functions here.
 */
#include "cli/cli.h"
#include "cli/command.h"

#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

/* Appends text to buf[n]. */
static size_t put(char *buf, size_t n, size_t n_buf, const char *text, size_t n_text)
{
    size_t room = n_buf - n;
    n_text = n_text < room ? n_text : room;
    memcpy(buf + n, text, n_text);
    return n + n_text;
}

static size_t put_number(char *buf, size_t n, size_t n_buf, unsigned long value)
{
    char digits[20];
    size_t at = sizeof digits;
    do
        digits[--at] = (char)('0' + value % 10);
    while (value /= 10);
    return put(buf, n, n_buf, digits + at, sizeof digits - at);
}

static uintptr_t hex(const char **p)
{
    uintptr_t value = 0;
    for (;; (*p)++) {
        char c = **p;
        if (c >= '0' && c <= '9')
            value = value * 16 + (uintptr_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            value = value * 16 + (uintptr_t)(c - 'a' + 10);
        else
            return value;
    }
}

/* Whether a line of /proc/self/maps is of the mapping that holds the address; *path then points to
 * its file. "7f00-7f10 r--p 00000000 fe:01 123      /path" */
static bool holds(const char *line, uintptr_t address, const char **path)
{
    uintptr_t from = hex(&line);
    if (*line++ != '-')
        return false;
    uintptr_t to = hex(&line);
    *path = strchr(line, '/');
    return address >= from && address < to && *path;
}

static size_t file_of(const void *address, char *name, size_t n_name)
{
    static char line[PATH_MAX + 128];
    char chunk[1024];
    size_t n = 0, found = 0;
    ssize_t got;
    int fd = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
    while (!found && fd >= 0 && (got = read(fd, chunk, sizeof chunk)) > 0)
        for (ssize_t i = 0; i < got && !found; i++) {
            const char *path;
            if (chunk[i] != '\n') {
                n = put(line, n, sizeof line - 1, &chunk[i], 1);
                continue;
            }
            line[n] = 0;
            if (holds(line, (uintptr_t)address, &path))
                found = put(name, 0, n_name, path, strlen(path));
            n = 0;
        }
    if (fd >= 0)
        close(fd);
    return found;
}

/* Files open for writing have names that end in .tmp-PID (cn_outfile_create). */
static void remove_temporary_files(void)
{
    static char name[PATH_MAX + 1];
    char suffix[32];
    size_t n_suffix = put(suffix, 0, sizeof suffix, ".tmp-", 5);
    n_suffix = put_number(suffix, n_suffix, sizeof suffix - 1, (unsigned long)getpid());
    suffix[n_suffix] = 0;
    for (unsigned long fd = 3; fd < 256; fd++) {
        char link[40] = "/proc/self/fd/";
        link[put_number(link, strlen(link), sizeof link - 1, fd)] = 0;
        ssize_t n = readlink(link, name, PATH_MAX);
        if (n <= 0)
            continue;
        name[n] = 0;
        if (strstr(name, suffix))
            unlink(name);
    }
}

static void on_bus_error(int sig, siginfo_t *info, void *context)
{
    (void)sig;
    (void)context;
    static atomic_flag told = ATOMIC_FLAG_INIT;
    static const char unnamed[] = "a mapped file";
    static const char what[] = " became shorter, or could not be read, while it was in use\n";
    static char text[PATH_MAX + 128];
    while (atomic_flag_test_and_set(&told))
        pause(); /* another thread met it at the same time and ends the program */
    size_t n = put(text, 0, sizeof text, "carnot: ", 8);
    size_t n_name = file_of(info->si_addr, text + n, PATH_MAX);
    n = n_name ? n + n_name : put(text, n, sizeof text, unnamed, sizeof unnamed - 1);
    n = put(text, n, sizeof text, what, sizeof what - 1);
    remove_temporary_files();
    ssize_t written = write(STDERR_FILENO, text, n);
    (void)written;
    _exit(CN_EXIT_FAILED);
}

void cn_bus_error_install(void)
{
    struct sigaction action = { .sa_sigaction = on_bus_error };
    action.sa_flags = SA_SIGINFO; /* it is blocked meanwhile: a fault in the handler kills */
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, NULL);
}
