/*
 * text.c
 *		Text between databases, which have encodings of their own, and the log and
 *		the engine, whose text is UTF-8.
 *
 * What is replicated is text, not bytes: an entry from a LATIN1 database reads
 * the same in one that is UTF-8.  A database of SQL_ASCII does not say what its
 * bytes are: they are taken as they are if they are UTF-8, and refused otherwise,
 * as no other database could read them, and none apply them.
 *
 * Nothing here is shared.
 */
#include "base/base.h"

#include "mb/pg_wchar.h"

static bool
is_ascii(const char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (IS_HIGHBIT_SET(text[i]))
			return false;
	return true;
}

/* Text of this database as it goes into the log; *len changes with it. */
const char *
pgraft_text_to_log(const char *text, size_t *len)
{
	const char *data;

	if (is_ascii(text, *len))
		return text;
	data = pg_server_to_any(text, (int) *len, PG_UTF8);
	if (data != text)
		*len = strlen(data);
	return data;
}

/*
 * The other way; *len changes with it.  The result need not end with a zero.
 * Other text than ASCII is to be had in a transaction only, and is an error if this
 * database's encoding does not have its characters.
 */
const char *
pgraft_text_from_log(const char *data, size_t *len)
{
	const char *text;

	if (is_ascii(data, *len) || GetDatabaseEncoding() == PG_SQL_ASCII)
		return data;
	text = pg_any_to_server(data, (int) *len, PG_UTF8);
	if (text != data)
		*len = strlen(text);
	return text;
}

/* Copies as many whole characters as there is room for, and a zero. */
void
pgraft_text_copy(char *to, size_t size, const char *from, int encoding)
{
	size_t		len = pg_encoding_mbcliplen(encoding, from, (int) strnlen(from, size), (int) size - 1);

	memcpy(to, from, len);
	to[len] = '\0';
}

/*
 * Makes a text of that encoding one that this database can hold, in its place,
 * and returns it.  It is for people to read and never refused: what cannot be
 * shown becomes question marks.
 */
char *
pgraft_text_show(char *text, int encoding)
{
	int			here = GetDatabaseEncoding();

	if (here != PG_SQL_ASCII &&
		(here != encoding || !pg_verify_mbstr(here, text, (int) strlen(text), true)))
		for (char *c = text; *c != '\0'; c++)
			if (IS_HIGHBIT_SET(*c))
				*c = '?';
	return text;
}
