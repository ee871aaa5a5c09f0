/* SPDX-License-Identifier: MIT */
/*
 * api.h: the routes.
 *
 *     /             GET           a constant text
 *     /items        GET, POST     list (?after=ID&limit=N), create
 *     /items/ID     GET, PUT, DELETE
 *     /slow         GET           sleeps ?ms=1000
 *     /burn         GET           uses ?ms=200 of CPU time
 *     /fail         GET           answers ?status=500; ?how=null dereferences NULL, ?how=panic panics, and both answer 500, too
 *     /metrics      GET           Prometheus text
 *
 * HEAD goes wherever GET goes, OPTIONS everywhere. An item is a JSON object; the server adds "id" to it.
 */
#ifndef HTTPD_API_H
#define HTTPD_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "http.h"

struct metrics;
struct reply;
struct store;

struct api {
	struct store *store;
	struct metrics *metrics;
};

/* A request as routed. */
struct api_call {
	unsigned route;
	uint64_t id;		   /* of /items/ID */
	struct http_refusal no;	   /* status != 0: the answer is already known, whatever the body */
	const char *allow;	   /* the value of Allow for 405 and OPTIONS */
	bool parks;		   /* the handler may sleep: send what is ready first */
	bool close;		   /* what follows on the connection cannot be trusted */
	const struct http_request *req;
	const char *head;	   /* the spans of req are offsets from here */
};

/* Once, before the first call. */
void api_init(void);

/* Finds the route by the head alone. call->head and call->req are set by the caller. */
void api_route(struct api_call *call);

/* Answers. body is the decoded content. Parks. */
void api_handle(struct api *api, const struct api_call *call, const char *body, size_t len, struct reply *ret);

/* The same, and answers 500 if the handler panics or faults. */
void api_handle_safely(struct api *api, const struct api_call *call, const char *body, size_t len, struct reply *ret);

#endif
