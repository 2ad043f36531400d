/*
 * fence_token.c
 *		The names by which a primary knows its standbys: a token as text, and the
 *		slot of a member.  fencing.h says how they are made.
 *
 * It needs no PostgreSQL, so that a test of Go's compiles it alone, and compares it
 * with what the engine makes.  Nothing here is shared.
 */
#include "fence/fence_token.h"

#include <stdio.h>
#include <string.h>

int
pgraft_token_has_prefix(const char *text)
{
	return strncmp(text, PGRAFT_TOKEN_PREFIX, strlen(PGRAFT_TOKEN_PREFIX)) == 0;
}

/*
 * One number to the base of 36; NULL if there is none, it has more than 64 bits, or
 * zeros in front: a token has one name.
 */
static const char *
parse_number(const char *text, uint64_t *number)
{
	const char *c;

	*number = 0;
	for (c = text; (*c >= '0' && *c <= '9') || (*c >= 'a' && *c <= 'z'); c++)
	{
		if (__builtin_mul_overflow(*number, UINT64_C(36), number) ||
			__builtin_add_overflow(*number, (uint64_t) (*c <= '9' ? *c - '0' : *c - 'a' + 10), number))
			return NULL;
	}
	if (c == text || (*text == '0' && c != text + 1))
		return NULL;
	return c;
}

/* 1, or 0 if the text is no token. */
int
pgraft_token_parse(const char *text, PgraftToken *token)
{
	uint64_t   *const numbers[] = {&token->epoch, &token->boot, &token->member, &token->follow};

	if (!pgraft_token_has_prefix(text))
		return 0;
	text += strlen(PGRAFT_TOKEN_PREFIX);
	for (int i = 0; i < 4; i++)
	{
		text = parse_number(text, numbers[i]);
		if (text == NULL || *text != (i == 3 ? '\0' : '-'))
			return 0;
		text++;
	}
	return 1;
}

/* name has PGRAFT_SLOT_NAME_BYTES bytes */
void
pgraft_slot_name(char *name, uint64_t member)
{
	snprintf(name, PGRAFT_SLOT_NAME_BYTES, PGRAFT_SLOT_NAME, (unsigned) (member & UINT32_MAX), (unsigned) (member >> 32));
}
