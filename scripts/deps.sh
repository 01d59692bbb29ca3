#!/bin/sh
# scripts/deps.sh [browser|format|fuzz|locale|mpi|python]
# Installs what building, testing and the demo need with apt (Debian, Ubuntu), as root or with sudo, and says what. Does
# nothing when everything is there; without apt it names what is missing and stops.
set -eu

missing=""
need() { missing="$missing $1"; }
have() { command -v "$1" >/dev/null 2>&1; }

have cc && have c++ || need build-essential
have meson || need meson
have ninja || need ninja-build
have pkg-config || need pkg-config
# name of the pkg-config file, name of the package
while read -r module package; do
    have pkg-config && pkg-config --exists "$module" || need "$package"
done <<EOF
libpng libpng-dev
libjpeg libjpeg-dev
libwebp libwebp-dev
libzip libzip-dev
zlib zlib1g-dev
jansson libjansson-dev
yaml-0.1 libyaml-dev
cmocka libcmocka-dev
openblas libopenblas-serial-dev
EOF
# oneDNN has no pkg-config file everywhere.
have cc && echo '#include <oneapi/dnnl/dnnl.h>' | cc -E - >/dev/null 2>&1 || need libdnnl-dev
have cc && echo '#include <Random123/philox.h>' | cc -E - >/dev/null 2>&1 || need librandom123-dev
# The pictures of the demo.
[ -e /usr/share/fonts/truetype/noto/NotoColorEmoji.ttf ] || need fonts-noto-color-emoji
case "${1:-}" in
browser) have chromium || have chromium-browser || have google-chrome || need chromium ;; # opens a page of ayf report
format) have clang-format || need clang-format ;;
locale) [ -e /usr/share/i18n/locales/de_DE ] || need locales ;; # a test with a decimal comma is skipped without
python) /usr/bin/python3 -c "import numpy" 2>/dev/null || need python3-numpy ;; # the tests of the Python package
mpi) have mpirun && have pkg-config && pkg-config --exists mpi-c || need "libopenmpi-dev openmpi-bin" ;;
fuzz) have clang && echo "#include <omp.h>" | clang -fopenmp -E - >/dev/null 2>&1 || need "clang libclang-rt-dev libomp-dev" ;;
esac

[ -n "$missing" ] || exit 0

if ! have apt-get; then
    echo "deps.sh: there is no apt-get here. Install what your system has for these Debian packages:" >&2
    echo "   $missing" >&2
    exit 1
fi
as_root=""
if [ "$(id -u)" != 0 ]; then
    if ! have sudo; then
        echo "deps.sh: run this as root:  apt-get install$missing" >&2
        exit 1
    fi
    as_root="sudo"
fi
echo "deps.sh: installing$missing" >&2
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -qq >&2
# shellcheck disable=SC2086
$as_root apt-get install -y --no-install-recommends $missing >&2
