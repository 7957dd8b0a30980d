/* SPDX-License-Identifier: MIT */
/*
 * brief.h – what a callworker is told about one call: one JSON object in a
 * sealed memfd (read by callworker/brief.c).
 *
 * What a caller can influence (number, name, dialled number) is cut, cleaned
 * and put between <data> marks, which it cannot contain.
 */
#ifndef SUPERVISOR_BRIEF_H
#define SUPERVISOR_BRIEF_H

#include "common/config.h"
#include "supervisor/persona.h"
#include "supervisor/phone_number.h"

#include <time.h>

struct tools;

/* Everything belongs to whoever asks and is read before return. */
struct brief_request {
	const struct config *config;
	const struct persona *persona;
	const struct persona_notes *notes;
	const struct tools *tools;
	const struct phone_number *caller;
	const char *caller_name; /* as the network sent it; "" for none */
	const char *dialled;     /* as the dialplan has it; "" for none */
	/* What a database says of that number, not proved; NULL or "". */
	const char *customer;
	time_t now; /* shown in the process's time zone */
};

/*
 * The model of a call with PERSONA, and so of the spare that can take it.
 * The string belongs to PERSONA or CONFIG.
 */
const char *brief_model(
    const struct config *config, const struct persona *persona);

/*
 * The brief in a new memfd, sealed against every change, close-on-exec, the
 * caller's to close. 0 or -errno.
 */
int brief_build(const struct brief_request *request, int *fd_out);

/* The model of a brief that brief_build() has made; "" if it cannot be read. */
void brief_read_model(int fd, char *buf, size_t size);

#endif
