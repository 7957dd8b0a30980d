/* SPDX-License-Identifier: MIT */
/*
 * voice_line.c – which session a worker has, had, and will have.
 *
 * Invariant: `current` is what the call uses, alive or not, until another one
 * was taken; `next` is being connected or waits for its moment; `old` only has
 * its goodbye to send. A session is freed from the work event or the tick,
 * never from inside one of its own events, which leave a note instead.
 */
#include "callworker/voice_line.h"

#include "common/clock.h"
#include "common/config.h"
#include "common/locked_secret.h"
#include "common/log.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	JITTER_PART = 4, /* of a wait, so that not all calls come at once; */
	HINT_PART = 10,  /* … of one that the service has asked for */
	AGAIN_PART = 12, /* of the time ahead: between attempts to rotate */
	WAITS = 5,       /* before attempts; the last one is repeated */
};

enum line_state {
	LINE_NEW,
	LINE_CONNECTING, /* the first session */
	LINE_WARM,       /* a spare's */
	LINE_JOINING,    /* the call has told it who it is */
	LINE_IN_CALL,
	LINE_LOST, /* another one is being fetched */
	LINE_OVER, /* there is none, nor will be */
};

static const char *const state_names[] = {
    [LINE_NEW] = "new",
    [LINE_CONNECTING] = "connecting",
    [LINE_WARM] = "warm",
    [LINE_JOINING] = "joining",
    [LINE_IN_CALL] = "in_call",
    [LINE_LOST] = "lost",
    [LINE_OVER] = "over",
};

/* When a session ends by itself; all 0: nobody said. CLOCK_MONOTONIC. */
struct line_term {
	uint64_t ahead_ms;  /* from here on another one is made */
	uint64_t urgent_ms; /* from here on it takes over anywhere */
	uint64_t again_ms;  /* between attempts */
};

struct voice_line {
	struct voice_line_config config;
	struct locked_secret *key; /* NULL: there is none */
	struct event *work;

	/* What session.prepare said. */
	char url[CONFIG_TEXT_MAX];
	char ca_file[CONFIG_TEXT_MAX];
	char model[CONFIG_TEXT_MAX];
	struct net_address addresses[NET_ADDRESSES_MAX];
	size_t address_count;

	enum line_state state;
	bool proved; /* a session was in force in this call */
	struct voice *current;
	struct line_term term; /* of current */
	struct voice *old;
	uint64_t old_ms; /* since when */

	struct voice *next;
	bool next_up, next_failed; /* notes of its events */
	int64_t next_expires_s;
	struct line_term next_term;
	uint64_t rotate_ms; /* no attempt before */

	uint64_t outage_ms;  /* since when there is no voice; 0: there is one */
	unsigned attempts;   /* since then */
	uint64_t attempt_ms; /* when the next one is due, without a `next` */
	enum voice_fault fault; /* the last one */
	uint32_t retry_ms;      /* with it, or 0: see voice_retry_ms() */
	char detail[VOICE_DETAIL_MAX];
	uint64_t losses[VOICE_LINE_LOSSES_MAX]; /* the latest ones, when */
	unsigned loss;                          /* the oldest of them */
};

static void
set_state(struct voice_line *line, enum line_state state)
{
	if (line->state == state)
		return;
	log_debug("voice line %s -> %s", state_names[line->state],
	    state_names[state]);
	line->state = state;
}

static void
note_fault(struct voice_line *line, enum voice_fault fault, const char *detail)
{
	line->fault = fault;
	line->retry_ms = 0;
	/* It may be our own. */
	if (detail != line->detail)
		snprintf(line->detail, sizeof(line->detail), "%s", detail);
}

/* As soon as nobody is inside a session's event. */
static void
work_soon(struct voice_line *line)
{
	event_active(line->work, EV_TIMEOUT, 0);
}

static void
drop_next(struct voice_line *line)
{
	voice_free(&line->next);
	line->next_up = line->next_failed = false;
}

/* ---- making a session -------------------------------------------------- */

static uint64_t
lesser(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* By both clocks now; the wall clock may step later. */
static struct line_term
term_of(int64_t expires_s)
{
	int64_t life_s = expires_s - (int64_t)clock_wall();
	uint64_t now_ms = clock_now_ms();
	uint64_t life_ms, ahead_ms;

	if (expires_s <= 0 || life_s <= 0)
		return (struct line_term){0};
	life_ms = (uint64_t)life_s * 1000;
	ahead_ms =
	    lesser(VOICE_LINE_AHEAD_S * 1000, life_ms / VOICE_LINE_AHEAD_PART);
	return (struct line_term){
	    .ahead_ms = now_ms + life_ms - ahead_ms,
	    .urgent_ms = now_ms + life_ms -
			 lesser(VOICE_LINE_URGENT_S * 1000,
			     life_ms / VOICE_LINE_URGENT_PART),
	    .again_ms = ahead_ms / AGAIN_PART,
	};
}

static void
on_next_up(int64_t expires_s, void *arg)
{
	struct voice_line *line = arg;

	line->next_up = true;
	line->next_expires_s = expires_s;
	line->next_term = term_of(expires_s);
	work_soon(line);
}

/* Of a spare's session, too: nobody else listens to it. */
static void
on_next_fault(enum voice_fault fault, const char *detail, bool fatal, void *arg)
{
	struct voice_line *line = arg;

	if (!fatal)
		return;
	note_fault(line, fault, detail);
	if (line->next != NULL) /* else it is a spare's */
		line->retry_ms = voice_retry_ms(line->next);
	line->next_failed = true;
	work_soon(line);
}

/* Until a call listens to it; see voice_listen(). */
static const struct voice_events next_events = {
    .on_up = on_next_up,
    .on_fault = on_next_fault,
};

static int
connect_next(struct voice_line *line)
{
	const struct realtime_config config = {
	    .base = line->config.base,
	    .url = line->url,
	    .ca_file = line->ca_file,
	    .model = line->model,
	    .key = locked_secret_text(line->key),
	    .addresses = line->addresses,
	    .address_count = line->address_count,
	    .connect_ms = line->proved ? VOICE_LINE_CONNECT_MS : 0,
	    .events = &next_events,
	    .arg = line,
	};

	assert(line->next == NULL);
	line->next_up = line->next_failed = false;
	return line->config.connect(&line->next, &config);
}

/* ---- a session is lost -------------------------------------------------- */

static void
give_up(struct voice_line *line)
{
	set_state(line, LINE_OVER);
	drop_next(line);
	event_del(line->work);
	line->config.events->on_failed(
	    line->fault, line->detail, line->config.arg);
}

/*
 * How long to wait before an attempt, the first of which is made at once. After
 * "too many" as OpenAI's own libraries do: half a second, then twice as long
 * each time, unless the service says how long.
 */
static uint64_t
wait_ms(const struct voice_line *line)
{
	static const uint64_t waits_ms[][WAITS] = {
	    {0, 300, 1000, 2000, 2000},
	    {500, 500, 1000, 2000, 4000},
	};
	bool limited = line->fault == VOICE_FAULT_RATE_LIMIT;
	uint64_t ms = waits_ms[limited][lesser(line->attempts, WAITS - 1)];
	uint64_t jitter_ms = ms / JITTER_PART;

	if (line->retry_ms > 0) {
		ms = line->retry_ms;
		jitter_ms = ms / HINT_PART;
	}
	return ms + clock_now_ns() / 1000 % (jitter_ms + 1);
}

/* The tick alone would know up to a tenth of a second later. */
static void
work_at_attempt(struct voice_line *line)
{
	uint64_t now_ms = clock_now_ms();
	uint64_t ms = line->attempt_ms > now_ms ? line->attempt_ms - now_ms : 0;
	const struct timeval wait = {
	    .tv_sec = (time_t)(ms / 1000),
	    .tv_usec = (suseconds_t)(ms % 1000 * 1000),
	};

	event_add(line->work, &wait);
}

/* There is neither a session nor an attempt to make one. */
static void
try_later(struct voice_line *line)
{
	uint64_t ms = wait_ms(line);

	line->attempt_ms = clock_now_ms() + ms;
	log_warn("no voice session, trying again fault=%s (%s) in_ms=%llu "
		 "attempt=%u detail=\"%s\"",
	    voice_fault_name(line->fault), voice_fault_what(line->fault),
	    (unsigned long long)ms, line->attempts + 1, line->detail);
	if (ms == 0)
		work_soon(line);
	else
		work_at_attempt(line);
}

/* The outage that began at outage_ms will have lasted too long by then. */
static bool
is_overdue(const struct voice_line *line, uint64_t in_ms)
{
	return clock_now_ms() + in_ms - line->outage_ms >= VOICE_LINE_OUTAGE_MS;
}

/* The next attempt would end like the last one, or come too late. */
static bool
is_hopeless(const struct voice_line *line)
{
	return voice_fault_is_lasting(line->fault) ||
	       is_overdue(line, line->retry_ms);
}

static void
try_again(struct voice_line *line)
{
	int ret;

	line->attempts++;
	ret = connect_next(line);
	if (ret == 0)
		return;
	note_fault(line, VOICE_FAULT_INTERNAL, strerror(-ret));
	if (is_hopeless(line))
		give_up(line);
	else
		try_later(line);
}

/* One more; false: too many of late. */
static bool
count_loss(struct voice_line *line)
{
	uint64_t now_ms = clock_now_ms();
	uint64_t oldest_ms = line->losses[line->loss];

	line->losses[line->loss] = now_ms;
	line->loss = (line->loss + 1) % VOICE_LINE_LOSSES_MAX;
	return oldest_ms == 0 || now_ms - oldest_ms >= VOICE_LINE_LOSSES_MS;
}

bool
voice_line_lost(
    struct voice_line *line, enum voice_fault fault, const char *detail)
{
	bool often = !count_loss(line);

	note_fault(line, fault, detail);
	if (line->outage_ms == 0)
		line->outage_ms = clock_now_ms();
	/* One that never had the call: another worker's is there already. */
	if (line->state == LINE_OVER || !line->proved || often ||
	    is_hopeless(line)) {
		log_warn("voice session lost for good fault=%s (%s)%s "
			 "detail=\"%s\"",
		    voice_fault_name(fault), voice_fault_what(fault),
		    often ? ", once too often" : "", line->detail);
		set_state(line, LINE_OVER);
		event_del(line->work);
		return false;
	}
	set_state(line, LINE_LOST);
	if (line->next == NULL) {
		try_later(line);
	} else {
		log_warn("voice session lost fault=%s (%s), another one is "
			 "coming already detail=\"%s\"",
		    voice_fault_name(fault), voice_fault_what(fault),
		    line->detail);
		work_soon(line);
	}
	return true;
}

/* ---- another one takes over --------------------------------------------- */

/* What the call used until now has to say goodbye; or is dead. */
static void
retire(struct voice_line *line, struct voice *voice)
{
	voice_free(&line->old);
	if (voice == NULL)
		return;
	voice_close(voice);
	line->old = voice;
	line->old_ms = clock_now_ms();
}

static void
next_is_lost(struct voice_line *line)
{
	drop_next(line);
	switch (line->state) {
	case LINE_CONNECTING:
		give_up(line);
		break;
	case LINE_LOST:
		if (is_hopeless(line))
			give_up(line);
		else
			try_later(line);
		break;
	case LINE_IN_CALL:
		line->rotate_ms = clock_now_ms() + line->term.again_ms;
		log_warn("the session to come has failed, this one goes on "
			 "fault=%s (%s) detail=\"%s\"",
		    voice_fault_name(line->fault),
		    voice_fault_what(line->fault), line->detail);
		break;
	case LINE_NEW:
	case LINE_WARM:
	case LINE_JOINING:
	case LINE_OVER:
		break;
	}
}

static void
hand_over(struct voice_line *line, const char *why)
{
	int ret = line->config.events->take(line->next, line->config.arg);

	if (ret != 0) {
		note_fault(line, VOICE_FAULT_INTERNAL, strerror(-ret));
		next_is_lost(line);
		return;
	}
	log_info("another voice session takes over (%s) after_ms=%llu "
		 "attempts=%u",
	    why,
	    (unsigned long long)(line->outage_ms == 0
				     ? 0
				     : clock_now_ms() - line->outage_ms),
	    line->attempts);
	retire(line, line->current);
	line->current = line->next;
	line->term = line->next_term;
	line->next = NULL;
	line->next_up = false;
	if (line->outage_ms == 0)
		line->outage_ms = clock_now_ms();
	set_state(line, LINE_JOINING);
}

void
voice_line_in_force(struct voice_line *line)
{
	if (line->state != LINE_JOINING)
		return;
	if (line->proved)
		log_info("voice session is in force again after_ms=%llu",
		    (unsigned long long)(clock_now_ms() - line->outage_ms));
	set_state(line, LINE_IN_CALL);
	line->proved = true;
	line->outage_ms = 0;
	line->attempts = 0;
}

/* ---- what the events have noted ------------------------------------------ */

/* An attempt to make the session that is missing. */
static bool
is_due(const struct voice_line *line)
{
	return line->state == LINE_LOST && line->next == NULL &&
	       clock_now_ms() >= line->attempt_ms;
}

static void
next_is_up(struct voice_line *line)
{
	switch (line->state) {
	case LINE_CONNECTING:
		line->current = line->next;
		line->term = line->next_term;
		line->next = NULL;
		line->next_up = false;
		set_state(line, LINE_WARM);
		line->config.events->on_warm(
		    line->next_expires_s, line->config.arg);
		break;
	case LINE_LOST:
		hand_over(line, "the last one was lost");
		break;
	case LINE_NEW:
	case LINE_WARM:
	case LINE_JOINING:
	case LINE_IN_CALL: /* the tick knows when */
	case LINE_OVER:
		break;
	}
}

static void
on_work(evutil_socket_t fd, short what, void *arg)
{
	struct voice_line *line = arg;

	(void)fd;
	(void)what;
	if (line->state == LINE_OVER)
		return;
	if (line->next_failed && line->state == LINE_WARM)
		give_up(line);
	else if (line->next_failed)
		next_is_lost(line);
	else if (line->next_up)
		next_is_up(line);
	else if (is_due(line))
		try_again(line);
	else if (line->state == LINE_LOST && line->next == NULL)
		work_at_attempt(line); /* timers may be early */
}

/* ---- time ----------------------------------------------------------------- */

static void
rotate(struct voice_line *line, uint64_t now_ms)
{
	const struct line_term *term = &line->term;
	bool urgent = now_ms >= term->urgent_ms;
	int ret;

	if (term->ahead_ms == 0 || now_ms < term->ahead_ms)
		return;
	if (line->next_up && !line->next_failed) {
		if (line->config.events->may_take(urgent, line->config.arg))
			hand_over(line, "the last one nears its end");
		return;
	}
	if (line->next != NULL || now_ms < line->rotate_ms)
		return;
	log_info("the voice session nears its end, another one is made");
	ret = connect_next(line);
	if (ret != 0) {
		note_fault(line, VOICE_FAULT_INTERNAL, strerror(-ret));
		next_is_lost(line);
	}
}

void
voice_line_tick(struct voice_line *line)
{
	uint64_t now_ms = clock_now_ms();

	if (line->old != NULL &&
	    now_ms - line->old_ms >= VOICE_LINE_FAREWELL_MS)
		voice_free(&line->old);
	if (line->current != NULL)
		voice_tick(line->current, now_ms);
	if (line->next != NULL)
		voice_tick(line->next, now_ms);
	if (line->state == LINE_IN_CALL)
		rotate(line, now_ms);
	else if ((line->state == LINE_LOST ||
		     (line->state == LINE_JOINING && line->proved)) &&
		 is_overdue(line, 0))
		give_up(line);
	else if (is_due(line))
		try_again(line);
}

/* ---- the owner's side ------------------------------------------------------ */

static int
copy_text(char *out, size_t size, const char *text)
{
	int n = snprintf(out, size, "%s", text);

	return n < 0 || (size_t)n >= size ? -ENAMETOOLONG : 0;
}

int
voice_line_prepare(struct voice_line *line, const struct link_prepare *prepare)
{
	int ret;

	if (line->state != LINE_NEW)
		return -EALREADY;
	if (prepare->address_count > NET_ADDRESSES_MAX)
		return -EINVAL;
	ret = copy_text(line->url, sizeof(line->url), prepare->url);
	if (ret == 0)
		ret = copy_text(
		    line->ca_file, sizeof(line->ca_file), prepare->ca_file);
	if (ret == 0)
		ret =
		    copy_text(line->model, sizeof(line->model), prepare->model);
	if (ret != 0)
		return ret;
	memcpy(line->addresses, prepare->addresses,
	    prepare->address_count * sizeof(line->addresses[0]));
	line->address_count = prepare->address_count;
	if (line->key == NULL)
		return -ENOKEY;
	set_state(line, LINE_CONNECTING);
	return connect_next(line);
}

void
voice_line_assigned(struct voice_line *line)
{
	if (line->state == LINE_WARM)
		set_state(line, LINE_JOINING);
}

struct voice *
voice_line_voice(const struct voice_line *line)
{
	return line->current;
}

const char *
voice_line_model(const struct voice_line *line)
{
	return line->model;
}

void
voice_line_close(struct voice_line *line)
{
	event_del(line->work);
	set_state(line, LINE_OVER);
	drop_next(line);
	if (line->current != NULL)
		voice_close(line->current);
}

void
voice_line_log_state(const struct voice_line *line)
{
	uint64_t now_ms = clock_now_ms();

	log_info("voice line: state=%s next=%s outage_ms=%llu attempts=%u "
		 "rotates_in_s=%lld",
	    state_names[line->state],
	    line->next == NULL ? "none"
	    : line->next_up    ? "up"
			       : "connecting",
	    (unsigned long long)(line->outage_ms == 0
				     ? 0
				     : now_ms - line->outage_ms),
	    line->attempts,
	    line->term.ahead_ms == 0
		? -1LL
		: ((long long)line->term.ahead_ms - (long long)now_ms) / 1000);
	if (line->current != NULL)
		voice_log_state(line->current);
}

int
voice_line_new(
    struct voice_line **line_out, const struct voice_line_config *config)
{
	struct voice_line *line = calloc(1, sizeof(*line));
	int ret = -ENOMEM;

	*line_out = NULL;
	if (line == NULL)
		return -ENOMEM;
	line->config = *config;
	line->config.key = NULL;
	line->work = event_new(config->base, -1, 0, on_work, line);
	if (line->work != NULL)
		ret = config->key[0] == '\0'
			  ? 0
			  : locked_secret_new(&line->key, config->key);
	if (ret != 0) {
		voice_line_free(&line);
		return ret;
	}
	*line_out = line;
	return 0;
}

void
voice_line_free(struct voice_line **line_ptr)
{
	struct voice_line *line = *line_ptr;

	*line_ptr = NULL;
	if (line == NULL)
		return;
	voice_free(&line->next);
	voice_free(&line->current);
	voice_free(&line->old);
	if (line->work != NULL)
		event_free(line->work);
	locked_secret_free(&line->key);
	free(line);
}
