/* SPDX-License-Identifier: Apache-2.0
 *
 * Log lines and progress on stderr: "stage: level: item: message". A progress line with rate and
 * time left on a terminal, a plain line now and then otherwise. stdout is for results only.
 */
#ifndef SM_CORE_LOG_H
#define SM_CORE_LOG_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

enum sm_log_level { SM_LOG_ERROR, SM_LOG_WARN, SM_LOG_INFO, SM_LOG_DEBUG };

struct sm_log {
	enum sm_log_level level;
	const char *stage;
	bool tty;            /* stderr is a terminal: progress redraws one line */
	bool line_open;      /* a progress line stands on the terminal */
	pthread_mutex_t lock;
};

void sm_log_init(struct sm_log *log, const char *stage, enum sm_log_level level);

/* One line; item may be NULL. A NULL log is silent. Thread-safe. */
void sm_log_at(struct sm_log *log, enum sm_log_level level, const char *item, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));
#define sm_error(log, item, ...) sm_log_at((log), SM_LOG_ERROR, (item), __VA_ARGS__)
#define sm_warn(log, item, ...) sm_log_at((log), SM_LOG_WARN, (item), __VA_ARGS__)
#define sm_info(log, item, ...) sm_log_at((log), SM_LOG_INFO, (item), __VA_ARGS__)
#define sm_debug(log, item, ...) sm_log_at((log), SM_LOG_DEBUG, (item), __VA_ARGS__)

/* Progress of `total` things called `noun`. Thread-safe. */
struct sm_progress {
	struct sm_log *log;
	const char *noun;
	size_t total, done;
	double started, shown; /* monotonic seconds */
};
void sm_progress_begin(struct sm_progress *p, struct sm_log *log, const char *noun, size_t total);
/* `done` things are finished; note (may be NULL) is appended, for instance "loss 0.41". */
void sm_progress_set(struct sm_progress *p, size_t done, const char *note);
void sm_progress_end(struct sm_progress *p);

/* Monotonic seconds, for rates on the terminal only: never in an output. */
double sm_now(void);

#endif
