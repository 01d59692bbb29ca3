#!/bin/sh
# embed.sh OUTPUT FILE ...: a C header with a string for each file; name.ext becomes name_ext.
set -eu
out=$1
shift
for file in "$@"; do
    name=$(basename "$file" | tr . _)
    printf 'static const char %s[] =\n' "$name"
    sed 's/\\/\\\\/g; s/"/\\"/g; s/^/    "/; s/$/\\n"/' "$file"
    printf '    ;\n'
done >"$out"
