/* SPDX-License-Identifier: MIT */
/*
 * config_check.h – what one setting's own kind and range cannot tell: whether
 * values make sense together and on this machine. Part of config_load().
 */
#ifndef COMMON_CONFIG_CHECK_H
#define COMMON_CONFIG_CHECK_H

#include "common/config.h"

/*
 * Appends to PROBLEMS what is wrong for ROLE, which is told only about what
 * it uses itself. Brings some values into their one form: no trailing '/'
 * in MIKROTIK_API_URL, which is emptied when it is unusable. Touches no
 * network.
 */
void config_check(struct config *config, enum proc_role role,
    struct config_problems *problems);

/*
 * Whether ARI's password stays on this machine, is encrypted, or may cross
 * the network in the clear because the operator said so.
 */
bool config_asterisk_is_safe(const struct config *config);

#endif
