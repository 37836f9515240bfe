/* SPDX-License-Identifier: MIT */
#include "lib/text.h"

#include <string.h>

#define MS_PER_DAY UINT64_C(86400000)
/* 9999-12-31T23:59:59.999Z, the last time that four digits of year can say */
#define TIME_MS_MAX UINT64_C(253402300799999)

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static bool is_name_byte(char c)
{
	return is_lower(c) || is_digit(c) || c == '.' || c == '_' || c == '-';
}

static bool are_name_bytes(struct str s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!is_name_byte(s.data[i]))
			return false;
	}
	return true;
}

bool text_is_group_name(struct str name)
{
	return name.len >= 1 && name.len <= WIRE_NAME_MAX &&
	       (is_lower(name.data[0]) || is_digit(name.data[0])) &&
	       are_name_bytes(name);
}

static bool starts_user_name(char c)
{
	return is_lower(c) || is_digit(c) || c == '_';
}

bool text_is_user_name(struct str name)
{
	return name.len >= 1 && name.len <= WIRE_USER_MAX &&
	       starts_user_name(name.data[0]) && are_name_bytes(name) &&
	       !str_eq(name, str_of("everyone"));
}

bool text_is_file_name(struct str name)
{
	struct buf escaped = { 0 };
	bool good;

	if (name.len == 0 || name.len > WIRE_FILE_MAX || name.data[0] == '.' ||
	    memchr(name.data, '/', name.len) != NULL || !text_is_utf8(name))
		return false;
	text_escape(&escaped, name);
	good = !escaped.failed && str_eq(buf_str(&escaped), name);
	buf_release(&escaped);
	return good;
}

bool text_next_word(struct str *list, struct str *word)
{
	size_t begin = 0;
	size_t end;

	while (begin < list->len && list->data[begin] == ' ')
		begin++;
	if (begin == list->len)
		return false;
	end = begin;
	while (end < list->len && list->data[end] != ' ')
		end++;
	*word = str_make(list->data + begin, end - begin);
	*list = str_make(list->data + end, list->len - end);
	return true;
}

static bool is_unreserved(char c)
{
	return is_name_byte(c) || (c >= 'A' && c <= 'Z') || c == '~';
}

void text_media_url(struct buf *b, struct str name)
{
	buf_printf(b, "media/");
	for (size_t i = 0; i < name.len; i++) {
		if (is_unreserved(name.data[i]))
			buf_append_char(b, name.data[i]);
		else
			buf_printf(b, "%%%02X",
				   (unsigned)(uint8_t)name.data[i]);
	}
}

/*
 * UTF-8
 */

static bool is_trail(uint8_t c)
{
	return (c & 0xc0) == 0x80;
}

/* The bounds of the second byte are RFC 3629's: they shut out overlong forms,
 * surrogates and what lies above U+10FFFF. */
size_t text_char_len(const uint8_t *s, size_t left)
{
	uint8_t low = 0x80;
	uint8_t high = 0xbf;
	size_t n;

	if (s[0] < 0x80)
		return 1;
	if (s[0] >= 0xc2 && s[0] <= 0xdf)
		n = 2;
	else if (s[0] >= 0xe0 && s[0] <= 0xef)
		n = 3;
	else if (s[0] >= 0xf0 && s[0] <= 0xf4)
		n = 4;
	else
		return 0;
	if (s[0] == 0xe0)
		low = 0xa0;
	else if (s[0] == 0xed)
		high = 0x9f;
	else if (s[0] == 0xf0)
		low = 0x90;
	else if (s[0] == 0xf4)
		high = 0x8f;
	if (left < n || s[1] < low || s[1] > high)
		return 0;
	for (size_t i = 2; i < n; i++) {
		if (!is_trail(s[i]))
			return 0;
	}
	return n;
}

bool text_is_utf8(struct str s)
{
	const uint8_t *at = (const uint8_t *)s.data;
	size_t left = s.len;

	while (left > 0) {
		uint64_t eight;
		size_t n;

		/* Most text is ASCII: eight bytes at once. */
		if (left >= sizeof(eight)) {
			memcpy(&eight, at, sizeof(eight));
			if ((eight & UINT64_C(0x8080808080808080)) == 0) {
				at += sizeof(eight);
				left -= sizeof(eight);
				continue;
			}
		}
		n = text_char_len(at, left);
		if (n == 0)
			return false;
		at += n;
		left -= n;
	}
	return true;
}

/*
 * Times
 */

/* 0 to 99, two digits each. */
static const char pairs[] = "0001020304050607080910111213141516171819"
			    "2021222324252627282930313233343536373839"
			    "4041424344454647484950515253545556575859"
			    "6061626364656667686970717273747576777879"
			    "8081828384858687888990919293949596979899";

/* Writes v, which is below 100, as two digits. */
static void put_two(char *out, uint32_t v)
{
	memcpy(out, pairs + (size_t)2 * v, 2);
}

static bool get_digits(const char *in, size_t digits, uint64_t *out)
{
	*out = 0;
	for (size_t i = 0; i < digits; i++) {
		if (!is_digit(in[i]))
			return false;
		*out = *out * 10 + (uint64_t)(in[i] - '0');
	}
	return true;
}

/* Days from 1970-01-01 to a date of the Gregorian calendar. Years begin in
 * March here, so that the leap day is a year's last. */
static uint64_t days_of_date(uint64_t year, uint64_t month, uint64_t day)
{
	uint64_t y = month > 2 ? year : year - 1;
	uint64_t m = month > 2 ? month - 3 : month + 9;
	uint64_t days = y * 365 + y / 4 - y / 100 + y / 400;

	return days + (153 * m + 2) / 5 + day - 1 - 719468;
}

/* The inverse, by eras of 400 years (146097 days). Of 32 bits: the years have
 * four digits. */
static void date_of_days(uint32_t days, uint32_t *year, uint32_t *month,
			 uint32_t *day)
{
	uint32_t z = days + 719468;
	uint32_t era = z / 146097;
	uint32_t doe = z % 146097;
	uint32_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
	uint32_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
	uint32_t m = (5 * doy + 2) / 153;

	*day = doy - (153 * m + 2) / 5 + 1;
	*month = m < 10 ? m + 3 : m - 9;
	*year = yoe + era * 400 + (*month <= 2 ? 1 : 0);
}

void text_format_time(char out[TEXT_TIME_LEN + 1], uint64_t time_ms)
{
	uint32_t year;
	uint32_t month;
	uint32_t day;
	uint32_t ms;

	if (time_ms > TIME_MS_MAX)
		time_ms = TIME_MS_MAX;
	date_of_days((uint32_t)(time_ms / MS_PER_DAY), &year, &month, &day);
	ms = (uint32_t)(time_ms % MS_PER_DAY);
	memcpy(out, "0000-00-00T00:00:00.000Z", TEXT_TIME_LEN + 1);
	put_two(out, year / 100);
	put_two(out + 2, year % 100);
	put_two(out + 5, month);
	put_two(out + 8, day);
	put_two(out + 11, ms / 3600000);
	put_two(out + 14, ms / 60000 % 60);
	put_two(out + 17, ms / 1000 % 60);
	put_two(out + 20, ms % 1000 / 10);
	out[22] = (char)('0' + ms % 10);
}

bool text_parse_time(struct str s, uint64_t *time_ms)
{
	uint64_t year;
	uint64_t month;
	uint64_t day;
	uint64_t hour;
	uint64_t minute;
	uint64_t second;
	uint64_t ms;
	char again[TEXT_TIME_LEN + 1];
	uint64_t t;

	if (s.len != TEXT_TIME_LEN)
		return false;
	if (!get_digits(s.data, 4, &year) ||
	    !get_digits(s.data + 5, 2, &month) ||
	    !get_digits(s.data + 8, 2, &day) ||
	    !get_digits(s.data + 11, 2, &hour) ||
	    !get_digits(s.data + 14, 2, &minute) ||
	    !get_digits(s.data + 17, 2, &second) ||
	    !get_digits(s.data + 20, 3, &ms) || year < 1970)
		return false;
	if (month < 1 || month > 12 || day < 1)
		return false;
	t = days_of_date(year, month, day) * MS_PER_DAY + hour * 3600000 +
	    minute * 60000 + second * 1000 + ms;
	/* 30 February, 25:61 and the marks between the digits are all found
	 * by what the time looks like when it is written. */
	text_format_time(again, t);
	if (memcmp(again, s.data, TEXT_TIME_LEN) != 0)
		return false;
	*time_ms = t;
	return true;
}

/*
 * Numbers
 */

char *text_format_u64(char *at, uint64_t v)
{
	char digits[TEXT_U64_MAX];
	size_t n = sizeof(digits);

	for (; v >= 100; v /= 100) {
		n -= 2;
		put_two(digits + n, (uint32_t)(v % 100));
	}
	n -= 2;
	put_two(digits + n, (uint32_t)v);
	n += v < 10;
	memcpy(at, digits + n, sizeof(digits) - n);
	return at + sizeof(digits) - n;
}

bool text_parse_u64(struct str s, uint64_t *out)
{
	uint64_t v = 0;

	if (s.len == 0)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		uint64_t digit;

		if (!is_digit(s.data[i]))
			return false;
		digit = (uint64_t)(s.data[i] - '0');
		if (v > (UINT64_MAX - digit) / 10)
			return false;
		v = v * 10 + digit;
	}
	*out = v;
	return true;
}

/*
 * Mentions
 */

static struct str str_from(struct str s, size_t n)
{
	return str_make(s.data + n, s.len - n);
}

/* Does this byte belong to a word? */
static bool is_word(char c)
{
	return (uint8_t)c >= 0x80 || is_lower(c) || is_digit(c) ||
	       (c >= 'A' && c <= 'Z') || c == '_';
}

/* May an '@' behind this byte begin a mention? */
static bool is_boundary(char c)
{
	return !(is_word(c) || c == '.' || c == '-' || c == '@' || c == '/');
}

/* Bytes of the name that s begins with; 0 when there is none, or when it is
 * only the beginning of a longer word. */
static size_t mention_len(struct str s)
{
	size_t n = 0;

	if (s.len == 0 || !starts_user_name(s.data[0]))
		return 0;
	while (n < s.len && is_name_byte(s.data[n]))
		n++;
	if (n < s.len && is_word(s.data[n]))
		return 0;
	while (s.data[n - 1] == '.' || s.data[n - 1] == '-')
		n--;
	return n > TEXT_MENTION_MAX ? 0 : n;
}

bool text_next_mention(struct str content, size_t *pos, struct str *name)
{
	while (*pos < content.len) {
		struct str rest = str_from(content, *pos);
		const char *mark = memchr(rest.data, '@', rest.len);
		size_t at;
		size_t n;

		if (mark == NULL)
			break;
		at = (size_t)(mark - content.data);
		*pos = at + 1;
		if (at > 0 && !is_boundary(content.data[at - 1]))
			continue;
		n = mention_len(str_from(content, *pos));
		if (n == 0)
			continue;
		*name = str_make(content.data + *pos, n);
		*pos += n;
		return true;
	}
	*pos = content.len;
	return false;
}
