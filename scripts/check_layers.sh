#!/bin/sh
# scripts/check_layers.sh BUILD_FOLDER
# A room includes only the rooms below it, the files of a room do not call each other in a circle, and rooms, files and
# functions stay short. Prints one line per check in the form of the tests; exit status 1 when something is wrong.
# The circles are looked for in the objects of BUILD_FOLDER, which must be up to date.
set -eu
. "$(dirname "$0")/result.sh"
build=$(cd "${1:?usage: check_layers.sh BUILD_FOLDER}" && pwd)
cd "$(dirname "$0")/.."
rooms=

# Pairs "user used" of a room: headers that include headers, and objects that use a function or datum of another one.
file_edges() {
    grep -oE '^ *# *include +"'"$1"'/[^"]*\.h"' "src/$1" -r --include='*.h' | sed 's|:.*"\(.*\)"$| src/\1|'
    find "$build/src/$1" -name '*.c.o' | while read -r object; do
        # Meson writes cpu/cpu.c as cpu_cpu.c.o.
        source=src/$1/$(basename "$object" .o)
        [ -f "$source" ] || source=src/$1/$(basename "$object" .o | sed 's|_|/|')
        [ -f "$source" ] || continue # left behind by a source that is gone
        nm -g "$object" | awk -v file="$source" 'NF == 3 { print "def", $3, file } NF == 2 { print "use", $2, file }'
    done | sort | awk '$1 == "def" { at[$2] = $3 } $1 == "use" && ($2 in at) && at[$2] != $3 { print $3, at[$2] }'
}

# room, the rooms it may include besides itself and ayf.h
check() {
    room=$1
    shift
    rooms="$rooms $room"
    allowed=$(printf '%s|' "$room" "$@")
    # Headers without a folder stand beside the source: those of the program, and ayf.h.
    bad=$(grep -rnE '^ *# *include +"' "src/$room" | grep -vE "\"(${allowed%|})/|\"ayf(/[a-z]+)?\.h\"" || true)
    [ "$room" != cli ] || bad=$(echo "$bad" | grep -vE '"[a-z_]+\.h"' || true)
    result "room $room: includes" "$bad"
    result "room $room: no circle of files" "$(file_edges "$room" | sort -u | tsort 2>&1 >/dev/null | sed 's/^tsort: -: //')"
}

check base
check comm base
check ir base
check ad base ir
check pass base ir
check exec base ir pass
check backend base comm ir pass exec io
check nn base ir
check io base
check image base io
check data base io image
check config base io nn
check metrics base
check model base ir exec nn io
check flow base ir ad exec nn data
check sample base ir exec backend nn io model flow
check export base ir pass exec nn io model flow sample
check eval base ir exec backend nn io image data config metrics model flow sample
check train base comm ir exec backend nn io image data config metrics model flow sample eval
check inspect base ir ad exec backend nn io image data config model flow sample train
check report base io image train
check cli
result "every room is known" "$(ls src | grep -vxF "$(echo "$rooms" | tr ' ' '\n')" || true)"
result "flow takes constants of the data only" "$(grep -rn '"data/' src/flow | grep -v '"data/points.h"' || true)"
result "config takes the description and the rules of a network only" "$(grep -rn '"nn/' src/config |
    grep -vE '"nn/(spec\.(h|def)|network\.h)"' || true)"
result "at most 20 sources in a folder" "$(find src -name '*.[ch]' -o -name '*.def' | sed 's/\.[a-z]*$//' | sort -u |
    sed 's|/[^/]*$||' | sort | uniq -c | awk '$1 > 20 { print $2 ": " $1 " sources" }')"
result "no source above 700 lines" "$(find src include tests examples -name '*.[ch]' -exec wc -l {} + |
    awk '$2 != "total" && $1 > 700 { print $2 ": " $1 " lines" }')"
result "no function above 60 lines" "$(find src examples -name '*.[ch]' -exec awk '
    FNR == 1 || /;$/ { pending = 0 }
    FNR == 1 { start = 0 }
    !start && /^[A-Za-z].*\) \{$/ { start = FNR; name = $0 }
    !start && pending && /^ .*\) \{$/ { start = FNR; name = first }
    !start && /^[A-Za-z][^;{]*\([^;{]*$/ { pending = 1; first = $0 }
    /^\}/ { if (start && FNR - start > 59) print FILENAME ":" start ": " FNR - start + 1 " lines: " name; start = pending = 0 }
    ' {} +)"
exit $status
