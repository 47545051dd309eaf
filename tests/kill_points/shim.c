/* Stands before every call of the C library that changes a file system, or answers that a change is on the disk, and
 * can end the process there, or make the call fail. Loaded with LD_PRELOAD; does nothing until a test arms it. Knows no scenario.
 *
 * kill_points_arm(n, e): the n-th call from now on (from 1) kills the process with SIGKILL before anything is done,
 * or, with e, fails with that errno; n = 0 only counts. That no call is missing here is proved by strace. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/xattr.h>
#include <unistd.h>
#include <utime.h>

#define MOST 65536

static int armed, target, failure, count;
static const char *names[MOST];

void kill_points_arm(int at, int with_errno) {
    count = 0;
    target = at;
    failure = with_errno;
    armed = 1;
}

int kill_points_disarm(void) {
    armed = 0;
    return count;
}

const char *kill_points_name(int number) { return names[number]; }

/* Whether the call that is about to be made is to fail; errno is set then. */
static int fails(const char *name) {
    if (!armed)
        return 0;
    if (count < MOST)
        names[count] = name;
    if (++count != target)
        return 0;
    if (!failure)
        kill(getpid(), SIGKILL);
    errno = failure;
    return 1;
}

static void *find(void **known, const char *name) {
    if (!*known)
        *known = dlsym(RTLD_NEXT, name);
    return *known;
}

#define REAL(name, type) ((type)find(&real_##name, #name))

/* A call `name` of the library, which makes the system call `syscall`. */
#define WRAP(result, name, syscall, parameters, arguments)                                                             \
    static void *real_##name;                                                                                          \
    result name parameters {                                                                                           \
        if (fails(syscall))                                                                                            \
            return -1;                                                                                                 \
        return REAL(name, result(*) parameters) arguments;                                                             \
    }

/* open: only where it makes a file, empties one, or makes one without a name. */
static int changes(int flags) { return (flags & (O_CREAT | O_TRUNC)) || (flags & O_TMPFILE) == O_TMPFILE; }

#define WRAP_OPEN(name)                                                                                                \
    static void *real_##name;                                                                                          \
    int name(const char *path, int flags, ...) {                                                                       \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode_t mode = changes(flags) ? va_arg(rest, mode_t) : 0;                                                       \
        va_end(rest);                                                                                                  \
        if (changes(flags) && fails("openat"))                                                                         \
            return -1;                                                                                                 \
        return REAL(name, int (*)(const char *, int, ...))(path, flags, mode);                                         \
    }

#define WRAP_OPENAT(name)                                                                                              \
    static void *real_##name;                                                                                          \
    int name(int dir, const char *path, int flags, ...) {                                                              \
        va_list rest;                                                                                                  \
        va_start(rest, flags);                                                                                         \
        mode_t mode = changes(flags) ? va_arg(rest, mode_t) : 0;                                                       \
        va_end(rest);                                                                                                  \
        if (changes(flags) && fails("openat"))                                                                         \
            return -1;                                                                                                 \
        return REAL(name, int (*)(int, const char *, int, ...))(dir, path, flags, mode);                               \
    }

WRAP_OPEN(open)
WRAP_OPEN(open64)
WRAP_OPENAT(openat)
WRAP_OPENAT(openat64)
WRAP(int, creat, "creat", (const char *p, mode_t m), (p, m))
WRAP(int, creat64, "creat", (const char *p, mode_t m), (p, m))

WRAP(ssize_t, write, "write", (int f, const void *b, size_t n), (f, b, n))
WRAP(ssize_t, pwrite, "pwrite64", (int f, const void *b, size_t n, off_t o), (f, b, n, o))
WRAP(ssize_t, pwrite64, "pwrite64", (int f, const void *b, size_t n, off_t o), (f, b, n, o))
WRAP(ssize_t, writev, "writev", (int f, const struct iovec *v, int n), (f, v, n))
WRAP(ssize_t, pwritev, "pwritev", (int f, const struct iovec *v, int n, off_t o), (f, v, n, o))
WRAP(ssize_t, pwritev64, "pwritev", (int f, const struct iovec *v, int n, off_t o), (f, v, n, o))
WRAP(ssize_t, pwritev2, "pwritev2", (int f, const struct iovec *v, int n, off_t o, int g), (f, v, n, o, g))
WRAP(ssize_t, pwritev64v2, "pwritev2", (int f, const struct iovec *v, int n, off_t o, int g), (f, v, n, o, g))
WRAP(ssize_t, sendfile, "sendfile", (int t, int f, off_t *o, size_t n), (t, f, o, n))
WRAP(ssize_t, sendfile64, "sendfile", (int t, int f, off_t *o, size_t n), (t, f, o, n))
WRAP(ssize_t, splice, "splice", (int f, off_t *a, int t, off_t *b, size_t n, unsigned g), (f, a, t, b, n, g))
WRAP(ssize_t, copy_file_range, "copy_file_range", (int f, off_t *a, int t, off_t *b, size_t n, unsigned g),
     (f, a, t, b, n, g))
WRAP(int, truncate, "truncate", (const char *p, off_t n), (p, n))
WRAP(int, truncate64, "truncate", (const char *p, off_t n), (p, n))
WRAP(int, ftruncate, "ftruncate", (int f, off_t n), (f, n))
WRAP(int, ftruncate64, "ftruncate", (int f, off_t n), (f, n))
WRAP(int, fallocate, "fallocate", (int f, int m, off_t o, off_t n), (f, m, o, n))
WRAP(int, fallocate64, "fallocate", (int f, int m, off_t o, off_t n), (f, m, o, n))
WRAP(int, posix_fallocate, "fallocate", (int f, off_t o, off_t n), (f, o, n))
WRAP(int, posix_fallocate64, "fallocate", (int f, off_t o, off_t n), (f, o, n))

/* A disk that could not write forgets: what a failed fsync was for is gone. Not from a database, most of which was on
 * the disk before; SQLite keeps what it is about to change elsewhere until it has heard a yes. */
static void forget(int file) {
    char link[64], name[4096];
    struct stat seen;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, name, sizeof name - 1);
    if (length < 0 || fstat(file, &seen) || !S_ISREG(seen.st_mode))
        return;
    name[length] = 0;
    if (strstr(name, ".db"))
        return;
    armed = 0; /* this is the disk's doing */
    if (ftruncate(file, 0)) {
    }
    armed = 1;
}

static void *real_fsync;
int fsync(int file) {
    if (fails("fsync")) {
        forget(file);
        errno = failure;
        return -1;
    }
    return REAL(fsync, int (*)(int))(file);
}
WRAP(int, fdatasync, "fdatasync", (int f), (f))
WRAP(int, syncfs, "syncfs", (int f), (f))
WRAP(int, sync_file_range, "sync_file_range", (int f, off_t o, off_t n, unsigned g), (f, o, n, g))

WRAP(int, rename, "rename", (const char *a, const char *b), (a, b))
WRAP(int, renameat, "renameat", (int f, const char *a, int t, const char *b), (f, a, t, b))
WRAP(int, renameat2, "renameat2", (int f, const char *a, int t, const char *b, unsigned g), (f, a, t, b, g))
WRAP(int, link, "link", (const char *a, const char *b), (a, b))
WRAP(int, linkat, "linkat", (int f, const char *a, int t, const char *b, int g), (f, a, t, b, g))
WRAP(int, symlink, "symlink", (const char *a, const char *b), (a, b))
WRAP(int, symlinkat, "symlinkat", (const char *a, int t, const char *b), (a, t, b))
WRAP(int, unlink, "unlink", (const char *p), (p))
WRAP(int, unlinkat, "unlinkat", (int d, const char *p, int g), (d, p, g))
WRAP(int, remove, "unlink", (const char *p), (p))
WRAP(int, rmdir, "rmdir", (const char *p), (p))
WRAP(int, mkdir, "mkdir", (const char *p, mode_t m), (p, m))
WRAP(int, mkdirat, "mkdirat", (int d, const char *p, mode_t m), (d, p, m))
WRAP(int, mkfifo, "mknodat", (const char *p, mode_t m), (p, m))
WRAP(int, mkfifoat, "mknodat", (int d, const char *p, mode_t m), (d, p, m))
WRAP(int, mknod, "mknod", (const char *p, mode_t m, dev_t v), (p, m, v))
WRAP(int, mknodat, "mknodat", (int d, const char *p, mode_t m, dev_t v), (d, p, m, v))

WRAP(int, chmod, "chmod", (const char *p, mode_t m), (p, m))
WRAP(int, fchmod, "fchmod", (int f, mode_t m), (f, m))
WRAP(int, fchmodat, "fchmodat", (int d, const char *p, mode_t m, int g), (d, p, m, g))
WRAP(int, chown, "chown", (const char *p, uid_t u, gid_t g), (p, u, g))
WRAP(int, lchown, "lchown", (const char *p, uid_t u, gid_t g), (p, u, g))
WRAP(int, fchown, "fchown", (int f, uid_t u, gid_t g), (f, u, g))
WRAP(int, fchownat, "fchownat", (int d, const char *p, uid_t u, gid_t g, int w), (d, p, u, g, w))
WRAP(int, utime, "utime", (const char *p, const struct utimbuf *t), (p, t))
WRAP(int, utimes, "utimensat", (const char *p, const struct timeval t[2]), (p, t))
WRAP(int, futimens, "utimensat", (int f, const struct timespec t[2]), (f, t))
WRAP(int, utimensat, "utimensat", (int d, const char *p, const struct timespec t[2], int g), (d, p, t, g))
WRAP(int, setxattr, "setxattr", (const char *p, const char *a, const void *v, size_t n, int g), (p, a, v, n, g))
WRAP(int, lsetxattr, "lsetxattr", (const char *p, const char *a, const void *v, size_t n, int g), (p, a, v, n, g))
WRAP(int, fsetxattr, "fsetxattr", (int f, const char *a, const void *v, size_t n, int g), (f, a, v, n, g))
WRAP(int, removexattr, "removexattr", (const char *p, const char *a), (p, a))
WRAP(int, lremovexattr, "lremovexattr", (const char *p, const char *a), (p, a))
WRAP(int, fremovexattr, "fremovexattr", (int f, const char *a), (f, a))
