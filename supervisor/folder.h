/* SPDX-License-Identifier: MIT */
/*
 * folder.h – reads the files of a folder that an operator edits, and says
 * what is wrong with one without giving the others up.
 */
#ifndef SUPERVISOR_FOLDER_H
#define SUPERVISOR_FOLDER_H

#include "common/config.h"

#include <stddef.h>

/*
 * One file: TEXT (LEN bytes of UTF-8 without control characters but newline,
 * tab and CR, NUL-terminated) is given away: free(3). PATH lives until return.
 */
typedef void folder_file_fn(
    const char *path, const char *name, char *text, size_t len, void *arg);

/*
 * Calls FN for every file whose name ends in SUFFIX (".md"), in the order of
 * their names, except those that begin with '.' or '_' and README. A file
 * that cannot be read becomes a warning. Returns how many names matched, or
 * -errno when the folder itself cannot be read, which is left to the caller
 * to report.
 */
int folder_read(const char *folder, const char *suffix,
    struct config_problems *problems, folder_file_fn *fn, void *arg);

/*
 * The same for one file; NULL with a reason in *WHY_OUT, which is "" when
 * there is no such file.
 */
char *folder_read_file(const char *path, size_t *len_out, const char **why_out);

#endif
