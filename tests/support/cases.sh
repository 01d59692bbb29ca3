# Shell tests in the form of cmocka's: sourced by tests/cli/test_*.sh.
#
#   expect NAME CODE COMMAND ...   the command ends with CODE; its output is in $work/out and $work/err
#   says TEXT                      the last command's stderr contains TEXT, and is one line unless $lines is set
#   prints TEXT                    the last command's stdout contains TEXT
#   finish                         exit with the right status
#
# A case is one `expect` with the `says` and `prints` behind it.

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cases=0
failures=0
case_name=""

close_case() {
    [ -n "$case_name" ] || return 0
    if [ -z "$case_bad" ]; then
        echo "[       OK ] $case_name"
    else
        sed 's/^/    out: /' "$work/out"
        sed 's/^/    err: /' "$work/err"
        printf '%s' "$case_bad"
        echo "[  FAILED  ] $case_name"
        failures=$((failures + 1))
    fi
    case_name=""
}

bad() {
    case_bad="$case_bad    $1
"
}

expect() {
    close_case
    case_name=$1
    case_bad=""
    wanted=$2
    shift 2
    cases=$((cases + 1))
    echo "[ RUN      ] $case_name"
    code=0
    "$@" >"$work/out" 2>"$work/err" || code=$?
    [ "$code" -eq "$wanted" ] || bad "exit code $code, not $wanted: $*"
}

says() { grep -qF -- "$1" "$work/err" || bad "stderr does not say: $1"; }
says_not() { ! grep -qF -- "$1" "$work/err" || bad "stderr says: $1"; }
prints() { grep -qF -- "$1" "$work/out" || bad "stdout does not say: $1"; }
one_line() { [ "$(wc -l <"$work/err")" -eq 1 ] || bad "not one line on stderr"; }
exists() { [ -s "$1" ] || bad "$1 is missing or empty"; }
absent() { [ ! -e "$1" ] || bad "$1 exists"; }
same() { cmp -s "$1" "$2" || bad "$1 and $2 differ"; }
# Of the compressed pixels, whatever the comments say.
pixels() {
    python3 -c 'import struct, sys
data, at = open(sys.argv[1], "rb").read(), 8
while at < len(data):
    size, kind = struct.unpack(">I4s", data[at:at + 8])
    if kind == b"IDAT": sys.stdout.buffer.write(data[at + 8:at + 8 + size])
    at += 12 + size' "$1" >"$work/$2"
}
same_pixels() { pixels "$1" a && pixels "$2" b && cmp -s "$work/a" "$work/b" || bad "the pixels of $1 and $2 differ"; }
other_pixels() { pixels "$1" a && pixels "$2" b && ! cmp -s "$work/a" "$work/b" || bad "$1 and $2 show the same"; }

finish() {
    close_case
    echo "[==========] $cases test(s) run."
    [ "$failures" -eq 0 ]
    exit
}
