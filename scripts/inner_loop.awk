# Of a function in assembler, x86 or Arm: the longest loop that contains no other one, of those with a
# prefetch if there are any. What has a return in it is a tail laid out behind the function's end. branch: 1 for
# the loop with the branch that closes it. Exit 1: there is no loop.
{ line[NR] = $0 }
/^\.L[A-Za-z0-9_]*:/ { l = $1; sub(":.*", "", l); at[l] = NR }
/^[ \t]+(j[a-z]+|b\.?[a-z]*|cbn?z|tbn?z)[ \t]/ { if ($NF in at) { n++; from[n] = at[$NF]; to[n] = NR } }
function has_prefetch(i,  j) {
    for (j = from[i]; j <= to[i]; j++) if (line[j] ~ /\t(prefetch|prfm)/) return 1
    return 0
}
END {
    for (i = 1; i <= n; i++) any += inner(i) && has_prefetch(i)
    for (i = 1; i <= n; i++)
        if (inner(i) && (!any || has_prefetch(i)) && (!best || to[i] - from[i] > to[best] - from[best])) best = i
    if (!best) exit 1
    for (i = from[best] + 1; i < to[best] + branch; i++) {
        # gcc writes the bytes of movi as numbers of 64 bits, which llvm does not read.
        if (line[i] ~ /\tmovi\t/) sub(/0xffffffffffffff/, "0x", line[i])
        if (line[i] !~ /^[ \t]*\./ && line[i] !~ /^[^ \t].*:/) print line[i]
    }
}
function inner(i,  j) {
    for (j = from[i]; j <= to[i]; j++) if (line[j] ~ /\tret$/) return 0
    for (j = 1; j <= n; j++)
        if (from[j] >= from[i] && to[j] <= to[i] && to[j] - from[j] < to[i] - from[i]) return 0
    return 1
}
