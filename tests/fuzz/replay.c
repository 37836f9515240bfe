/* SPDX-License-Identifier: MIT */
/*
 * In the place of libFuzzer: runs a harness once for each file of its corpus.
 *
 *   fuzz_wire                   those of tests/fuzz/corpus/wire
 *   fuzz_wire FILE|FOLDER ...   these
 *
 * TAP; an invariant that does not hold ends the program, and the last line
 * names the input.
 */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/fuzz/fuzz.h"

static bool read_all(const char *path, struct buf *out)
{
	FILE *f = fopen(path, "rb");
	size_t n = 1;

	if (f == NULL)
		return false;
	buf_clear(out);
	while (n > 0 && buf_reserve(out, 65536)) {
		n = fread(out->data + out->len, 1, 65536, f);
		out->len += n;
	}
	(void)fclose(f);
	return n == 0;
}

static size_t run_file(const char *path)
{
	struct buf content = { 0 };
	char *copy;

	if (!read_all(path, &content)) {
		printf("not ok - %s cannot be read\n", path);
		exit(1);
	}
	printf("# %s\n", path);
	(void)fflush(stdout);
	copy = fuzz_copy(buf_str(&content));
	(void)LLVMFuzzerTestOneInput((const uint8_t *)copy, content.len);
	free(copy);
	buf_release(&content);
	return 1;
}

static size_t run(const char *path)
{
	struct dirent **names = NULL;
	struct stat st;
	size_t count = 0;
	int n;

	if (stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
		return run_file(path);
	n = scandir(path, &names, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		struct buf file = { 0 };

		buf_printf(&file, "%s/%s", path, names[i]->d_name);
		if (names[i]->d_name[0] != '.')
			count += run_file(buf_cstr(&file));
		buf_release(&file);
		free(names[i]);
	}
	free(names);
	return count;
}

int main(int argc, char **argv)
{
	const char *slash = strrchr(argv[0], '/');
	const char *name = slash == NULL ? argv[0] : slash + 1;
	struct buf corpus = { 0 };
	size_t count = 0;

	buf_printf(&corpus, "tests/fuzz/corpus/%s", name + strlen("fuzz_"));
	/* An empty input is always one. */
	(void)LLVMFuzzerTestOneInput((const uint8_t *)"", 0);
	if (argc == 1)
		count = run(buf_cstr(&corpus));
	for (int i = 1; i < argc; i++)
		count += run(argv[i]);
	printf("%s 1 - %s: %zu inputs of its corpus\n1..1\n",
	       count > 0 ? "ok" : "not ok", name, count);
	buf_release(&corpus);
	return count > 0 ? 0 : 1;
}
