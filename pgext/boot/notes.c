/*
 * notes.c
 *		What a server's host keeps on disk, from text and back.
 *
 * A note is read only if writing it again gives the same bytes.  So reading may be
 * lenient: what differs by a byte is damage, or of another version.
 *
 * It needs no PostgreSQL, so that a test of Go's compiles it alone, and compares it
 * with core/failover/host's.  Nothing here is shared.
 */
#include "boot/notes.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "boot/boot_rules.h"

#define DATA_KIND	"pgraft data "
#define STORE_KIND	"pgraft store "
#define VERSION		"1\n"
#define CRC_LINE	"crc32c %08" PRIx32 "\n"

/* Text that is read; not ok: it is none of ours. */
typedef struct Reader
{
	const char *at;
	int			ok;
} Reader;

/* What is written, and how long it is, be there room or not. */
typedef struct Writer
{
	char	   *buf;
	size_t		size;
	size_t		len;
} Writer;

static int
begins(const Reader *r, const char *word)
{
	return r->ok && strncmp(r->at, word, strlen(word)) == 0;
}

/* A number behind a word. */
static uint64_t
number(Reader *r, const char *word, int base, uint64_t max)
{
	uint64_t	n;
	char	   *end;

	r->ok = begins(r, word);
	if (!r->ok)
		return 0;
	r->at += strlen(word);
	errno = 0;
	n = strtoull(r->at, &end, base);
	r->ok = end != r->at && errno == 0 && n <= max;
	r->at = end;
	return r->ok ? n : 0;
}

static uint64_t
lsn(Reader *r, const char *word)
{
	uint64_t	high = number(r, word, 16, UINT32_MAX);

	return high << 32 | number(r, "/", 16, UINT32_MAX);
}

static void put(Writer *w, const char *format,...) __attribute__((format(printf, 2, 3)));

static void
put(Writer *w, const char *format,...)
{
	va_list		args;
	size_t		room = w->len < w->size ? w->size - w->len : 0;

	va_start(args, format);
	w->len += (size_t) vsnprintf(room > 0 ? w->buf + w->len : NULL, room, format, args);
	va_end(args);
}

static void
put_lsn(Writer *w, const char *name, uint64_t lsn)
{
	put(w, "%s %" PRIX32 "/%" PRIX32 "\n", name, (uint32_t) (lsn >> 32), (uint32_t) lsn);
}

/* The CRC-32C of what is there, bit by bit: it is little. */
static void
put_crc(Writer *w)
{
	uint32_t	crc = UINT32_MAX;

	for (size_t i = 0; i < w->len && i < w->size; i++)
	{
		crc ^= (unsigned char) w->buf[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ ((crc & 1) != 0 ? UINT32_C(0x82f63b78) : 0);
	}
	put(w, CRC_LINE, ~crc);
}

size_t
pgraft_data_note_write(const PgraftDataNote *note, char *buf, size_t size)
{
	Writer		w = {buf, size, 0};

	put(&w, DATA_KIND VERSION);
	put(&w, "joined %" PRIu32 "\njoined_on %" PRIu32 "\nsealed %" PRIu64 "\n",
		note->joined, note->joined_on, note->sealed);
	put_lsn(&w, "cut", note->cut);
	put(&w, "anew %" PRIu64 "\nnonce %016" PRIx64 "\ndoubt %" PRIu32 "\nunguarded %" PRIu32 "\n",
		note->anew, note->nonce, note->doubt, note->unguarded);
	for (size_t i = 0; i < note->nnotes; i++)
		put(&w, "timeline %" PRIu32 " %" PRIu64 "\n", note->notes[i].timeline, note->notes[i].epoch);
	for (size_t i = 0; i < note->nwrote; i++)
		put(&w, "wrote %" PRIu32 "\n", note->wrote[i]);
	put_crc(&w);
	return w.len;
}

size_t
pgraft_store_note_write(const PgraftStoreNote *note, char *buf, size_t size)
{
	Writer		w = {buf, size, 0};
	char		floor[64];

	put(&w, STORE_KIND VERSION);
	put(&w, "joined %" PRIu32 "\nboot %" PRIu64 "\nnonce %016" PRIx64 "\nnext_nonce %016" PRIx64 "\n",
		note->joined, note->boot, note->nonce, note->next_nonce);
	snprintf(floor, sizeof(floor), "floor %" PRIu64, note->floor_epoch);
	put_lsn(&w, floor, note->floor_lsn);
	put_crc(&w);
	return w.len;
}

/* Which fault text of a kind has that is none of this version's. */
static PgraftNoteFault
fault(const char *text, const char *kind)
{
	Reader		r = {text, 1};

	if (begins(&r, kind) && strncmp(text + strlen(kind), VERSION, strlen(VERSION)) != 0)
		return PGRAFT_NOTE_OTHER_VERSION;
	return PGRAFT_NOTE_DAMAGED;
}

static int
is_same(const char *text, size_t len, const char *written, size_t written_len)
{
	return len == written_len && memcmp(text, written, len) == 0;
}

static void
read_data(Reader *r, PgraftDataNote *note)
{
	note->joined = number(r, DATA_KIND VERSION "joined ", 10, 1);
	note->joined_on = number(r, "\njoined_on ", 10, UINT32_MAX);
	note->sealed = number(r, "\nsealed ", 10, UINT64_MAX);
	note->cut = lsn(r, "\ncut ");
	note->anew = number(r, "\nanew ", 10, UINT64_MAX);
	note->nonce = number(r, "\nnonce ", 16, UINT64_MAX);
	note->doubt = number(r, "\ndoubt ", 10, PGRAFT_DOUBTS - 1);
	note->unguarded = number(r, "\nunguarded ", 10, 1);
	while (begins(r, "\ntimeline "))
	{
		PgraftNote *n = &note->notes[note->nnotes++];

		n->timeline = number(r, "\ntimeline ", 10, UINT32_MAX);
		n->epoch = number(r, " ", 10, UINT64_MAX);
	}
	while (begins(r, "\nwrote "))
		note->wrote[note->nwrote++] = number(r, "\nwrote ", 10, UINT32_MAX);
}

PgraftNoteFault
pgraft_data_note_read(const char *text, size_t len, PgraftDataNote *note)
{
	Reader		r = {text, 1};
	size_t		lines = 1;
	char	   *written = malloc(len + 1);

	for (size_t i = 0; i < len; i++)
		lines += text[i] == '\n';
	memset(note, 0, sizeof(*note));
	note->notes = calloc(lines, sizeof(PgraftNote));
	note->wrote = calloc(lines, sizeof(uint32_t));
	if (written == NULL || note->notes == NULL || note->wrote == NULL)
	{
		free(written);
		return PGRAFT_NOTE_NO_MEMORY;
	}
	read_data(&r, note);
	r.ok = r.ok && is_same(text, len, written, pgraft_data_note_write(note, written, len + 1));
	free(written);
	return r.ok ? PGRAFT_NOTE_READ : fault(text, DATA_KIND);
}

PgraftNoteFault
pgraft_store_note_read(const char *text, size_t len, PgraftStoreNote *note)
{
	Reader		r = {text, 1};
	char		written[256];	/* more than a note has */

	note->joined = number(&r, STORE_KIND VERSION "joined ", 10, 1);
	note->boot = number(&r, "\nboot ", 10, UINT64_MAX);
	note->nonce = number(&r, "\nnonce ", 16, UINT64_MAX);
	note->next_nonce = number(&r, "\nnext_nonce ", 16, UINT64_MAX);
	note->floor_epoch = number(&r, "\nfloor ", 10, UINT64_MAX);
	note->floor_lsn = lsn(&r, " ");
	if (r.ok && is_same(text, len, written, pgraft_store_note_write(note, written, sizeof(written))))
		return PGRAFT_NOTE_READ;
	return fault(text, STORE_KIND);
}
