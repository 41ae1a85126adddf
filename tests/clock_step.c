/* SPDX-License-Identifier: MIT
 *
 * Preloaded into the program by tests/cli/faults_test.sh: a wall clock that jumps by an hour, back
 * or forth, each time it is looked at. The other clocks go on as they do.
 */
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

int clock_gettime(clockid_t clock, struct timespec *t)
{
    static int n;
    int result = (int)syscall(SYS_clock_gettime, clock, t);
    if (clock == CLOCK_REALTIME)
        t->tv_sec += n++ % 2 ? 3600 : -3600;
    return result;
}

time_t time(time_t *t)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    if (t)
        *t = now.tv_sec;
    return now.tv_sec;
}
