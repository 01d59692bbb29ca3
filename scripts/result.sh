# Results of checks in the form of the tests: sourced by scripts/check_*.sh, which end with `exit $status`.
status=0

# result NAME PROBLEMS: the check has passed when there are none.
result() {
    echo "[ RUN      ] $1"
    if [ -z "$2" ]; then
        echo "[       OK ] $1"
    else
        echo "$2"
        echo "[  FAILED  ] $1"
        status=1
    fi
}
