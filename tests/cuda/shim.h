/* Makes the text of CUDA kernels plain C, and runs it on the processor. It is included in front of the text.
 *
 * AYF_FIBERS: one fiber per thread of a block, which a barrier or a shuffle switches; a warp runs up to its next barrier
 * before the next warp runs. AYF_REVERSE in the environment runs blocks and threads backwards. Both orders are needed to
 * see that a barrier is missing. Otherwise a block is one thread. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int block_now, block_count, lane_now, line_now;
#define BLOCK block_now
#define BLOCKS block_count
#define LANE lane_now
#define LINE line_now
#define POINTER(i) pointers.at[i]
#define SHARED static
#define INLINE static inline
#define UNROLL
#define ALIGN(bytes) __attribute__((aligned(bytes)))
#define KERNEL(name, n, threads)                                                                             \
    struct name##_pointers {                                                                                 \
        void *at[n];                                                                                         \
    };                                                                                                       \
    const size_t name##_size = sizeof(struct name##_pointers);                                               \
    static void name##_body(const struct name##_pointers pointers);                                          \
    void name(const void *from) { name##_body(*(const struct name##_pointers *)from); }                      \
    static void name##_body(const struct name##_pointers pointers)

INLINE unsigned BITS(float x) {
    unsigned bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

INLINE float REAL(unsigned bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

INLINE const void *aligned(const void *pointer, size_t bytes) {
    if ((uintptr_t)pointer % bytes == 0) return pointer;
    fprintf(stderr, "an access to %zu bytes at once is not aligned\n", bytes);
    abort();
}
#define ALIGNED(pointer, bytes) ((void *)aligned(pointer, bytes))

typedef void kernel_fn(const void *pointers);

#ifndef AYF_FIBERS
#define THREADS(n) 1
#define SYNC() ((void)0)
#define SHUFFLE(value, away) (value) /* not called: nobody is away */

void ayf_run_grid(kernel_fn *kernel, const void *pointers, int blocks, int tx, int ty, char *stack) {
    (void)tx;
    (void)ty;
    (void)stack;
    block_count = blocks;
    for (block_now = 0; block_now < blocks; block_now++) kernel(pointers);
}

#else
#include <ucontext.h>
#define THREADS(n) n
#define SYNC() meet(AT_BARRIER)
#define SHUFFLE(value, away) shuffle(value, away)

enum { STACK = 64 * 1024 /* as in fake_driver.c */, MOST = 1024, WARP_SIZE = 32 };
enum { RUNNING, AT_SHUFFLE, AT_BARRIER, ENDED };
static ucontext_t home, fiber[MOST];
static char *stacks;
static int state[MOST], current;
static float given[MOST];
static kernel_fn *running;
static const void *handed;

static void meet(int where) {
    int me = current;
    state[me] = where;
    swapcontext(&fiber[me], &home);
}

static float shuffle(float value, int away) {
    int me = current;
    given[me] = value;
    meet(AT_SHUFFLE);
    value = given[me ^ away];
    meet(AT_SHUFFLE); /* before anybody gives another value */
    return value;
}

static void enter(void) {
    running(handed);
    state[current] = ENDED;
    swapcontext(&fiber[current], &home);
}

static void stop(const char *why) {
    fprintf(stderr, "%s\n", why);
    abort();
}

/* Up to the barrier or to the end. */
static void run_warp(int first, int threads, int tx, int reverse) {
    for (int at[ENDED + 1] = {0}; at[AT_BARRIER] + at[ENDED] < threads;) {
        memset(at, 0, sizeof at);
        for (int k = 0; k < threads; k++) {
            int i = first + (reverse ? threads - 1 - k : k);
            if (state[i] == RUNNING || state[i] == AT_SHUFFLE) {
                current = i;
                lane_now = i % tx;
                line_now = i / tx;
                swapcontext(&home, &fiber[i]);
            }
            at[state[i]]++;
        }
        if (at[AT_SHUFFLE] && at[AT_SHUFFLE] < threads) stop("a thread shuffles, others of its warp do not");
    }
}

static void run_block(int tx, int threads, int reverse) {
    if (threads % WARP_SIZE != 0) stop("a warp is not full");
    for (int i = 0; i < threads; i++) {
        getcontext(&fiber[i]);
        fiber[i].uc_stack.ss_sp = stacks + (size_t)i * STACK;
        fiber[i].uc_stack.ss_size = STACK;
        fiber[i].uc_link = &home;
        makecontext(&fiber[i], enter, 0);
        state[i] = RUNNING;
    }
    for (int ended = 0; ended < threads;) {
        ended = 0;
        for (int first = 0; first < threads; first += WARP_SIZE)
            run_warp(reverse ? threads - WARP_SIZE - first : first, WARP_SIZE, tx, reverse);
        for (int i = 0; i < threads; i++) {
            ended += state[i] == ENDED;
            if (state[i] == AT_BARRIER) state[i] = RUNNING;
        }
        if (ended && ended < threads) stop("a thread ended while others of its block wait at a barrier");
    }
}

void ayf_run_grid(kernel_fn *kernel, const void *pointers, int blocks, int tx, int ty, char *stack) {
    int reverse = getenv("AYF_REVERSE") != NULL;
    stacks = stack;
    running = kernel;
    handed = pointers;
    block_count = blocks;
    for (int b = 0; b < blocks; b++) {
        block_now = reverse ? blocks - 1 - b : b;
        run_block(tx, tx * ty, reverse);
    }
}
#endif
