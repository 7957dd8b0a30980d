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

static void
free_folders(struct settings *settings)
{
	personas_free(&settings->personas);
	tools_unref(&settings->tools);
	router_inventory_unref(&settings->routers);
}

/* Personas, tools and routers of the configuration; there are none yet. */
static int
load_folders(struct settings *settings, struct config_problems *problems)
{
	const struct config *config = &settings->config;
	char folder[4096];
	int ret;

	ret =
	    router_inventory_load_config(&settings->routers, config, problems);
	if (ret < 0)
		return ret;
	config_dir(config->tools_dir, "tools.d", folder, sizeof(folder));
	ret = tools_load(&settings->tools, folder, config, problems);
	if (ret < 0)
		return ret;
	tools_use_routers(
	    settings->tools, router_inventory_count(settings->routers));
	tools_check_secrets(settings->tools, settings->secrets, problems);
	check_routers_secrets(settings->routers, settings->secrets, problems);
	check_sql_strings(settings->tools, config, settings->secrets, problems);
	config_dir(config->persona_dir, "personas", folder, sizeof(folder));
	ret = personas_load(&settings->personas, folder, config, problems);
	if (ret < 0)
		return ret;
	personas_check_tools(settings->personas, settings->tools, problems);
	staff_pins_check(config->staff_pins, problems);
	return 0;
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
		ret = load_folders(settings, &problems);
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

/* What a process has for its life. */
static bool
process_differs(const struct config *a, const struct config *b)
{
	return strcmp(a->asterisk_ca_file, b->asterisk_ca_file) != 0 ||
	       strcmp(a->control_socket, b->control_socket) != 0 ||
	       strcmp(a->records_dir, b->records_dir) != 0 ||
	       strcmp(a->sandbox, b->sandbox) != 0;
}

/* Taken now, it would be no news when another process may follow it. */
static void
keep_process(struct config *fresh, const struct config *old,
    struct config_problems *problems)
{
	keep_text(problems, "ASTERISK_CA_FILE", fresh->asterisk_ca_file,
	    old->asterisk_ca_file);
	keep_text(problems, "CONTROL_SOCKET", fresh->control_socket,
	    old->control_socket);
	keep_text(
	    problems, "RECORDS_DIR", fresh->records_dir, old->records_dir);
	keep_text(problems, "SANDBOX", fresh->sandbox, old->sandbox);
}

/* FRESH, read anew, as far as it may be followed now. */
static enum keeper_reloaded
judge(const struct settings *settings, struct config *fresh, bool busy,
    struct config_problems *problems)
{
	const struct config *old = &settings->config;
	size_t count = problems->count;
	bool kept;

	if (busy)
		keep_asterisk(fresh, old, problems);
	kept = problems->count > count;
	if (kept)
		keep_process(fresh, old, problems);
	else if (!supervisor_wall_covers(fresh, settings->file))
		return KEEPER_RELOADED_OUTSIDE; /* errors may come of that */
	startup_log_problems(problems);
	if (config_problems_fatal(problems) > 0)
		return KEEPER_RELOADED_NOTHING;
	if (kept)
		return KEEPER_RELOADED_PART;
	return process_differs(fresh, old) ? KEEPER_RELOADED_OUTSIDE
					   : KEEPER_RELOADED_ALL;
}

enum keeper_reloaded
settings_reload(struct settings *settings, bool busy, bool *asterisk_out)
{
	struct config_problems problems = {0};
	struct settings fresh = {
	    .file = settings->file,
	    .config = settings->config,
	    .secrets = settings->secrets,
	};
	enum keeper_reloaded result;
	int ret = 0;

	*asterisk_out = false;
	config_load(&fresh.config, fresh.file, PROC_ROLE_SUPERVISOR, &problems);
	model_apply(&fresh.config, clock_wall(), &problems);
	if (config_problems_fatal(&problems) == 0)
		ret = load_folders(&fresh, &problems);
	result = judge(settings, &fresh.config, busy, &problems);
	if (ret < 0 && result != KEEPER_RELOADED_OUTSIDE)
		result = KEEPER_RELOADED_NOTHING;
	if (result == KEEPER_RELOADED_NOTHING)
		log_err("the configuration has errors, the old one stays");
	if (result == KEEPER_RELOADED_ALL || result == KEEPER_RELOADED_PART) {
		*asterisk_out =
		    asterisk_differs(&fresh.config, &settings->config);
		free_folders(settings);
		*settings = fresh;
	} else {
		free_folders(&fresh);
	}
	config_wipe(&fresh.config);
	return result;
}

struct record_rules
settings_record_rules(const struct settings *settings)
{
	struct record_rules rules = {
	    .transcripts = settings->config.record_transcripts};

	snprintf(rules.show_number, sizeof(rules.show_number), "%.*s",
	    (int)sizeof(rules.show_number) - 1,
	    settings->config.show_caller_number);
	return rules;
}

void
settings_free(struct settings *settings)
{
	free_folders(settings);
	secret_sources_free(&settings->secrets);
	config_wipe(&settings->config);
}
