/* SPDX-License-Identifier: MIT */
#include "bench/kernel/guarded.h"

#include "base/layout.h"

#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

bool cn_guarded_create(struct cn_guarded *g, size_t n_bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t capacity = cn_round_up(n_bytes, page);
    uint8_t *map = mmap(NULL, capacity + 2 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    *g = (struct cn_guarded){ 0 };
    if (map == MAP_FAILED)
        return false;
    if (mprotect(map + page, capacity, PROT_READ | PROT_WRITE) != 0) {
        munmap(map, capacity + 2 * page);
        return false;
    }
    *g = (struct cn_guarded){
        .map = map, .data = map + page, .map_bytes = capacity + 2 * page, .capacity = capacity
    };
    return true;
}

void cn_guarded_free(struct cn_guarded *g)
{
    if (g->map)
        munmap(g->map, g->map_bytes);
    *g = (struct cn_guarded){ 0 };
}

void *cn_guarded_take(struct cn_guarded *g, size_t n_bytes, enum cn_place place)
{
    size_t room = g->capacity - n_bytes;
    g->margin_bytes = room < CN_GUARD_MARGIN ? room : CN_GUARD_MARGIN;
    uint8_t *p = place == CN_PLACE_END ? g->data + room : g->data;
    uint8_t *margin = place == CN_PLACE_END ? p - g->margin_bytes : p + n_bytes;
    g->margin = margin;
    memset(p, CN_GUARD_FILL, n_bytes);
    memset(margin, CN_GUARD_FILL, g->margin_bytes);
    return p;
}

bool cn_guarded_intact(const struct cn_guarded *g)
{
    for (size_t i = 0; i < g->margin_bytes; i++)
        if (g->margin[i] != CN_GUARD_FILL)
            return false;
    return true;
}

/* ---- signals --------------------------------------------------------------------------------- */

static const struct {
    int sig;
    const char *name;
} caught[] = {
    {SIGSEGV,  "SIGSEGV"},
    { SIGBUS,  "SIGBUS" },
    { SIGILL,  "SIGILL" },
    { SIGFPE,  "SIGFPE" },
    { SIGTRAP, "SIGTRAP"},
};
enum { N_CAUGHT = sizeof caught / sizeof *caught, STACK_BYTES = 256 * 1024 };

/* A signal handler has no argument to find its state with. */
static struct {
    int depth;
    volatile sig_atomic_t armed;
    sigjmp_buf back;
    struct sigaction old[N_CAUGHT];
    stack_t old_stack;
    void *stack;
} crash;

static void on_crash(int sig)
{
    if (!crash.armed) { /* not ours: let it happen again, with the usual outcome */
        signal(sig, SIG_DFL);
        return;
    }
    crash.armed = 0;
    siglongjmp(crash.back, sig);
}

bool cn_crash_begin(void)
{
    if (crash.depth++)
        return true;
    crash.stack = malloc(STACK_BYTES);
    stack_t stack = { .ss_sp = crash.stack, .ss_size = STACK_BYTES };
    if (!crash.stack || sigaltstack(&stack, &crash.old_stack) != 0) {
        free(crash.stack);
        crash.depth = 0;
        return false;
    }
    struct sigaction action = { .sa_handler = on_crash, .sa_flags = SA_ONSTACK };
    sigemptyset(&action.sa_mask);
    for (int i = 0; i < N_CAUGHT; i++)
        sigaction(caught[i].sig, &action, &crash.old[i]);
    return true;
}

void cn_crash_end(void)
{
    if (--crash.depth)
        return;
    for (int i = 0; i < N_CAUGHT; i++)
        sigaction(caught[i].sig, &crash.old[i], NULL);
    sigaltstack(&crash.old_stack, NULL);
    free(crash.stack);
}

int cn_crash_catch(void (*fn)(void *), void *arg)
{
    /* With the signal mask: the handler runs with signals blocked and never returns. */
    int sig = sigsetjmp(crash.back, 1);
    if (sig)
        return sig;
    crash.armed = 1;
    fn(arg);
    crash.armed = 0;
    return 0;
}

const char *cn_signal_name(int sig)
{
    for (int i = 0; i < N_CAUGHT; i++)
        if (caught[i].sig == sig)
            return caught[i].name;
    return "signal";
}
