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

void goro__report_init(void);
bool goro__report_due(struct m *m, int64_t age);
void goro__report_run(void);
void goro__report_stint(struct m *m, struct g *g, int64_t ns);

#endif
