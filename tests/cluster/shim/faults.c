/*
 * Loaded into one node before its own code: moves its wall clock and slows its disk, as a control
 * file says at this moment. Nothing else in the process can tell.
 *
 * The clock is the C library's function, which Rust's standard library calls. Synchronizing files
 * is not: programs may call the kernel themselves. So a filter traps the two system calls, the
 * handler waits and calls them again with a mark that the filter lets through. Which calls are
 * slow does not depend on who makes them.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#define MARK 0x6e747263u

struct control {
    int64_t clock_nanos; /* added to the wall clock */
    uint64_t sync_micros; /* waited before each synchronization */
};

static const volatile struct control *control;

static long kernel_clock(clockid_t id, struct timespec *time)
{
    return syscall(SYS_clock_gettime, id, time);
}

int clock_gettime(clockid_t id, struct timespec *time)
{
    long result = kernel_clock(id, time);
    if (result == 0 && control && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) {
        int64_t nanos = time->tv_nsec + control->clock_nanos;
        int64_t seconds = nanos / 1000000000;
        nanos %= 1000000000;
        if (nanos < 0) {
            nanos += 1000000000;
            seconds -= 1;
        }
        time->tv_sec += seconds;
        time->tv_nsec = nanos;
    }
    return (int)result;
}

int gettimeofday(struct timeval *restrict time, void *restrict zone)
{
    struct timespec now;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0)
        return -1;
    time->tv_sec = now.tv_sec;
    time->tv_usec = now.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out)
{
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME, &now) != 0)
        return (time_t)-1;
    if (out)
        *out = now.tv_sec;
    return now.tv_sec;
}

static void trapped(int signal, siginfo_t *info, void *context)
{
    ucontext_t *interrupted = context;
    int before = errno;
    (void)signal;
#if defined(__x86_64__)
    long file = interrupted->uc_mcontext.gregs[REG_RDI];
#elif defined(__aarch64__)
    long file = interrupted->uc_mcontext.regs[0];
#endif
    uint64_t micros = control ? control->sync_micros : 0;
    if (micros) {
        struct timespec wait = { (time_t)(micros / 1000000), (long)(micros % 1000000) * 1000 };
        syscall(SYS_nanosleep, &wait, NULL);
    }
    long result = syscall(info->si_syscall, file, MARK);
    if (result < 0)
        result = -errno;
#if defined(__x86_64__)
    interrupted->uc_mcontext.gregs[REG_RAX] = result;
#elif defined(__aarch64__)
    interrupted->uc_mcontext.regs[0] = (unsigned long long)result;
#endif
    errno = before;
}

static void trap_syncs(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fdatasync, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_fsync, 0, 2),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, MARK, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
    };
    struct sock_fprog program = { sizeof filter / sizeof filter[0], filter };
    struct sigaction action = { .sa_sigaction = trapped };
    action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_RESTART;
    if (sigaction(SIGSYS, &action, NULL) != 0)
        return;
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

__attribute__((constructor)) static void load(void)
{
    const char *path = getenv("NOTRACE_CHAOS_CONTROL");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0)
        return;
    void *mapped = mmap(NULL, sizeof *control, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (mapped == MAP_FAILED)
        return;
    control = mapped;
    trap_syncs();
    /* Children are not meant: workers have their own filters and no such handler. */
    unsetenv("LD_PRELOAD");
    unsetenv("NOTRACE_CHAOS_CONTROL");
}
