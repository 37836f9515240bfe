/* SPDX-License-Identifier: MIT */
#include "store/sqlite_checksum.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>

#include <xxhash.h>

#include "store/sqlite_cache.h"
#include "store/sqlite_log.h"

enum {
	PAGE_BODY = SQ_PAGE - SQ_PAGE_CHECKSUM,
	/* What is read in pieces is less: of the database's header. */
	PIECE_MAX = 512,
	/* In the header of a database. */
	HEADER_SIZE = 100,
	AT_RESERVED = 20,
	AT_VERSION = 60,
	AT_APPLICATION = 68
};

/* Behind it in the same memory is the file of the layer below. */
struct file {
	sqlite3_file base;
	bool is_log;
	bool is_on;		 /* of a database: its pages are checked */
	struct sq_damage damage; /* at == 0: none */
	/* Of a log: frames from this byte on may be written anew with the
	 * checksums they had, until it is synced. */
	uint64_t unsettled;
	uint64_t header_at; /* of a log: the frame's header written last */
	unsigned char page[SQ_PAGE]; /* one that is written */
};

static struct file *of(sqlite3_file *file)
{
	return (struct file *)(void *)file;
}

static sqlite3_file *below(sqlite3_file *file)
{
	return (sqlite3_file *)(void *)(of(file) + 1);
}

static uint32_t get32(const unsigned char *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 |
	       (uint32_t)at[2] << 8 | at[3];
}

/* Pages. */

static void put_checksum(unsigned char *page, uint64_t number)
{
	XXH64_canonical_t out;

	XXH64_canonicalFromHash(&out,
				XXH3_64bits_withSeed(page, PAGE_BODY, number));
	memcpy(page + PAGE_BODY, out.digest, SQ_PAGE_CHECKSUM);
}

static bool is_sound(const unsigned char *page, uint64_t number)
{
	XXH64_canonical_t in;

	memcpy(in.digest, page + PAGE_BODY, SQ_PAGE_CHECKSUM);
	return XXH64_hashFromCanonical(&in) ==
	       XXH3_64bits_withSeed(page, PAGE_BODY, number);
}

/* What SQLite reads in one piece of a database that has checksums is a page of
 * ours, all of it, or the header says what is not so. */
static int check_page(struct file *f, const void *page, int amount,
		      sqlite3_int64 offset, int result)
{
	uint64_t number = (uint64_t)offset / SQ_PAGE + 1;

	if (result != SQLITE_OK && result != SQLITE_IOERR_SHORT_READ)
		return result;
	if (result == SQLITE_OK && amount == SQ_PAGE && offset % SQ_PAGE == 0 &&
	    is_sound(page, number))
		return SQLITE_OK;
	f->damage = (struct sq_damage){ .at = number };
	return SQLITE_IOERR_DATA;
}

static int check_frame(sqlite3_file *file, const void *page,
		       sqlite3_int64 offset)
{
	struct file *f = of(file);
	int result;

	if ((uint64_t)offset >= f->unsettled)
		return SQLITE_OK;
	result = sq_log_check_frame(below(file), page, offset);
	if (result == SQLITE_IOERR_DATA)
		f->damage = (struct sq_damage){ .in_log = true,
						.at = (uint64_t)offset };
	return result;
}

static int read_file(sqlite3_file *file, void *out, int amount,
		     sqlite3_int64 offset)
{
	struct file *f = of(file);
	int result =
		below(file)->pMethods->xRead(below(file), out, amount, offset);

	if (f->is_log)
		return result == SQLITE_OK && amount == SQ_PAGE
			       ? check_frame(file, out, offset)
			       : result;
	if (!f->is_on || amount < PIECE_MAX)
		return result;
	return check_page(f, out, amount, offset, result);
}

/* A page that is written twice in a transaction lies where it lay, and only
 * the commit corrects the checksums from there on. */
static void note_frame(struct file *f, int amount, uint64_t offset)
{
	if (amount == SQ_LOG_FRAME_HEADER)
		f->header_at = offset;
	else if (amount == SQ_PAGE &&
		 offset != f->header_at + SQ_LOG_FRAME_HEADER &&
		 offset < f->unsettled)
		f->unsettled = offset;
}

/* To SQLite only ENOSPC is a disk that is full, and nothing worse; a full quota
 * is, too. */
static int put(sqlite3_file *file, const void *data, int amount,
	       sqlite3_int64 offset)
{
	const sqlite3_io_methods *m = below(file)->pMethods;
	int result = m->xWrite(below(file), data, amount, offset);
	int number = 0;

	if (result == SQLITE_IOERR_WRITE &&
	    m->xFileControl(below(file), SQLITE_FCNTL_LAST_ERRNO, &number) ==
		    SQLITE_OK &&
	    number == EDQUOT)
		return SQLITE_FULL;
	return result;
}

/* The page is SQLite's, so the checksum goes to a copy of it. */
static int write_file(sqlite3_file *file, const void *data, int amount,
		      sqlite3_int64 offset)
{
	struct file *f = of(file);

	if (f->is_log)
		note_frame(f, amount, (uint64_t)offset);
	if (f->is_log || !f->is_on)
		return put(file, data, amount, offset);
	assert(amount == SQ_PAGE && offset % SQ_PAGE == 0);
	memcpy(f->page, data, SQ_PAGE);
	assert(offset != 0 || f->page[AT_RESERVED] == SQ_PAGE_CHECKSUM);
	put_checksum(f->page, (uint64_t)offset / SQ_PAGE + 1);
	return put(file, f->page, amount, offset);
}

static int sync_file(sqlite3_file *file, int flags)
{
	int result = below(file)->pMethods->xSync(below(file), flags);

	if (result == SQLITE_OK)
		of(file)->unsettled = UINT64_MAX;
	return result;
}

/* All else is the layer's below. */

static int close_file(sqlite3_file *file)
{
	return below(file)->pMethods->xClose(below(file));
}

static int truncate_file(sqlite3_file *file, sqlite3_int64 size)
{
	return below(file)->pMethods->xTruncate(below(file), size);
}

static int file_size(sqlite3_file *file, sqlite3_int64 *size)
{
	return below(file)->pMethods->xFileSize(below(file), size);
}

static int lock_file(sqlite3_file *file, int level)
{
	return below(file)->pMethods->xLock(below(file), level);
}

static int unlock_file(sqlite3_file *file, int level)
{
	return below(file)->pMethods->xUnlock(below(file), level);
}

static int check_reserved_lock(sqlite3_file *file, int *out)
{
	return below(file)->pMethods->xCheckReservedLock(below(file), out);
}

static int file_control(sqlite3_file *file, int op, void *arg)
{
	return below(file)->pMethods->xFileControl(below(file), op, arg);
}

static int sector_size(sqlite3_file *file)
{
	return below(file)->pMethods->xSectorSize(below(file));
}

static int device_characteristics(sqlite3_file *file)
{
	return below(file)->pMethods->xDeviceCharacteristics(below(file));
}

static int shm_map(sqlite3_file *file, int region, int size, int extend,
		   void volatile **out)
{
	return below(file)->pMethods->xShmMap(below(file), region, size, extend,
					      out);
}

static int shm_lock(sqlite3_file *file, int offset, int n, int flags)
{
	return below(file)->pMethods->xShmLock(below(file), offset, n, flags);
}

static void shm_barrier(sqlite3_file *file)
{
	below(file)->pMethods->xShmBarrier(below(file));
}

static int shm_unmap(sqlite3_file *file, int remove)
{
	return below(file)->pMethods->xShmUnmap(below(file), remove);
}

/* Version 2 has no xFetch: no page is mapped, past read_file(). */
static const sqlite3_io_methods methods = {
	.iVersion = 2,
	.xClose = close_file,
	.xRead = read_file,
	.xWrite = write_file,
	.xTruncate = truncate_file,
	.xSync = sync_file,
	.xFileSize = file_size,
	.xLock = lock_file,
	.xUnlock = unlock_file,
	.xCheckReservedLock = check_reserved_lock,
	.xFileControl = file_control,
	.xSectorSize = sector_size,
	.xDeviceCharacteristics = device_characteristics,
	.xShmMap = shm_map,
	.xShmLock = shm_lock,
	.xShmBarrier = shm_barrier,
	.xShmUnmap = shm_unmap,
};

/* Opening. */

static sqlite3_vfs layer;
static pthread_once_t layer_once = PTHREAD_ONCE_INIT;

static sqlite3_vfs *vfs_below(sqlite3_vfs *vfs)
{
	return vfs->pAppData;
}

/* A database of format 6, or one that gets its first page here. Either of two
 * numbers that no single flipped bit changes into what they are without:
 * otherwise that bit would be what switches the checks off. */
static int find_out(sqlite3_file *file)
{
	unsigned char header[HEADER_SIZE];
	sqlite3_int64 size;
	int result = below(file)->pMethods->xFileSize(below(file), &size);

	if (result != SQLITE_OK)
		return result;
	if (size == 0) {
		of(file)->is_on = true;
		return SQLITE_OK;
	}
	result = below(file)->pMethods->xRead(below(file), header,
					      sizeof(header), 0);
	if (result == SQLITE_IOERR_SHORT_READ)
		return SQLITE_OK; /* which SQLite calls no database */
	of(file)->is_on =
		header[AT_RESERVED] == SQ_PAGE_CHECKSUM ||
		(get32(header + AT_APPLICATION) == SQ_APPLICATION_ID &&
		 get32(header + AT_VERSION) > SQ_NO_CHECKSUMS);
	return result;
}

static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *file,
		     int flags, int *out_flags)
{
	struct file *f = of(file);
	int result;

	if ((flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)) == 0)
		return vfs_below(vfs)->xOpen(vfs_below(vfs), name, file, flags,
					     out_flags);
	memset(f, 0, sizeof(*f));
	f->is_log = (flags & SQLITE_OPEN_WAL) != 0;
	f->unsettled = UINT64_MAX;
	f->header_at = UINT64_MAX - SQ_LOG_FRAME_HEADER;
	result = vfs_below(vfs)->xOpen(vfs_below(vfs), name, below(file), flags,
				       out_flags);
	if (result == SQLITE_OK && !f->is_log)
		result = find_out(file);
	/* SQLite closes what has methods, even where this fails. */
	if (below(file)->pMethods != NULL)
		f->base.pMethods = &methods;
	return result;
}

static int delete_file(sqlite3_vfs *vfs, const char *name, int sync)
{
	return vfs_below(vfs)->xDelete(vfs_below(vfs), name, sync);
}

static int access_file(sqlite3_vfs *vfs, const char *name, int flags, int *out)
{
	return vfs_below(vfs)->xAccess(vfs_below(vfs), name, flags, out);
}

static int full_pathname(sqlite3_vfs *vfs, const char *name, int size,
			 char *out)
{
	return vfs_below(vfs)->xFullPathname(vfs_below(vfs), name, size, out);
}

static int randomness(sqlite3_vfs *vfs, int size, char *out)
{
	return vfs_below(vfs)->xRandomness(vfs_below(vfs), size, out);
}

static int sleep_us(sqlite3_vfs *vfs, int us)
{
	return vfs_below(vfs)->xSleep(vfs_below(vfs), us);
}

static int current_time(sqlite3_vfs *vfs, double *out)
{
	return vfs_below(vfs)->xCurrentTime(vfs_below(vfs), out);
}

static int last_error(sqlite3_vfs *vfs, int size, char *out)
{
	return vfs_below(vfs)->xGetLastError(vfs_below(vfs), size, out);
}

static int current_time_ms(sqlite3_vfs *vfs, sqlite3_int64 *out)
{
	return vfs_below(vfs)->xCurrentTimeInt64(vfs_below(vfs), out);
}

/* Not the default: others in the process open files of their own. */
static void make_layer(void)
{
	sqlite3_vfs *under;

	sq_cache_set_up();
	under = sqlite3_vfs_find(NULL);
	if (under == NULL)
		return;
	layer = (sqlite3_vfs){
		.iVersion = 2,
		.szOsFile = (int)sizeof(struct file) + under->szOsFile,
		.mxPathname = under->mxPathname,
		.zName = "groupd",
		.pAppData = under,
		.xOpen = open_file,
		.xDelete = delete_file,
		.xAccess = access_file,
		.xFullPathname = full_pathname,
		.xRandomness = randomness,
		.xSleep = sleep_us,
		.xCurrentTime = current_time,
		.xGetLastError = last_error,
		.xCurrentTimeInt64 = current_time_ms,
	};
	if (sqlite3_vfs_register(&layer, 0) != SQLITE_OK)
		layer.zName = NULL;
}

const char *sq_checksum_vfs(void)
{
	pthread_once(&layer_once, make_layer);
	return layer.zName;
}

/* What a connection has open. */

static struct file *file_of(sqlite3 *db, int which)
{
	sqlite3_file *file = NULL;

	if (db == NULL ||
	    sqlite3_file_control(db, "main", which, &file) != SQLITE_OK ||
	    file == NULL || file->pMethods != &methods)
		return NULL;
	return of(file);
}

int sq_checksum_reserve(sqlite3 *db)
{
	int bytes = SQ_PAGE_CHECKSUM;

	return sqlite3_file_control(db, "main", SQLITE_FCNTL_RESERVE_BYTES,
				    &bytes);
}

bool sq_checksum_is_on(sqlite3 *db)
{
	const struct file *f = file_of(db, SQLITE_FCNTL_FILE_POINTER);

	return f != NULL && f->is_on;
}

bool sq_checksum_damage(sqlite3 *db, struct sq_damage *out)
{
	static const int files[] = { SQLITE_FCNTL_FILE_POINTER,
				     SQLITE_FCNTL_JOURNAL_POINTER };

	for (size_t i = 0; i < 2; i++) {
		const struct file *f = file_of(db, files[i]);

		if (f != NULL && f->damage.at != 0) {
			*out = f->damage;
			return true;
		}
	}
	return false;
}

int sq_checksum_read(sqlite3 *db, uint64_t number)
{
	unsigned char page[SQ_PAGE];

	return sq_checksum_get(db, number, page);
}

int sq_checksum_get(sqlite3 *db, uint64_t number, void *page)
{
	struct file *f = file_of(db, SQLITE_FCNTL_FILE_POINTER);
	struct sq_damage before;
	int result;

	if (f == NULL)
		return SQLITE_MISUSE;
	before = f->damage;
	result = read_file(&f->base, page, SQ_PAGE,
			   (sqlite3_int64)(number - 1) * SQ_PAGE);
	f->damage = before;
	return result;
}

int sq_checksum_pages(sqlite3 *db, uint64_t *pages)
{
	struct file *f = file_of(db, SQLITE_FCNTL_FILE_POINTER);
	sqlite3_int64 size = 0;
	int result = f == NULL ? SQLITE_MISUSE : file_size(&f->base, &size);

	*pages = ((uint64_t)size + SQ_PAGE - 1) / SQ_PAGE;
	return result;
}
