/* SPDX-License-Identifier: MIT */
/*
 * Messages as text: names, UTF-8, escapes, and the line of `messages`
 *   SEQ TAB TIME TAB SENDER TAB TEXT LF
 * (design.md section 2). A line never changes once written, so what is
 * here is version 1 for ever: a change needs a version beside it in the store.
 *
 * TEXT: "\\" "\n" "\t" "\r" for backslash, LF, TAB, CR; "\xNN" for each byte
 * of the other C0 controls, DEL, C1 (U+0080-9F), U+2028/9 and the bidi
 * controls (U+061C, U+200E/F, U+202A-E, U+2066-9). A reply begins ">SEQ ", a
 * media message "[media URL] ". Where the content of another message would
 * read as one of these, its first byte is written "\xNN", so that TEXT can be
 * turned back into exactly what was sent.
 *
 * Pure functions, any thread.
 */
#ifndef GROUPFS_LIB_TEXT_H
#define GROUPFS_LIB_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/buf.h"
#include "lib/str.h"
#include "lib/wire.h"

enum {
	TEXT_RENDER_VERSION = 1,
	TEXT_TIME_LEN = 24, /* 2026-11-24T12:00:03.120Z */
	TEXT_U64_MAX = 20,  /* digits of the longest number */
	/* A token between a word boundary's '@' and its end. */
	TEXT_MENTION_MAX = WIRE_USER_MAX
};

/* Groups: [a-z0-9][a-z0-9._-]{0,63}. Users: [a-z0-9_][a-z0-9._-]{0,31},
 * "everyone" excepted, which @everyone needs. */
bool text_is_group_name(struct str name);
bool text_is_user_name(struct str name);

/* A file in media/: 1 to WIRE_FILE_MAX bytes of valid UTF-8, no '/', nothing
 * that text_escape() would escape, and not beginning with a dot. */
bool text_is_file_name(struct str name);
/* Appends "media/NAME", each byte of the name but letters, digits and "-._~"
 * percent-encoded (RFC 3986, 2.3): relative to the group, in the mount and in
 * REST. */
void text_media_url(struct buf *b, struct str name);

/* RFC 3629: no overlongs, no surrogates, nothing above U+10FFFF. */
bool text_is_utf8(struct str s);
/* Bytes of the character at s, of which there are left > 0; 0 where it is
 * none. */
size_t text_char_len(const uint8_t *s, size_t left);
/* Of the one at s that text_escape() shows escaped though it is no byte of
 * ASCII: C1, U+2028/9, the bidi controls; 0 for any other. */
size_t text_hidden_len(const uint8_t *s, size_t left);

/* Writes exactly TEXT_TIME_LEN bytes and a NUL. UTC, milliseconds. */
void text_format_time(char out[TEXT_TIME_LEN + 1], uint64_t time_ms);
/* The time of such a string; false when it is not one. */
bool text_parse_time(struct str s, uint64_t *time_ms);

/* Appends s escaped / unescaped. Unescape: -EINVAL on an unknown or cut
 * escape. */
void text_escape(struct buf *b, struct str s);
int text_unescape(struct buf *b, struct str s);

/* The whole line of m (its seq, time_ms, sender, type, media_url, reply_to
 * and content count), and its length in bytes without building it. */
void text_render(struct buf *b, const struct wire_message *m);
size_t text_render_len(const struct wire_message *m);

/* A line as a person writes it into `messages`: ">12 yes" is a reply to 12
 * with the content "yes"; anything else is content as it stands (*reply_to is
 * 0). Numbers are decimal, without leading zero, and fit 64 bits. */
void text_parse_line(struct str line, uint64_t *reply_to, struct str *content);

/*
 * The next "@name" of the content from *pos on, at word boundaries: before
 * the '@' stands nothing, or no letter, digit, '_', '.', '-', '@', '/' nor a
 * byte of 0x80 up; behind the name no letter, digit or byte of 0x80 up. Dots
 * and hyphens at its end do not belong to it ("@bob." is bob), "@Bob", "@bobX"
 * and names that are too long are none. "everyone" is returned like a name.
 * False when there is none left.
 */
bool text_next_mention(struct str content, size_t *pos, struct str *name);

/* The next word of a list with spaces between, as the mentions of a message
 * are stored; *list moves on. False at its end. */
bool text_next_word(struct str *list, struct str *word);

/* Digits of v in decimal. */
size_t text_decimal_len(uint64_t v);
/* Writes them, TEXT_U64_MAX at most and no NUL: where they end. */
char *text_format_u64(char *at, uint64_t v);
/* Appends them. */
void text_put_u64(struct buf *b, uint64_t v);

/* A decimal number without sign that fits 64 bits; false for anything else. */
bool text_parse_u64(struct str s, uint64_t *out);

#endif
