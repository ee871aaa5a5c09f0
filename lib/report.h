/* SPDX-License-Identifier: MIT */
/* report.h: debug modes, see report.c. Layer 6. */
#ifndef LIB_REPORT_H
#define LIB_REPORT_H

#include <stdbool.h>
#include <stdint.h>

struct g;
struct m;

/* How much a panic that ends the process tells; GORO_TRACEBACK. */
enum traceback { TRACEBACK_NONE, TRACEBACK_SINGLE, TRACEBACK_ALL, TRACEBACK_CRASH };
extern enum traceback goro__traceback; /* constant while the runtime runs */

/* Who may still wake a goroutine when all are asleep; GORO_DEADLOCK. See deadlock.c. */
enum deadlock { DEADLOCK_THREADS, DEADLOCK_DECLARED, DEADLOCK_OFF };
extern enum deadlock goro__deadlock; /* constant while the runtime runs */

/* What is done about goroutines that outlive the main one; GORO_LEAKS. */
enum leaks { LEAKS_OFF, LEAKS_TRACE, LEAKS_REPORT, LEAKS_FATAL };
extern enum leaks goro__leaks; /* constant while the runtime runs */

void goro__report_init(unsigned flags); /* of struct goro_config */
bool goro__report_due(struct m *m, int64_t age);
void goro__report_run(void);
void goro__report_stint(struct m *m, struct g *g, int64_t ns);

#endif
