/* SPDX-License-Identifier: MIT */
/*
 * settings.h – what the operator has set: the configuration, and the folders
 * that it names. Read at the start and again on SIGHUP.
 */
#ifndef SUPERVISOR_SETTINGS_H
#define SUPERVISOR_SETTINGS_H

#include "common/config.h"
#include "supervisor/keeper_protocol.h"
#include "supervisor/record_file.h"

#include <stdbool.h>

struct personas;
struct router_inventory;
struct secret_sources;
struct tools;

/* Others keep pointers to the members, and see what is read later, too. */
struct settings {
	const char *file; /* of --config, or NULL */
	struct config config;
	struct personas *personas;
	struct tools *tools;
	struct router_inventory *routers;
	struct secret_sources *secrets; /* where those of tools are */
};

/*
 * Reads all of it for the first time, of SETTINGS->file, and logs what is
 * wrong. 0, or -errno: nobody can work with it.
 */
int settings_load(struct settings *settings);

/*
 * Reads all of it again. While BUSY, what would harm calls stays as it was
 * (KEEPER_RELOADED_PART). The configuration is the old one still when it has
 * errors (KEEPER_RELOADED_NOTHING), or when only another process can follow it
 * (KEEPER_RELOADED_OUTSIDE): it names files that this one cannot read, in which
 * there may be errors, or changes what a process has for its life. *ASTERISK_OUT: where Asterisk is,
 * or as whom we come, has changed.
 */
enum keeper_reloaded settings_reload(
    struct settings *settings, bool busy, bool *asterisk_out);

/* What goes into records; the folder is not in it. */
struct record_rules settings_record_rules(const struct settings *settings);

/* Wipes the configuration. */
void settings_free(struct settings *settings);

#endif
