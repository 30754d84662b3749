/* A disk that fails, and a clock that jumps, for one process: loaded before the C library.

       cc -shared -fPIC -O1 -o faulty_disk.so faulty_disk.c
       LD_PRELOAD=./faulty_disk.so FAULTS_CONTROL=FILE FAULTS_CACHE=DIR FAULTS_ARCHIVE=DIR FAULTS_STATE=DIR program

   Calls on files below the three folders (of FAULTS_STATE only databases and their logs) fail at random, are done by
   half, or are the last thing that the process does. How often stands in FAULTS_CONTROL, a file of 4096 bytes that the
   tests write and this library maps: so it can be changed at any time, and what was counted outlives the process.
   Programs that go around the C library (raw system calls) are not reached. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

/* The order of the names in faulty_disk.py. */
enum fault { CACHE_EIO, CACHE_ENOSPC, CACHE_TORN, DATABASE_EIO, DATABASE_TORN, ARCHIVE_EIO, KILL, N_FAULTS };

struct control {
    int64_t clock_offset_ns;
    uint64_t n_calls;
    uint32_t per_million[8];
    uint64_t n_injected[8];
};

enum place { ELSEWHERE, CACHE, DATABASE, ARCHIVE };
enum call { READ, WRITE, SYNC, NAMES };

static struct control *control;
static const char *cache_dir, *archive_dir, *state_dir;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("FAULTS_CONTROL");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    cache_dir = getenv("FAULTS_CACHE");
    archive_dir = getenv("FAULTS_ARCHIVE");
    state_dir = getenv("FAULTS_STATE");
    if (fd < 0) return;
    void *map = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (map != MAP_FAILED) control = map;
}

/* The function that this library stands before. */
#define NEXT(name) \
    static __typeof__(&name) next; \
    if (!next) next = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

static int is_below(const char *path, const char *dir) {
    size_t n = dir ? strlen(dir) : 0;
    return n && !strncmp(path, dir, n) && path[n] == '/';
}

static enum place place_of(const char *path) {
    if (is_below(path, cache_dir)) return CACHE;
    if (is_below(path, archive_dir)) return ARCHIVE;
    return is_below(path, state_dir) && strstr(path, ".db") ? DATABASE : ELSEWHERE;
}

static enum place place_of_fd(int fd) {
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    if (n <= 0 || path[0] != '/') return ELSEWHERE;
    path[n] = 0;
    return place_of(path);
}

/* SplitMix64 of the number of the call. */
static uint32_t chance(void) {
    uint64_t z = __atomic_add_fetch(&control->n_calls, 1, __ATOMIC_RELAXED) * 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ (z >> 31)) % 1000000u);
}

static int strikes(enum fault fault) {
    uint32_t rate = __atomic_load_n(&control->per_million[fault], __ATOMIC_RELAXED);
    if (!rate || chance() >= rate) return 0;
    __atomic_add_fetch(&control->n_injected[fault], 1, __ATOMIC_RELAXED);
    return 1;
}

static int is_calm(void) {
    if (!control) return 1;
    for (int n = 0; n < N_FAULTS; n++)
        if (__atomic_load_n(&control->per_million[n], __ATOMIC_RELAXED)) return 0;
    return 1;
}

static void maybe_die(enum place place, enum call call) {
    if ((place == CACHE || place == DATABASE) && call != READ && strikes(KILL)) {
        kill(getpid(), SIGKILL);
        for (;;) pause();
    }
}

/* What the call fails with: 0 for nothing, -1 for half of it. */
static int error_of(enum place place, enum call call) {
    switch (place) {
    case CACHE:
        if (strikes(CACHE_EIO)) return EIO;
        if (call == WRITE && strikes(CACHE_ENOSPC)) return ENOSPC;
        return call == WRITE && strikes(CACHE_TORN) ? -1 : 0;
    case DATABASE:
        if (strikes(DATABASE_EIO)) return EIO;
        return call == WRITE && strikes(DATABASE_TORN) ? -1 : 0;
    case ARCHIVE:
        return call == READ && strikes(ARCHIVE_EIO) ? EIO : 0;
    default:
        return 0;
    }
}

/* Does a call on a file, with its faults: `half` is the call on half of its bytes. */
#define FAULTY(where, call, whole, half) \
    do { \
        if (is_calm()) return whole; \
        enum place place = where; \
        if (place == ELSEWHERE) return whole; \
        int saved = errno; \
        maybe_die(place, call); \
        int error = error_of(place, call); \
        if (error < 0) { (void)!(half); error = EIO; } \
        if (error) { errno = error; return -1; } \
        errno = saved; \
        __typeof__(whole) result = whole; \
        saved = errno; \
        maybe_die(place, call); \
        errno = saved; \
        return result; \
    } while (0)

ssize_t pwrite64(int fd, const void *bytes, size_t n, off64_t at) {
    NEXT(pwrite64);
    FAULTY(place_of_fd(fd), WRITE, next(fd, bytes, n, at), next(fd, bytes, n / 2, at));
}

ssize_t pwrite(int fd, const void *bytes, size_t n, off_t at) {
    NEXT(pwrite);
    FAULTY(place_of_fd(fd), WRITE, next(fd, bytes, n, at), next(fd, bytes, n / 2, at));
}

ssize_t write(int fd, const void *bytes, size_t n) {
    NEXT(write);
    FAULTY(place_of_fd(fd), WRITE, next(fd, bytes, n), next(fd, bytes, n / 2));
}

ssize_t pread64(int fd, void *bytes, size_t n, off64_t at) {
    NEXT(pread64);
    FAULTY(place_of_fd(fd), READ, next(fd, bytes, n, at), 0);
}

ssize_t pread(int fd, void *bytes, size_t n, off_t at) {
    NEXT(pread);
    FAULTY(place_of_fd(fd), READ, next(fd, bytes, n, at), 0);
}

ssize_t read(int fd, void *bytes, size_t n) {
    NEXT(read);
    FAULTY(place_of_fd(fd), READ, next(fd, bytes, n), 0);
}

int fsync(int fd) {
    NEXT(fsync);
    FAULTY(place_of_fd(fd), SYNC, next(fd), 0);
}

int fdatasync(int fd) {
    NEXT(fdatasync);
    FAULTY(place_of_fd(fd), SYNC, next(fd), 0);
}

int ftruncate64(int fd, off64_t length) {
    NEXT(ftruncate64);
    FAULTY(place_of_fd(fd), NAMES, next(fd, length), 0);
}

int rename(const char *from, const char *to) {
    NEXT(rename);
    FAULTY(place_of(to), NAMES, next(from, to), 0);
}

int unlink(const char *path) {
    NEXT(unlink);
    FAULTY(place_of(path), NAMES, next(path), 0);
}

/* Only the clock that people read jumps; what measures time goes on. */
int clock_gettime(clockid_t clock, struct timespec *time) {
    NEXT(clock_gettime);
    int result = next(clock, time);
    if (result || clock != CLOCK_REALTIME || !control) return result;
    int64_t offset = __atomic_load_n(&control->clock_offset_ns, __ATOMIC_RELAXED);
    int64_t ns = (int64_t)time->tv_sec * 1000000000 + time->tv_nsec + offset;
    time->tv_sec = ns / 1000000000;
    time->tv_nsec = ns % 1000000000;
    return 0;
}
