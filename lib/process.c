/* SPDX-License-Identifier: MIT */
#include "lib/process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

size_t process_read_file(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = -1;

	if (fd >= 0) {
		n = read(fd, text, size - 1);
		close(fd);
	}
	if (n < 0)
		n = 0;
	text[n] = '\0';
	return (size_t)n;
}

static const char statm_path[] = "/proc/self/statm";

/* Set once, by who will not be able to open it later. */
static int statm = -1;

void process_keep_open(void)
{
	statm = open(statm_path, O_RDONLY | O_CLOEXEC);
}

static void read_statm(char *text, size_t size)
{
	ssize_t n;

	if (statm < 0) {
		(void)process_read_file(statm_path, text, size);
		return;
	}
	n = pread(statm, text, size - 1, 0);
	text[n < 0 ? 0 : n] = '\0';
}

uint64_t process_resident_bytes(void)
{
	uint64_t total, resident;
	char text[128];

	read_statm(text, sizeof(text));
	if (sscanf(text, "%" SCNu64 " %" SCNu64, &total, &resident) != 2)
		return 0;
	return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

static uint64_t us_of(struct timeval t)
{
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_usec;
}

uint64_t process_cpu_us(void)
{
	struct rusage usage;

	if (getrusage(RUSAGE_SELF, &usage) < 0)
		return 0;
	return us_of(usage.ru_utime) + us_of(usage.ru_stime);
}

uint64_t process_open_fds(void)
{
	DIR *dir = opendir("/proc/self/fd");
	const struct dirent *entry;
	uint64_t count = 0;

	if (dir == NULL)
		return 0;
	while ((entry = readdir(dir)) != NULL)
		count += entry->d_name[0] != '.';
	closedir(dir);
	/* Without the one that we look with. */
	return count - 1;
}

bool process_may(unsigned capability)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = { 0 };

	if (capability >= 32 * _LINUX_CAPABILITY_U32S_3 ||
	    syscall(SYS_capget, &header, sets) < 0)
		return false;
	return (sets[capability / 32].effective >> capability % 32 & 1) != 0;
}
