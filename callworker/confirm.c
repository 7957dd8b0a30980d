/* SPDX-License-Identifier: MIT */
/*
 * confirm.c – one-time tokens.
 *
 * Invariant: there is at most one token, and it is 128 random bits that no
 * log has seen.
 */
#include "callworker/confirm.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>

void
confirm_clear(struct confirm *confirm)
{
	unsigned int serial = confirm->serial;

	cJSON_Delete(confirm->arguments);
	explicit_bzero(confirm, sizeof(*confirm));
	confirm->serial = serial;
}

static bool
make_token(char token[CONFIRM_TOKEN_SIZE])
{
	unsigned char random[(CONFIRM_TOKEN_SIZE - 1) / 2];

	if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
		return false;
	for (size_t i = 0; i < sizeof(random); i++)
		snprintf(token + 2 * i, 3, "%02x", random[i]);
	explicit_bzero(random, sizeof(random));
	return true;
}

static enum confirm_verdict
issue(struct confirm *confirm, const char *tool, const cJSON *arguments,
    uint64_t now_ms)
{
	confirm_clear(confirm);
	confirm->arguments = cJSON_Duplicate(arguments, true);
	if (confirm->arguments == NULL || !make_token(confirm->token)) {
		confirm_clear(confirm);
		return CONFIRM_BROKEN;
	}
	snprintf(confirm->tool, sizeof(confirm->tool), "%s", tool);
	confirm->issued_ms = now_ms;
	confirm->serial++;
	return CONFIRM_READ_BACK;
}

/* Whether the request with TOKEN is the one that was read back. */
static bool
is_same(const struct confirm *confirm, const char *tool, const cJSON *arguments,
    const char *token, uint64_t now_ms)
{
	return confirm->token[0] != '\0' && token != NULL &&
	       now_ms - confirm->issued_ms < CONFIRM_LIFE_MS &&
	       strcmp(token, confirm->token) == 0 &&
	       strcmp(tool, confirm->tool) == 0 &&
	       cJSON_Compare(arguments, confirm->arguments, true);
}

enum confirm_verdict
confirm_judge(struct confirm *confirm, const char *tool, const cJSON *arguments,
    const char *token, uint64_t now_ms)
{
	if (!is_same(confirm, tool, arguments, token, now_ms))
		return issue(confirm, tool, arguments, now_ms);
	if (!confirm->heard || !confirm->spoke)
		return CONFIRM_TOO_EARLY;
	confirm_clear(confirm);
	return CONFIRM_AGREED;
}

void
confirm_heard(
    struct confirm *confirm, unsigned int serial, uint32_t ms, bool to_the_end)
{
	if (confirm->token[0] == '\0' || serial != confirm->serial || ms == 0)
		return;
	confirm->heard = confirm->heard || to_the_end || ms >= CONFIRM_HEARD_MS;
}

void
confirm_spoke(struct confirm *confirm)
{
	confirm->spoke = confirm->spoke || confirm->heard;
}
