/* SPDX-License-Identifier: MIT */
/* The SQL of the PostgreSQL store, as it is, into the program: one script a
 * version, which ends as a string of C does. postgres_sql.h. */
	.section .rodata
	.global pg_schema_1
	.hidden pg_schema_1
pg_schema_1:
	.incbin "store/postgres_tables.sql"
	.incbin "store/postgres_archive.sql"
	.incbin "store/postgres_append.sql"
	.incbin "store/postgres_read.sql"
	.incbin "store/postgres_groups.sql"
	.incbin "store/postgres_import.sql"
	.incbin "store/postgres_trim.sql"
	.byte 0

	.section .note.GNU-stack,"",%progbits
