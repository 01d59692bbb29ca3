#!/bin/sh
# scripts/check_unused.sh BUILD_FOLDER
# Every global function of the library that include/ayf.h does not export is used by another file of src/. What only
# tests use is dead; what only its own file uses is static, unless a test looks at it. Reads the objects of
# BUILD_FOLDER, which must be up to date. Output and exit status as in check_layers.sh.
set -eu
. "$(dirname "$0")/result.sh"
build=$(cd "${1:?usage: check_unused.sh BUILD_FOLDER}" && pwd)
cd "$(dirname "$0")/.."

# Readers of files, which fuzzers give bytes in memory.
allowed='ayf_dataset_from_source ayf_idx_parse ayf_source_open_zip_memory'

# The source of an object: meson writes src/backend/cpu/cpu.c as src/backend/libx.a.p/cpu_cpu.c.o. Nothing when it is
# gone and the object was left behind.
source_of() {
    room=${1#"$build"/}
    room=${room%/*.p/*}
    name=$(basename "$1" .o)
    for source in "$room/$name" "$room/$(echo "$name" | sed 's|_|/|')"; do
        if [ -f "$source" ]; then
            echo "$source"
            return
        fi
    done
}

# "def NAME SOURCE" of functions and "use NAME SOURCE" of whatever is needed from outside.
symbols() {
    find "$build/src" -name '*.c.o' | while read -r object; do
        source=$(source_of "$object")
        [ -z "$source" ] || nm -g "$object" | awk -v source="$source" '
            NF == 3 && $2 == "T" && $3 ~ /^ayf_/ { print "def", $3, source }
            NF == 2 { print "use", $2, source }'
    done | sort -u
}

exported() { sed -n 's/^AYF_API .*[ *]\(ayf_[a-z0-9_]*\)(.*/api \1/p' include/ayf/*.h; }

# "NAME SOURCE" of functions that no other file of src/ uses.
lonely=$({ exported; symbols; } | awk '
    $1 == "api" { api[$2] = 1 }
    $1 == "def" { at[$2] = at[$2] " " $3 }
    $1 == "use" { used[$2] = 1 }
    END { for (name in at) if (!(name in used) && !(name in api)) print name at[name] }' | sort)

# Those whose name is mentioned once more than in its definition (then "static") or not ("unused").
sort_out() {
    echo "$lonely" | while read -r name source; do
        case " $allowed " in *" $name "*) continue ;; esac
        if [ "$(grep -ow "$name" "$source" | wc -l)" -le 1 ]; then
            echo "unused $source: $name"
        elif ! grep -rqw "$name" tests; then
            echo "static $source: $name"
        fi
    done
}

found=$([ -z "$lonely" ] || sort_out)
needless=$(for name in $allowed; do echo "$lonely" | grep -q "^$name " || echo "$name"; done)
result "no function that only tests use" "$(echo "$found" | sed -n 's/^unused //p')"
result "what neither another file nor a test uses is static" "$(echo "$found" | sed -n 's/^static //p')"
result "no exception that is not needed" "$needless"
exit $status
