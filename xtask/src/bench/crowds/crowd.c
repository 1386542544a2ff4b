// One of many processes. `crowd wait` allocates a little and waits for its input to end; `crowd storm
// COUNT RATE` forks, when it is told a line, that many children at that rate per second, each of which
// allocates two blocks, frees one, and ends. `crowd execs COUNT RATE PROGRAM LIBRARIES` starts that
// program instead, as `PROGRAM once` with libraries from that folder, which does the same.
#define _GNU_SOURCE
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void *volatile kept;

static void allocate(void) {
    void *volatile first = malloc(40);
    kept = malloc(40);
    free(first);
}

static long long now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

// Behind its time it does not wait: the rate is that of the whole.
static void wait_until(long long moment) {
    struct timespec time = {moment / 1000000000, moment % 1000000000};
    clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &time, NULL);
}

static pid_t start(const char *program) {
    if (program == NULL) {
        pid_t pid = fork();
        if (pid == 0) {
            allocate();
            _exit(0);
        }
        return pid;
    }
    pid_t pid = -1;
    char *words[] = {(char *)program, "once", NULL};
    return posix_spawn(&pid, program, NULL, NULL, words, environ) == 0 ? pid : -1;
}

static int storm(long count, double rate, const char *program) {
    long long began = now();
    for (long child = 0; child < count; child++) {
        wait_until(began + (long long)(child * 1e9 / rate));
        int status = 0;
        pid_t pid = start(program);
        if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) return 1;
    }
    dprintf(STDOUT_FILENO, "%.3f\n", (now() - began) / 1e9);
    return 0;
}

int main(int count, char **words) {
    char line[8];
    if (count == 2 && strcmp(words[1], "wait") == 0) {
        allocate();
        dprintf(STDOUT_FILENO, "ready\n");
        while (read(STDIN_FILENO, line, sizeof line) > 0) {}
        return 0;
    }
    if (count == 2 && strcmp(words[1], "once") == 0) {
        allocate();
        _exit(0);
    }
    if (count != 4 && count != 6) return 2;
    if (count == 6 && setenv("LD_LIBRARY_PATH", words[5], 1) != 0) return 1;
    dprintf(STDOUT_FILENO, "ready\n");
    if (read(STDIN_FILENO, line, sizeof line) <= 0) return 1;
    if (storm(strtol(words[2], NULL, 10), strtod(words[3], NULL), count == 6 ? words[4] : NULL) != 0) return 1;
    while (read(STDIN_FILENO, line, sizeof line) > 0) {}
    return 0;
}
