/* One target for libFuzzer: compiled with -DFUZZ_TARGET=<name> and -fsanitize=fuzzer. */
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);
size_t LLVMFuzzerMutate(uint8_t *bytes, size_t size, size_t capacity);
size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t capacity, unsigned seed);

#define JOIN(a, b) a##b
#define CALL(name, bytes, size) JOIN(fuzz_, name)(bytes, size)

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
    CALL(FUZZ_TARGET, bytes, size);
    return 0;
}

size_t LLVMFuzzerCustomMutator(uint8_t *bytes, size_t size, size_t capacity, unsigned seed) {
    size = LLVMFuzzerMutate(bytes, size, capacity);
    if (seed % 8 != 0) fuzz_repair(bytes, size);
    return size;
}
