/* Makes one request for memory fail in a program that was not built for it. A shared object for LD_PRELOAD:
 *
 *     FAIL_ALLOC=FIRST-LAST[/STEP] FAIL_ALLOC_LOG=log LD_PRELOAD=libfail_alloc.so ayf sample ...
 *
 * main() runs once in a child for every n of the range, and in it the n-th request after its start (malloc,
 * calloc, realloc, aligned_alloc, posix_memalign, memalign, anonymous mmap) finds no memory; with
 * FAIL_ALLOC_ON=1 so does every later one. The log gets a line "n status" per child: the exit code, or 1000
 * plus the number of the signal that ended it. The range ends with the first n that was never reached, and
 * the program itself then ends with 0. Without FAIL_ALLOC the program runs as usual. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#pragma GCC visibility push(default) /* what is replaced */

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);

static atomic_long requests;
static long fail_at; /* 0: none */
static bool fail_on;
static bool *reached; /* shared with the parent */

static bool fails(void) {
    if (!fail_at) return false;
    long n = ++requests;
    if (n >= fail_at) *reached = true;
    if (n != fail_at && !(fail_on && n > fail_at)) return false;
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size) { return fails() ? NULL : __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return fails() ? NULL : __libc_calloc(count, size); }
void *realloc(void *old, size_t size) { return fails() ? NULL : __libc_realloc(old, size); }
void *memalign(size_t alignment, size_t size) { return fails() ? NULL : __libc_memalign(alignment, size); }
void *aligned_alloc(size_t alignment, size_t size) { return memalign(alignment, size); }

int posix_memalign(void **out, size_t alignment, size_t size) {
    void *pointer = memalign(alignment, size);
    if (!pointer) return ENOMEM;
    *out = pointer;
    return 0;
}

typedef void *mmap_function(void *address, size_t size, int protection, int flags, int fd, off_t offset);

static void *next(const char *name) { return dlsym(RTLD_NEXT, name); }

void *mmap(void *address, size_t size, int protection, int flags, int fd, off_t offset) {
    static mmap_function *real;
    if ((flags & MAP_ANONYMOUS) && fails()) return MAP_FAILED;
    if (!real) *(void **)&real = next("mmap");
    return real(address, size, protection, flags, fd, offset);
}

typedef int main_function(int argc, char **argv, char **environment);
typedef int start_function(main_function *program, int argc, char **argv, void (*init)(void),
                           void (*finish)(void), void (*finish_loader)(void), void *stack_end);

static main_function *program;

static int run_range(int argc, char **argv, char **environment) {
    const char *range = getenv("FAIL_ALLOC"), *log = getenv("FAIL_ALLOC_LOG");
    long first = 1, last = 0, step = 1;
    if (!range || sscanf(range, "%ld-%ld/%ld", &first, &last, &step) < 2 || first < 1 || step < 1)
        return program(argc, argv, environment);
    fail_on = getenv("FAIL_ALLOC_ON") != NULL;
    int out = log ? open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666) : 2;
    reached = mmap(NULL, sizeof *reached, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (out < 0 || reached == MAP_FAILED) return 125;
    for (long n = first; n <= last; n += step) {
        *reached = false;
        pid_t child = fork();
        if (child < 0) return 125;
        if (child == 0) {
            fail_at = n;
            return program(argc, argv, environment);
        }
        int status;
        if (waitpid(child, &status, 0) != child) return 125;
        if (!*reached) break;
        dprintf(out, "%ld %d\n", n, WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status));
    }
    _exit(0);
}

int __libc_start_main(main_function *real_program, int argc, char **argv, void (*init)(void),
                      void (*finish)(void), void (*finish_loader)(void), void *stack_end);
int __libc_start_main(main_function *real_program, int argc, char **argv, void (*init)(void),
                      void (*finish)(void), void (*finish_loader)(void), void *stack_end) {
    start_function *real;
    *(void **)&real = next("__libc_start_main");
    program = real_program;
    return real(run_range, argc, argv, init, finish, finish_loader, stack_end);
}
