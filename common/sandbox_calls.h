/* SPDX-License-Identifier: MIT */
/*
 * sandbox_calls.h – which system calls which role may make. Part of sandbox.c.
 *
 * Found with strace(1) and with SANDBOX=enforce, which logs what is refused.
 * What is in no list is refused. What looks like an attack and like nothing
 * else (SANDBOX_DEADLY) ends the process in every mode.
 */
#ifndef COMMON_SANDBOX_CALLS_H
#define COMMON_SANDBOX_CALLS_H

/* Roles as letters; the keeper's filter holds for its children, too: it
 * allows what any of them may. */
enum {
	C = 1, /* callworker */
	T = 2, /* toolworker */
	S = 4, /* supervisor */
	K = 8, /* keeper alone, and children until they have their own wall */
};

/* X(system call, roles that may make it with any arguments) */
#define SANDBOX_CALLS(X)                                                       \
	/* what is open already */                                             \
	X(read, C | T | S)                                                     \
	X(readv, C | T | S)                                                    \
	X(write, C | T | S)                                                    \
	X(writev, C | T | S)                                                   \
	X(pread64, C | T | S)                                                  \
	X(pwrite64, T | S)                                                     \
	X(lseek, C | T | S)                                                    \
	X(close, C | T | S)                                                    \
	X(close_range, K)                                                      \
	X(dup, S | T)                                                          \
	X(dup2, C | T | S) /* the log, when its file was rotated */            \
	X(dup3, C | T | S)                                                     \
	X(pipe2, C | T | S)                                                    \
	X(eventfd2, C | T | S)                                                 \
	X(poll, C | T | S)                                                     \
	X(ppoll, C | T | S)                                                    \
	X(select, T)                                                           \
	X(pselect6, T)                                                         \
	X(epoll_create1, C | T | S)                                            \
	X(epoll_ctl, C | T | S)                                                \
	X(epoll_wait, C | T | S)                                               \
	X(epoll_pwait, C | T | S)                                              \
	X(epoll_pwait2, C | T | S)                                             \
	X(timerfd_create, C | T | S)                                           \
	X(timerfd_settime, C | T | S)                                          \
	X(timerfd_gettime, C | T | S)                                          \
	X(signalfd4, K)                                                        \
	/* sockets; what kinds, see sandbox_filter.c */                        \
	X(connect, C | T | S)                                                  \
	X(sendto, C | T | S)                                                   \
	X(sendmsg, C | T | S)                                                  \
	X(sendmmsg, T)                                                         \
	X(recvfrom, C | T | S)                                                 \
	X(recvmsg, C | T | S)                                                  \
	X(recvmmsg, C)                                                         \
	X(listen, S) /* the control socket; TCP is Landlock's part */          \
	X(accept4, S)                                                          \
	X(shutdown, C | T | S)                                                 \
	X(getsockname, C | T | S)                                              \
	X(getpeername, C | T | S)                                              \
	X(getsockopt, C | T | S)                                               \
	X(setsockopt, C | T | S)                                               \
	/* files; which ones is Landlock's part */                             \
	X(open, C | T | S)                                                     \
	X(openat, C | T | S)                                                   \
	X(stat, C | T | S)                                                     \
	X(lstat, C | T | S)                                                    \
	X(fstat, C | T | S)                                                    \
	X(newfstatat, C | T | S)                                               \
	X(statx, C | T | S)                                                    \
	X(fstatfs, T | S)                                                      \
	X(access, C | T | S)                                                   \
	X(faccessat, C | T | S)                                                \
	X(faccessat2, C | T | S)                                               \
	X(readlink, C | T | S)                                                 \
	X(readlinkat, C | T | S)                                               \
	X(getdents64, C | T | S)                                               \
	X(getcwd, T | S)                                                       \
	X(umask, T | S)                                                        \
	X(fsync, T | S)                                                        \
	X(fdatasync, T | S)                                                    \
	X(ftruncate, T | S)                                                    \
	X(fallocate, C | T | S) /* callworker: gives a ring's pages back */    \
	X(flock, T | S)                                                        \
	X(fchmod, T | S)                                                       \
	X(fchown, T) /* SQLite, as root */                                     \
	X(mkdir, S)                                                            \
	X(mkdirat, S)                                                          \
	X(unlink, T | S)                                                       \
	X(unlinkat, T | S)                                                     \
	X(rename, S)                                                           \
	X(renameat, S)                                                         \
	X(renameat2, S)                                                        \
	X(memfd_create, T | S)                                                 \
	X(copy_file_range, S)                                                  \
	X(sendfile, S)                                                         \
	/* memory */                                                           \
	X(brk, C | T | S)                                                      \
	X(munmap, C | T | S)                                                   \
	X(mremap, C | T | S)                                                   \
	X(madvise, C | T | S)                                                  \
	X(mlock, C | T | S)                                                    \
	X(mlock2, C | T | S)                                                   \
	X(munlock, C | T | S)                                                  \
	X(msync, T | S)                                                        \
	/* threads, and what every process does */                             \
	X(futex, C | T | S)                                                    \
	X(set_robust_list, T | S)                                              \
	X(rseq, T | S)                                                         \
	X(sched_yield, C | T | S)                                              \
	X(sched_getaffinity, T | S)                                            \
	X(sched_getscheduler, C)                                               \
	X(sched_getparam, C)                                                   \
	X(membarrier, T | S)                                                   \
	X(exit, T | S)                                                         \
	X(exit_group, C | T | S)                                               \
	X(restart_syscall, C | T | S)                                          \
	X(rt_sigaction, C | T | S)                                             \
	X(rt_sigprocmask, C | T | S)                                           \
	X(rt_sigreturn, C | T | S)                                             \
	X(sigaltstack, C | T | S)                                              \
	X(wait4, K)                                                            \
	X(waitid, K)                                                           \
	/* questions */                                                        \
	X(getpid, C | T | S)                                                   \
	X(getppid, C | T | S)                                                  \
	X(gettid, C | T | S)                                                   \
	X(getuid, C | T | S)                                                   \
	X(geteuid, C | T | S)                                                  \
	X(getgid, C | T | S)                                                   \
	X(getegid, C | T | S)                                                  \
	X(getrandom, C | T | S)                                                \
	X(getrlimit, C | T | S)                                                \
	X(setrlimit, C)                                                        \
	X(getrusage, C | T | S)                                                \
	X(times, C | T | S)                                                    \
	X(sysinfo, C | T | S)                                                  \
	X(uname, C | T | S)                                                    \
	X(clock_gettime, C | T | S)                                            \
	X(clock_getres, C | T | S)                                             \
	X(clock_nanosleep, C | T | S)                                          \
	X(nanosleep, C | T | S)                                                \
	X(gettimeofday, C | T | S)                                             \
	X(time, C | T | S)                                                     \
	/* the start of a process, and its own wall */                         \
	X(arch_prctl, K)                                                       \
	X(set_tid_address, K)                                                  \
	X(setpgid, K)                                                          \
	X(capset, K)                                                           \
	X(capget, K)                                                           \
	X(seccomp, K)                                                          \
	X(landlock_create_ruleset, K)                                          \
	X(landlock_add_rule, K)                                                \
	X(landlock_restrict_self, K)

/* X(system call): nobody makes it by mistake. */
#define SANDBOX_DEADLY(X)                                                      \
	X(ptrace)                                                              \
	X(process_vm_readv)                                                    \
	X(process_vm_writev)                                                   \
	X(process_madvise)                                                     \
	X(pidfd_getfd)                                                         \
	X(kcmp)                                                                \
	X(bpf)                                                                 \
	X(perf_event_open)                                                     \
	X(userfaultfd)                                                         \
	X(mount)                                                               \
	X(umount2)                                                             \
	X(move_mount)                                                          \
	X(open_tree)                                                           \
	X(fsopen)                                                              \
	X(fspick)                                                              \
	X(mount_setattr)                                                       \
	X(pivot_root)                                                          \
	X(chroot)                                                              \
	X(setns)                                                               \
	X(unshare)                                                             \
	X(keyctl)                                                              \
	X(add_key)                                                             \
	X(request_key)                                                         \
	X(init_module)                                                         \
	X(finit_module)                                                        \
	X(delete_module)                                                       \
	X(kexec_load)                                                          \
	X(kexec_file_load)                                                     \
	X(open_by_handle_at)                                                   \
	X(reboot)                                                              \
	X(swapon)                                                              \
	X(swapoff)                                                             \
	X(settimeofday)                                                        \
	X(clock_settime)                                                       \
	X(acct)                                                                \
	X(quotactl)

/* X(system call): sanitizers make these for themselves. */
#define SANDBOX_SANITIZER_CALLS(X)                                             \
	X(ptrace)                                                              \
	X(clone)                                                               \
	X(wait4)                                                               \
	X(prctl)                                                               \
	X(kill)                                                                \
	X(tgkill)                                                              \
	X(pipe)                                                                \
	X(exit)                                                                \
	X(mprotect)                                                            \
	X(mmap)                                                                \
	X(set_robust_list)                                                     \
	X(rseq)                                                                \
	X(sched_getaffinity)                                                   \
	X(getcwd)                                                              \
	X(mincore)                                                             \
	X(personality)                                                         \
	X(process_vm_readv)                                                    \
	/* clang's LeakSanitizer lists its threads at the exit */              \
	X(open)                                                                \
	X(openat)                                                              \
	X(getdents)                                                            \
	X(getdents64)

#endif
