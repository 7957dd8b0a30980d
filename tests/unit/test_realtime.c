/* SPDX-License-Identifier: MIT */
/*
 * test_realtime.c – a Realtime session on a real WebSocket, up to what its
 * response state machine is told. The machine itself has tests of its own.
 */
#include "callworker/realtime.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <event2/event.h>

#include "callworker/brief.h"
#include "common/clock.h"
#include "common/json.h"
#include "tests/unit/guarded_loop.h"
#include "tests/unit/scripted_server.h"

enum {
	TEXT = 0x81, /* a whole text message */
	LEAD_IN_MS = 300,
	SPOKEN_MS = 500,
	FRAMES = 1000, /* 20 s: far more than may wait */
};

struct client {
	struct event_base *base;
	struct voice *voice;
	char lines[2048];
	uint32_t ago_ms;
	bool configured;
};

/* ---- the service ------------------------------------------------------- */

static void
tell(struct scripted_conn *conn, const char *text)
{
	scripted_frame(conn, TEXT, text, strlen(text));
}

/* The client's next event, which must be a TYPE; cJSON_Delete(). */
static cJSON *
take(struct scripted_conn *conn, const char *type)
{
	char buf[8192];
	cJSON *event = NULL;

	if (scripted_read_frame(conn, buf, sizeof(buf), NULL) == TEXT)
		event = json_parse(buf, strlen(buf));
	if (strcmp(json_string(event, "type"), type) != 0)
		scripted_fail(conn, "not %s: %.80s", type, buf);
	return event;
}

static void
begin_session(struct scripted_conn *conn)
{
	if (!scripted_upgrade(conn, "", "", 0))
		return;
	tell(conn, "{\"type\":\"session.created\",\"session\":{\"id\":\"s\"}}");
	cJSON_Delete(take(conn, "session.update"));
	tell(conn, "{\"type\":\"session.updated\",\"session\":{}}");
}

static void
serve_aside(struct scripted_conn *conn)
{
	cJSON *event;
	char text[512];
	const cJSON *response;

	begin_session(conn);
	event = take(conn, "response.create");
	response = json_object(event, "response");
	if (strcmp(json_string(response, "conversation"), "none") != 0)
		scripted_fail(conn, "not beside the conversation");
	snprintf(text, sizeof(text),
	    "{\"type\":\"response.created\",\"response\":{\"id\":\"a1\","
	    "\"conversation_id\":null,\"metadata\":{\"ask\":\"%s\"}}}",
	    json_string(json_object(response, "metadata"), "ask"));
	cJSON_Delete(event);
	tell(conn, text);
	tell(conn, "{\"type\":\"response.output_audio.delta\",\"response_id\":"
		   "\"a1\",\"item_id\":\"i1\",\"delta\":\"////\"}");
	tell(conn, "{\"type\":\"response.done\",\"response\":{\"id\":\"a1\","
		   "\"status\":\"completed\"}}");
	scripted_drain(conn);
}

/* Counts the caller's audio, then says when he began to speak in it. */
static void
serve_counter(struct scripted_conn *conn)
{
	char buf[8192];
	int frames = 0;

	begin_session(conn);
	while (scripted_read_frame(conn, buf, sizeof(buf), NULL) == TEXT &&
	       strstr(buf, "input_audio_buffer.append") != NULL)
		frames++;
	if (frames == 0 || frames >= FRAMES)
		scripted_fail(conn, "%d frames came", frames);
	snprintf(buf, sizeof(buf),
	    "{\"type\":\"input_audio_buffer.speech_started\",\"item_id\":"
	    "\"u1\",\"audio_start_ms\":%d}",
	    frames * REALTIME_FRAME_MS - SPOKEN_MS - LEAD_IN_MS);
	tell(conn, buf);
	scripted_drain(conn);
}

/* ---- the call ---------------------------------------------------------- */

static void
on_up(int64_t expires_s, void *arg)
{
	static const char text[] =
	    "{\"instructions\":\"Eres la voz.\",\"turn_detection\":{\"type\":\"server_vad\","
	    "\"prefix_padding_ms\":300}}";
	struct client *client = arg;
	struct brief *brief;

	(void)expires_s;
	assert_int_equal(voice_aside(client->voice, "Sigo", 7), -ENOTCONN);
	assert_int_equal(brief_parse(&brief, text, strlen(text)), 0);
	assert_int_equal(
	    voice_start(client->voice, brief, G711_LAW_ULAW, NULL), 0);
	brief_free(&brief);
}

static void
on_configured(void *arg)
{
	struct client *client = arg;

	client->configured = true;
	event_base_loopbreak(client->base);
}

static void
note(struct client *client, const char *what, const char *utterance, int n)
{
	size_t len = strlen(client->lines);

	snprintf(client->lines + len, sizeof(client->lines) - len, "%s %s %d\n",
	    what, utterance, n);
}

static void
on_utterance(const char *utterance, int tag, void *arg)
{
	note(arg, "utterance", utterance, tag);
}

static void
on_audio(const char *utterance, const uint8_t *g711, size_t len, void *arg)
{
	(void)g711;
	note(arg, "audio", utterance, (int)len);
}

static void
on_utterance_done(const char *utterance, int tag, enum voice_end end,
    const char *why, void *arg)
{
	struct client *client = arg;

	(void)tag;
	assert_string_equal(why, "");
	note(arg, "done", utterance, (int)end);
	event_base_loopbreak(client->base);
}

static void
on_caller_started(uint32_t ago_ms, void *arg)
{
	struct client *client = arg;

	client->ago_ms = ago_ms;
	event_base_loopbreak(client->base);
}

static void
on_usage(const struct voice_usage *usage, void *arg)
{
	(void)usage;
	note(arg, "usage", "", 0);
}

static void
on_fault(enum voice_fault fault, const char *detail, bool fatal, void *arg)
{
	(void)fatal;
	(void)arg;
	fail_msg("fault %s: %s", voice_fault_name(fault), detail);
}

static const struct voice_events events = {
    .on_up = on_up,
    .on_configured = on_configured,
    .on_utterance = on_utterance,
    .on_audio = on_audio,
    .on_utterance_done = on_utterance_done,
    .on_caller_started = on_caller_started,
    .on_usage = on_usage,
    .on_fault = on_fault,
};

/* Until an event breaks the loop. */
static void
run(struct client *client)
{
	guarded_loop(client->base);
}

static void
set_up(struct client *client, struct scripted_server *server, scripted_fn fn)
{
	struct net_address address;
	char url[64];
	struct realtime_config config = {
	    .url = url,
	    .model = "gpt-realtime",
	    .key = "key",
	    .addresses = &address,
	    .address_count = 1,
	    .events = &events,
	    .arg = client,
	};

	memset(client, 0, sizeof(*client));
	scripted_server_start(server, fn, NULL);
	snprintf(
	    url, sizeof(url), "ws://127.0.0.1:%u/v1/realtime", server->port);
	assert_int_equal(
	    net_address_parse("127.0.0.1", server->port, &address), 0);
	client->base = config.base = event_base_new();
	assert_int_equal(realtime_new(&client->voice, &config), 0);
	run(client);
	assert_true(client->configured);
}

static void
tear_down(struct client *client, struct scripted_server *server)
{
	voice_free(&client->voice);
	event_base_loop(client->base, EVLOOP_NONBLOCK);
	event_base_free(client->base);
	assert_string_equal(scripted_server_stop(server), "");
}

static void
an_aside_is_said_once_the_session_is_configured(void **state)
{
	struct scripted_server server;
	struct client client;

	(void)state;
	set_up(&client, &server, serve_aside);
	assert_int_equal(voice_aside(client.voice, "Sigo", 7), 0);
	assert_int_equal(voice_aside(client.voice, "Sigo", 8), -EBUSY);
	assert_false(voice_is_busy(client.voice));
	run(&client);
	assert_string_equal(
	    client.lines, "utterance i1 7\naudio i1 3\nusage  0\ndone i1 0\n");
	voice_close(client.voice);
	assert_int_equal(voice_aside(client.voice, "Sigo", 9), -ENOTCONN);
	tear_down(&client, &server);
}

static void
frames_that_were_dropped_do_not_make_the_caller_late(void **state)
{
	uint8_t frame[REALTIME_FRAME_MS * G711_BYTES_PER_MS];
	struct scripted_server server;
	struct client client;

	(void)state;
	memset(frame, g711_silence(G711_LAW_ULAW), sizeof(frame));
	set_up(&client, &server, serve_counter);
	for (int i = 0; i < FRAMES; i++) /* and nothing leaves meanwhile */
		assert_int_equal(
		    voice_send_audio(client.voice, frame, sizeof(frame)), 0);
	assert_int_equal(voice_add_text(client.voice, "fin"), 0);
	run(&client);
	assert_int_equal(client.ago_ms, SPOKEN_MS);
	tear_down(&client, &server);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(an_aside_is_said_once_the_session_is_configured),
	    cmocka_unit_test(
		frames_that_were_dropped_do_not_make_the_caller_late),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
