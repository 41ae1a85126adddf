/* SPDX-License-Identifier: MIT
 *
 * The kernel tests: `carnot kernels` alone, for machines that have no more than libc (a phone,
 * qemu). Without arguments it checks everything, the checks themselves included, with inputs that
 * differ from run to run; with arguments it is that command.
 */
#include "cli/cli.h"

#include <stdio.h>
#include <time.h>

int main(int argc, char **argv)
{
    char all[][64] = {
        "kernels",     "--check", "--job", "gemv,unpack,gemm,gemm_small,gemm_fast,dequantize,vec",
        "--self-test", "--seed",  "",
    };
    enum { N = sizeof all / sizeof *all };
    char *pointers[N + 1] = { NULL };
    if (argc > 1)
        return cn_cmd_kernels(argc, argv);
    snprintf(all[N - 1], sizeof all[N - 1], "%lld", (long long)time(NULL));
    fprintf(stderr, "kernels: --seed %s\n", all[N - 1]);
    for (int i = 0; i < N; i++)
        pointers[i] = all[i];
    return cn_cmd_kernels(N, pointers);
}
