/* SPDX-License-Identifier: MIT */
/* routeros_words.c – commands to words, words to records, challenges. */
#include "toolworker/routeros_words.h"

#include "toolworker/routeros_value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

enum {
	CHALLENGE_LEN = 16,
	TAG_SIZE = 12,
};

void
routeros_words_command(struct routeros_buffer *buffer,
    const struct routeros_command *command,
    const struct routeros_values *values, unsigned int tag)
{
	char text[TAG_SIZE];
	char key[64];

	snprintf(key, sizeof(key), "%s%s", command->menu,
	    command->verb != NULL ? "/" : "");
	routeros_buffer_word(
	    buffer, key, command->verb != NULL ? command->verb : "");
	if (command->proplist != NULL)
		routeros_buffer_word(buffer, "=.proplist=", command->proplist);
	if (command->flag != NULL) {
		snprintf(key, sizeof(key), "=%s=", command->flag);
		routeros_buffer_word(buffer, key, "");
	}
	for (size_t i = 0; i < ROUTEROS_VALUES_MAX; i++) {
		if (command->names[i] == NULL)
			continue;
		snprintf(key, sizeof(key), "=%s=", command->names[i]);
		routeros_buffer_word(buffer, key, values->list[i]);
	}
	if (command->filter != NULL)
		routeros_buffer_word(buffer, "?", command->filter);
	snprintf(text, sizeof(text), "%u", tag);
	routeros_buffer_word(buffer, ".tag=", text);
	routeros_buffer_end(buffer);
}

/* -- the login of before 6.43 ------------------------------------------------- */

static int
read_challenge(const char *text, unsigned char *bytes)
{
	static const char digits[] = "0123456789abcdef";

	if (strlen(text) != (size_t)2 * CHALLENGE_LEN ||
	    strspn(text, digits) != (size_t)2 * CHALLENGE_LEN)
		return -EPROTO;
	for (size_t i = 0; i < CHALLENGE_LEN; i++) {
		long high = strchr(digits, text[2 * i]) - digits;
		long low = strchr(digits, text[2 * i + 1]) - digits;

		bytes[i] = (unsigned char)(high << 4 | low);
	}
	return 0;
}

int
routeros_words_respond(
    const char *challenge, const char *password, char *response)
{
	unsigned char bytes[CHALLENGE_LEN];
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned int len = 0;
	EVP_MD_CTX *md;
	bool done;

	if (read_challenge(challenge, bytes) < 0)
		return -EPROTO;
	md = EVP_MD_CTX_new();
	done = md != NULL && EVP_DigestInit_ex(md, EVP_md5(), NULL) &&
	       EVP_DigestUpdate(md, "", 1) &&
	       EVP_DigestUpdate(md, password, strlen(password)) &&
	       EVP_DigestUpdate(md, bytes, sizeof(bytes)) &&
	       EVP_DigestFinal_ex(md, digest, &len) && len == CHALLENGE_LEN;
	EVP_MD_CTX_free(md);
	if (!done)
		return -ENOSYS;
	snprintf(response, ROUTEROS_RESPONSE_SIZE, "00");
	for (unsigned int i = 0; i < len; i++)
		snprintf(response + 2 + 2 * i, 3, "%02x", digest[i]);
	return 0;
}

/* -- replies ------------------------------------------------------------------ */

bool
routeros_word_is(const struct routeros_word *word, const char *text)
{
	return word->len == strlen(text) &&
	       memcmp(word->text, text, word->len) == 0;
}

/* Adds "=key=value" to RECORD; anything else is passed over. */
static void
add_attribute(cJSON *record, const struct routeros_word *word)
{
	const char *key = word->text + 1;
	const char *end;
	char *name, *value;

	if (word->len < 2 || word->text[0] != '=')
		return;
	end = memchr(key, '=', word->len - 1);
	if (end == NULL)
		return;
	name = routeros_text(key, (size_t)(end - key));
	value = routeros_text(
	    end + 1, (size_t)(word->text + word->len - (end + 1)));
	if (name != NULL && value != NULL)
		cJSON_AddStringToObject(record, name, value);
	free(name);
	free(value);
}

cJSON *
routeros_words_record(const struct routeros_sentence *sentence)
{
	cJSON *record = cJSON_CreateObject();

	for (size_t i = 1; record != NULL && i < sentence->count; i++)
		add_attribute(record, &sentence->words[i]);
	return record;
}
