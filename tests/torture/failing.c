/* A library to load before a program (LD_PRELOAD): it counts the operations that change files under a folder, and lets
 * the n-th of them fail. Nothing happens before `torture_arm`. FILE streams of libc write by calls that no library can
 * replace, so their functions are replaced instead. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define EXPORT __attribute__((visibility("default")))
#define REAL(type, name) ((type)dlsym(RTLD_NEXT, name))

enum { SPACE = 1, CHANGE = 2, SYNC = 4 }; /* it takes room; it changes the disk in another way; it waits for the disk */

static char prefix[PATH_MAX], last[PATH_MAX + 64];
static int kinds, error, sticky, armed, listed = -1;
static long number, count;

/* Operations are also listed, a line each with kind, name and path, in the file that TORTURE_LIST names; by a system
 * call, because `write` is replaced. */
static void list(int kind, const char *name, const char *path) {
    char line[PATH_MAX + 80];
    int length = snprintf(line, sizeof line, "%d %s %s\n", kind, name, path);
    if (listed >= 0) syscall(SYS_write, listed, line, length);
}

EXPORT void torture_arm(const char *folder, int which, int code, long n, int stays) {
    snprintf(prefix, sizeof prefix, "%s", folder);
    kinds = which, error = code, number = n, sticky = stays, last[0] = 0;
    __atomic_store_n(&count, 0, __ATOMIC_SEQ_CST);
    const char *file = getenv("TORTURE_LIST");
    if (file && n <= 0) listed = syscall(SYS_open, file, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    armed = 1;
}
EXPORT void torture_disarm(void) { armed = 0; }
EXPORT const char *torture_last(void) { return last; }

static int under(const char *path) {
    size_t length = strlen(prefix);
    return armed && !strncmp(path, prefix, length) && (path[length] == '/' || !path[length]);
}

/* Counts an operation; 0: it goes on, 1: it is the n-th, 2: it comes after and fails too. */
static int counted(int kind, const char *name, const char *path) {
    list(kind, name, path);
    if (!(kind & kinds)) return 0;
    long now = __atomic_add_fetch(&count, 1, __ATOMIC_SEQ_CST);
    if (now < number || number <= 0 || (now > number && !sticky)) return 0;
    if (now == number) snprintf(last, sizeof last, "%s %s", name, path);
    return now == number ? 1 : 2;
}

static int fails(int kind, const char *name, const char *path) {
    if (!under(path) || !counted(kind, name, path)) return 0;
    errno = error;
    return 1;
}

static const char *absolute(int folder, const char *path, char *buffer) {
    char link[64];
    if (path[0] == '/') return path;
    if (folder == AT_FDCWD) {
        if (!getcwd(buffer, PATH_MAX)) return path;
    } else {
        snprintf(link, sizeof link, "/proc/self/fd/%d", folder);
        ssize_t length = readlink(link, buffer, PATH_MAX - 1);
        if (length < 0) return path;
        buffer[length] = 0;
    }
    size_t used = strlen(buffer);
    snprintf(buffer + used, PATH_MAX - used, "/%s", path);
    return buffer;
}

static const char *of_descriptor(int descriptor, char *buffer) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, buffer, PATH_MAX - 1);
    buffer[length < 0 ? 0 : length] = 0;
    return buffer;
}

static int opening(int folder, const char *path, int flags) {
    char buffer[PATH_MAX];
    if (!armed || (flags & O_ACCMODE) == O_RDONLY) return 0;
    path = absolute(folder, path, buffer);
    int makes = flags & O_TMPFILE || (flags & O_CREAT && access(path, F_OK));
    return fails(makes ? SPACE : CHANGE, "open", path);
}

#define OPEN(name)                                                                     \
    EXPORT int name(const char *path, int flags, ...) {                                \
        va_list list; va_start(list, flags); mode_t mode = va_arg(list, mode_t); va_end(list); \
        if (opening(AT_FDCWD, path, flags)) return -1;                                 \
        return REAL(int (*)(const char *, int, ...), #name)(path, flags, mode);        \
    }
OPEN(open) OPEN(open64)
#define OPENAT(name)                                                                   \
    EXPORT int name(int folder, const char *path, int flags, ...) {                    \
        va_list list; va_start(list, flags); mode_t mode = va_arg(list, mode_t); va_end(list); \
        if (opening(folder, path, flags)) return -1;                                   \
        return REAL(int (*)(int, const char *, int, ...), #name)(folder, path, flags, mode); \
    }
OPENAT(openat) OPENAT(openat64)
#define FOPEN(name)                                                                    \
    EXPORT FILE *name(const char *path, const char *mode) {                            \
        if (strpbrk(mode, "wa+") && opening(AT_FDCWD, path, O_WRONLY | O_CREAT)) return NULL; \
        return REAL(FILE *(*)(const char *, const char *), #name)(path, mode);         \
    }
FOPEN(fopen) FOPEN(fopen64)

/* The write that fails first is cut short, as on a full disk; what comes after fails. */
static ssize_t writing(int descriptor, size_t size, size_t *kept) {
    char buffer[PATH_MAX];
    if (!armed) return 0;
    const char *path = of_descriptor(descriptor, buffer);
    if (!under(path)) return 0;
    int found = counted(SPACE, "write", path);
    if (found == 1 && sticky && size > 1) { *kept = size / 2; return 1; }
    if (found) { errno = error; return -1; }
    return 0;
}

EXPORT ssize_t write(int descriptor, const void *data, size_t size) {
    size_t kept = size;
    if (writing(descriptor, size, &kept) < 0) return -1;
    return REAL(ssize_t (*)(int, const void *, size_t), "write")(descriptor, data, kept);
}
#define PWRITE(name, type)                                                             \
    EXPORT ssize_t name(int descriptor, const void *data, size_t size, type place) {   \
        size_t kept = size;                                                            \
        if (writing(descriptor, size, &kept) < 0) return -1;                           \
        return REAL(ssize_t (*)(int, const void *, size_t, type), #name)(descriptor, data, kept, place); \
    }
PWRITE(pwrite, off_t) PWRITE(pwrite64, off64_t)
EXPORT ssize_t writev(int descriptor, const struct iovec *parts, int number_of) {
    size_t kept = 2;
    ssize_t found = writing(descriptor, 2, &kept);
    if (found < 0) return -1;
    if (found) return REAL(ssize_t (*)(int, const void *, size_t), "write")(descriptor, parts[0].iov_base, parts[0].iov_len / 2);
    return REAL(ssize_t (*)(int, const struct iovec *, int), "writev")(descriptor, parts, number_of);
}
EXPORT size_t fwrite(const void *data, size_t size, size_t items, FILE *file) {
    size_t kept = items;
    if (writing(fileno(file), items, &kept) < 0) return 0;
    return REAL(size_t (*)(const void *, size_t, size_t, FILE *), "fwrite")(data, size, kept, file);
}
#define COPY(name, ...)                                                                \
    { char buffer[PATH_MAX]; if (armed && fails(SPACE, name, of_descriptor(target, buffer))) return -1; }
EXPORT ssize_t sendfile(int target, int source, off_t *place, size_t size) {
    COPY("sendfile")
    return REAL(ssize_t (*)(int, int, off_t *, size_t), "sendfile")(target, source, place, size);
}
EXPORT ssize_t sendfile64(int target, int source, off64_t *place, size_t size) {
    COPY("sendfile")
    return REAL(ssize_t (*)(int, int, off64_t *, size_t), "sendfile64")(target, source, place, size);
}
EXPORT ssize_t copy_file_range(int source, off64_t *from, int target, off64_t *to, size_t size, unsigned flags) {
    COPY("copy_file_range")
    return REAL(ssize_t (*)(int, off64_t *, int, off64_t *, size_t, unsigned), "copy_file_range")(source, from, target, to, size, flags);
}

static int growing(int descriptor, off64_t size) {
    struct stat now;
    return fstat(descriptor, &now) || now.st_size < size ? SPACE : CHANGE;
}

#define ON_DESCRIPTOR(name, kind, types, values)                                       \
    EXPORT int name types {                                                            \
        char buffer[PATH_MAX];                                                         \
        if (armed && fails(kind, #name, of_descriptor(descriptor, buffer))) return -1; \
        return REAL(int(*) types, #name) values;                                       \
    }
ON_DESCRIPTOR(fsync, SYNC, (int descriptor), (descriptor))
ON_DESCRIPTOR(fdatasync, SYNC, (int descriptor), (descriptor))
ON_DESCRIPTOR(ftruncate, growing(descriptor, size), (int descriptor, off_t size), (descriptor, size))
ON_DESCRIPTOR(ftruncate64, growing(descriptor, size), (int descriptor, off64_t size), (descriptor, size))
ON_DESCRIPTOR(fallocate, SPACE, (int descriptor, int mode, off_t from, off_t size), (descriptor, mode, from, size))
ON_DESCRIPTOR(fchmod, CHANGE, (int descriptor, mode_t mode), (descriptor, mode))

#define ON_PATH(name, kind, types, values)                                             \
    EXPORT int name types {                                                            \
        char buffer[PATH_MAX];                                                         \
        if (armed && fails(kind, #name, absolute(AT_FDCWD, path, buffer))) return -1;  \
        return REAL(int(*) types, #name) values;                                       \
    }
ON_PATH(mkdir, SPACE, (const char *path, mode_t mode), (path, mode))
ON_PATH(unlink, CHANGE, (const char *path), (path))
ON_PATH(rmdir, CHANGE, (const char *path), (path))
ON_PATH(chmod, CHANGE, (const char *path, mode_t mode), (path, mode))
ON_PATH(rename, CHANGE, (const char *path, const char *target), (path, target))

#define ON_PATH_AT(name, kind, types, values)                                          \
    EXPORT int name types {                                                            \
        char buffer[PATH_MAX];                                                         \
        if (armed && path && fails(kind, #name, absolute(folder, path, buffer))) return -1; \
        return REAL(int(*) types, #name) values;                                       \
    }
ON_PATH_AT(mkdirat, SPACE, (int folder, const char *path, mode_t mode), (folder, path, mode))
ON_PATH_AT(unlinkat, CHANGE, (int folder, const char *path, int flags), (folder, path, flags))
ON_PATH_AT(fchmodat, CHANGE, (int folder, const char *path, mode_t mode, int flags), (folder, path, mode, flags))
ON_PATH_AT(utimensat, CHANGE, (int folder, const char *path, const struct timespec *times, int flags), (folder, path, times, flags))
ON_PATH_AT(renameat, CHANGE, (int folder, const char *path, int to, const char *target), (folder, path, to, target))
ON_PATH_AT(renameat2, CHANGE, (int folder, const char *path, int to, const char *target, unsigned flags), (folder, path, to, target, flags))
