/* SPDX-License-Identifier: MIT */
/*
 * log.h – one line per fact, to stderr or a file.
 *
 * A line is "<P>DATE PROCESS[PID] CONTEXT sentence key=value". The priority
 * prefix <P> (sd-daemon(3)) is written only when stderr is the journal; the
 * date only when it is not. A message is a lower-case sentence, then
 * key=value pairs. Control and invisible characters in it (a caller's name may
 * hold newlines, terminal escapes or changes of direction) and what is not
 * UTF-8 are written as \xNN, and a line is cut at LOG_LINE_MAX. Never log
 * keys, audio or (above debug) what people said.
 *
 * Logging never waits: while stderr is a pipe or terminal that is not read,
 * lines are lost, and counted in the first one after that.
 */
#ifndef COMMON_LOG_H
#define COMMON_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum {
	LOG_LINE_MAX = 2048, /* bytes, newline included */
};

/* Values are syslog's, so that journald shows them as it shows others. */
enum log_level {
	LOG_LEVEL_ERR = 3,
	LOG_LEVEL_WARN = 4,
	LOG_LEVEL_INFO = 6,
	LOG_LEVEL_DEBUG = 7,
};

/*
 * Starts logging to stderr as PROCESS ("supervisor"). The string must outlive
 * the process. LEVEL is the least important level that is written.
 */
void log_init(const char *process, enum log_level level);
void log_set_level(enum log_level level);

/* Appears in every later line, e.g. "call=1732012345.17"; "" for none. */
void log_set_context(const char *context);

/*
 * Sends stderr (and so every child's) to PATH, appending; called again with
 * the same path after the file was rotated, it opens the new one.
 * Returns 0 or -errno, and then goes on with the old place.
 */
int log_to_file(const char *path);

/* The same with the open file FD, which stays the caller's. */
int log_to_fd(int fd);

void log_write(enum log_level level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * The same of a plain MESSAGE, for handlers of signals: async-signal-safe,
 * which is why its date is in UTC.
 */
void log_write_in_signal(enum log_level level, const char *message);

#define log_err(...)   log_write(LOG_LEVEL_ERR, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...)  log_write(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __VA_ARGS__)

/*
 * A bucket for lines that a peer could cause many times a second: at most
 * BURST lines per 10 s pass. log_allow() returns whether to write now;
 * *suppressed_out is how many were swallowed since the last that passed.
 */
struct log_ratelimit {
	uint64_t window_ms;  /* start of the running window, CLOCK_MONOTONIC */
	uint32_t passed;     /* lines in this window */
	uint32_t suppressed; /* since the last line that passed */
};

enum {
	LOG_RATELIMIT_BURST = 5,
	LOG_RATELIMIT_WINDOW_MS = 10000,
};

bool log_allow(struct log_ratelimit *rl, uint32_t *suppressed_out);

#endif
