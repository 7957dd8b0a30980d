/* SPDX-License-Identifier: MIT */
/*
 * routeros_words.h – what the words of the binary API's sentences say:
 * commands of the allow-list, replies as records, the old login. No I/O.
 */
#ifndef TOOLWORKER_ROUTEROS_WORDS_H
#define TOOLWORKER_ROUTEROS_WORDS_H

#include "toolworker/routeros_queries.h"
#include "toolworker/routeros_wire.h"

#include <cjson/cJSON.h>
#include <stdbool.h>

enum {
	ROUTEROS_RESPONSE_SIZE = 35, /* "00", an MD5 in hex, NUL */
};

/* Appends COMMAND as a sentence with TAG to BUFFER. */
void routeros_words_command(struct routeros_buffer *buffer,
    const struct routeros_command *command,
    const struct routeros_values *values, unsigned int tag);

/*
 * The answer to CHALLENGE, 32 hexadecimal digits, of a router before 6.43:
 * "00" and MD5(NUL, PASSWORD, the challenge's 16 bytes). -EPROTO: it is no
 * challenge; -ENOSYS: this machine's OpenSSL has no MD5.
 */
int routeros_words_respond(
    const char *challenge, const char *password, char *response);

bool routeros_word_is(const struct routeros_word *word, const char *text);

/*
 * The words "=key=value" of SENTENCE, but its first, as a record
 * (routeros_value.h); others are passed over. NULL: no memory.
 */
cJSON *routeros_words_record(const struct routeros_sentence *sentence);

#endif
