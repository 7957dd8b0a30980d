/* SPDX-License-Identifier: MIT */
/*
 * brief.c – parses the brief of one call.
 *
 * Invariant: every pointer in struct brief points into its JSON or to a
 * literal, and is never NULL unless the header says so.
 */
#include "callworker/brief.h"

#include "common/json.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const phrase_members[BRIEF_PHRASE_COUNT] = {
#define X(id, member) [BRIEF_PHRASE_##id] = #member,
    BRIEF_PHRASES(X)
#undef X
};

static int64_t
clamp(int64_t value, int64_t low, int64_t high)
{
	return value < low ? low : value > high ? high : value;
}

static void
parse_waiting(struct brief_tool *tool, const cJSON *waiting)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, waiting) {
		if (cJSON_IsString(item) && item->valuestring[0] != '\0' &&
		    tool->waiting_count < BRIEF_WAITING_MAX)
			tool->waiting[tool->waiting_count++] =
			    item->valuestring;
	}
}

static uint32_t
layer_ms(const cJSON *layers, const char *key, uint32_t otherwise, uint32_t min)
{
	return (uint32_t)clamp(
	    json_int(layers, key, otherwise), min, BRIEF_LAYER_MAX_MS);
}

static void
parse_layers(struct brief_layers *layers, const cJSON *json)
{
	layers->sound_after_ms = layer_ms(json, "sound_after_ms", 0, 0);
	layers->progress_after_ms = layer_ms(json, "progress_after_ms", 0, 0);
	layers->progress_every_ms =
	    layer_ms(json, "progress_every_ms", BRIEF_PROGRESS_EVERY_MS, 1);
}

static int
parse_tools(struct brief *brief, const cJSON *tools)
{
	const cJSON *item;

	cJSON_ArrayForEach(item, tools) {
		struct brief_tool *tool = &brief->tools[brief->tool_count];

		if (brief->tool_count == BRIEF_TOOLS_MAX)
			return -EBADMSG;
		tool->name = json_string(item, "name");
		if (tool->name[0] == '\0')
			return -EBADMSG;
		tool->description = json_string(item, "description");
		tool->parameters = json_object(item, "parameters");
		tool->failures = json_object(item, "failures");
		tool->deadline_ms = (uint32_t)clamp(
		    json_int(item, "deadline_ms", BRIEF_DEADLINE_MS), 1,
		    BRIEF_DEADLINE_MAX_MS);
		parse_waiting(tool, json_array(item, "waiting"));
		tool->progress = json_string(item, "progress");
		tool->action = json_string(item, "action");
		tool->confirm = json_bool(item, "confirm", false);
		brief->tool_count++;
	}
	return 0;
}

static int
parse_members(struct brief *brief)
{
	const cJSON *json = brief->json;
	const cJSON *phrases = json_object(json, "phrases");

	brief->model = json_string(json, "model");
	brief->voice = json_string(json, "voice");
	brief->language = json_string(json, "language");
	brief->instructions = json_string(json, "instructions");
	brief->greeting = json_string(json, "greeting");
	for (int i = 0; i < BRIEF_PHRASE_COUNT; i++)
		brief->phrases[i] = json_string(phrases, phrase_members[i]);
	brief->person_phrases = json_array(json, "person_phrases");
	brief->transcription_model = json_string(json, "transcription_model");
	brief->reasoning_effort = json_string(json, "reasoning_effort");
	brief->noise_reduction = json_string(json, "noise_reduction");
	if (strcmp(brief->noise_reduction, "off") == 0)
		brief->noise_reduction = "";
	brief->turn_detection = json_object(json, "turn_detection");
	brief->silent_caller_s = (uint32_t)clamp(
	    json_int(json, "silent_caller_s", BRIEF_SILENT_CALLER_S), 1, 3600);
	parse_layers(&brief->layers, json_object(json, "layers"));
	if (brief->instructions[0] == '\0')
		return -EBADMSG;
	return parse_tools(brief, json_array(json, "tools"));
}

int
brief_parse(struct brief **brief_out, const char *text, size_t len)
{
	struct brief *brief = NULL;
	int ret;

	*brief_out = NULL;
	if (len > BRIEF_LEN_MAX)
		return -EMSGSIZE;
	brief = calloc(1, sizeof(*brief));
	if (brief == NULL)
		return -ENOMEM;
	brief->json = json_parse(text, len);
	ret = cJSON_IsObject(brief->json) ? parse_members(brief) : -EBADMSG;
	if (ret != 0)
		brief_free(&brief);
	*brief_out = brief;
	return ret;
}

int
brief_read(struct brief **brief_out, int fd)
{
	struct stat st;
	char *text = NULL;
	size_t len = 0;
	int ret = 0;

	*brief_out = NULL;
	if (fstat(fd, &st) != 0)
		return -errno;
	if (st.st_size < 0 || st.st_size > BRIEF_LEN_MAX)
		return -EMSGSIZE;
	text = malloc((size_t)st.st_size + 1);
	if (text == NULL)
		return -ENOMEM;
	while (len < (size_t)st.st_size) {
		ssize_t n =
		    pread(fd, text + len, (size_t)st.st_size - len, (off_t)len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			ret = n < 0 ? -errno : -EBADMSG;
			goto out;
		}
		len += (size_t)n;
	}
	ret = brief_parse(brief_out, text, len);
out:
	free(text);
	return ret;
}

void
brief_free(struct brief **brief)
{
	if (*brief == NULL)
		return;
	cJSON_Delete((*brief)->json);
	free(*brief);
	*brief = NULL;
}

const struct brief_tool *
brief_find_tool(const struct brief *brief, const char *name)
{
	for (size_t i = 0; i < brief->tool_count; i++) {
		if (strcmp(brief->tools[i].name, name) == 0)
			return &brief->tools[i];
	}
	return NULL;
}

const char *
brief_failure(const struct brief_tool *tool, const char *status)
{
	return tool == NULL ? "" : json_string(tool->failures, status);
}
