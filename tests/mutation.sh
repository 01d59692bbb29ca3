#!/bin/sh
# Proves that test_ops notices a wrong derivative: makes one small error at a time in a copy of src/ad/rules.c
# and demands that test_ops fails. Usage: mutation.sh SOURCE_ROOT [COMPILER...]
set -eu
root=$1
shift
[ $# -gt 0 ] || set -- cc
work=$(mktemp -d "${TMPDIR:-/tmp}/ayf-mutation.XXXXXX")
trap 'rm -rf "$work"' EXIT
cp -r "$root/src" "$root/include" "$work"
cp -r "$root/tests" "$work"
cd "$work"

compile() { "$cc_first" "$@"; }
cc_first=$1
shift
rest=$* # the compiler behind a cache
flags="$rest -std=c11 -O1 -D_GNU_SOURCE -Iinclude -Isrc -Itests/support"

# shellcheck disable=SC2086
for file in src/base/*.c src/comm/*.c src/ir/*.c src/ad/*.c src/pass/*.c src/exec/*.c src/backend/exchange.c src/backend/ref/*.c \
    tests/support/support.c tests/support/group_backend.c tests/support/op_cases.c tests/ad/test_ops.c; do
    compile $flags -c "$file" -o "$(echo "$file" | tr / _).o"
done
# shellcheck disable=SC2086
link() { compile $rest ./*.o -o test_ops -lcmocka -lm; }

link
if ! ./test_ops > log 2>&1; then
    cat log
    echo "mutation: test_ops fails without any mutation"
    exit 1
fi

cp src/ad/rules.c original.c
caught=0
failed=0
# mutate NAME SED-EXPRESSION: the expression must change exactly one line.
mutate() {
    sed "$2" original.c > src/ad/rules.c
    changed=$(diff original.c src/ad/rules.c | grep -c '^>') || true
    if [ "$changed" != 1 ]; then
        echo "mutation: '$1' changes $changed lines of rules.c instead of 1: adapt its pattern"
        failed=1
        return
    fi
    # shellcheck disable=SC2086
    compile $flags -c src/ad/rules.c -o src_ad_rules.c.o
    link
    if timeout 60 ./test_ops > log 2>&1; then
        echo "mutation: '$1' was not noticed"
        failed=1
    else
        caught=$((caught + 1))
    fi
}

mutate "SUB: sign of the second partial" '/partial_SUB/s/k ? -1 : 1/k ? 1 : 1/'
mutate "MUL: the other factor" '/partial_MUL/s/!k/k/'
mutate "DIV: sign of the second partial" 's/ayf_neg(g, ayf_div(g, n, b))/ayf_div(g, n, b)/'
mutate "DIV: numerator" 's/ayf_neg(g, ayf_div(g, n, b))/ayf_neg(g, ayf_div(g, in(g, n, 0), b))/'
mutate "MAX: operands of the comparison" '/partial_MAX/,/^}/s/in(g, n, 0), in(g, n, 1)/in(g, n, 1), in(g, n, 0)/'
mutate "MIN: which partial" '/partial_MIN/,/^}/s/k == 0/k == 1/'
mutate "NEG: sign" '/partial_NEG/,/^}/s/-1/1/'
mutate "LOG: factor" '/partial_LOG/s/one(g, n)/ayf_const_like(g, n, 2)/'
mutate "SQRT: sign" '/partial_SQRT/,/^}/s/0\.5/-0.5/'
mutate "SIGMOID: sign inside" '/partial_SIGMOID/,/^}/s/ayf_neg(g, in(g, n, k))/in(g, n, k)/'
mutate "TANH: factor" '/partial_TANH/,/^}/s/, 4)/, 2)/'
mutate "SIN: sign" '/partial_SIN/s/ayf_cos(g, in(g, n, k))/ayf_neg(g, ayf_cos(g, in(g, n, k)))/'
mutate "COS: sign" '/partial_COS/s/ayf_neg(g, ayf_sin(g, in(g, n, k)))/ayf_sin(g, in(g, n, k))/'
mutate "SOFTPLUS: sign inside" '/partial_SOFTPLUS/s/in(g, n, k)/ayf_neg(g, in(g, n, k))/'
mutate "PERMUTE: not inverted" '/transpose_PERMUTE/,/^}/s/inverse\[ayf_at(g, n)->attr\[i\]\] = i/inverse[i] = ayf_at(g, n)->attr[i]/'
mutate "CONCAT: which part" '/transpose_CONCAT/,/^}/s/k ? first : 0/k ? 0 : first/'
mutate "UPFIRDN: filter not turned round" '/transpose_UPFIRDN/,/^}/s/filter\.taps - 1 - i\]/i]/'
mutate "UPFIRDN: padding" '/transpose_UPFIRDN/,/^}/s/filter\.taps - 1 - node\.attr\[2\]/filter.taps - node.attr[2]/'
mutate "CONV_FPROP: faces swapped" '/transpose_CONV_FPROP/,/^}/s/k == 0/k == 1/'
mutate "CONV_DGRAD: operands of the weight gradient" '/transpose_CONV_DGRAD/,/^}/s/CONV_WGRAD, x, y, w/CONV_WGRAD, y, x, w/'
mutate "GEMM: transpose flag of the first" '/transpose_GEMM/,/^}/s/y, b, false, !tb/y, b, false, tb/'
mutate "GEMM: transposed operands" '/transpose_GEMM/,/^}/s/b, y, tb, true/y, b, tb, true/'

echo "mutation: $caught mutants caught"
exit $failed
