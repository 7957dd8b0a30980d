/* SPDX-License-Identifier: MIT */
/*
 * test_routeros_wire.c – the published lengths and streams of the binary API,
 * every truncation of them, and lengths that mean harm.
 */
#include "toolworker/routeros_wire.h"
#include "toolworker/routeros_words.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cjson/cJSON.h>
#include <cmocka.h>

#include "common/env_file.h"
#include "common/json.h"

#include <errno.h>

#define VECTORS "../shared/specs/routeros/api-binary.vectors.json"

enum {
	STREAM_MAX = 4096,
};

/* The four streams of the manual's extract, for where VECTORS is absent. */
static const char own_vectors[] =
    "{\"lengths\":["
    "{\"length\":0,\"hex\":\"00\"},{\"length\":127,\"hex\":\"7f\"},"
    "{\"length\":128,\"hex\":\"8080\"},{\"length\":16383,\"hex\":\"bfff\"},"
    "{\"length\":16384,\"hex\":\"c04000\"},"
    "{\"length\":2097151,\"hex\":\"dfffff\"},"
    "{\"length\":2097152,\"hex\":\"e0200000\"},"
    "{\"length\":268435455,\"hex\":\"efffffff\"},"
    "{\"length\":268435456,\"hex\":\"f010000000\"}],"
    "\"streams\":[{\"sentences\":[[\"/login\",\"=name=admin\","
    "\"=password=\"]],\"hex\":"
    "\"062f6c6f67696e0b3d6e616d653d61646d696e0a3d70617373776f72643d00\"},"
    "{\"sentences\":[[\"!fatal\",\"session terminated on request\"]],"
    "\"hex\":\"0621666174616c1d73657373696f6e207465726d696e61746564206f6e2072"
    "65717565737400\"}]}";

static cJSON *
load_vectors(void)
{
	char *text;
	size_t len;
	cJSON *json;

	if (env_file_read(VECTORS, &text, &len, NULL) < 0)
		return cJSON_Parse(own_vectors);
	json = json_parse(text, len);
	free(text);
	assert_non_null(json);
	return json;
}

static size_t
from_hex(const char *hex, unsigned char *bytes)
{
	size_t len = strlen(hex) / 2;

	assert_true(len <= STREAM_MAX);
	for (size_t i = 0; i < len; i++) {
		unsigned int value;

		assert_int_equal(sscanf(hex + 2 * i, "%2x", &value), 1);
		bytes[i] = (unsigned char)value;
	}
	return len;
}

static void
published_lengths_are_written_and_read(void **state)
{
	cJSON *json = load_vectors();
	const cJSON *item;

	(void)state;
	cJSON_ArrayForEach(item, json_array(json, "lengths")) {
		uint32_t length = (uint32_t)json_int(item, "length", -1);
		unsigned char bytes[STREAM_MAX];
		unsigned char ours[ROUTEROS_LENGTH_SIZE];
		size_t len = from_hex(json_string(item, "hex"), bytes);
		uint32_t got = ~length;

		assert_int_equal(routeros_length_encode(length, ours), len);
		assert_memory_equal(ours, bytes, len);
		assert_int_equal(routeros_length_decode(bytes, len, &got), len);
		assert_int_equal(got, length);
		for (size_t cut = 0; cut < len; cut++)
			assert_int_equal(
			    routeros_length_decode(bytes, cut, &got), 0);
	}
	cJSON_Delete(json);
}

static void
every_length_comes_back(void **state)
{
	(void)state;
	for (uint64_t length = 0; length <= UINT32_MAX;
	     length = length * 5 / 4 + 1) {
		unsigned char bytes[ROUTEROS_LENGTH_SIZE];
		uint32_t got;
		size_t len = routeros_length_encode((uint32_t)length, bytes);

		assert_int_equal(routeros_length_decode(bytes, len, &got), len);
		assert_int_equal(got, (uint32_t)length);
	}
}

static void
reserved_first_bytes_are_refused(void **state)
{
	(void)state;
	for (unsigned int first = 0xf1; first <= 0xff; first++) {
		const unsigned char bytes[5] = {(unsigned char)first};
		struct routeros_sentence sentence;
		uint32_t length;

		assert_int_equal(
		    routeros_length_decode(bytes, 5, &length), -EPROTO);
		assert_int_equal(
		    routeros_sentence_decode(bytes, 5, &sentence), -EPROTO);
	}
}

/* Decodes BYTES, which must be exactly SENTENCES. */
static void
assert_stream(const unsigned char *bytes, size_t len, const cJSON *sentences)
{
	struct routeros_sentence sentence;
	const cJSON *words, *word;
	size_t at = 0;

	cJSON_ArrayForEach(words, sentences) {
		ssize_t used =
		    routeros_sentence_decode(bytes + at, len - at, &sentence);
		size_t i = 0;

		assert_true(used > 0);
		cJSON_ArrayForEach(word, words) {
			assert_true(i < sentence.count);
			assert_int_equal(
			    sentence.words[i].len, strlen(word->valuestring));
			assert_memory_equal(sentence.words[i].text,
			    word->valuestring, sentence.words[i].len);
			i++;
		}
		assert_int_equal(sentence.count, i);
		/* Not whole until its last byte. */
		for (size_t cut = 0; cut < (size_t)used; cut++) {
			unsigned char *part = malloc(cut + 1);

			memcpy(part, bytes + at, cut);
			assert_int_equal(
			    routeros_sentence_decode(part, cut, &sentence), 0);
			free(part);
		}
		at += (size_t)used;
	}
	assert_int_equal(at, len);
}

static void
published_streams_are_read_and_written(void **state)
{
	cJSON *json = load_vectors();
	const cJSON *item, *words, *word;

	(void)state;
	cJSON_ArrayForEach(item, json_array(json, "streams")) {
		const cJSON *sentences = json_array(item, "sentences");
		struct routeros_buffer buffer = {0};
		unsigned char bytes[STREAM_MAX];
		size_t len = from_hex(json_string(item, "hex"), bytes);

		assert_stream(bytes, len, sentences);
		cJSON_ArrayForEach(words, sentences) {
			cJSON_ArrayForEach(word, words) {
				routeros_buffer_word(
				    &buffer, word->valuestring, "");
			}
			routeros_buffer_end(&buffer);
		}
		assert_int_equal(buffer.error, 0);
		assert_int_equal(buffer.len, len);
		assert_memory_equal(buffer.bytes, bytes, len);
		routeros_buffer_free(&buffer);
	}
	cJSON_Delete(json);
}

static void
hostile_lengths_are_refused_before_their_words_come(void **state)
{
	static const struct {
		unsigned char bytes[5];
		size_t len;
	} rows[] = {
	    {{0xf0, 0xff, 0xff, 0xff, 0xff}, 5},
	    {{0xf0, 0x10, 0x00, 0x00, 0x00}, 5}, {{0xef, 0xff, 0xff, 0xff}, 4},
	    {{0xe0, 0x20, 0x00, 0x00}, 4}, {{0xdf, 0xff, 0xff}, 3},
	    {{0xc1, 0x00, 0x01}, 3}, /* one over ROUTEROS_WORD_MAX */
	};
	struct routeros_sentence sentence;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_int_equal(routeros_sentence_decode(
				     rows[i].bytes, rows[i].len, &sentence),
		    -EMSGSIZE);
}

static void
sentences_have_a_limit_of_words_and_bytes(void **state)
{
	struct routeros_sentence sentence;
	unsigned char *bytes = calloc(1, 2 * ROUTEROS_SENTENCE_MAX);

	(void)state;
	for (size_t i = 0; i <= ROUTEROS_WORDS_MAX; i++)
		memcpy(bytes + 2 * i, "\001a", 2);
	assert_int_equal(routeros_sentence_decode(
			     bytes, 2 * ROUTEROS_WORDS_MAX + 2, &sentence),
	    -EMSGSIZE);
	bytes[2 * ROUTEROS_WORDS_MAX] = 0;
	assert_int_equal(routeros_sentence_decode(
			     bytes, 2 * ROUTEROS_WORDS_MAX + 1, &sentence),
	    2 * ROUTEROS_WORDS_MAX + 1);
	assert_int_equal(sentence.count, ROUTEROS_WORDS_MAX);
	/* Three words of the greatest length are too much together. */
	for (size_t i = 0; i < 2; i++)
		memcpy(bytes + i * (3 + ROUTEROS_WORD_MAX), "\xc1\x00\x00", 3);
	assert_int_equal(routeros_sentence_decode(
			     bytes, 2 * (3 + ROUTEROS_WORD_MAX), &sentence),
	    -EMSGSIZE);
	free(bytes);
}

static void
noise_never_reads_beyond_its_end(void **state)
{
	struct routeros_sentence sentence;
	uint32_t seed = 1;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		size_t len = (size_t)(round % 200);
		unsigned char *bytes = malloc(len + 1);
		ssize_t used;

		for (size_t i = 0; i < len; i++) {
			seed = seed * 1664525 + 1013904223;
			bytes[i] = (unsigned char)(seed >> 24);
			if (round % 2 == 0)
				bytes[i] &= 7;
		}
		used = routeros_sentence_decode(bytes, len, &sentence);
		assert_true(used <= (ssize_t)len);
		for (size_t i = 0; used > 0 && i < sentence.count; i++) {
			const char *word = sentence.words[i].text;

			assert_true(word >= (const char *)bytes &&
				    word + sentence.words[i].len <=
					(const char *)bytes + used);
		}
		free(bytes);
	}
}

static void
an_empty_sentence_takes_one_byte(void **state)
{
	struct routeros_sentence sentence;

	(void)state;
	assert_int_equal(routeros_sentence_decode("\0", 1, &sentence), 1);
	assert_int_equal(sentence.count, 0);
	assert_int_equal(routeros_sentence_decode("", 0, &sentence), 0);
}

static void
our_sentences_refuse_what_no_router_reads(void **state)
{
	struct routeros_buffer buffer = {0};
	char *text = calloc(1, ROUTEROS_WORD_MAX + 2);

	(void)state;
	memset(text, 'x', ROUTEROS_WORD_MAX);
	routeros_buffer_word(&buffer, text, "");
	assert_int_equal(buffer.error, 0);
	routeros_buffer_word(&buffer, "=a=", text);
	assert_int_equal(buffer.error, -EMSGSIZE);
	routeros_buffer_free(&buffer);
	assert_null(buffer.bytes);
	free(text);
}

/* Computed with Python's hashlib. */
static void
the_challenge_of_old_routers_is_answered(void **state)
{
	static const char *const rows[][3] = {
	    {"ebddd18303a54111e2dea05a92ab46b4", "",
		"001ea726ed53ae38520c8334f82d44c9f2"},
	    {"0123456789abcdef0123456789abcdef", "s3cr3t ñ",
		"009941d9dccac5a5dd8adad5c118645c62"},
	    {"00000000000000000000000000000000", "x",
		"00fbd5a456fb62ed1aa92f92d19b48ef60"},
	};
	char response[ROUTEROS_RESPONSE_SIZE];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(
		    routeros_words_respond(rows[i][0], rows[i][1], response),
		    0);
		assert_string_equal(response, rows[i][2]);
	}
	assert_int_equal(routeros_words_respond("", "x", response), -EPROTO);
	assert_int_equal(routeros_words_respond("00", "x", response), -EPROTO);
	assert_int_equal(routeros_words_respond(
			     "0000000000000000000000000000000g", "x", response),
	    -EPROTO);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(published_lengths_are_written_and_read),
	    cmocka_unit_test(every_length_comes_back),
	    cmocka_unit_test(reserved_first_bytes_are_refused),
	    cmocka_unit_test(published_streams_are_read_and_written),
	    cmocka_unit_test(
		hostile_lengths_are_refused_before_their_words_come),
	    cmocka_unit_test(sentences_have_a_limit_of_words_and_bytes),
	    cmocka_unit_test(noise_never_reads_beyond_its_end),
	    cmocka_unit_test(an_empty_sentence_takes_one_byte),
	    cmocka_unit_test(our_sentences_refuse_what_no_router_reads),
	    cmocka_unit_test(the_challenge_of_old_routers_is_answered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
