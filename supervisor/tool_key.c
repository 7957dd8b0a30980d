/* SPDX-License-Identifier: MIT */
/*
 * tool_key.c – hashes JSON in one canonical way: every value with its type
 * and length, members in the order of their names. A cryptographic digest,
 * since callers have a say in the arguments and would else choose whose
 * answer they get.
 */
#include "supervisor/tool_key.h"

#include <errno.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct member {
	const cJSON *item;
	size_t place;
};

static bool hash_value(EVP_MD_CTX *ctx, const cJSON *value);

static bool
hash_text(EVP_MD_CTX *ctx, char type, const char *text)
{
	char head[32];
	int n = snprintf(head, sizeof(head), "%c%zu:", type, strlen(text));

	return EVP_DigestUpdate(ctx, head, (size_t)n) == 1 &&
	       EVP_DigestUpdate(ctx, text, strlen(text)) == 1;
}

/* By name; of equal names the first stays first, for it is the one used. */
static int
compare(const void *a, const void *b)
{
	const struct member *left = a, *right = b;
	int order = strcmp(left->item->string, right->item->string);

	if (order != 0)
		return order;
	return left->place < right->place ? -1 : 1;
}

static bool
hash_members(EVP_MD_CTX *ctx, const cJSON *object)
{
	size_t count = (size_t)cJSON_GetArraySize(object);
	struct member *members = calloc(count + 1, sizeof(*members));
	const cJSON *item;
	size_t n = 0;
	bool good = true;

	if (members == NULL)
		return false;
	cJSON_ArrayForEach(item, object) {
		members[n].item = item;
		members[n].place = n;
		n++;
	}
	qsort(members, n, sizeof(*members), compare);
	for (size_t i = 0; i < n && good; i++)
		good = hash_text(ctx, 'm', members[i].item->string) &&
		       hash_value(ctx, members[i].item);
	free(members);
	return good && hash_text(ctx, '}', "");
}

static bool
hash_elements(EVP_MD_CTX *ctx, const cJSON *array)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, array) {
		if (!hash_value(ctx, item))
			return false;
	}
	return hash_text(ctx, ']', "");
}

static bool
hash_value(EVP_MD_CTX *ctx, const cJSON *value)
{
	char number[32];

	if (cJSON_IsObject(value))
		return hash_text(ctx, '{', "") && hash_members(ctx, value);
	if (cJSON_IsArray(value))
		return hash_text(ctx, '[', "") && hash_elements(ctx, value);
	if (cJSON_IsString(value))
		return hash_text(ctx, 's', value->valuestring);
	if (cJSON_IsNumber(value)) {
		snprintf(number, sizeof(number), "%.17g", value->valuedouble);
		return hash_text(ctx, 'n', number);
	}
	return hash_text(ctx, cJSON_IsTrue(value) ? 't' : 'z',
	    cJSON_IsFalse(value) ? "false" : "");
}

int
tool_key_make(char key[TOOL_KEY_SIZE], const char *name, const cJSON *arguments,
    const cJSON *settings)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	bool good;

	good = ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1 &&
	       hash_text(ctx, 'N', name) && hash_value(ctx, arguments) &&
	       hash_value(ctx, settings) &&
	       EVP_DigestFinal_ex(ctx, digest, NULL) == 1;
	EVP_MD_CTX_free(ctx);
	key[0] = '\0';
	if (!good)
		return -ENOMEM;
	for (size_t i = 0; i < (TOOL_KEY_SIZE - 1) / 2; i++)
		snprintf(key + 2 * i, 3, "%02x", digest[i]);
	return 0;
}
