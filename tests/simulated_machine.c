/* SPDX-License-Identifier: MIT
 *
 * A machine with a powercap meter, for studies where there is none: starts a command and moves a
 * counter of microjoules every millisecond, by what that command and all that it starts keep busy.
 *
 *   simulated_machine ROOT REST_W CORE_W [TEXT=CORE_W]... -- COMMAND...
 *
 * REST_W all the time, and CORE_W for each core that is busy; TEXT=CORE_W: another power for
 * processes in whose arguments TEXT occurs. The counter is the zone package-0 below
 * ROOT/sys/class/powercap, for the option --root. What each process took above rest, as it truly
 * is, is written to ROOT/truth.csv when it ends. Nothing else is simulated: bytes, caches and
 * frequencies cost nothing of their own.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { MAX_PIDS = 1 << 15, MAX_WATCHED = 256, MAX_POWERS = 16, STEP_NS = 1000000 };
enum { LOOK_EVERY = 5 /* counter steps from one look for new processes to the next */ };

struct power {
    const char *text;
    double watts;
};

struct process {
    pid_t pid;
    clockid_t clock;
    double cpu_s, joules;
    char command[1024]; /* its arguments, cut off */
};

static struct power powers[MAX_POWERS]; /* the first: of all that no text fits */
static int n_powers;
static struct process watched[MAX_WATCHED];
static int n_watched;
static pid_t seen[2][MAX_PIDS]; /* all processes, now and when last looked */
static FILE *truth;

static _Noreturn void die(const char *what, const char *why)
{
    fprintf(stderr, "simulated_machine: %s: %s\n", what, why);
    exit(1);
}

static double seconds(const struct timespec *t)
{
    return (double)t->tv_sec + 1e-9 * (double)t->tv_nsec;
}

static size_t slurp(pid_t pid, const char *name, char *text, size_t room)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, room - 1);
    if (fd >= 0)
        close(fd);
    n = n < 0 ? 0 : n;
    text[n] = 0;
    return (size_t)n;
}

static double core_watts(const struct process *p)
{
    for (int i = 1; i < n_powers; i++)
        if (strstr(p->command, powers[i].text))
            return powers[i].watts;
    return powers[0].watts;
}

/* ---- which processes ------------------------------------------------------------------------- */

/* Of one that has ended there are none any more: the last ones stay. */
static void read_command(struct process *p)
{
    char text[sizeof p->command];
    size_t n = slurp(p->pid, "cmdline", text, sizeof text);
    if (n == 0)
        return;
    memcpy(p->command, text, n + 1);
    for (size_t i = 0; i + 1 < n; i++)
        if (p->command[i] == 0 || p->command[i] == ',' || p->command[i] == '\n')
            p->command[i] = ' ';
}

static bool is_watched(pid_t pid)
{
    for (int i = 0; i < n_watched; i++)
        if (watched[i].pid == pid)
            return true;
    return false;
}

static void watch(pid_t pid)
{
    struct process p = { .pid = pid };
    if (n_watched == MAX_WATCHED || clock_getcpuclockid(pid, &p.clock) != 0)
        return;
    read_command(&p);
    watched[n_watched++] = p;
}

static pid_t parent_of(pid_t pid)
{
    char text[512];
    int parent = 0;
    slurp(pid, "stat", text, sizeof text);
    const char *behind = strrchr(text, ')');
    return behind && sscanf(behind, ") %*c %d", &parent) == 1 ? parent : 0;
}

/* Processes that were not there at the last look, and whose parent is watched. /proc lists them by
 * rising numbers. */
static void look_for_new(void)
{
    static int now, n_before;
    const pid_t *before = seen[!now];
    DIR *proc = opendir("/proc");
    int n = 0, k = 0;
    for (int i = 0; i < n_watched; i++) /* before exec a process has its parent's arguments */
        read_command(&watched[i]);
    if (!proc)
        return;
    for (struct dirent *e; n < MAX_PIDS && (e = readdir(proc)) != NULL;) {
        pid_t pid = (pid_t)atoi(e->d_name);
        if (pid <= 0)
            continue;
        seen[now][n++] = pid;
        while (k < n_before && before[k] < pid)
            k++;
        if ((k == n_before || before[k] != pid) && !is_watched(pid) && is_watched(parent_of(pid)))
            watch(pid);
    }
    closedir(proc);
    n_before = n;
    now = !now;
}

/* ---- what they take -------------------------------------------------------------------------- */

static void forget(int i)
{
    struct process *p = &watched[i];
    fprintf(truth, "%d,%.6f,%.6f,%s\n", (int)p->pid, p->cpu_s, p->joules, p->command);
    *p = watched[--n_watched];
}

/* Joules above rest of all since the last call. */
static double busy_joules(void)
{
    double joules = 0;
    for (int i = n_watched - 1; i >= 0; i--) {
        struct process *p = &watched[i];
        struct timespec t;
        if (clock_gettime(p->clock, &t) != 0) {
            forget(i);
            continue;
        }
        double cpu_s = seconds(&t), spent = core_watts(p) * (cpu_s - p->cpu_s);
        p->cpu_s = cpu_s;
        p->joules += spent;
        joules += spent;
    }
    return joules;
}

static void put_counter(int fd, double joules)
{
    char text[32];
    /* A fixed width, so that no digit of a longer number stays behind. */
    int n = snprintf(text, sizeof text, "%.0f\n              ", 1e6 * joules);
    if (pwrite(fd, text, (size_t)n, 0) != n)
        die("the counter", strerror(errno));
}

/* Moves the counter until the command ends; its exit code. */
static int simulate(pid_t command, double rest_w, int counter)
{
    struct timespec next, now;
    int status = 0;
    clock_gettime(CLOCK_MONOTONIC, &next);
    double joules = 1, last = seconds(&next);
    for (unsigned step = 0; waitpid(command, &status, WNOHANG) == 0; step++) {
        next.tv_nsec += STEP_NS;
        if (next.tv_nsec >= 1000000000)
            next = (struct timespec){ next.tv_sec + 1, next.tv_nsec - 1000000000 };
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
        if (step % LOOK_EVERY == 0)
            look_for_new();
        joules += busy_joules();
        clock_gettime(CLOCK_MONOTONIC, &now);
        joules += rest_w * (seconds(&now) - last);
        last = seconds(&now);
        put_counter(counter, joules);
    }
    while (n_watched)
        forget(n_watched - 1);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

/* ---- its tree -------------------------------------------------------------------------------- */

static int put_file(const char *root, const char *name, const char *text)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", root, name);
    for (char *s = path + 1; (s = strchr(s, '/')) != NULL; *s++ = '/') {
        *s = 0;
        if (mkdir(path, 0755) != 0 && errno != EEXIST)
            die(path, strerror(errno));
    }
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
    if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
        die(path, strerror(errno));
    return fd;
}

static double watts(const char *text)
{
    char *end;
    double w = strtod(text, &end);
    if (end == text || *end || !(w >= 0 && w < 1e4))
        die(text, "watts expected");
    return w;
}

int main(int argc, char **argv)
{
    int i = 4;
    if (argc < 6)
        die("usage", "simulated_machine ROOT REST_W CORE_W [TEXT=CORE_W]... -- COMMAND...");
    const char *root = argv[1];
    double rest_w = watts(argv[2]);
    powers[n_powers++].watts = watts(argv[3]);
    for (; i < argc && strcmp(argv[i], "--") != 0; i++) {
        char *equals = strrchr(argv[i], '=');
        if (!equals || n_powers == MAX_POWERS)
            die(argv[i], "TEXT=CORE_W expected");
        *equals = 0;
        powers[n_powers++] = (struct power){ argv[i], watts(equals + 1) };
    }
    if (i + 1 >= argc)
        die("--", "a command expected behind it");
#define ZONE "sys/class/powercap/intel-rapl:0/"
    close(put_file(root, ZONE "name", "package-0\n"));
    close(put_file(root, ZONE "max_energy_range_uj", "262143328850\n"));
    int counter = put_file(root, ZONE "energy_uj", "1000000\n");
    truth = fdopen(put_file(root, "truth.csv", "pid,cpu_s,joules,command\n"), "w");
    if (!truth)
        die("truth.csv", strerror(errno));
    pid_t command = fork();
    if (command == 0) {
        execvp(argv[i + 1], argv + i + 1);
        die(argv[i + 1], strerror(errno));
    }
    if (command < 0)
        die("fork", strerror(errno));
    watch(command);
    signal(SIGINT, SIG_IGN); /* it is the command's to end */
    /* Real counters do not wait for a CPU: ask to go before others, where that is allowed. */
    struct sched_param first = { .sched_priority = 1 };
    (void)sched_setscheduler(0, SCHED_FIFO, &first);
    int code = simulate(command, rest_w, counter);
    return fclose(truth) == 0 ? code : 1;
}
