/* SPDX-License-Identifier: MIT */
/* check_routers.c – passwords that are missing, and a summary. */
#include "supervisor/check_routers.h"

#include "common/report.h"

#include <stdbool.h>
#include <string.h>

/* Most routers have the same. */
static bool
is_first_with_secret(const struct router_inventory *routers, size_t index)
{
	const char *secret =
	    router_inventory_at(routers, index)->password_secret;

	for (size_t i = 0; i < index; i++) {
		const struct router *other = router_inventory_at(routers, i);

		if (strcmp(other->password_secret, secret) == 0)
			return false;
	}
	return true;
}

void
check_routers_secrets(const struct router_inventory *routers,
    struct secret_sources *sources, struct config_problems *problems)
{
	char why[SECRET_SOURCE_WHY_SIZE];

	for (size_t i = 0; i < router_inventory_count(routers); i++) {
		const struct router *router = router_inventory_at(routers, i);

		if (is_first_with_secret(routers, i) &&
		    secret_sources_look(
			sources, router->password_secret, why, sizeof(why)) < 0)
			config_problem(problems, false,
			    "router \"%s\": %s; until then it cannot be asked",
			    router->name, why);
	}
}

void
check_routers_report(const struct router_inventory *routers)
{
	size_t count = router_inventory_count(routers);
	size_t rest = 0;
	size_t plain = 0;

	for (size_t i = 0; i < count; i++) {
		const struct router *router = router_inventory_at(routers, i);

		rest += router->api == ROUTER_API_REST;
		plain += !router->tls;
	}
	if (count > 0)
		report_line(REPORT_OK,
		    "routers: %zu, %zu by REST and %zu by the binary API, %zu "
		    "without TLS",
		    count, rest, count - rest, plain);
}
