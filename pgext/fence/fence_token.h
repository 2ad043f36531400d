/*
 * fence_token.h
 *		The names by which a primary knows its standbys.  A part of fence.h, which
 *		includes it; it needs no PostgreSQL.
 */
#ifndef PGRAFT_FENCE_TOKEN_H
#define PGRAFT_FENCE_TOKEN_H

#include "engine/engine.h"

extern int	pgraft_token_has_prefix(const char *text);
extern int	pgraft_token_parse(const char *text, PgraftToken *token);
extern void pgraft_slot_name(char *name, uint64_t member);

#endif							/* PGRAFT_FENCE_TOKEN_H */
