/*
 * durable.c
 *		Files that are there, whole, after the power fails.
 *
 * For small files of the data directory.  Nothing here is shared: who writes one file
 * is one process at a time.
 */
#include "server/server.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/file_perm.h"
#include "storage/fd.h"

/* More than any file that is read here has. */
#define PGRAFT_MAX_FILE		(16 * 1024 * 1024)

/* The file is as it was, or has this text. */
void
pgraft_write_durably(const char *path, const char *text, size_t len)
{
	char		temporary[MAXPGPATH];
	int			fd;

	snprintf(temporary, sizeof(temporary), "%s.pgraft.tmp", path);
	fd = OpenTransientFilePerm(temporary, O_WRONLY | O_CREAT | O_TRUNC | PG_BINARY,
							   pg_file_create_mode);
	if (fd < 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not create file \"%s\": %m", temporary)));
	errno = 0;
	if (write(fd, text, len) != (ssize_t) len)
	{
		int			failure = errno != 0 ? errno : ENOSPC;

		CloseTransientFile(fd);
		unlink(temporary);
		errno = failure;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not write file \"%s\": %m", temporary)));
	}
	if (CloseTransientFile(fd) != 0)
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not close file \"%s\": %m", temporary)));
	/* syncs the file, then the directory */
	(void) durable_rename(temporary, path, ERROR);
}

/* All of a file, with a 0 behind it; NULL: there is none. */
char *
pgraft_read_file(const char *path, size_t *len)
{
	struct stat st;
	char	   *text = NULL;
	ssize_t		n = -1;
	int			fd = OpenTransientFile(path, O_RDONLY | PG_BINARY);
	int			failure;

	if (fd < 0 && errno == ENOENT)
		return NULL;
	if (fd >= 0 && fstat(fd, &st) == 0)
	{
		if (st.st_size > PGRAFT_MAX_FILE)
		{
			CloseTransientFile(fd);
			ereport(ERROR,
					(errcode(ERRCODE_DATA_CORRUPTED),
					 errmsg("file \"%s\" has %lld bytes, and may have %d", path,
							(long long) st.st_size, PGRAFT_MAX_FILE)));
		}
		text = palloc(st.st_size + 1);
		n = read(fd, text, st.st_size);
	}
	failure = errno;
	if (fd >= 0)
		CloseTransientFile(fd);
	if (n < 0)
	{
		errno = failure;
		ereport(ERROR,
				(errcode_for_file_access(),
				 errmsg("could not read file \"%s\": %m", path)));
	}
	text[n] = '\0';
	if (len != NULL)
		*len = n;
	return text;
}
