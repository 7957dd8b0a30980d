/* SPDX-License-Identifier: MIT */
/*
 * brief.c – writes the brief of one call.
 *
 * The instructions are the persona's, then the notes about this call, in
 * which every {{mark}} is replaced once: what it is replaced with is never
 * looked at again. A line with a mark that has no value is left out whole.
 */
#include "supervisor/brief.h"

#include "common/json.h"
#include "common/utf8.h"
#include "supervisor/tools.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	NAME_LETTERS_MAX = 60,      /* of a caller's name */
	CUSTOMER_LETTERS_MAX = 400, /* of what is known about the number */
	CUSTOMER_SIZE = 4 * CUSTOMER_LETTERS_MAX + 1,
	VALUE_SIZE = 256,
};

/* The marks; a value of NULL leaves the line out. */
struct marks {
	char weekday[VALUE_SIZE], month[VALUE_SIZE], timezone[VALUE_SIZE];
	char day[8], year[16], time[8];
	char spelled[PHONE_NUMBER_SPOKEN];
	char name[VALUE_SIZE];
	char dialled[PHONE_NUMBER_SIZE];
	char customer[CUSTOMER_SIZE];
	struct {
		const char *mark;
		const char *value;
	} list[16];
	size_t count;
};

static void
add_mark(struct marks *marks, const char *mark, const char *value)
{
	marks->list[marks->count].mark = mark;
	marks->list[marks->count++].value =
	    value != NULL && value[0] != '\0' ? value : NULL;
}

/* A mark that shows nothing and decides whether its line is there. */
static void
add_condition(struct marks *marks, const char *mark, bool holds)
{
	marks->list[marks->count].mark = mark;
	marks->list[marks->count++].value = holds ? "" : NULL;
}

/* Bytes of the letter that begins with C, in valid UTF-8. */
static size_t
letter_len(unsigned char c)
{
	return c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

/*
 * White space, controls, what nobody sees, and what looks like structure or
 * could end the marks around the data.
 */
static bool
is_unwanted(const char *letter, size_t len)
{
	unsigned char c = (unsigned char)letter[0];

	if (c < 0x80)
		return c <= 0x20 || c == 0x7f ||
		       strchr("<>{}[]\"`\\#*|", c) != NULL;
	return memcmp(letter, "\u00a0", 2) == 0 || utf8_unseen(letter, len) > 0;
}

/*
 * Copies NAME with everything unwanted turned into single spaces, cut to
 * LETTERS_MAX letters; "" if it is not UTF-8.
 */
static void
clean(char *out, size_t size, size_t letters_max, const char *name)
{
	size_t left = strnlen(name, 4096);
	size_t letters = 0;
	size_t n = 0;

	out[0] = '\0';
	if (name[left] != '\0' || utf8_count(name, left) < 0)
		return;
	while (*name != '\0' && letters < letters_max) {
		size_t len = letter_len((unsigned char)*name);

		if (n + len >= size)
			break;
		if (!is_unwanted(name, len)) {
			memcpy(out + n, name, len);
			n += len;
			letters++;
		} else if (n > 0 && out[n - 1] != ' ') {
			out[n++] = ' ';
			letters++;
		}
		name += len;
	}
	while (n > 0 && out[n - 1] == ' ')
		n--;
	out[n] = '\0';
}

/* Networks and PBXes repeat the number as the name, or write "unknown". */
static bool
name_says_something(const char *name, const struct phone_number *caller)
{
	return name[strspn(name, "+0123456789 -.()/")] != '\0' &&
	       !phone_number_is_withheld(name) &&
	       strcmp(name, caller->text) != 0;
}

static void
fill_time(struct marks *marks, const struct brief_request *request)
{
	struct tm tm = {.tm_mday = 1};

	localtime_r(&request->now, &tm);
	snprintf(marks->day, sizeof(marks->day), "%d", tm.tm_mday);
	strftime(marks->year, sizeof(marks->year), "%Y", &tm);
	strftime(marks->time, sizeof(marks->time), "%H:%M", &tm);
	add_mark(marks, "weekday", request->notes->weekdays[tm.tm_wday]);
	add_mark(marks, "day", marks->day);
	add_mark(marks, "month", request->notes->months[tm.tm_mon]);
	add_mark(marks, "year", marks->year);
	add_mark(marks, "time", marks->time);
	add_mark(marks, "timezone", request->config->timezone);
}

static void
fill_caller(struct marks *marks, const struct brief_request *request)
{
	const struct phone_number *caller = request->caller;
	bool is_extension = caller->kind == PHONE_INTERNAL;
	struct phone_number dialled;

	phone_number_spell(caller, request->config->default_country,
	    marks->spelled, sizeof(marks->spelled));
	clean(marks->name, sizeof(marks->name), NAME_LETTERS_MAX,
	    request->caller_name);
	if (!name_says_something(marks->name, caller))
		marks->name[0] = '\0';
	phone_number_parse(
	    request->dialled, request->config->default_country, &dialled);
	snprintf(marks->dialled, sizeof(marks->dialled), "%s", dialled.text);
	add_mark(marks, "number", is_extension ? NULL : caller->text);
	add_mark(marks, "number_spelled", marks->spelled);
	add_mark(marks, "extension", is_extension ? caller->text : NULL);
	add_mark(marks, "name", marks->name);
	clean(marks->customer, sizeof(marks->customer), CUSTOMER_LETTERS_MAX,
	    request->customer != NULL ? request->customer : "");
	add_mark(marks, "dialled", marks->dialled);
	add_mark(marks, "customer", marks->customer);
	add_condition(marks, "if_anonymous", caller->kind == PHONE_ANONYMOUS);
}

static bool
offers(const struct brief_request *request, const struct tool *tool)
{
	const struct persona *persona = request->persona;

	for (size_t i = 0; i < persona->tool_count; i++) {
		if (strcmp(persona->tools[i], tool->name) == 0)
			return tool->available && tool->who != TOOL_WHO_SERVICE;
	}
	return false;
}

/* Whether anything can be asked: what acts on the call answers nothing. */
static bool
offers_query(const struct brief_request *request)
{
	for (size_t i = 0; i < tools_count(request->tools); i++) {
		const struct tool *tool = tools_at(request->tools, i);

		if (tool->action[0] == '\0' && offers(request, tool))
			return true;
	}
	return false;
}

/* The value of the mark in TEXT ("name", LEN bytes); *KNOWN_OUT: there is. */
static const char *
find_mark(
    const struct marks *marks, const char *text, size_t len, bool *known_out)
{
	for (size_t i = 0; i < marks->count; i++) {
		const char *mark = marks->list[i].mark;

		*known_out =
		    strlen(mark) == len && memcmp(mark, text, len) == 0;
		if (*known_out)
			return marks->list[i].value;
	}
	*known_out = false;
	return NULL;
}

/* Writes LINE (LEN bytes) with its marks replaced; false: leave it out. */
static bool
fill_line(FILE *out, const struct marks *marks, const char *line, size_t len)
{
	const char *end = line + len;

	while (line < end) {
		size_t left = (size_t)(end - line);
		const char *open = memmem(line, left, "{{", 2);
		const char *close =
		    open == NULL ? NULL
				 : memmem(open, (size_t)(end - open), "}}", 2);
		const char *value;
		bool known;

		if (close == NULL)
			break;
		value = find_mark(
		    marks, open + 2, (size_t)(close - open) - 2, &known);
		if (known && value == NULL)
			return false;
		/* What is not a mark of ours stays as the operator wrote it. */
		if (known) {
			fwrite(line, 1, (size_t)(open - line), out);
			fputs(value, out);
		} else {
			fwrite(line, 1, (size_t)(close + 2 - line), out);
		}
		line = close + 2;
	}
	fwrite(line, 1, (size_t)(end - line), out);
	return true;
}

static void
fill_notes(FILE *out, const struct marks *marks, const char *text)
{
	while (*text != '\0') {
		size_t len = strcspn(text, "\n");
		char *line = NULL;
		size_t line_len = 0;
		FILE *memory = open_memstream(&line, &line_len);
		bool wanted;

		if (memory == NULL)
			return;
		wanted = fill_line(memory, marks, text, len);
		fclose(memory);
		if (wanted)
			fprintf(out, "%s\n", line);
		free(line);
		text += len + (text[len] == '\n');
	}
}

/* The complete instructions, to be freed; NULL: no memory. */
static char *
make_instructions(const struct brief_request *request)
{
	struct marks *marks = calloc(1, sizeof(*marks));
	char *text = NULL;
	size_t len = 0;
	FILE *out;

	if (marks == NULL)
		return NULL;
	fill_time(marks, request);
	fill_caller(marks, request);
	add_condition(marks, "if_no_tools", !offers_query(request));
	out = open_memstream(&text, &len);
	if (out != NULL) {
		fprintf(out, "%s\n\n", request->persona->instructions);
		fill_notes(out, marks, request->notes->text);
		if (fclose(out) != 0) {
			free(text);
			text = NULL;
		}
	}
	free(marks);
	return text;
}

static cJSON *
make_phrases(const struct persona *persona)
{
	cJSON *phrases = cJSON_CreateObject();

#define X(member, required) json_add_string(phrases, #member, persona->member);
	PERSONA_PHRASES(X)
#undef X
	return phrases;
}

static cJSON *
make_strings(const char *const *list, size_t count)
{
	cJSON *array = cJSON_CreateArray();

	for (size_t i = 0; i < count; i++)
		cJSON_AddItemToArray(array, cJSON_CreateString(list[i]));
	return array;
}

static cJSON *
make_person_phrases(const struct persona *persona)
{
	cJSON *array = cJSON_CreateArray();

	for (size_t i = 0; i < persona->person_phrase_count; i++)
		cJSON_AddItemToArray(
		    array, cJSON_CreateString(persona->person_phrases[i]));
	return array;
}

/* The schema as the model sees it. */
static cJSON *
make_parameters(const struct tool *tool)
{
	cJSON *parameters = cJSON_Duplicate(tool->parameters, true);
	cJSON *properties = cJSON_GetObjectItem(parameters, "properties");
	cJSON *token;

	if (!tool->confirm || parameters == NULL)
		return parameters;
	if (properties == NULL)
		properties = cJSON_AddObjectToObject(parameters, "properties");
	token = cJSON_AddObjectToObject(properties, TOOL_CONFIRMATION_ARGUMENT);
	json_add_string(token, "type", "string");
	json_add_string(token, "description",
	    "Leave it out at first. The answer then says what to write here "
	    "once the caller has agreed.");
	return parameters;
}

static cJSON *
make_tool(const struct tool *tool)
{
	cJSON *json = cJSON_CreateObject();

	json_add_string(json, "name", tool->name);
	json_add_string(json, "description", tool->description);
	json_add(json, "parameters", make_parameters(tool));
	json_add_int(json, "deadline_ms", tool->deadline_ms);
	json_add(json, "failures", cJSON_Duplicate(tool->failures, true));
	json_add(
	    json, "waiting", make_strings(tool->waiting, tool->waiting_count));
	json_add_string(json, "progress", tool->progress);
	json_add_string(json, "action", tool->action);
	json_add_bool(json, "confirm", tool->confirm);
	return json;
}

static cJSON *
make_tools(const struct brief_request *request)
{
	cJSON *array = cJSON_CreateArray();

	for (size_t i = 0; i < tools_count(request->tools); i++) {
		const struct tool *tool = tools_at(request->tools, i);

		if (offers(request, tool))
			cJSON_AddItemToArray(array, make_tool(tool));
	}
	return array;
}

/* As session.audio.input.turn_detection of the Realtime API. */
static cJSON *
make_turn_detection(const struct config *config)
{
	cJSON *json = cJSON_CreateObject();

	json_add_string(json, "type", config->turn_detection);
	if (strcmp(config->turn_detection, "semantic_vad") == 0) {
		json_add_string(json, "eagerness", config->vad_eagerness);
		return json;
	}
	json_add(json, "threshold", cJSON_CreateNumber(config->vad_threshold));
	json_add_int(json, "prefix_padding_ms", config->vad_prefix_ms);
	json_add_int(json, "silence_duration_ms", config->vad_silence_ms);
	return json;
}

static cJSON *
make_layers(const struct config *config)
{
	cJSON *json = cJSON_CreateObject();

	json_add_int(json, "sound_after_ms", config->tool_sound_after_ms);
	json_add_int(json, "progress_after_ms", config->tool_progress_after_ms);
	json_add_int(json, "progress_every_ms", config->tool_progress_every_ms);
	return json;
}

static const char *
first_set(const char *a, const char *b)
{
	return a[0] != '\0' ? a : b;
}

const char *
brief_model(const struct config *config, const struct persona *persona)
{
	return first_set(persona->model, config->openai_realtime_model);
}

/* The brief as text, to be freed; NULL: no memory. */
static char *
render(const struct brief_request *request)
{
	const struct persona *persona = request->persona;
	const struct config *config = request->config;
	cJSON *json = cJSON_CreateObject();
	char *instructions = make_instructions(request);
	char language[3];
	char *text = NULL;

	if (instructions == NULL || json == NULL)
		goto out;
	/* ISO 639-1 is what the transcription wants, without a country. */
	snprintf(language, sizeof(language), "%.2s", persona->language);
	json_add_string(json, "persona", persona->name);
	json_add_string(json, "model", brief_model(config, persona));
	json_add_string(
	    json, "voice", first_set(persona->voice, config->openai_voice));
	json_add_string(json, "language", language);
	json_add_string(json, "instructions", instructions);
	json_add_string(json, "greeting", persona->greeting);
	json_add(json, "phrases", make_phrases(persona));
	json_add(json, "person_phrases", make_person_phrases(persona));
	json_add(json, "tools", make_tools(request));
	json_add_string(
	    json, "transcription_model", config->openai_transcription_model);
	json_add_string(
	    json, "reasoning_effort", config->openai_reasoning_effort);
	json_add(json, "turn_detection", make_turn_detection(config));
	json_add_string(json, "noise_reduction", config->noise_reduction);
	json_add_int(json, "silent_caller_s", config->silent_caller_s);
	json_add(json, "layers", make_layers(config));
	text = cJSON_PrintUnformatted(json);
out:
	free(instructions);
	cJSON_Delete(json);
	return text;
}

static int
write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		len -= (size_t)n;
	}
	return 0;
}

int
brief_build(const struct brief_request *request, int *fd_out)
{
	char *text = render(request);
	int fd = -1;
	int ret;

	if (text == NULL)
		return -ENOMEM;
	fd = memfd_create("brief", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (fd < 0) {
		ret = -errno;
		goto out;
	}
	ret = write_all(fd, text, strlen(text));
	if (ret == 0 &&
	    fcntl(fd, F_ADD_SEALS,
		F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
		ret = -errno;
	if (ret == 0) {
		*fd_out = fd;
		fd = -1;
	}
out:
	if (fd >= 0)
		close(fd);
	free(text);
	return ret;
}

void
brief_read_model(int fd, char *buf, size_t size)
{
	struct stat st;
	void *text;
	cJSON *json;

	buf[0] = '\0';
	if (fstat(fd, &st) < 0 || st.st_size <= 0)
		return;
	/* Sealed: it stays as long as it is. */
	text = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (text == MAP_FAILED)
		return;
	json = json_parse(text, (size_t)st.st_size);
	snprintf(buf, size, "%s", json_string(json, "model"));
	cJSON_Delete(json);
	munmap(text, (size_t)st.st_size);
}
