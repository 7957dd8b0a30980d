/* SPDX-License-Identifier: MIT */
/*
 * secret_files.h – in which files the secrets of a role are, for its wall:
 * those that KEY_FILE names, in the environment or the configuration, and
 * those of systemd's credentials directory.
 */
#ifndef COMMON_SECRET_FILES_H
#define COMMON_SECRET_FILES_H

#include "common/proc.h"

/* PATH may not exist. */
typedef void (*secret_files_fn)(const char *path, void *arg);

/* Calls FN for each; CONFIG_FILE may be NULL. No secret is kept. */
void secret_files_each(enum proc_role role, const char *config_file,
    secret_files_fn fn, void *arg);

#endif
