# For the scripts here that use NVIDIA's libraries without a GPU; sourced by them.

# Every network of configs/ that has a size of its own.
networks="emoji16-teacher emoji16-weak mnist16-teacher mnist16-weak mnist32-teacher mnist32-weak shapes16-teacher shapes16-weak
    cifar10-teacher cifar10-weak"

# find_library NAME WITHOUT: $library is NVIDIA's file of this name, a pattern; exit code 77 and what is not done WITHOUT it
find_library() {
    # shellcheck disable=SC2231
    for library in "${CUDA_HOME:-/usr/local/cuda}"/lib*/$1 /usr/lib/*/$1; do
        [ ! -e "$library" ] || return 0
    done
    echo "$1 is not here, so $2"
    exit 77
}

unset LD_LIBRARY_PATH # NVIDIA's libraries would find the fake driver there
export AYF_THREADS=1
