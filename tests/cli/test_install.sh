#!/bin/sh
# tests/cli/test_install.sh BUILD_FOLDER SOURCE_ROOT [SANITIZERS]
# Installs into a folder of its own, builds the example with nothing but pkg-config and runs it.
set -u
build=$1
root=$2
sanitizers=${3:-none}
. "$(dirname "$0")/../support/cases.sh"
cd "$work" || exit 1
: >out && : >err
export AYF_THREADS=1
flags="-Wall -Wextra -Werror -std=c11"
[ "$sanitizers" = none ] || flags="$flags -fsanitize=$sanitizers"

expect "install" 0 meson install -C "$build" --no-rebuild --destdir "$work/installed"
pc=$(find "$work/installed" -name ayf.pc)
library=$(find "$work/installed" -name libayf.so)
program=$(find "$work/installed" -name ayf -type f)
exists "$pc" && exists "$library" && exists "$program"
export PKG_CONFIG_PATH="${pc%/*}" PKG_CONFIG_SYSROOT_DIR="$work/installed"
export LD_LIBRARY_PATH="${library%/*}"

expect "pkg-config knows the library" 0 pkg-config --cflags --libs ayf
prints "-layf"
expect "the header's version is the library's" 0 "$program" --version
version=$(sed -n 's/^#define AYF_VERSION "\(.*\)"/\1/p' "$root/include/ayf/context.h")
prints "ayf $version" && [ "$version" = "$(pkg-config --modversion ayf)" ] || bad "pkg-config has another version"
# shellcheck disable=SC2086,SC2046
expect "the example builds" 0 ${CC:-cc} $flags "$root/examples/generate.c" -o generate $(pkg-config --cflags --libs ayf)
expect "the installed program runs" 0 env -u LD_LIBRARY_PATH "$program" train run --data builtin:shapes --steps 1 \
    --batch 2 --set data.resolution=8 --set model.channels=8 --set model.multipliers=1 --set model.blocks=1 \
    --set train.lr_warmup=0
expect "the example draws" 0 ./generate run/model.safetensors images.png 2
exists images.png
expect "the picture is one" 0 "$program" info images.png
prints "image"
expect "the example reports a bad file" 1 ./generate nowhere.safetensors images.png
says "nowhere.safetensors"
finish
