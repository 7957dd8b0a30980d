/* SPDX-License-Identifier: MIT */
/*
 * realtime_events.h – OpenAI's Realtime API (GA) as data: the client events
 * that we send, encoded, and the server events that we understand, decoded.
 *
 * Every client event but input_audio_buffer.append carries an event_id, whose
 * first word says what it was for, so that an `error` finds its cause. Fields
 * and events that we do not know are ignored; a known event whose fields have
 * another type than published reads as if they were absent.
 */
#ifndef CALLWORKER_REALTIME_EVENTS_H
#define CALLWORKER_REALTIME_EVENTS_H

#include "callworker/g711.h"
#include "callworker/voice.h"

#include <cjson/cJSON.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct brief;

enum {
	REALTIME_ID_SIZE = VOICE_ID_SIZE,
	REALTIME_FRAME_MAX = 960, /* bytes of G.711 in one append */
	/* {"type":"input_audio_buffer.append","audio":"…"} */
	REALTIME_APPEND_SIZE = 64 + (REALTIME_FRAME_MAX + 2) / 3 * 4,
};

/* X(ENUM, "name") */
#define REALTIME_EVENTS(X)                                                     \
	X(SESSION_CREATED, "session.created")                                  \
	X(SESSION_UPDATED, "session.updated")                                  \
	X(ERROR, "error")                                                      \
	X(SPEECH_STARTED, "input_audio_buffer.speech_started")                 \
	X(SPEECH_STOPPED, "input_audio_buffer.speech_stopped")                 \
	X(ITEM_ADDED, "conversation.item.added")                               \
	X(ITEM_CREATED, "conversation.item.created")                           \
	X(ITEM_DONE, "conversation.item.done")                                 \
	X(CALLER_TRANSCRIPT,                                                   \
	    "conversation.item.input_audio_transcription.completed")           \
	X(CALLER_TRANSCRIPT_FAILED,                                            \
	    "conversation.item.input_audio_transcription.failed")              \
	X(RESPONSE_CREATED, "response.created")                                \
	X(RESPONSE_DONE, "response.done")                                      \
	X(OUTPUT_ITEM_ADDED, "response.output_item.added")                     \
	X(OUTPUT_ITEM_DONE, "response.output_item.done")                       \
	X(AUDIO_DELTA, "response.output_audio.delta")                          \
	X(TRANSCRIPT_DELTA, "response.output_audio_transcript.delta")          \
	X(TRANSCRIPT_DONE, "response.output_audio_transcript.done")            \
	X(CALL_DONE, "response.function_call_arguments.done")                  \
	X(RATE_LIMITS, "rate_limits.updated")

enum realtime_event_type {
	REALTIME_EVENT_UNKNOWN,
#define X(id, name) REALTIME_EVENT_##id,
	REALTIME_EVENTS(X)
#undef X
};

enum realtime_status {
	REALTIME_STATUS_IN_PROGRESS,
	REALTIME_STATUS_COMPLETED,
	REALTIME_STATUS_CANCELLED,
	REALTIME_STATUS_FAILED,
	REALTIME_STATUS_INCOMPLETE,
};

/* What an event_id of ours says that it was for. */
enum realtime_purpose {
	REALTIME_PURPOSE_NONE,    /* no event_id, or not one of ours */
	REALTIME_PURPOSE_UPDATE,  /* session.update */
	REALTIME_PURPOSE_ASK,     /* response.create */
	REALTIME_PURPOSE_CANCEL,  /* response.cancel */
	REALTIME_PURPOSE_ITEM,    /* conversation.item.create */
	REALTIME_PURPOSE_CUT,     /* conversation.item.truncate or .delete */
	REALTIME_PURPOSE_ASIDE,   /* response.create of an aside … */
	REALTIME_PURPOSE_HUSH,    /* … and its response.cancel */
	REALTIME_PURPOSE_HISTORY, /* an item of an earlier session */
};

/*
 * One server event. Strings belong to JSON (free with realtime_event_free())
 * and are "" when the event has no such field.
 */
struct realtime_event {
	cJSON *json;
	enum realtime_event_type type;
	const char *type_name;
	const char *response_id;
	const char *item_id;
	const char *item_type; /* "message", "function_call" … */
	const char *call_id;
	const char *name;
	const char *text; /* delta, transcript or arguments */
	int64_t content_index;
	int64_t audio_start_ms; /* speech_started, lead-in included; or -1 */
	/* response.created and .done */
	enum realtime_status status;
	const char *reason;  /* of cancelled or incomplete */
	bool has_metadata;   /* an object, which automatic ones lack */
	const char *ask;     /* the event_id of the response.create */
	bool out_of_band;    /* says that it is part of no conversation */
	const cJSON *output; /* array of items, or NULL */
	struct voice_usage usage;
	/* error, and response.done that failed */
	const char *error_type;
	const char *error_code;
	const char *error_message;
	const char *error_param;
	const char *error_event_id;
	/* session.* */
	const char *session_id;
	int64_t expires_s;
	/* rate_limits.updated: longest wait of an exhausted one, else 0 */
	uint32_t reset_ms;
};

/*
 * Parses one message. 0, or -EBADMSG: not a JSON object with a string type.
 * An unknown type is 0 with REALTIME_EVENT_UNKNOWN.
 */
int realtime_event_parse(
    struct realtime_event *event_out, const char *text, size_t len);
void realtime_event_free(struct realtime_event *event);

/*
 * Decodes an AUDIO_DELTA into a new buffer, free(). 0 with length 0 for an
 * empty delta, -EBADMSG: not base64, -ENOMEM.
 */
int realtime_event_audio(
    const struct realtime_event *event, uint8_t **g711_out, size_t *len_out);

/* "ask-17": an event_id for PURPOSE. */
void realtime_event_id(char id_out[REALTIME_ID_SIZE],
    enum realtime_purpose purpose, unsigned number);
enum realtime_purpose realtime_event_id_purpose(const char *id);

/* The following return a new string, free(), or NULL without memory. */

/* session.update with everything that BRIEF says. */
char *realtime_encode_session(
    const char *event_id, const struct brief *brief, enum g711_law law);

/* A user's text as an item. */
char *realtime_encode_text(
    const char *event_id, const char *item_id, const char *text);

/* What the voice said as an item, after the item PREVIOUS ("": the last). */
char *realtime_encode_said(const char *event_id, const char *item_id,
    const char *previous, const char *text);

/* A function call of an earlier session as an item. */
char *realtime_encode_call(const char *event_id, const char *item_id,
    const char *call_id, const char *name, const char *arguments);

/* The result of a function call as an item. */
char *realtime_encode_output(const char *event_id, const char *item_id,
    const char *call_id, const char *output);

/* response.create; SAY is to be said word by word, or NULL. */
char *realtime_encode_ask(const char *event_id, const char *say);

/* response.create of TEXT outside of the conversation: no context, no tools,
 * and no item of it is kept. */
char *realtime_encode_aside(const char *event_id, const char *text);

char *realtime_encode_cancel(const char *event_id, const char *response_id);
char *realtime_encode_truncate(const char *event_id, const char *item_id,
    int64_t content_index, uint32_t audio_end_ms);
char *realtime_encode_delete(const char *event_id, const char *item_id);

/*
 * input_audio_buffer.append of up to REALTIME_FRAME_MAX bytes into BUF, not
 * NUL-terminated. Returns its length. No allocation: 50 a second.
 */
size_t realtime_encode_append(
    char buf[REALTIME_APPEND_SIZE], const uint8_t *g711, size_t len);

#endif
