/* SPDX-License-Identifier: MIT */
/* proc.c – names of roles and exit statuses, and the build's identity. */
#include "common/proc.h"

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
	}
	return "unknown status";
}

const char *
proc_build_id(void)
{
	return TELEFONISTA_VERSION "+" TELEFONISTA_BUILD;
}
