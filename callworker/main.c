/* SPDX-License-Identifier: MIT */
/*
 * main.c – the callworker process: a channel to the supervisor, one voice
 * session, and, once assigned, one call. It exits when that call is over.
 *
 * Invariant: nothing on its loop blocks, and the API key is in its memory in
 * one locked place only, until its end.
 */
#include "callworker/audio_priority.h"
#include "callworker/call_wall.h"
#include "callworker/live_call.h"
#include "callworker/supervisor_link.h"
#include "callworker/voice_line.h"
#include "common/clock.h"
#include "common/config.h"
#include "common/log.h"
#include "common/proc.h"
#include "common/startup.h"
#include "common/title.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	TICK_MS = 100,
	HEARTBEAT_MS = 500,
	TITLE_MS = 1000,  /* between updates of the talking time */
	HANGUP_MS = 3000, /* we have asked for the end: until it comes */
	FLUSH_MS = 500,   /* to get the last words out */
	CLOSE_MS = 50,    /* … and the session's close frame */
	PRIORITIES = 2,   /* 0: RTP; 1: everything else */
	SIGNALS = 3,
};

/* X(ENUM, "name"), in the order in which they may follow each other. */
#define WORKER_STATES(X)                                                       \
	X(STARTING, "starting")     /* told nothing yet */                     \
	X(CONNECTING, "connecting") /* to the voice service */                 \
	X(WARM, "warm")             /* a spare */                              \
	X(ASSIGNED, "assigned")     /* has a call, tells the voice */          \
	X(READY, "ready")           /* greeting on its way, caller not */      \
	X(TALKING, "talking")                                                  \
	X(LEAVING, "leaving") /* saying goodbye */                             \
	X(ENDED, "ended")     /* waits to be let go */

enum worker_state {
#define X(id, name) WORKER_##id,
	WORKER_STATES(X)
#undef X
};

static const char *const state_names[] = {
#define X(id, name) [WORKER_##id] = name,
    WORKER_STATES(X)
#undef X
};

static struct {
	struct config config;
	struct event_base *base;
	struct event *tick;
	struct event *heartbeat;
	struct event *signal_events[SIGNALS];
	struct supervisor_link *link;
	struct voice_line *line;
	struct live_call *call;
	enum worker_state state;
	pid_t parent;
	uint64_t state_ms; /* since when */
	uint64_t title_ms; /* of the last update */
	bool link_gone;
	char reason[64]; /* why the call ends, for bye */
	enum proc_exit exit_status;
} worker;

static void
quit(enum proc_exit status)
{
	if (worker.exit_status == PROC_EXIT_OK)
		worker.exit_status = status;
	event_base_loopbreak(worker.base);
}

/* ---- state ------------------------------------------------------------ */

static void
update_title(void)
{
	const struct link_assign *assign;
	const char *tool;
	uint64_t s;

	worker.title_ms = clock_now_ms();
	if (worker.call == NULL) {
		title_set("telefonista: callworker spare %s %s",
		    voice_line_model(worker.line), state_names[worker.state]);
		return;
	}
	assign = live_call_assign(worker.call);
	tool = conversation_tool(live_call_conversation(worker.call));
	s = live_call_talking_ms(worker.call) / 1000;
	title_set("telefonista: call %s %s → %s %s %s %02u:%02u%s%s",
	    assign->call,
	    assign->caller_shown[0] != '\0' ? assign->caller_shown : "?",
	    assign->called, assign->persona, state_names[worker.state],
	    (unsigned)(s / 60), (unsigned)(s % 60),
	    tool[0] != '\0' ? " tool=" : "", tool);
}

static void
report_state(const char *why)
{
	struct link_state state = {
	    .state = state_names[worker.state],
	    .why = why,
	    .tool = "",
	};

	if (worker.call != NULL) {
		state.assign = live_call_assign(worker.call);
		state.talking_ms = live_call_talking_ms(worker.call);
		state.tool =
		    conversation_tool(live_call_conversation(worker.call));
	}
	update_title();
	supervisor_link_state(worker.link, &state);
}

/* States only go forward. */
static void
set_state(enum worker_state state, const char *why)
{
	if (state <= worker.state)
		return;
	log_info("%s -> %s (%s)", state_names[worker.state], state_names[state],
	    why);
	worker.state = state;
	worker.state_ms = clock_now_ms();
	report_state(why);
}

/* ---- the line to the voice ---------------------------------------------- */

static void
on_warm(int64_t expires_s, void *arg)
{
	(void)arg;
	log_info("voice session is warm model=%s expires_in_s=%lld",
	    voice_line_model(worker.line),
	    expires_s > 0 ? (long long)(expires_s - clock_wall()) : 0LL);
	set_state(WORKER_WARM, "session up");
}

/* Of a spare, or of a call that will get no other one. */
static void
on_no_voice(enum voice_fault fault, const char *detail, void *arg)
{
	(void)arg;
	log_warn("no voice session fault=%s (%s) detail=\"%s\"",
	    voice_fault_name(fault), voice_fault_what(fault), detail);
	if (worker.call != NULL) {
		live_call_voice_lost(worker.call, fault, detail);
		return;
	}
	snprintf(worker.reason, sizeof(worker.reason), "voice_lost");
	supervisor_link_voice_failed(worker.link, fault, detail);
	quit(PROC_EXIT_BACKEND);
}

static int
on_take_voice(struct voice *voice, void *arg)
{
	(void)arg;
	return live_call_change_voice(worker.call, voice);
}

static bool
on_may_take_voice(bool urgent, void *arg)
{
	(void)arg;
	return live_call_may_change_voice(worker.call, urgent);
}

static const struct voice_line_events line_events = {
    .on_warm = on_warm,
    .on_failed = on_no_voice,
    .take = on_take_voice,
    .may_take = on_may_take_voice,
};

/* Where the voice is the supervisor says; the key is ours alone. */
static void
on_prepare(const struct link_prepare *prepare, void *arg)
{
	int ret;

	(void)arg;
	if (worker.state != WORKER_STARTING) {
		log_warn("second session.prepare ignored");
		return;
	}
	if (call_wall_enter(&worker.config, prepare->url, prepare->ca_file) <
	    0) {
		on_no_voice(VOICE_FAULT_INTERNAL, "there is no wall", NULL);
		return;
	}
	ret = voice_line_prepare(worker.line, prepare);
	set_state(WORKER_CONNECTING, "session.prepare");
	if (ret == -ENOKEY)
		on_no_voice(
		    VOICE_FAULT_KEY, "there is no OPENAI_API_KEY", NULL);
	else if (ret != 0)
		on_no_voice(VOICE_FAULT_INTERNAL, strerror(-ret), NULL);
}

/* ---- the call --------------------------------------------------------- */

static void
on_call_ready(void *arg)
{
	(void)arg;
	set_state(WORKER_READY, "voice configured");
}

static void
on_call_over(const char *reason, bool voice_lost, void *arg)
{
	(void)arg;
	snprintf(worker.reason, sizeof(worker.reason), "%s", reason);
	if (voice_lost && worker.exit_status == PROC_EXIT_OK)
		worker.exit_status = PROC_EXIT_BACKEND;
	set_state(WORKER_ENDED, reason);
}

static void
on_call_changed(void *arg)
{
	(void)arg;
	report_state("tool");
}

static void
on_voice_in_force(void *arg)
{
	(void)arg;
	voice_line_in_force(worker.line);
}

static bool
on_voice_dropped(enum voice_fault fault, const char *detail, void *arg)
{
	(void)arg;
	return voice_line_lost(worker.line, fault, detail);
}

static const struct live_call_handlers call_handlers = {
    .on_ready = on_call_ready,
    .on_over = on_call_over,
    .on_changed = on_call_changed,
    .on_voice_in_force = on_voice_in_force,
    .on_voice_dropped = on_voice_dropped,
};

static void
on_assign(const struct link_assign *assign, void *arg)
{
	struct live_call_config config = {
	    .base = worker.base,
	    .voice = voice_line_voice(worker.line),
	    .link = worker.link,
	    .assign = assign,
	    .model = voice_line_model(worker.line),
	    .log_transcripts = worker.config.log_transcripts,
	    .handlers = &call_handlers,
	};
	char context[LINK_CALL_SIZE + 8];

	(void)arg;
	snprintf(context, sizeof(context), "call=%s", assign->call);
	log_set_context(context);
	voice_line_assigned(worker.line);
	if (live_call_new(&worker.call, &config) != 0) {
		supervisor_link_voice_failed(
		    worker.link, VOICE_FAULT_INTERNAL, "the call cannot begin");
		quit(PROC_EXIT_INTERNAL);
		return;
	}
	title_set_name("tf-call");
	log_info("assigned caller=%s called=%s persona=%s",
	    assign->caller_shown, assign->called, assign->persona);
	set_state(WORKER_ASSIGNED, "call.assign");
}

/* The rest is about the call; one that could not begin may still get some. */

/* From now on somebody hears how late we are. */
static void
go_first(void)
{
	int ret = audio_priority_take();

	if (ret < 0)
		log_info("no real-time priority, see AUDIO_PRIORITY error=%s",
		    strerror(-ret));
}

static void
on_media(const struct net_address *peer, void *arg)
{
	const char *leaving;

	(void)arg;
	if (worker.call == NULL)
		return;
	if (live_call_media(worker.call, peer) == 0) {
		if (worker.config.audio_priority &&
		    worker.state != WORKER_TALKING)
			go_first();
		set_state(WORKER_TALKING, "media");
		leaving = live_call_assign(worker.call)->leaving;
		if (leaving[0] != '\0')
			set_state(WORKER_LEAVING, leaving);
		return;
	}
	supervisor_link_voice_failed(
	    worker.link, VOICE_FAULT_INTERNAL, "media cannot start");
	quit(PROC_EXIT_INTERNAL);
}

static void
on_dtmf(char digit, void *arg)
{
	(void)arg;
	if (worker.call == NULL)
		return;
	conversation_dtmf(live_call_conversation(worker.call), digit);
}

static void
on_secret_begin(const char *say, void *arg)
{
	(void)arg;
	if (worker.call != NULL)
		conversation_secret_begin(
		    live_call_conversation(worker.call), say);
}

static void
on_secret_end(void *arg)
{
	(void)arg;
	if (worker.call != NULL)
		conversation_secret_end(live_call_conversation(worker.call));
}

static void
on_tool_progress(const char *id, uint64_t elapsed_ms,
    const struct tool_progress *progress, void *arg)
{
	(void)arg;
	if (worker.call == NULL)
		return;
	conversation_tool_progress(
	    live_call_conversation(worker.call), id, elapsed_ms, progress);
}

static void
on_tool_result(
    const char *id, enum tool_status status, const char *output, void *arg)
{
	(void)arg;
	if (worker.call == NULL)
		return;
	conversation_tool_result(
	    live_call_conversation(worker.call), id, status, output);
}

/* With a goodbye, if somebody would hear it. */
static void
leave(const char *reason)
{
	if (worker.call == NULL) {
		quit(worker.exit_status);
		return;
	}
	set_state(WORKER_LEAVING, reason);
	conversation_leave(live_call_conversation(worker.call), reason);
}

static void
on_hangup(const char *reason, bool farewell, void *arg)
{
	(void)arg;
	log_info(
	    "hangup reason=%s farewell=%s", reason, farewell ? "yes" : "no");
	if (farewell) {
		leave(reason);
		return;
	}
	if (worker.reason[0] == '\0')
		snprintf(worker.reason, sizeof(worker.reason), "%s", reason);
	quit(worker.exit_status);
}

static void
on_drain(void *arg)
{
	(void)arg;
	/* In a call there is nothing to do: the process ends with it. */
	if (worker.call == NULL)
		quit(PROC_EXIT_OK);
}

static void
on_sync(void *arg)
{
	(void)arg;
	report_state("sync");
	if (worker.call != NULL)
		conversation_repeat_tools(live_call_conversation(worker.call));
}

static void
on_link_closed(const char *why, void *arg)
{
	(void)arg;
	log_err("channel to the supervisor is gone (%s)", why);
	worker.link_gone = true;
	if (worker.exit_status == PROC_EXIT_OK)
		worker.exit_status = PROC_EXIT_CHANNEL;
	leave("shutdown");
}

static const struct link_handlers link_handlers = {
    .on_prepare = on_prepare,
    .on_assign = on_assign,
    .on_media = on_media,
    .on_dtmf = on_dtmf,
    .on_secret_begin = on_secret_begin,
    .on_secret_end = on_secret_end,
    .on_tool_progress = on_tool_progress,
    .on_tool_result = on_tool_result,
    .on_hangup = on_hangup,
    .on_drain = on_drain,
    .on_sync = on_sync,
    .on_closed = on_link_closed,
};

/* ---- time and signals ------------------------------------------------- */

static void
on_tick(evutil_socket_t fd, short what, void *arg)
{
	uint64_t now_ms = clock_now_ms();

	(void)fd;
	(void)what;
	(void)arg;
	voice_line_tick(worker.line);
	if (worker.call != NULL) {
		live_call_tick(worker.call);
		if (now_ms - worker.title_ms >= TITLE_MS)
			update_title();
	}
	if (audio_priority_was_lost())
		log_warn("worked %d ms without a pause: real-time priority "
			 "lost",
		    AUDIO_PRIORITY_WORK_MS);
	/* Not NOW_MS: this very tick may have ended it. */
	if (worker.state == WORKER_ENDED &&
	    (worker.link_gone ||
		clock_now_ms() - worker.state_ms >= HANGUP_MS)) {
		log_warn("nobody let the call go, leaving all the same");
		quit(worker.exit_status);
	}
}

static void
on_heartbeat(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	supervisor_link_heartbeat(worker.link, state_names[worker.state]);
}

static void
on_sigterm(evutil_socket_t fd, short what, void *arg)
{
	/* PR_SET_PDEATHSIG looks the same, but the parent is another then. */
	bool orphan = getppid() != worker.parent;

	(void)fd;
	(void)what;
	(void)arg;
	log_info("SIGTERM%s", orphan ? ": the keeper is gone" : "");
	if (orphan && worker.exit_status == PROC_EXIT_OK)
		worker.exit_status = PROC_EXIT_ORPHAN;
	leave(orphan ? "shutdown" : "terminated");
}

static void
on_sigusr1(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	log_info("state=%s since_ms=%llu model=%s build=%s",
	    state_names[worker.state],
	    (unsigned long long)(clock_now_ms() - worker.state_ms),
	    voice_line_model(worker.line), proc_build_id());
	voice_line_log_state(worker.line);
	if (worker.call != NULL)
		live_call_log_state(worker.call);
}

/* The log file was rotated; settings are read by the next process. */
static void
on_sighup(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
	startup_apply_log(&worker.config);
}

/* ---- start and end ---------------------------------------------------- */

static int
add_timer(struct event **event_out, event_callback_fn fn, long interval_ms)
{
	const struct timeval interval = {
	    .tv_usec = (suseconds_t)(interval_ms * 1000)};

	*event_out = event_new(worker.base, -1, EV_PERSIST, fn, NULL);
	if (*event_out == NULL || event_add(*event_out, &interval) != 0)
		return -ENOMEM;
	return 0;
}

static int
init_loop(void)
{
	static const int numbers[SIGNALS] = {SIGTERM, SIGUSR1, SIGHUP};
	static const event_callback_fn handlers[SIGNALS] = {
	    on_sigterm, on_sigusr1, on_sighup};

	signal(SIGPIPE, SIG_IGN);
	worker.base = event_base_new();
	if (worker.base == NULL ||
	    event_base_priority_init(worker.base, PRIORITIES) != 0)
		return -ENOMEM;
	if (add_timer(&worker.tick, on_tick, TICK_MS) != 0 ||
	    add_timer(&worker.heartbeat, on_heartbeat, HEARTBEAT_MS) != 0)
		return -ENOMEM;
	for (int i = 0; i < SIGNALS; i++) {
		worker.signal_events[i] =
		    evsignal_new(worker.base, numbers[i], handlers[i], NULL);
		if (worker.signal_events[i] == NULL ||
		    event_add(worker.signal_events[i], NULL) != 0)
			return -ENOMEM;
	}
	return 0;
}

static int
main_init(void)
{
	struct voice_line_config line = {
	    .key = worker.config.openai_api_key,
	    .events = &line_events,
	    .connect = realtime_new,
	};
	int ret = init_loop();

	line.base = worker.base;
	if (ret == 0)
		ret = voice_line_new(&worker.line, &line);
	config_wipe(&worker.config);
	if (ret == 0)
		ret = supervisor_link_new(&worker.link, worker.base,
		    PROC_FD_CHANNEL, &link_handlers, NULL);
	if (ret != 0)
		return ret;
	worker.state_ms = clock_now_ms();
	update_title();
	supervisor_link_hello(worker.link);
	return 0;
}

static void
say_bye(void)
{
	cJSON *usage = NULL, *media = NULL;

	if (worker.call != NULL) {
		usage = live_call_usage(worker.call);
		media = live_call_media_stats(worker.call);
	}
	supervisor_link_bye(worker.link,
	    worker.reason[0] != '\0' ? worker.reason : "drain", usage, media);
	supervisor_link_flush(worker.link, FLUSH_MS);
}

static void
close_voice(void)
{
	const struct timeval wait = {.tv_usec = CLOSE_MS * 1000};

	/* Nothing begins any more: no sound, sentence or session. */
	if (worker.tick != NULL)
		event_del(worker.tick);
	voice_line_close(worker.line);
	event_base_loopexit(worker.base, &wait);
	event_base_dispatch(worker.base);
}

static void
main_deinit(void)
{
	if (worker.link != NULL)
		say_bye();
	if (worker.line != NULL)
		close_voice();
	live_call_free(
	    &worker.call, worker.reason[0] != '\0' ? worker.reason : "drain");
	voice_line_free(&worker.line);
	supervisor_link_free(&worker.link);
	for (int i = 0; i < SIGNALS; i++) {
		if (worker.signal_events[i] != NULL)
			event_free(worker.signal_events[i]);
	}
	if (worker.heartbeat != NULL)
		event_free(worker.heartbeat);
	if (worker.tick != NULL)
		event_free(worker.tick);
	if (worker.base != NULL)
		event_base_free(worker.base);
	config_wipe(&worker.config);
}

int
main(int argc, char **argv)
{
	const char *config_file;
	int ret;

	worker.parent = getppid();
	title_init(argc, argv);
	log_init("callworker", LOG_LEVEL_INFO);
	config_file = startup_parse_args(argc, argv);
	startup_lock_memory();
	startup_load_config(
	    &worker.config, config_file, PROC_ROLE_CALLWORKER, LOG_LEVEL_DEBUG);
	ret = main_init();
	if (ret < 0) {
		log_err("cannot start: %s", strerror(-ret));
		worker.exit_status = PROC_EXIT_INTERNAL;
	} else {
		event_base_dispatch(worker.base);
	}
	main_deinit();
	return worker.exit_status;
}
