/* SPDX-License-Identifier: MIT */
/*
 * check.h – OpenAI's part of `telefonista --check`: it runs here because the
 * key is a secret of this role.
 */
#ifndef CALLWORKER_CHECK_H
#define CALLWORKER_CHECK_H

#include <stddef.h>

/*
 * The command `telefonista-callworker [--config FILE] --check [--model NAME]…`
 * that the supervisor's check runs. Returns the exit status, or -1 if --check
 * is not among the arguments: then this process is a callworker.
 */
int check_main(int argc, char *const argv[]);

/*
 * Asks OpenAI whether it accepts the key and knows each of the COUNT MODELS
 * (those that the personas use), and prints what it finds (common/report.h).
 * Returns PROC_EXIT_OK, or PROC_EXIT_CONFIG after an error.
 */
int check_voice(
    const char *config_file, const char *const *models, size_t count);

#endif
