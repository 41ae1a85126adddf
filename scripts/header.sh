#!/bin/sh
# carnot.h as it is installed: one file, base/status.h put where it is included.
cd "$(dirname "$0")/.." || exit 1
awk '
/^#include "base\/status.h"$/ {
    while ((getline line < "base/status.h") > 0) print line
    next
}
{ print }' engine/carnot.h
