/* SPDX-License-Identifier: MIT */
/*
 * What every back end asks of the records of an import, in the same words.
 * Pure functions, any thread.
 */
#ifndef GROUPFS_STORE_IMPORT_H
#define GROUPFS_STORE_IMPORT_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"
#include "lib/wire.h"
#include "store/store.h"

enum {
	IMPORT_DROP_FEW = 2000, /* rows that one store_import_drop() removes */
	IMPORT_CLOCK_MS = 24 * 60 * 60 * 1000 /* how far clocks may differ */
};

/* Leaves room for all the lines that a group can have. */
#define IMPORT_OFF_MAX (UINT64_C(1) << 60)

/* Where an import stands, for the next message. */
struct import_point {
	uint64_t next_seq;
	uint64_t last_seq; /* of the whole */
	uint64_t after_ms; /* the time of the one before */
	uint64_t now_ms;
	uint64_t max_content;
};

int import_check_member(const struct wire_port_member *m, uint64_t last_seq,
			uint64_t now_ms, struct err *err);
int import_check_message(const struct wire_message *m,
			 const struct import_point *point, struct err *err);
/* What times are compared with: one who moves a store refuses none. */
uint64_t import_now_ms(const struct store *s);
/* The read pointer that a member gets. */
uint64_t import_pointer(const struct wire_port_member *m, uint64_t last_seq);
/* Whether a message of that time has a client_id that is to be remembered. */
bool import_is_recent(uint64_t time_ms, uint64_t now_ms, uint64_t window_ms);

/* Refusals. */
int import_refuse_unknown(struct err *err);
int import_refuse_id(uint64_t group_id, struct err *err);
int import_refuse_list(struct err *err);
int import_refuse_double(struct str name, struct err *err);
int import_refuse_client_id(struct str sender, uint64_t seq, struct err *err);
int import_refuse_media(const struct wire_media *m, struct err *err);
int import_refuse_full(uint64_t members, uint64_t max, struct err *err);
int import_refuse_no_admin(struct err *err);
int import_refuse_end(uint64_t seq, uint64_t last_seq, struct err *err);

/* Puts "line N: " before the refusal of record n (from 0) of op. */
int import_at_line(const struct store_import *op, uint64_t n, struct err *err);

#endif
