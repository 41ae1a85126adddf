/* SPDX-License-Identifier: MIT
 *
 * The program: finds the command in the table, runs it, and sees to it that the result was written.
 */
#include "cli/cli.h"
#include "cli/command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct command {
    const char *name, *summary;
    int (*run)(int argc, char **argv);
};

/* clang-format off */
static const struct command commands[] = {
#define CN_COMMAND(name, summary) { #name, summary, cn_cmd_##name },
#include "cli/commands.def"
#undef CN_COMMAND
    { NULL, NULL, NULL },
};
/* clang-format on */

enum { N_COMMANDS = sizeof commands / sizeof *commands - 1 };

static const struct command *find_command(const char *name)
{
    for (const struct command *c = commands; c->name; c++)
        if (strcmp(c->name, name) == 0)
            return c;
    return NULL;
}

static void print_help(void)
{
    printf("Usage: carnot COMMAND [options]\n"
           "\n"
           "Runs GGUF language models on a CPU and says what every token costs in joules.\n"
           "\n"
           "Commands:\n");
    for (const struct command *c = commands; c->name; c++)
        printf("  %-12s  %s\n", c->name, c->summary);
    printf("\n"
           "Options:\n"
           "  --help        print this and exit\n"
           "  --version     print version, commit, compiler and instruction set tiers, and exit\n"
           "\n"
           "Environment:\n"
           "  CARNOT_MODEL  the model where no -m is given\n"
           "  CARNOT_ROOT   stands for / where meters are looked for\n"
           "  CARNOT_TIERS  instruction set tiers that may be used, as in ref,avx2\n"
           "\n"
           "'carnot COMMAND --help' tells about one command.\n"
           "The result goes to stdout, the rest to stderr; exit 0: done, 1: failed, 2: usage.\n");
}

/* A file opened later must not become stdout because the caller closed it. The descriptors are
 * opened the wrong way round, so that using them is still an error. */
static void occupy_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && errno == EBADF)
            if (open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) != fd)
                return;
}

/* Whoever started the program may ignore or block what it relies on: to be told of the end of its
 * children, and to be asked to end. */
static void take_signals(void)
{
    struct sigaction action = { .sa_handler = SIG_DFL };
    sigset_t none;
    sigemptyset(&action.sa_mask);
    sigaction(SIGCHLD, &action, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    cn_interrupt_install();
    cn_bus_error_install();
    cn_result_install();
}

static int run(int argc, char **argv)
{
    if (argc < 2)
        return cn_usage_error("expected a command; 'carnot --help' lists them");
    const char *name = argv[1];
    bool help = strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0;
    if (help || strcmp(name, "--version") == 0) {
        if (argc > 2)
            return cn_usage_error("%s takes nothing, '%s' given", name, argv[2]);
        if (!help)
            return cn_version_print();
        print_help();
        return CN_EXIT_OK;
    }
    const struct command *c = find_command(name);
    if (c) {
        cn_message_command(c->name);
        return c->run(argc - 1, argv + 1);
    }
    const char *known[N_COMMANDS + 2] = { "--help", "--version" };
    size_t n_known = 2;
    for (c = commands; c->name; c++)
        known[n_known++] = c->name;
    const char *near = cn_nearest(name, known, n_known);
    const char *what = name[0] == '-' ? "option" : "command";
    if (near)
        return cn_usage_error("unknown %s '%s'; did you mean '%s'?", what, name, near);
    return cn_usage_error("unknown %s '%s'; 'carnot --help' lists the commands", what, name);
}

int main(int argc, char **argv)
{
    occupy_standard_descriptors();
    take_signals();
    return cn_result_end(run(argc, argv));
}
