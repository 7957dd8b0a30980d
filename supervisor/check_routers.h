/* SPDX-License-Identifier: MIT */
/*
 * check_routers.h – what the inventory of routers lacks, at start and in
 * `telefonista --check`. No router is asked: that is `telefonista-toolworker
 * --run`.
 */
#ifndef SUPERVISOR_CHECK_ROUTERS_H
#define SUPERVISOR_CHECK_ROUTERS_H

#include "common/router_inventory.h"
#include "common/secret_source.h"

/*
 * Looks for the password of each router, without reading it; one that is not
 * there becomes a warning.
 */
void check_routers_secrets(const struct router_inventory *routers,
    struct secret_sources *sources, struct config_problems *problems);

/* One line about how many there are; none if there are none. */
void check_routers_report(const struct router_inventory *routers);

#endif
