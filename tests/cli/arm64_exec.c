/* SPDX-License-Identifier: MIT
 *
 * Preloaded to the shell of the test device: where it starts a program for arm64, qemu runs it, as
 * a kernel with binfmt_misc set up would do.
 */
#include <dlfcn.h>
#include <elf.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

typedef int exec_fn(const char *path, char *const argv[], char *const envp[]);

static bool is_arm64(const char *path)
{
    Elf64_Ehdr head;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool whole = fd >= 0 && read(fd, &head, sizeof head) == (ssize_t)sizeof head;
    if (fd >= 0)
        close(fd);
    return whole && memcmp(head.e_ident, ELFMAG, SELFMAG) == 0 && head.e_machine == EM_AARCH64;
}

__attribute__((visibility("default"))) int execve(const char *path, char *const argv[],
                                                  char *const envp[])
{
    enum { MAX_ARGS = 256 };
    static const char qemu[] = "/usr/bin/qemu-aarch64";
    union { /* dlsym returns data, ISO C has functions apart; argv is never written to */
        void *data;
        exec_fn *function;
    } real = { dlsym(RTLD_NEXT, "execve") };
    union {
        const char *in[MAX_ARGS + 3];
        char *out[MAX_ARGS + 3];
    } words = {
        .in = {qemu, path}
    };
    int n = 0;
    while (argv[n] && n < MAX_ARGS)
        n++;
    if (!is_arm64(path) || argv[n])
        return real.function(path, argv, envp);
    for (int i = 1; i < n; i++)
        words.out[i + 1] = argv[i];
    return real.function(qemu, words.out, envp);
}
