/*
 * hosting.h
 *		What the host of a server that fails over remembers beside its notes, in
 *		shared memory.  A part of engine.h, which includes it.
 *
 * It is core/failover/host's Memory in a fixed size: core/failover/host/seen.go says
 * what each field means.  Members are named by Raft id, and LSNs are ends.
 */
#ifndef PGRAFT_HOSTING_H
#define PGRAFT_HOSTING_H

#include <stdint.h>

#include "fencing.h"

/* Those that were put in force last; epoch 0: none. */
typedef struct PgraftNames
{
	uint64_t	epoch;
	uint64_t	boot;
	uint64_t	number;
	uint32_t	w;
	uint32_t	nmembers;
	uint64_t	ntokens;
	uint64_t	members[PGRAFT_MAX_COUNTED];
	PgraftToken tokens[PGRAFT_MAX_COUNTED];
} PgraftNames;

typedef struct PgraftMemory
{
	uint64_t	promoting;
	uint64_t	fork;
	PgraftToken follows;
	uint64_t	founding;
	uint64_t	founding_end;
	uint32_t	lacks;			/* 0 or 1, as is the next */
	uint32_t	ended;
	uint32_t	damage;			/* failover.Quarantined */
	uint32_t	unused;
	PgraftNames names;
} PgraftMemory;

#endif							/* PGRAFT_HOSTING_H */
