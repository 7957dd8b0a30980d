/* SPDX-License-Identifier: MIT */
/*
 * report.h – what `telefonista --check` prints: one line per finding, for an
 * operator to read and for the process that merges several reports.
 */
#ifndef COMMON_REPORT_H
#define COMMON_REPORT_H

#include "common/config.h"

#include <stdbool.h>

enum report_level {
	REPORT_OK,
	REPORT_WARNING,
	REPORT_ERROR,
};

enum {
	REPORT_LINE_MAX = 1024, /* bytes, newline included */
};

/*
 * Prints a line to standard output at once. Control characters, which a peer
 * may have sent, become '?'.
 */
void report_line(enum report_level level, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));

/* One line per problem: errors and warnings. */
void report_problems(const struct config_problems *problems);

/*
 * Takes a LINE of another process's report apart, in place. False: it is
 * none.
 */
bool report_parse(
    const char *line, enum report_level *level_out, const char **text_out);

#endif
