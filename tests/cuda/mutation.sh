#!/bin/sh
# Proves that test_backends notices mistakes in the text of CUDA kernels: makes one at a time, in the text that goes to the
# compiler, and demands that the test fails. Usage: mutation.sh TEST_BACKENDS
set -u
test=$1
log=$(mktemp "${TMPDIR:-/tmp}/ayf-mutation.XXXXXX")
trap 'rm -f "$log"' EXIT
export AYF_TEST_BACKEND=cuda AYF_TEST_SEEDS=50
caught=0
failed=0

# How the kernels run: a thread per block; all threads, forwards; backwards.
in_mode() { # MODE COMMAND ...
    mode=$1
    shift
    case $mode in
    threads) "$@" ;;
    forward) AYF_FIBERS=1 "$@" ;;
    backward) AYF_FIBERS=1 AYF_REVERSE=1 "$@" ;;
    esac
}

# mutate MODE TESTS NAME SED
mutate() {
    mode=$1 filter=$2
    shift 2
    if AYF_TEST_FILTER=$filter AYF_FAKE_SED=$2 in_mode "$mode" timeout 120 "$test" >"$log" 2>&1; then
        echo "mutation: '$1' was not noticed ($mode)"
        failed=1
    elif grep -q "does not compile" "$log"; then
        echo "mutation: '$1' is no text that compiles: adapt its pattern"
        failed=1
    else
        caught=$((caught + 1))
    fi
}

if ! AYF_TEST_FILTER='test_random_*' "$test" >"$log" 2>&1; then
    cat "$log"
    echo "mutation: the test fails without any mutation"
    exit 1
fi
# shellcheck disable=SC2016
{
mutate forward "test_random_*" "row_sum: no barrier before the sums of warps are read" '/of_row\[LANE \/ WARP\] = value/{n;s/SYNC();//}'
mutate backward "test_random_*" "row_sum: no barrier before the sums of warps are read, backwards" '/of_row\[LANE \/ WARP\] = value/{n;s/SYNC();//}'
mutate forward test_view_chains "row_sum: no barrier before the memory is used again" '/is used again/s/SYNC();//'
mutate forward "test_random_*" "row_sum: the same neighbour again" 's/SHUFFLE(value, away)/SHUFFLE(value, 1)/'
mutate threads "test_random_*" "four numbers, of which the last is left out" 's/k < 4; k++) stored/k < 3; k++) stored/;s/store_float_4(float \*to, lanes_4 x) {/& x.at[3] = 0;/'
mutate threads "test_random_*" "four numbers from an odd place" 's/return \*(const lanes_4 \*)ALIGNED(from, 16)/return *(const lanes_4 *)ALIGNED(from + 1, 16)/'
mutate forward "test_random_*" "column_sum: no barrier between additions" '/if (LINE < half)/{n;s/SYNC();//}'
mutate threads "test_random_*" "a wrong stride" 's|const int d0 = i / \([0-9]*\)|const int d0 = i / (\1 + 1)|'
mutate forward "test_random_*" "no bound for rows" 's/if (row >= ROWS || c >= COLUMNS)/if (c >= COLUMNS)/'
mutate forward "test_random_*" "no bound for columns" 's/if (row >= ROWS || c >= COLUMNS)/if (row >= ROWS)/'
mutate threads "test_random_*" "a sum that leaves out its first number" 's/const long first = chunk \* \([0-9]*\)/const long first = 1 + chunk * \1/'
mutate forward "test_random_*" "a summand of a row that is one thread's alone" 's/t\([0-9]*\) = row_sum(t[0-9]*, shared, TX);//'
mutate threads test_view_chains "pad: one place too late" 's/ \&\& \(d[0-9]\) >= / \&\& \1 > /'
mutate threads test_extremes "maximum: NaN is lost" 's/b > a || b != b/b > a/'
mutate threads "test_random_*" "sub: operands swapped" '/op_SUB/s/a - b/b - a/'
}
echo "mutation: $caught mutants caught"
exit $failed
