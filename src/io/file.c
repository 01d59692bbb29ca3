#include "io/file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct ayf_file_writer {
    ayf_context *ctx;
    char *path;      /* as the caller wrote it, for messages */
    char *target;    /* with links resolved */
    char *temporary; /* NULL when written directly */
    int fd;
    ayf_status status;
};

struct ayf_folder_lock {
    ayf_context *ctx;
    int fd;
};

static const char *way_out(int error) {
    switch (error) {
    case ENOSPC:
    case EDQUOT:
        return "; free some space or write to another folder";
    case EFBIG:
        return "; raise the file size limit (ulimit -f) or write to another folder";
    case EACCES:
    case EPERM:
    case EROFS:
        return "; check its permissions or use another folder";
    case ENOENT:
        return "; check the path";
    case ELOOP:
        return "; a symbolic link is not followed here: put the file itself in its place, or remove it";
    case EMFILE:
    case ENFILE:
        return "; raise the limit of open files (ulimit -n)";
    default:
        return "";
    }
}

ayf_status ayf_fail_errno(ayf_context *ctx, int error, const char *doing, const char *path) {
    char text[128];
    /* strerror() is not safe when several contexts live in several threads. */
    const char *reason = strerror_r(error, text, sizeof text);
    return ayf_fail(ctx, error == ENOMEM ? AYF_E_MEMORY : AYF_E_IO, "%s: cannot %s: %s%s", path, doing,
                    reason, way_out(error));
}

char *ayf_path_join(ayf_context *ctx, const char *folder, const char *name) {
    size_t length = strlen(folder);
    if (length == 0 || name[0] == '/') return ayf_strdup(ctx, name);
    return ayf_format(ctx, "%s%s%s", folder, folder[length - 1] == '/' ? "" : "/", name);
}

const char *ayf_path_name(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

bool ayf_path_cut(char *path) {
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/') path[--length] = 0;
    if (strcmp(path, "/") == 0 || strcmp(path, ".") == 0) return false;
    char *slash = strrchr(path, '/');
    if (slash)
        slash[slash == path] = 0;
    else
        strcpy(path, ".");
    return true;
}

bool ayf_path_exists(const char *path) {
    struct stat info;
    return stat(path, &info) == 0;
}

/* The kind of a file in `mode`. */
static ayf_status check_kind(ayf_context *ctx, const char *path, mode_t mode) {
    if (S_ISREG(mode)) return AYF_OK;
    if (S_ISDIR(mode)) return ayf_fail(ctx, AYF_E_IO, "%s: is a folder, not a file", path);
    return ayf_fail(ctx, AYF_E_FORMAT, "%s: is %s, not a file; copy what it gives to a file and name that",
                    path,
                    S_ISFIFO(mode)   ? "a pipe"
                    : S_ISSOCK(mode) ? "a socket"
                                     : "a device");
}

ayf_status ayf_check_regular(ayf_context *ctx, const char *path) {
    struct stat info;
    if (stat(path, &info) != 0) return ayf_fail_errno(ctx, errno, "open", path);
    return check_kind(ctx, path, info.st_mode);
}

ayf_status ayf_make_folders(ayf_context *ctx, const char *path) {
    if (!*path) return ayf_fail(ctx, AYF_E_USAGE, "the name of a folder is empty");
    char *partial = ayf_strdup(ctx, path);
    if (!partial) return AYF_E_MEMORY;
    ayf_status status = AYF_OK;
    for (char *end = partial + 1; status == AYF_OK; end++) {
        if (*end && *end != '/') continue;
        char kept = *end;
        *end = 0;
        /* An existing parent may answer EROFS or EACCES rather than EEXIST: what counts is that it is there.
         */
        if (mkdir(partial, 0777) != 0) {
            int error = errno;
            struct stat info;
            if (stat(partial, &info) != 0)
                status = ayf_fail_errno(ctx, error, "make this folder", partial);
            else if (!S_ISDIR(info.st_mode))
                status = ayf_fail(ctx, AYF_E_IO,
                                  "%s: is a file where a folder is needed; remove it or use another "
                                  "folder",
                                  partial);
        }
        *end = kept;
        if (!kept) break;
    }
    ayf_free(ctx, partial);
    return status;
}

static int open_retry(const char *path, int flags) {
    int fd;
    do fd = open(path, flags | O_CLOEXEC, 0666);
    while (fd < 0 && errno == EINTR);
    return fd;
}

/* read() until `size` bytes or the end; -1 with errno. */
static ssize_t read_up_to(int fd, char *bytes, size_t size) {
    size_t done = 0;
    while (done < size) {
        ssize_t n = read(fd, bytes + done, size - done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) return -1;
        if (n == 0) break;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

ayf_status ayf_file_reader_open(ayf_context *ctx, const char *path, ayf_file_reader *reader) {
    AYF_TRY(ayf_check_regular(ctx, path));
    /* What has become a pipe since then is not waited for. */
    *reader = (ayf_file_reader){.ctx = ctx, .path = path, .fd = open_retry(path, O_RDONLY | O_NONBLOCK)};
    if (reader->fd < 0) return ayf_fail_errno(ctx, errno, "open", path);
    struct stat info;
    ayf_status status = fstat(reader->fd, &info) == 0 ? check_kind(ctx, path, info.st_mode)
                                                      : ayf_fail_errno(ctx, errno, "read", path);
    if (status == AYF_OK && info.st_size > 0) reader->size = (size_t)info.st_size;
    if (status != AYF_OK) ayf_file_reader_close(reader);
    return status;
}

void ayf_file_reader_close(ayf_file_reader *reader) {
    close(reader->fd);
    reader->fd = -1;
}

ayf_status ayf_file_reader_next(ayf_file_reader *reader, void *bytes, size_t size) {
    ssize_t n = read_up_to(reader->fd, bytes, size);
    if (n < 0) return ayf_fail_errno(reader->ctx, errno, "read", reader->path);
    if ((size_t)n == size) return AYF_OK;
    return ayf_fail(reader->ctx, AYF_E_FORMAT, "%s: became shorter while it was read; read it again",
                    reader->path);
}

ayf_status ayf_file_reader_seek(ayf_file_reader *reader, size_t at) {
    if (lseek(reader->fd, (off_t)at, SEEK_SET) >= 0) return AYF_OK;
    return ayf_fail_errno(reader->ctx, errno, "read", reader->path);
}

static ayf_status read_all(const ayf_file_reader *reader, size_t limit, char **bytes, size_t *size) {
    ayf_context *ctx = reader->ctx;
    const char *path = reader->path;
    size_t known = reader->size;
    if (limit && known > limit)
        return ayf_fail(ctx, AYF_E_FORMAT, "%s: has %zu bytes, which is too large: at most %zu are read here",
                        path, known, limit);
    size_t used = 0, capacity = known ? known + 2 : 4096;
    char *data = ayf_alloc(ctx, capacity, 1);
    if (!data) return AYF_E_MEMORY;
    for (;;) {
        ssize_t n = read_up_to(reader->fd, data + used, capacity - 1 - used);
        if (n < 0) {
            ayf_status status = ayf_fail_errno(ctx, errno, "read", path);
            ayf_free(ctx, data);
            return status;
        }
        used += (size_t)n;
        if (limit && used > limit) {
            ayf_free(ctx, data);
            return ayf_fail(ctx, AYF_E_FORMAT, "%s: is too large: at most %zu bytes are read here", path,
                            limit);
        }
        if (used < capacity - 1) break;
        if (ayf_reserve(ctx, &data, used + 1, &capacity, 1) != AYF_OK) {
            ayf_free(ctx, data);
            return AYF_E_MEMORY;
        }
    }
    data[used] = 0;
    *bytes = data;
    *size = used;
    return AYF_OK;
}

ayf_status ayf_file_remove(ayf_context *ctx, const char *path) {
    return unlink(path) == 0 || errno == ENOENT ? AYF_OK : ayf_fail_errno(ctx, errno, "remove", path);
}

ayf_status ayf_file_read(ayf_context *ctx, const char *path, size_t limit, void **bytes, size_t *size) {
    *bytes = NULL;
    *size = 0;
    ayf_file_reader reader;
    AYF_TRY(ayf_file_reader_open(ctx, path, &reader));
    char *data = NULL;
    ayf_status status = read_all(&reader, limit, &data, size);
    *bytes = data;
    ayf_file_reader_close(&reader);
    return status;
}

static void free_writer(ayf_file_writer *writer) {
    ayf_context *ctx = writer->ctx;
    if (writer->fd >= 0) close(writer->fd);
    ayf_free(ctx, writer->path);
    ayf_free(ctx, writer->target);
    ayf_free(ctx, writer->temporary);
    ayf_free(ctx, writer);
}

static ayf_status open_temporary(ayf_file_writer *writer) {
    for (int attempt = 0; attempt < 1000; attempt++) {
        ayf_free(writer->ctx, writer->temporary);
        writer->temporary = ayf_format(writer->ctx, "%s.%ld-%d.tmp", writer->target, (long)getpid(), attempt);
        if (!writer->temporary) return AYF_E_MEMORY;
        writer->fd = open_retry(writer->temporary, O_WRONLY | O_CREAT | O_EXCL);
        if (writer->fd >= 0) return AYF_OK;
        if (errno != EEXIST) break;
    }
    return ayf_fail_errno(writer->ctx, errno, "write", writer->path);
}

/* The descriptor that /dev/stdout, /dev/stderr or /dev/fd/N names; -1: another path. What lies behind it may be a
 * file that the shell has opened, which must be written on and not replaced. */
static int descriptor_of(const char *path) {
    static const char numbered[] = "/dev/fd/";
    if (strcmp(path, "/dev/stdout") == 0) return STDOUT_FILENO;
    if (strcmp(path, "/dev/stderr") == 0) return STDERR_FILENO;
    if (strncmp(path, numbered, sizeof numbered - 1) != 0) return -1;
    const char *digits = path + sizeof numbered - 1;
    size_t length = strspn(digits, "0123456789");
    return length && length < 7 && !digits[length] ? atoi(digits) : -1;
}

/* Messages call the file `shown`. */
static ayf_status begin_file(ayf_context *ctx, const char *path, const char *shown, ayf_file_writer **out) {
    *out = NULL;
    ayf_file_writer *writer = ayf_alloc(ctx, 1, sizeof *writer);
    if (!writer) return AYF_E_MEMORY;
    *writer = (ayf_file_writer){.ctx = ctx, .fd = -1};
    char resolved[PATH_MAX];
    writer->path = ayf_strdup(ctx, shown);
    writer->target = ayf_strdup(ctx, realpath(path, resolved) ? resolved : path);
    ayf_status status = writer->path && writer->target ? AYF_OK : AYF_E_MEMORY;
    struct stat info;
    int descriptor = descriptor_of(path);
    if (status == AYF_OK) {
        bool exists = stat(writer->target, &info) == 0;
        if (descriptor >= 0) {
            int mode = fcntl(descriptor, F_GETFL);
            if (mode >= 0 && (mode & O_ACCMODE) == O_RDONLY)
                errno = EBADF;
            else
                writer->fd = fcntl(descriptor, F_DUPFD_CLOEXEC, 0);
            if (writer->fd < 0) status = ayf_fail_errno(ctx, errno, "write", shown);
        } else if (exists && S_ISDIR(info.st_mode)) {
            status = ayf_fail(ctx, AYF_E_IO, "%s: is a folder; give the name of a file", shown);
        } else if (exists && !S_ISREG(info.st_mode)) {
            writer->fd = open_retry(writer->target, O_WRONLY);
            if (writer->fd < 0) status = ayf_fail_errno(ctx, errno, "write", shown);
        } else {
            status = open_temporary(writer);
        }
    }
    if (status != AYF_OK) {
        free_writer(writer);
        return status;
    }
    *out = writer;
    return AYF_OK;
}

ayf_status ayf_file_begin(ayf_context *ctx, const char *path, ayf_file_writer **out) {
    return begin_file(ctx, path, path, out);
}

void ayf_file_cancel(ayf_file_writer *writer) {
    if (writer->temporary) unlink(writer->temporary);
    free_writer(writer);
}

static ayf_status probe(ayf_context *ctx, const char *path, const char *shown) {
    struct stat info;
    bool special = stat(path, &info) == 0 && !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode);
    /* Opening a pipe may block, and its reader would see an end. */
    if (special && descriptor_of(path) < 0) return AYF_OK;
    ayf_file_writer *writer;
    AYF_TRY(begin_file(ctx, path, shown, &writer));
    ayf_file_cancel(writer);
    return AYF_OK;
}

ayf_status ayf_file_probe(ayf_context *ctx, const char *path) { return probe(ctx, path, path); }

ayf_status ayf_folder_probe(ayf_context *ctx, const char *folder, const char *shown) {
    char *path = ayf_path_join(ctx, folder, "ayf-probe");
    ayf_status status = path ? probe(ctx, path, shown) : AYF_E_MEMORY;
    ayf_free(ctx, path);
    return status;
}

ayf_status ayf_file_put(ayf_file_writer *writer, const void *bytes, size_t size) {
    const char *p = bytes;
    while (writer->status == AYF_OK && size) {
        ssize_t n = write(writer->fd, p, size);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            writer->status = ayf_fail_errno(writer->ctx, errno, "write", writer->path);
        } else {
            p += n;
            size -= (size_t)n;
        }
    }
    return writer->status;
}

/* Makes a rename survive a power cut. Some file systems cannot sync a folder; the file itself is synced. */
static void sync_parent(const char *path) {
    char folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) : 0;
    if (length >= sizeof folder) return;
    memcpy(folder, path, length);
    folder[length] = 0;
    int fd = open_retry(length ? folder : slash ? "/" : ".", O_RDONLY | O_DIRECTORY);
    if (fd < 0) return;
    fsync(fd);
    close(fd);
}

ayf_status ayf_file_commit(ayf_file_writer *writer) {
    ayf_status status = writer->status;
    if (status == AYF_OK && writer->temporary && fsync(writer->fd) != 0)
        status = ayf_fail_errno(writer->ctx, errno, "write", writer->path);
    /* close() can be the first to report that the disk is full (network file systems). */
    if (close(writer->fd) != 0 && status == AYF_OK)
        status = ayf_fail_errno(writer->ctx, errno, "write", writer->path);
    writer->fd = -1;
    if (status == AYF_OK && writer->temporary) {
        if (rename(writer->temporary, writer->target) != 0)
            status = ayf_fail_errno(writer->ctx, errno, "replace", writer->path);
        else
            sync_parent(writer->target);
    }
    if (status != AYF_OK && writer->temporary) unlink(writer->temporary);
    free_writer(writer);
    return status;
}

ayf_status ayf_file_write(ayf_context *ctx, const char *path, const void *bytes, size_t size) {
    ayf_file_writer *writer;
    AYF_TRY(ayf_file_begin(ctx, path, &writer));
    ayf_file_put(writer, bytes, size); /* sticky: commit reports it */
    return ayf_file_commit(writer);
}

static ayf_status fail_held(ayf_context *ctx, const char *folder, int fd) {
    char pid[24] = "";
    ssize_t n = read_up_to(fd, pid, sizeof pid - 1);
    pid[n > 0 ? strspn(pid, "0123456789") : 0] = 0;
    return ayf_fail(ctx, AYF_E_IO,
                    "%s: process %s is already running in this folder; wait for it, stop it or use another "
                    "folder",
                    folder, *pid ? pid : "(unknown)");
}

static bool is_at(int fd, const char *path) {
    struct stat held, there;
    return fstat(fd, &held) == 0 && stat(path, &there) == 0 && held.st_ino == there.st_ino &&
           held.st_dev == there.st_dev;
}

/* The lock of `path` in *fd. Whoever abandons a folder removes the file while holding it, so what was locked may be
 * gone from its path: then again. */
static ayf_status hold(ayf_context *ctx, const char *folder, const char *path, int *fd) {
    for (;;) {
        int result;
        *fd = open_retry(path, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK);
        if (*fd < 0 && errno == ELOOP) return ayf_fail_errno(ctx, errno, "write", path);
        if (*fd < 0) return ayf_fail_errno(ctx, errno, "use this folder", folder);
        do result = flock(*fd, LOCK_EX | LOCK_NB);
        while (result != 0 && errno == EINTR);
        if (result != 0 && errno == EWOULDBLOCK) return fail_held(ctx, folder, *fd);
        if (result != 0) /* a file system without locks: the run is worth more than the guard */
            ayf_say(ctx, "%s: this file system has no locks; do not start a second run here", folder);
        if (result != 0 || is_at(*fd, path)) return AYF_OK;
        close(*fd);
    }
}

ayf_status ayf_folder_lock_take(ayf_context *ctx, const char *folder, ayf_folder_lock **out) {
    *out = NULL;
    ayf_folder_lock *lock = ayf_alloc(ctx, 1, sizeof *lock);
    char *path = lock ? ayf_path_join(ctx, folder, AYF_FOLDER_LOCK) : NULL;
    if (!path) {
        ayf_free(ctx, lock);
        return AYF_E_MEMORY;
    }
    lock->ctx = ctx;
    ayf_status status = hold(ctx, folder, path, &lock->fd);
    if (status == AYF_OK) {
        char pid[24];
        int length = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
        if (ftruncate(lock->fd, 0) != 0 || pwrite(lock->fd, pid, (size_t)length, 0) != length)
            status = ayf_fail_errno(ctx, errno, "write", path);
    }
    ayf_free(ctx, path);
    if (status != AYF_OK) {
        if (lock->fd >= 0) close(lock->fd);
        ayf_free(ctx, lock);
        return status;
    }
    *out = lock;
    return AYF_OK;
}

void ayf_folder_unlock(ayf_folder_lock *lock) {
    if (!lock) return;
    /* The file stays: unlinking it would let two later runs hold two different files of the same name. */
    (void)!ftruncate(lock->fd, 0);
    close(lock->fd);
    ayf_free(lock->ctx, lock);
}

/* The lock is only tried when its file names a process, as a crash leaves it, so that whoever takes it meanwhile is not
 * in the way of this. */
bool ayf_folder_is_held(ayf_context *ctx, const char *folder) {
    char *path = ayf_path_join(ctx, folder, AYF_FOLDER_LOCK), pid;
    int fd = path ? open_retry(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK) : -1;
    ayf_free(ctx, path);
    if (fd < 0) return false;
    bool held = read_up_to(fd, &pid, 1) == 1 && flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    close(fd);
    return held;
}

ayf_status ayf_file_append(ayf_context *ctx, int fd, const char *path, const void *bytes, size_t size) {
    const char *from = bytes;
    off_t start = lseek(fd, 0, SEEK_END);
    for (size_t done = 0; done < size;) {
        ssize_t n = write(fd, from + done, size - done);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) {
            int error = errno;
            if (start >= 0) (void)!ftruncate(fd, start);
            return ayf_fail_errno(ctx, error, "write", path);
        }
        done += (size_t)n;
    }
    return AYF_OK;
}
