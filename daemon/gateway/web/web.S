/* SPDX-License-Identifier: MIT */
/* The files of the web page, as they are, into the program: rest_web.c. */
	.section .rodata

#define FILE(symbol, name) \
	.global symbol, symbol##_end; \
	.hidden symbol, symbol##_end; \
symbol: \
	.incbin name; \
symbol##_end: \
	.byte 0

FILE(web_index_html, "daemon/gateway/web/index.html")
FILE(web_app_js, "daemon/gateway/web/app.js")
FILE(web_app_css, "daemon/gateway/web/app.css")

	.section .note.GNU-stack,"",%progbits
