#!/bin/sh
# scripts/mca.sh and scripts/mca_kernel.sh find the loops of the kernels by the kernels' names.
set -u
. tests/expect.sh
for tool in aarch64-linux-gnu-gcc make; do
    command -v $tool >/dev/null || { echo "SKIPPED: no $tool"; exit 77; }
done
{ ls /usr/bin/llvm-mca-[0-9]* >/dev/null 2>&1 || command -v llvm-mca >/dev/null; } || { echo "SKIPPED: no llvm-mca (apt-get install llvm)"; exit 77; }
expect 0 scripts/mca.sh q8_0
out_has '| q8_0 | '
expect 1 scripts/mca_kernel.sh q8_0_gem avx2
err_has "q8_0_gem"

# Four rows at once: a turn is of 4 x 256 weights.
expect 0 scripts/mca_kernel.sh iq4_xs_gemv avx2 znver3
out_has "1024 weights"
out_has "in the fastest tenth of samples"
