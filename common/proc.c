/* SPDX-License-Identifier: MIT */
/* proc.c – names of roles and exit statuses, and the build's identity. */
#include "common/proc.h"

#include <stdio.h>

#ifndef TELEFONISTA_BUILD
#error "TELEFONISTA_BUILD must be defined by the Makefile"
#endif

const char *
proc_role_name(enum proc_role role)
{
	switch (role) {
	case PROC_ROLE_KEEPER:
		return "keeper";
	case PROC_ROLE_SUPERVISOR:
		return "supervisor";
	case PROC_ROLE_CALLWORKER:
		return "callworker";
	case PROC_ROLE_TOOLWORKER:
		return "toolworker";
	}
	return "unknown";
}

const char *
proc_exit_name(int status)
{
	switch ((enum proc_exit)status) {
	case PROC_EXIT_OK:
		return "done";
	case PROC_EXIT_INTERNAL:
		return "internal error";
	case PROC_EXIT_CONFIG:
		return "configuration error";
	case PROC_EXIT_CHANNEL:
		return "message protocol broken by the peer";
	case PROC_EXIT_BACKEND:
		return "voice service lost";
	case PROC_EXIT_ORPHAN:
		return "keeper gone";
	case PROC_EXIT_HANDED_OVER:
		return "handed over";
	}
	return "unknown status";
}

bool
proc_is_traced(pid_t pid)
{
	char path[64], line[256];
	int tracer = 0;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/status", (int)pid);
	file = fopen(path, "re");
	if (file == NULL)
		return false;
	while (fgets(line, sizeof(line), file) != NULL) {
		if (sscanf(line, "TracerPid: %d", &tracer) == 1)
			break;
	}
	fclose(file);
	return tracer != 0;
}

/*
 * An array, not a literal, whose end the linker may use for another one ("50"),
 * so that whoever changes the id in a binary changes nothing else.
 */
static const char build_id[] = TELEFONISTA_VERSION "+" TELEFONISTA_BUILD;

const char *
proc_build_id(void)
{
	return build_id;
}
