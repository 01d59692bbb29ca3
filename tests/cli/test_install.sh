#!/bin/sh
# tests/cli/test_install.sh BUILD_FOLDER SOURCE_ROOT [SANITIZERS]
# Installs into a folder of its own, builds programs in C, in C++ and with CMake with nothing but what is installed, and
# runs them: the example, and one that has its model in memory and links the sampler only.
set -u
build=$1
root=$2
sanitizers=${3:-none}
. "$(dirname "$0")/../support/cases.sh"
cd "$work" || exit 1
: >out && : >err
export AYF_THREADS=1
sanitize=
[ "$sanitizers" = none ] || sanitize="-fsanitize=$sanitizers"
flags="-Wall -Wextra -Werror -std=c11 $sanitize"
tiny="--batch 2 --set data.resolution=8 --set model.channels=8 --set model.multipliers=1 --set model.blocks=1"

expect "install" 0 meson install -C "$build" --no-rebuild --destdir "$work/installed"
pc=$(find "$work/installed" -name ayf.pc)
library=$(find "$work/installed" -name libayf.so)
program=$(find "$work/installed" -path "*/bin/ayf")
exists "$pc" && exists "$library" && exists "$program"
libdir=${library%/*}
export PKG_CONFIG_PATH="${pc%/*}" PKG_CONFIG_SYSROOT_DIR="$work/installed"
export LD_LIBRARY_PATH="$libdir"

expect "pkg-config knows the library" 0 pkg-config --cflags --libs ayf
prints "-layf"
expect "the header's version is the library's" 0 "$program" --version
version=$(sed -n 's/^#define AYF_VERSION "\(.*\)"/\1/p' "$root/include/ayf/context.h")
prints "ayf $version" && [ "$version" = "$(pkg-config --modversion ayf)" ] || bad "pkg-config has another version"
expect "the libraries have their names for the loader" 0 readelf -d "$library" "$libdir/libayf_sample.so"
prints "[libayf.so.0]" && prints "[libayf_sample.so.0]"
expect "every verb has its manual page" 0 "$program" help
share=$(find "$work/installed" -path '*/share/man/man1/ayf.1')
share=${share%/man/man1/ayf.1}
for verb in $(sed -n 's/^  \([a-z][a-z]*\)  *[a-z].*/\1/p' out); do
    exists "$share/man/man1/ayf-$verb.1"
done
exists "$share/man/man5/ayf-config.5"
expect "shells find their completions" 0 cat "$share/bash-completion/completions/ayf" "$share/zsh/site-functions/_ayf" \
    "$share/fish/vendor_completions.d/ayf.fish"
prints "complete -F _ayf ayf" && prints "#compdef ayf" && prints "complete -c ayf"
# shellcheck disable=SC2086,SC2046
expect "the example builds" 0 ${CC:-cc} $flags "$root/examples/generate.c" -o generate $(pkg-config --cflags --libs ayf)
# shellcheck disable=SC2086
expect "the installed program runs" 0 env -u LD_LIBRARY_PATH "$program" train run --data builtin:shapes --steps 1 \
    $tiny --set train.lr_warmup=0
# shellcheck disable=SC2086
expect "and distils" 0 "$program" distill student --teacher run --steps 1 $tiny --set distill.guidance=none
expect "the example draws" 0 ./generate run/model.safetensors images.png 2
exists images.png
expect "the picture is one" 0 "$program" info images.png
prints "image"
expect "the example reports a bad file" 1 ./generate nowhere.safetensors images.png
says "nowhere.safetensors"

# The same model by the whole library and by the sampler, shared and static.
model=student/model.safetensors
# shellcheck disable=SC2086,SC2046
build_with() { # OUTPUT PACKAGE [OPTIONS OF pkg-config]
    output=$1
    shift
    ${CC:-cc} $flags "$root/examples/embedded.c" -o "$output" $static $(pkg-config --cflags --libs "$@")
}
# Values that differ by rounding at most: the sampler multiplies without oneDNN.
values() { od -An -v -tf4 -w4 "$1"; }
near() {
    values "$1" >a
    values "$2" >b
    [ -s a ] && paste a b | awk 'NF != 2 || ($1 - $2) ^ 2 > 1e-8 { exit 1 }' || bad "$1 and $2 differ"
}
static=
expect "a program embeds the library" 0 build_with whole ayf
expect "and draws from memory" 0 ./whole $model whole.f32
expect "a program embeds the sampler" 0 build_with sampler ayf_sample
expect "and draws" 0 ./sampler $model sampler.f32
near whole.f32 sampler.f32
expect "a cut model from memory is refused" 3 sh -c 'head -c 1000 student/model.safetensors >cut && ./sampler cut no.f32'
says "model in memory" && absent no.f32
expect "the sampler needs none of the large libraries" 0 readelf -d "$libdir/libayf_sample.so"
for library in yaml zip png jpeg webp openblas mpi dnnl; do
    grep -q "NEEDED.*$library" out && bad "it needs $library"
done
expect "the sampler exports three headers" 0 nm -D --defined-only "$libdir/libayf_sample.so"
awk '{ print $3 }' out | sort >exported
sed -n 's/^AYF_API .*[ *]\(ayf_[a-z0-9_]*\)(.*/\1/p' "$root/include/ayf/context.h" "$root/include/ayf/model.h" \
    "$root/include/ayf/latents.h" |
    sort | cmp -s - exported || bad "other functions are exported than declared"

if [ "$sanitizers" = none ]; then
    mkdir hidden
    mv "$libdir"/*.so* hidden/
    expect "the library links statically" 0 build_with static_whole --static ayf
    expect "and draws" 0 env -u LD_LIBRARY_PATH ./static_whole $model static.f32
    same whole.f32 static.f32
    static=-static
    expect "the sampler links into a program that needs nothing" 0 build_with static_sampler --static ayf_sample
    expect "and draws" 0 env -u LD_LIBRARY_PATH ./static_sampler $model static.f32
    same sampler.f32 static.f32
    mv hidden/* "$libdir/"
fi

# shellcheck disable=SC2086,SC2046
{
    # The recipe of docs/library.md.
    expect "the whole library links statically beside shared ones" 0 ${CC:-cc} $flags "$root/examples/embedded.c" -o beside \
        $(pkg-config --cflags ayf) "$libdir/libayf.a" $(pkg-config --static --libs ayf | sed 's/-layf //')
    expect "and needs no library of ayf" 0 env -u LD_LIBRARY_PATH ./beside $model beside.f32
    same whole.f32 beside.f32
}

# shellcheck disable=SC2086,SC2046
expect "a program in C++ builds" 0 ${CXX:-c++} -Wall -Wextra -Wpedantic -Werror -std=c++11 $sanitize \
    "$root/examples/embedded.cpp" -o cpp $(pkg-config --cflags --libs ayf_sample)
expect "and draws" 0 ./cpp $model cpp.f32
same sampler.f32 cpp.f32

if command -v cmake >/dev/null; then
    mkdir project
    cat >project/CMakeLists.txt <<'EOF'
cmake_minimum_required(VERSION 3.18)
project(consumer C CXX)
find_package(ayf 0.1 REQUIRED)
add_executable(with_ayf ${ROOT}/examples/embedded.c)
target_link_libraries(with_ayf PRIVATE ayf::ayf)
add_executable(with_sample ${ROOT}/examples/embedded.cpp)
target_link_libraries(with_sample PRIVATE ayf::sample)
add_executable(with_static ${ROOT}/examples/embedded.c)
target_link_libraries(with_static PRIVATE ayf::sample_static)
EOF
    expect "CMake finds the package" 0 cmake -S project -B project/build -DROOT="$root" \
        -Dayf_DIR="$libdir/cmake/ayf" -DCMAKE_C_FLAGS="$sanitize" -DCMAKE_CXX_FLAGS="$sanitize"
    expect "and builds with it" 0 cmake --build project/build
    for consumer in with_ayf with_sample with_static; do
        expect "$consumer draws" 0 "project/build/$consumer" $model cmake.f32
        near sampler.f32 cmake.f32
    done
    expect "CMake says what it leaves out" 1 cmake -S project -B project/without -DROOT="$root" \
        -Dayf_DIR="$libdir/cmake/ayf" -DCMAKE_DISABLE_FIND_PACKAGE_PkgConfig=ON -DCMAKE_CXX_FLAGS="$sanitize"
    prints "no target ayf::ayf_static: pkg-config"
else
    echo "skipped: there is no cmake"
fi
finish
