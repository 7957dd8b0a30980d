/* SPDX-License-Identifier: MIT */
/*
 * check.h – `telefonista --check`: everything that is wrong, at once, in an
 * operator's words. It changes nothing, here or in Asterisk.
 */
#ifndef SUPERVISOR_CHECK_H
#define SUPERVISOR_CHECK_H

/*
 * Checks settings, personas, tools, Asterisk, the MikroTik service, and
 * OpenAI (by running telefonista-voicecheck beside this binary, which
 * may read that key). Prints to standard output; takes at most about a
 * minute. Returns the exit status: PROC_EXIT_OK, or PROC_EXIT_CONFIG.
 */
int check_run(const char *config_file);

#endif
