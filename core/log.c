/* SPDX-License-Identifier: Apache-2.0 */
#include "core/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

void sm_log_init(struct sm_log *log, const char *stage, enum sm_log_level level)
{
	*log = (struct sm_log){.level = level, .stage = stage, .tty = isatty(STDERR_FILENO) == 1};
	pthread_mutex_init(&log->lock, NULL);
}

void sm_log_at(struct sm_log *log, enum sm_log_level level, const char *item, const char *fmt, ...)
{
	static const char *const names[] = {"error", "warning", "info", "debug"};
	if (!log || level > log->level)
		return;
	char text[2048];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	for (unsigned char *p = (unsigned char *)text; *p; p++)
		if (*p < 0x20 || *p == 0x7f)
			*p = '?';
	pthread_mutex_lock(&log->lock);
	if (log->line_open)
		fputs("\r\033[K", stderr);
	log->line_open = false;
	fprintf(stderr, "%s: %s: %s%s%s\n", log->stage, names[level], item ? item : "",
		item ? ": " : "", text);
	pthread_mutex_unlock(&log->lock);
}

double sm_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

void sm_progress_begin(struct sm_progress *p, struct sm_log *log, const char *noun, size_t total)
{
	double now = sm_now();
	*p = (struct sm_progress){
		.log = log, .noun = noun, .total = total, .started = now, .shown = now};
}

static void show(struct sm_progress *p, double now, const char *note)
{
	double elapsed = now - p->started, rate = elapsed > 0 ? (double)p->done / elapsed : 0;
	double left = rate > 0 ? (double)(p->total - p->done) / rate : 0;
	fprintf(stderr, "%s%s: %zu of %zu %s, %.3g/s, %.0f s left%s%s%s",
		p->log->tty ? "\r\033[K" : "", p->log->stage, p->done, p->total, p->noun, rate,
		left, note ? ", " : "", note ? note : "", p->log->tty ? "" : "\n");
	fflush(stderr);
	p->log->line_open = p->log->tty;
	p->shown = now;
}

void sm_progress_set(struct sm_progress *p, size_t done, const char *note)
{
	if (!p->log || p->log->level < SM_LOG_INFO)
		return;
	double now = sm_now(), every = p->log->tty ? 0.1 : 10;
	pthread_mutex_lock(&p->log->lock);
	p->done = done < p->total ? done : p->total;
	if (now - p->shown >= every)
		show(p, now, note);
	pthread_mutex_unlock(&p->log->lock);
}

void sm_progress_end(struct sm_progress *p)
{
	if (!p->log)
		return;
	pthread_mutex_lock(&p->log->lock);
	if (p->log->line_open) {
		fputs("\r\033[K", stderr);
		p->log->line_open = false;
	}
	pthread_mutex_unlock(&p->log->lock);
}
