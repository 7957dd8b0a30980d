/* SPDX-License-Identifier: MIT */
/*
 * settings.c – reads what the operator has set.
 *
 * Invariant: what is in force is whole; of what has errors nothing is taken.
 */
#include "supervisor/settings.h"

#include "common/clock.h"
#include "common/log.h"
#include "common/proc.h"
#include "common/router_inventory.h"
#include "common/secret_source.h"
#include "common/startup.h"
#include "supervisor/check_routers.h"
#include "supervisor/check_sql.h"
#include "supervisor/limits.h"
#include "supervisor/model.h"
#include "supervisor/persona.h"
#include "supervisor/staff_pins.h"
#include "supervisor/supervisor_wall.h"
#include "supervisor/tools.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Personas, tools and routers of CONFIG; the old ones stay when this fails. */
static int
load_folders(struct settings *settings, const struct config *config,
    struct config_problems *problems)
{
	struct personas *personas = NULL;
	struct router_inventory *routers = NULL;
	struct tools *tools = NULL;
	char folder[4096];
	int ret;

	ret = router_inventory_load_config(&routers, config, problems);
	if (ret < 0)
		return ret;
	config_dir(config->tools_dir, "tools.d", folder, sizeof(folder));
	ret = tools_load(&tools, folder, config, problems);
	if (ret < 0)
		goto out;
	tools_use_routers(tools, router_inventory_count(routers));
	tools_check_secrets(tools, settings->secrets, problems);
	check_routers_secrets(routers, settings->secrets, problems);
	check_sql_strings(tools, config, settings->secrets, problems);
	config_dir(config->persona_dir, "personas", folder, sizeof(folder));
	ret = personas_load(&personas, folder, config, problems);
	if (ret < 0)
		goto out;
	personas_check_tools(personas, tools, problems);
	staff_pins_check(config->staff_pins, problems);
	if (config_problems_fatal(problems) > 0)
		goto out; /* the caller sees the problems */
	personas_free(&settings->personas);
	tools_unref(&settings->tools);
	router_inventory_unref(&settings->routers);
	settings->personas = personas;
	settings->tools = tools;
	settings->routers = routers;
	return 0;
out:
	personas_free(&personas);
	tools_unref(&tools);
	router_inventory_unref(&routers);
	return ret;
}

int
settings_load(struct settings *settings)
{
	struct config_problems problems = {0};
	struct limits limits;
	int ret = 0;

	/* Before config_load(), see there. */
	if (secret_sources_new(&settings->secrets, settings->file) < 0)
		return -ENOMEM;
	config_load(
	    &settings->config, settings->file, PROC_ROLE_SUPERVISOR, &problems);
	startup_check_system(&settings->config, &problems);
	limits_read(&limits);
	limits_check(&limits, &settings->config, &problems);
	model_apply(&settings->config, clock_wall(), &problems);
	if (config_problems_fatal(&problems) == 0)
		ret = load_folders(settings, &settings->config, &problems);
	startup_apply_log(&settings->config);
	startup_log_problems(&problems);
	if (config_problems_fatal(&problems) > 0)
		return -EINVAL;
	return ret;
}

static void
keep_text(struct config_problems *problems, const char *key, char *fresh,
    const char *old)
{
	if (strcmp(fresh, old) == 0)
		return;
	config_problem(problems, false,
	    "%s changed: not while there are calls; SIGHUP after them, or a "
	    "restart",
	    key);
	snprintf(fresh, CONFIG_TEXT_MAX, "%s", old);
}

/*
 * Of another Asterisk or application we would not hear how calls end, nor
 * would a successor that takes over now.
 */
static void
keep_asterisk(struct config *fresh, const struct config *old,
    struct config_problems *problems)
{
	keep_text(problems, "ASTERISK_HOST", fresh->asterisk_host,
	    old->asterisk_host);
	keep_text(problems, "ARI_APP", fresh->ari_app, old->ari_app);
	if (fresh->asterisk_port == old->asterisk_port)
		return;
	config_problem(problems, false,
	    "ASTERISK_PORT changed: not while there are calls; SIGHUP after "
	    "them, or a restart");
	fresh->asterisk_port = old->asterisk_port;
}

static bool
asterisk_differs(const struct config *a, const struct config *b)
{
	return strcmp(a->asterisk_host, b->asterisk_host) != 0 ||
	       a->asterisk_port != b->asterisk_port ||
	       a->asterisk_tls != b->asterisk_tls ||
	       strcmp(a->asterisk_username, b->asterisk_username) != 0 ||
	       strcmp(a->asterisk_password, b->asterisk_password) != 0 ||
	       strcmp(a->ari_app, b->ari_app) != 0;
}

enum keeper_reloaded
settings_reload(struct settings *settings, bool busy, bool *asterisk_out)
{
	struct config_problems problems = {0};
	struct config fresh = settings->config;
	enum keeper_reloaded result = KEEPER_RELOADED_ALL;
	size_t count;

	*asterisk_out = false;
	config_load(&fresh, settings->file, PROC_ROLE_SUPERVISOR, &problems);
	model_apply(&fresh, clock_wall(), &problems);
	if (config_problems_fatal(&problems) == 0)
		load_folders(settings, &fresh, &problems);
	count = problems.count;
	if (busy)
		keep_asterisk(&fresh, &settings->config, &problems);
	if (problems.count > count)
		result = KEEPER_RELOADED_PART;
	if (result == KEEPER_RELOADED_ALL &&
	    !supervisor_wall_covers(&fresh, settings->file)) {
		result = KEEPER_RELOADED_OUTSIDE;
		goto out;
	}
	startup_log_problems(&problems);
	if (config_problems_fatal(&problems) > 0) {
		log_err("the configuration has errors, the old one stays");
		result = KEEPER_RELOADED_NOTHING;
		goto out;
	}
	*asterisk_out = asterisk_differs(&fresh, &settings->config);
	settings->config = fresh;
out:
	config_wipe(&fresh);
	return result;
}

void
settings_free(struct settings *settings)
{
	personas_free(&settings->personas);
	tools_unref(&settings->tools);
	secret_sources_free(&settings->secrets);
	router_inventory_unref(&settings->routers);
	config_wipe(&settings->config);
}
