/* SPDX-License-Identifier: MIT */
/*
 * log.c – formats one line and writes it with one write(2).
 *
 * Invariant: a line is UTF-8 without a control character and is never
 * split, so that two processes sharing a file cannot interleave inside one;
 * and no line is waited for, since a call would stand still with its log.
 */
#include "common/log.h"

#include "common/clock.h"
#include "common/clock_utc.h"
#include "common/utf8.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static struct {
	const char *process;
	enum log_level level;
	char context[192];
	bool journal;  /* stderr goes to journald: priority prefix, no date */
	unsigned lost; /* lines since the last one that could be written */
	bool torn;     /* of the last one only a part was */
} logger = {.process = "telefonista", .level = LOG_LEVEL_INFO};

/*
 * Whether stderr is the journal: $JOURNAL_STREAM names its device and inode
 * (systemd.exec(5)), and stays set for whoever redirects stderr.
 */
static bool
stderr_is_journal(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	unsigned long long device, inode;
	struct stat st;

	return stream != NULL &&
	       sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device &&
	       st.st_ino == inode;
}

void
log_init(const char *process, enum log_level level)
{
	logger.process = process;
	logger.level = level;
	logger.journal = stderr_is_journal();
	logger.lost = 0;
}

void
log_set_level(enum log_level level)
{
	logger.level = level;
}

int
log_to_fd(int fd)
{
	if (dup2(fd, STDERR_FILENO) < 0)
		return -errno;
	logger.journal = stderr_is_journal();
	return 0;
}

int
log_to_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
	int ret;

	if (fd < 0)
		return -errno;
	ret = log_to_fd(fd);
	close(fd);
	return ret;
}

/*
 * Copies SRC to DST; the bytes of what is not visible become \xNN: controls
 * move terminals, directions and separators show a line as another one, and of
 * a line with anything that is no UTF-8, such as half a letter, journalctl(1)
 * shows nothing at all.
 */
static size_t
escape(char *dst, size_t size, const char *src)
{
	static const char hex[] = "0123456789abcdef";
	size_t left = strlen(src);
	size_t n = 0;

	while (left > 0 && n + sizeof("\\xNN") < size) {
		size_t len = utf8_visible(src, left);

		if (len > 0) {
			memcpy(dst + n, src, len);
			n += len;
		} else {
			len = 1;
			dst[n++] = '\\';
			dst[n++] = 'x';
			dst[n++] = hex[(unsigned char)*src >> 4];
			dst[n++] = hex[(unsigned char)*src & 15];
		}
		src += len;
		left -= len;
	}
	dst[n] = '\0';
	return n;
}

void
log_set_context(const char *context)
{
	escape(logger.context, sizeof(logger.context), context);
}

static const char *
level_name(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_ERR:
		return "error: ";
	case LOG_LEVEL_WARN:
		return "warning: ";
	case LOG_LEVEL_INFO:
		break;
	case LOG_LEVEL_DEBUG:
		return "debug: ";
	}
	return "";
}

static size_t
format_head(char *buf, size_t size, enum log_level level)
{
	char date[40];
	int n;

	if (logger.journal) {
		n = snprintf(buf, size, "<%d>", (int)level);
	} else {
		clock_format_wall(date, sizeof(date));
		n = snprintf(buf, size, "%s ", date);
	}
	n += snprintf(buf + n, size - (size_t)n, "%s[%d] %s%s%s",
	    logger.process, (int)getpid(), logger.context,
	    logger.context[0] != '\0' ? " " : "",
	    logger.journal ? "" : level_name(level));
	return (size_t)n;
}

/*
 * A pipe or terminal that nobody reads is full in the end. What is writable
 * takes a line: a pipe's room comes in pages (PIPE_BUF), a socket's is larger.
 */
static bool
stderr_has_room(void)
{
	struct pollfd pfd = {.fd = STDERR_FILENO, .events = POLLOUT};

	return poll(&pfd, 1, 0) > 0 && (pfd.revents & POLLOUT) != 0;
}

static bool
write_line(enum log_level level, const char *message)
{
	char line[LOG_LINE_MAX];
	size_t n = 0;
	ssize_t written;

	if (!stderr_has_room())
		return false;
	if (logger.torn) /* a disk that was full in the middle of a line */
		line[n++] = '\n';
	n += format_head(line + n, sizeof(line) - n, level);
	n += escape(line + n, sizeof(line) - n - 1, message);
	line[n++] = '\n';
	written = write(STDERR_FILENO, line, n);
	if (written > 0)
		logger.torn = written < (ssize_t)n;
	return written == (ssize_t)n;
}

void
log_write(enum log_level level, const char *fmt, ...)
{
	char message[LOG_LINE_MAX];
	int saved_errno = errno;
	va_list ap;

	if (level > logger.level)
		return;
	if (logger.lost > 0) {
		snprintf(message, sizeof(message),
		    "alarm=log the log could not be written for a while "
		    "lost_lines=%u",
		    logger.lost);
		if (write_line(LOG_LEVEL_WARN, message))
			logger.lost = 0;
	}
	va_start(ap, fmt);
	vsnprintf(message, sizeof(message), fmt, ap);
	va_end(ap);
	if (logger.lost > 0 || !write_line(level, message))
		logger.lost++;
	errno = saved_errno;
}

/* Appends TEXT as far as it fits; returns the new length. */
static size_t
append(char *line, size_t size, size_t len, const char *text)
{
	while (*text != '\0' && len + 1 < size)
		line[len++] = *text++;
	return len;
}

static size_t
append_pid(char *line, size_t size, size_t len)
{
	char digits[24];
	char *start = digits + sizeof(digits) - 1;
	unsigned int pid = (unsigned int)getpid();

	*start = '\0';
	do {
		*--start = (char)('0' + pid % 10);
		pid /= 10;
	} while (pid > 0);
	return append(line, size, len, start);
}

void
log_write_in_signal(enum log_level level, const char *message)
{
	const size_t size = LOG_LINE_MAX;
	const char priority[] = {'<', (char)('0' + level), '>', '\0'};
	char line[LOG_LINE_MAX];
	char date[CLOCK_UTC_SIZE];
	size_t n = 0;

	if (level > logger.level || !stderr_has_room())
		return;
	clock_format_utc(date);
	n = append(line, size, n, logger.journal ? priority : date);
	n = append(line, size, n, logger.journal ? "" : " ");
	n = append(line, size, n, logger.process);
	n = append(line, size, n, "[");
	n = append_pid(line, size, n);
	n = append(line, size, n, "] ");
	n = append(line, size, n, logger.context);
	n = append(line, size, n, logger.context[0] != '\0' ? " " : "");
	if (!logger.journal)
		n = append(line, size, n, level_name(level));
	n = append(line, size, n, message);
	line[n++] = '\n';
	(void)!write(STDERR_FILENO, line, n);
}

bool
log_allow(struct log_ratelimit *rl, uint32_t *suppressed_out)
{
	uint64_t now_ms = clock_now_ms();

	if (now_ms - rl->window_ms >= LOG_RATELIMIT_WINDOW_MS) {
		rl->window_ms = now_ms;
		rl->passed = 0;
	}
	if (rl->passed >= LOG_RATELIMIT_BURST) {
		rl->suppressed++;
		return false;
	}
	rl->passed++;
	*suppressed_out = rl->suppressed;
	rl->suppressed = 0;
	return true;
}
