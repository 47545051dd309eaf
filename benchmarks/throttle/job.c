/* A job: job BYTES RAMP_SECONDS HOLD_SECONDS CRASHES_AFTER_SECONDS PARENT
 *
 * Waits for a byte on its standard input, takes memory in steps of 16 MiB over the ramp, holds it, and ends with 0.
 * It ends by SIGTERM of its own where it is to crash (0: never), and with its parent, the
 * process PARENT. */

#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define STEP_BYTES (16L << 20)

static double crashes_at;

static double now(void) {
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return at.tv_sec + at.tv_nsec / 1e9;
}

static void sleep_until(double when) {
    double until = crashes_at && when >= crashes_at ? crashes_at : when;
    for (double left; (left = until - now()) > 0;) {
        struct timespec pause = {(time_t)left, (long)((left - (time_t)left) * 1e9)};
        nanosleep(&pause, NULL);
    }
    if (until != when)
        raise(SIGTERM);
}

int main(int count, char **arguments) {
    char go;
    if (count != 6)
        return 2;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != atol(arguments[5])) /* it had gone before it could be asked about */
        return 0;
    if (read(STDIN_FILENO, &go, 1) != 1)
        return 0;
    long bytes = atol(arguments[1]), page = sysconf(_SC_PAGESIZE);
    double ramp = atof(arguments[2]), hold = atof(arguments[3]), began = now();
    if (atof(arguments[4]) > 0)
        crashes_at = began + atof(arguments[4]);
    volatile char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return 3;
    madvise((void *)memory, bytes, MADV_NOHUGEPAGE);
    for (long at = 0; at < bytes; at += STEP_BYTES) {
        sleep_until(began + ramp * at / bytes);
        for (long byte = at; byte < bytes && byte < at + STEP_BYTES; byte += page)
            memory[byte] = 1;
    }
    sleep_until(began + ramp);
    sleep_until(now() + hold);
    return 0;
}
