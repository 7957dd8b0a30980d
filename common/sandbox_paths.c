/* SPDX-License-Identifier: MIT */
/* sandbox_paths.c – what the libraries of every role but the keeper read. */
#include "common/sandbox_paths.h"

#include "common/tls.h"

void
sandbox_allow_basics(struct sandbox *sandbox, const char *log_file)
{
	static const char *const read[] = {
	    "/dev/urandom",
	    "/etc/localtime",
	    "/usr/share/zoneinfo",
	};

	for (size_t i = 0; i < sizeof(read) / sizeof(read[0]); i++)
		sandbox_allow(sandbox, SANDBOX_READ, read[i]);
	sandbox_allow(sandbox, SANDBOX_READ | SANDBOX_APPEND, "/dev/null");
	/* To be opened again by its name, after somebody rotated it. */
	sandbox_allow_folder_of(sandbox, SANDBOX_APPEND, log_file);
}

void
sandbox_allow_tls(struct sandbox *sandbox, const char *ca_file)
{
	static const char *const read[] = {
	    "/usr/lib/ssl/openssl.cnf",
	    TLS_CA_DIRECTORY,
	    /* What is in there points here. */
	    "/usr/share/ca-certificates",
	    "/usr/local/share/ca-certificates",
	};

	for (size_t i = 0; i < sizeof(read) / sizeof(read[0]); i++)
		sandbox_allow(sandbox, SANDBOX_READ, read[i]);
	if (ca_file != NULL)
		sandbox_allow(sandbox, SANDBOX_READ, ca_file);
}
