/* SPDX-License-Identifier: MIT */
/*
 * fuzz_routeros.c – what routers say. 'w': bytes of the binary API; 'r': a REST
 * answer, its status first; 'q': records of a query, three replies in JSON up
 * to 0xff each, with the model's arguments before them.
 */
#include "common/json.h"
#include "tests/fuzz/fuzz.h"
#include "toolworker/routeros_queries.h"
#include "toolworker/routeros_rest.h"
#include "toolworker/routeros_wire.h"

#include <cjson/cJSON.h>

static void
fuzz_wire(const uint8_t *data, size_t size)
{
	static struct routeros_sentence sentence;
	size_t done = 0;

	while (done < size) {
		ssize_t n = routeros_sentence_decode(
		    data + done, size - done, &sentence);

		if (n <= 0)
			break;
		FUZZ_CHECK((size_t)n <= size - done);
		FUZZ_CHECK(sentence.count <= ROUTEROS_WORDS_MAX);
		for (size_t i = 0; i < sentence.count; i++) {
			const uint8_t *word =
			    (const uint8_t *)sentence.words[i].text;

			FUZZ_CHECK(word >= data + done);
			FUZZ_CHECK(
			    word + sentence.words[i].len <= data + done + n);
		}
		done += (size_t)n;
	}
	if (size >= 4) {
		unsigned char bytes[ROUTEROS_LENGTH_SIZE];
		uint32_t length, back = 0;
		size_t n;

		memcpy(&length, data, sizeof(length));
		length &= 0x0fffffff;
		n = routeros_length_encode(length, bytes);
		FUZZ_CHECK(
		    routeros_length_decode(bytes, n, &back) == (ssize_t)n);
		FUZZ_CHECK(back == length);
	}
}

static void
fuzz_rest(struct fuzz_input *in)
{
	static struct routeros_outcome outcome;
	int status = 100 + (int)(fuzz_u32(in) % 500);
	char *body = fuzz_text(in->data, in->size);
	const struct http_response response = {
	    .result = HTTP_OK,
	    .status = status,
	    .body = body,
	    .body_len = in->size,
	    .content_type = "application/json",
	    .redirect_url = "",
	    .error = "",
	    .retry_after_s = -1,
	};

	memset(&outcome, 0, sizeof(outcome));
	routeros_rest_read(&outcome, &response, NULL);
	FUZZ_CHECK(
	    outcome.status != TOOL_STATUS_OK || cJSON_IsArray(outcome.records));
	FUZZ_CHECK(memchr(outcome.why, '\0', sizeof(outcome.why)) != NULL);
	FUZZ_CHECK(strpbrk(outcome.why, "\n\r\033") == NULL);
	cJSON_Delete(outcome.records);
	free(body);
}

static cJSON *
json_part(struct fuzz_input *in)
{
	char *text = fuzz_part(in);
	cJSON *json = json_parse(text, strlen(text));

	free(text);
	return json;
}

/* No argument becomes a word that is not a value. */
static void
check_values(const struct routeros_values *values)
{
	for (size_t i = 0; i < ROUTEROS_VALUES_MAX; i++) {
		if (values->list[i] != NULL)
			FUZZ_CHECK(strpbrk(values->list[i], "\n\r") == NULL);
	}
}

static void
fuzz_query(struct fuzz_input *in)
{
	enum routeros_query query =
	    (enum routeros_query)(fuzz_byte(in) % ROUTEROS_QUERY_COUNT);
	cJSON *arguments = json_part(in), *records[ROUTEROS_COMMANDS_MAX];
	struct routeros_results results = {0};
	char why[ROUTEROS_WHY_SIZE];
	cJSON *answer;

	for (size_t i = 0; i < ROUTEROS_COMMANDS_MAX; i++) {
		records[i] = json_part(in);
		if (cJSON_IsArray(records[i]))
			results.list[i] = records[i];
	}
	if (!cJSON_IsObject(arguments)) {
		cJSON_Delete(arguments);
		arguments = cJSON_CreateObject();
	}
	for (size_t i = 0; i < routeros_command_count(query); i++) {
		struct routeros_values values = {0};

		if (routeros_values_make(
			&values, query, i, arguments, &results, why) == 1)
			check_values(&values);
		routeros_values_free(&values);
	}
	answer = routeros_answer(query, arguments, &results);
	cJSON_Delete(answer);
	cJSON_Delete(arguments);
	for (size_t i = 0; i < ROUTEROS_COMMANDS_MAX; i++)
		cJSON_Delete(records[i]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input in = {data, size};

	fuzz_init();
	switch (fuzz_byte(&in)) {
	case 'w':
		fuzz_wire(in.data, in.size);
		break;
	case 'r':
		fuzz_rest(&in);
		break;
	case 'q':
		fuzz_query(&in);
		break;
	}
	return 0;
}
