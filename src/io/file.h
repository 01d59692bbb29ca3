/* Files: whole reads, atomic writes, folders, locks. Every failure names the path and the system's reason. */
#ifndef AYF_IO_FILE_H
#define AYF_IO_FILE_H

#include "base/base.h"

/* "folder/name" with exactly one slash between; `name` alone when the folder is empty or `name` is absolute.
 * NULL when there is no memory. Owned by the caller (ayf_free). */
char *ayf_path_join(ayf_context *ctx, const char *folder, const char *name);

/* What is behind the last slash; all of a path without one. */
const char *ayf_path_name(const char *path);

/* Cuts the name off a path that is not empty: "a/b" and "a/b/" become "a", "a" becomes ".", "/a" becomes "/". False for
 * "/" and ".". */
bool ayf_path_cut(char *path);

bool ayf_path_exists(const char *path);

/* AYF_OK for a regular file and for a link to one. A pipe, a socket or a device is AYF_E_FORMAT without being
 * opened: a read from it might wait for ever or never end. A folder and a path that is not there are AYF_E_IO. */
ayf_status ayf_check_regular(ayf_context *ctx, const char *path);

/* Makes `path` and its missing parents. Fine when it is already a folder. */
ayf_status ayf_make_folders(ayf_context *ctx, const char *path);

/* Reads a regular file whole; ayf_check_regular() says what others are. *bytes is ayf_alloc'd, 64-byte
 * aligned and followed by a NUL that is not counted in *size. More than `limit` bytes is AYF_E_FORMAT; limit
 * 0 = no limit. */
ayf_status ayf_file_read(ayf_context *ctx, const char *path, size_t limit, void **bytes, size_t *size);

/* A file read from its start, piece by piece. */
typedef struct ayf_file_reader {
    ayf_context *ctx;
    const char *path; /* the caller's */
    int fd;
    size_t size; /* of the whole file, 0 where the system does not say (/proc) */
} ayf_file_reader;

/* Refuses what ayf_check_regular() refuses. */
ayf_status ayf_file_reader_open(ayf_context *ctx, const char *path, ayf_file_reader *reader);
void ayf_file_reader_close(ayf_file_reader *reader);

/* The next `size` bytes; AYF_E_FORMAT when the file ends before. */
ayf_status ayf_file_reader_next(ayf_file_reader *reader, void *bytes, size_t size);

/* What is read next begins at byte `at`. */
ayf_status ayf_file_reader_seek(ayf_file_reader *reader, size_t at);

/* Replaces a file as a whole or not at all: the bytes go to a temporary file in the same folder, which is
 * synced and renamed over `path` at the end, then the folder is synced. Symbolic links are followed. A target
 * that is not a regular file (a device, a pipe) is written directly, and so are the open descriptors /dev/stdout,
 * /dev/stderr and /dev/fd/N, whatever they are. On failure the temporary file is gone and the old content is
 * untouched. */
typedef struct ayf_file_writer ayf_file_writer;

ayf_status ayf_file_begin(ayf_context *ctx, const char *path, ayf_file_writer **writer);

/* Failures stick: later puts do nothing and ayf_file_commit() fails. */
ayf_status ayf_file_put(ayf_file_writer *writer, const void *bytes, size_t size);

ayf_status ayf_file_commit(ayf_file_writer *writer); /* frees the writer, whatever it returns */
void ayf_file_cancel(ayf_file_writer *writer);       /* frees the writer and leaves the file as it was */

/* Whether ayf_file_begin() would succeed: for what takes hours before it writes. Leaves no file behind; pipes
 * and devices are not tried. */
ayf_status ayf_file_probe(ayf_context *ctx, const char *path);
/* The same of a file in a folder that exists, which messages call `shown`. */
ayf_status ayf_folder_probe(ayf_context *ctx, const char *folder, const char *shown);

/* Bytes that are free where `path` is or would be made; false: the system does not say. */
bool ayf_disk_free(const char *path, double *bytes);

/* Appends to an open file in one piece, or, as far as the system lets us, not at all (a full disk). `path` is
 * for the message. */
ayf_status ayf_file_append(ayf_context *ctx, int fd, const char *path, const void *bytes, size_t size);

/* begin, put, commit. */
ayf_status ayf_file_write(ayf_context *ctx, const char *path, const void *bytes, size_t size);

/* Removes the file; fine when there is none. */
ayf_status ayf_file_remove(ayf_context *ctx, const char *path);

#define AYF_FOLDER_LOCK ".lock" /* the file by which a folder is held */

/* Holds `folder` for this program until ayf_folder_unlock() or the end of the process, however it ends. A
 * folder already held is AYF_E_IO naming the folder and the process that holds it. The lock belongs to the
 * open file AYF_FOLDER_LOCK in the folder, so one left behind by a crash does not count. */
typedef struct ayf_folder_lock ayf_folder_lock;

ayf_status ayf_folder_lock_take(ayf_context *ctx, const char *folder, ayf_folder_lock **lock);
void ayf_folder_unlock(ayf_folder_lock *lock); /* NULL is fine */

/* Whether somebody holds `folder` now. False where the system does not say. */
bool ayf_folder_is_held(ayf_context *ctx, const char *folder);

/* AYF_E_IO with "<path>: cannot <doing>: <text of errno>" and a way out for the usual reasons. */
ayf_status ayf_fail_errno(ayf_context *ctx, int error, const char *doing, const char *path);

#endif
